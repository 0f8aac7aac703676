"""How kernels are compiled: without the GIL, with NaN kept, cached on disk.

numba voids a cached kernel when the kernel's own file changes, but not when a helper in another
file does. So the cache of this folder is dropped whenever one of its sources is newer.
"""

from collections.abc import Callable
from pathlib import Path

from numba import njit

jit = njit(nogil=True, cache=True, error_model="numpy")


def kernel(signature: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile at import, for exactly these types."""
    return njit(signature, nogil=True, cache=True, error_model="numpy")


def drop_stale_cache(folder: Path) -> None:
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for index in folder.glob("__pycache__/*.nbi"):
        try:
            if index.stat().st_mtime <= newest:
                index.unlink()
        except OSError:  # another process was faster, or the folder is read-only and numba's
            continue  # cache is elsewhere


drop_stale_cache(Path(__file__).parent)
