"""How kernels are compiled: without the GIL, with NaN kept, cached on disk.

numba voids a cached kernel when the kernel's own file changes, but not when a helper in another
file does. So the cache of this folder is dropped whenever one of its sources is newer.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

from weightstream.own_folder import own_temporary_folder


def cache_is_kept() -> bool:
    """Whether compiled kernels can be kept on disk, at worst in a temporary folder of this user.

    numba keeps them beside the source or in the user's cache folder, and fails where it may write
    in neither, as in a container whose file system is read-only.
    """
    try:
        njit(cache=True)(cache_is_kept)
    except RuntimeError:
        pass
    else:
        return True
    folder = own_temporary_folder()
    if folder is None:
        return False
    try:
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
        njit(cache=True)(cache_is_kept)
    except (OSError, RuntimeError):
        return False
    return True


CACHE = cache_is_kept()
_COMPILE: Any = njit  # numba's own types know neither all options nor its signatures
_HELPER = {
    "nogil": True, "cache": CACHE, "error_model": "numpy", "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True, "_nrt": False,
}  # fmt: skip
jit = _COMPILE(**_HELPER)
"""For what only compiled code calls and what allocates nothing: without the wrappers by which
Python would call it, and without counting references, it compiles in a fraction of the time."""
inlined = _COMPILE(**_HELPER, forceinline=True)
"""The same, put into its caller: a call copies seven numbers for each array among its arguments,
which doubles the time of a reading. It takes longer to compile, so it is for what each reading or
each pair of courses needs and few places call."""
shared = njit(nogil=True, cache=CACHE, error_model="numpy")
"""For what Python calls too, or what allocates."""


def kernel(signature: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile at import, for exactly these types."""
    compiled: Callable[[Callable[..., None]], Callable[..., None]] = _COMPILE(
        signature, nogil=True, cache=CACHE, error_model="numpy"
    )
    return compiled


def drop_stale_cache(folder: Path) -> None:
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for index in folder.glob("__pycache__/*.nbi"):
        try:
            if index.stat().st_mtime <= newest:
                index.unlink()
        except OSError:  # another process was faster, or the folder is read-only and numba's
            continue  # cache is elsewhere


drop_stale_cache(Path(__file__).parent)
