"""pytest's plugin for mutants of the engine: its kernels run uncompiled (NUMBA_DISABLE_JIT=1).

A mutated kernel would compile for most of a minute.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from weightstream.engine import filter, smoother
from weightstream.engine.reference import PACKAGE, as_records, plain


def uncompiled(kernel: Callable[..., None]) -> Callable[..., None]:
    """Give the kernel records with named fields, which only compiled code has by itself."""

    def run(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            kernel(*(as_records(a) if isinstance(a, np.ndarray) else a for a in arguments))

    return run


for name, twin in plain().items():
    module = importlib.import_module(f"{PACKAGE}.{name}")
    if hasattr(twin, "np"):
        module.__dict__["np"] = twin.np
for module, name in ((filter, "filter_kernel"), (smoother, "smooth_kernel")):
    setattr(module, name, uncompiled(getattr(module, name)))
