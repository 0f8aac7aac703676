"""Packages that others import where they find them, and that nothing here needs.

They cost half of the time in which a person's file is judged.
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
    """Let what is imported meanwhile believe that these packages are not installed.

    One that is imported already stays.
    """
    finder = _Hiding(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def load_pyarrow() -> None:
    """Import PyArrow, which looks for pandas once, at the first list that it is given."""
    import pyarrow as pa

    with hidden("pandas"):
        pa.array([None])


def load_engine(say: Callable[[str], None], alone: bool) -> None:
    """Import the engine, and say why that takes long where its kernels have to be compiled.

    alone: nothing else in this process needs scipy's linear algebra through numba, which looks for
    it, and which no kernel of ours calls.
    """
    with hidden(*(("scipy", "cffi") if alone else ())):
        from numba.core import event

        class FirstCompilation(event.Listener):
            said = False

            def on_start(self, _: object) -> None:
                if not self.said:
                    say("compiling the engine for this machine, once: up to a minute")
                self.said = True

            def on_end(self, _: object) -> None:
                pass

        with event.install_listener("numba:compile", FirstCompilation()):
            import weightstream.engine  # noqa: F401
