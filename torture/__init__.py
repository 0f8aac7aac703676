"""Faults that are injected, and figures on how they were stood: `make torture`."""
