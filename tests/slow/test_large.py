"""A million rows of ten thousand persons: memory, accounting, and pools against none."""

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PERSONS, ROWS = 10_000, 1_000_000


def test_a_million_rows(start, simulated, exported, tmp_path):
    source = simulated(PERSONS, ROWS)
    found = {}
    for enabled in ("true", "false"):
        config = tmp_path / f"{enabled}.toml"
        config.write_text(f"threading.enabled = {enabled}\n")
        arguments = ("ingest", source, "--no-dashboards", "--retro", "off", "--json")
        process = start(*arguments, "--config", config, "--data-dir", tmp_path / enabled)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err
        found[enabled] = json.loads(out.splitlines()[-1])
    outcomes = ("accepted", "rejected", "duplicates", "quarantined", "excluded", "failed")
    for counts in found.values():
        assert counts["rows_in"] == ROWS == sum(counts[name] for name in outcomes)
        assert counts["users"] == PERSONS
        assert counts["failed"] == counts["excluded"] == 0
        assert counts["peak_rss_mb"] < 1000
    assert found["true"]["peak_rss_mb"] <= 2 * found["false"]["peak_rss_mb"]
    assert exported(tmp_path / "true") == exported(tmp_path / "false")
