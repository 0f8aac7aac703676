"""Hides packages that others import if they are installed, and that weightstream does not need.

Importing them takes half of the time in which a person's file is judged.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _Hiding(MetaPathFinder):
    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Hide these packages from what is imported in the block, as if they were not installed.

    A package that is already imported stays.
    """
    finder = _Hiding(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def load_pyarrow() -> None:
    """Import PyArrow without pandas, for which it looks once, at its first list."""
    import pyarrow as pa

    with hidden("pandas"):
        pa.array([None])


def load_engine(say: Callable[[str], None], alone: bool) -> None:
    """Import the engine, and say why that takes long if its kernels must be compiled.

    alone: nothing else in this process needs scipy's linear algebra through numba. Numba looks for
    it, but our kernels do not call it.
    """
    with hidden(*(("scipy", "cffi") if alone else ())):
        from numba.core import event

        class FirstCompilation(event.Listener):
            said = False

            def on_start(self, _: object) -> None:
                if not self.said:
                    say("compiling the engine for this machine, once; it takes one to two minutes")
                self.said = True

            def on_end(self, _: object) -> None:
                pass

        with event.install_listener("numba:compile", FirstCompilation()):
            import weightstream.engine  # noqa: F401
