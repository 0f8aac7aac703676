"""Coverage-guided fuzzing of the readers, for a bounded time; `make fuzz` takes longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.__main__ import FORMATS
from fuzz.seeds import MORE_SEEDS, SEEDS, binary_seeds
from fuzz.target import check
from weightstream.readers import FORMATS as KNOWN

ROOT = Path(__file__).parents[2]
SECONDS = 5
GROUPS = [FORMATS[start : start + 3] for start in range(0, len(FORMATS), 3)]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("formats", GROUPS, ids="-".join)
def test_whatever_bytes_come_they_are_refused_or_become_rows(formats, tmp_path):
    pytest.importorskip("atheris", reason="there is no wheel of atheris for this machine")
    command = [sys.executable, "-m", "fuzz", *formats, "--seconds", str(SECONDS)]
    done = subprocess.run(
        [*command, "--findings", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Done ") == len(formats)
    assert list(tmp_path.iterdir()) == []


def test_every_format_is_fuzzed_from_a_file_that_is_read():
    assert set(FORMATS) == {*KNOWN, "zip"}
    for name, seed in {**{n: s.encode() for n, s in SEEDS.items()}, **binary_seeds()}.items():
        check(seed, name)
    for name, seeds in MORE_SEEDS.items():
        for seed in seeds:
            check(seed.encode(), name)
