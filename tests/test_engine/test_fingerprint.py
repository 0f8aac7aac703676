"""What stored decisions depend on: every module that judges has a part in the fingerprint."""

from pathlib import Path

from weightstream import engine
from weightstream.engine.fingerprint import MODULES

FOLDER = Path(engine.__file__).parent


def test_every_compiled_module_is_in_the_fingerprint():
    compiled = {
        path.stem
        for path in FOLDER.glob("*.py")
        if "@jit\n" in path.read_text() or "@kernel(" in path.read_text()
    }
    assert compiled <= set(MODULES)
