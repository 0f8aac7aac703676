"""Stores with flipped bits: nothing else is ever exported, and most of it is noticed."""

import random
import shutil

import pytest

from tests.running import run
from weightstream.store.connection import STORE_NAME

STORES, BITS = 67, (1, 4, 64)


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_flipped_bits(store_files, simulated, smooth, fresh_dir, tmp_path, figure):
    data_dir = fresh_dir()
    store_files(data_dir, simulated(12, 1200))
    smooth(data_dir)
    out, told, silent = tmp_path / "out.csv", 0, 0
    assert run("export", out, "--data-dir", data_dir).exit_code == 0
    expected, chance = out.read_bytes(), random.Random(67)
    for number in range(STORES):
        shutil.copytree(data_dir, copy := fresh_dir())
        content = bytearray((copy / STORE_NAME).read_bytes())
        for _ in range(BITS[number % len(BITS)]):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (copy / STORE_NAME).write_bytes(content)
        out.unlink(missing_ok=True)
        done = run("export", out, "--data-dir", copy)
        noticed = done.exit_code != 0 or run("check", "--data-dir", copy).exit_code != 0
        assert done.exit_code in (0, 2), done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        silent += done.exit_code == 0 and out.read_bytes() != expected
        told += noticed
        shutil.rmtree(copy)
    figure(
        f"damaged stores: {STORES}, noticed {told} (the others in space that nothing uses), "
        f"exported something else silently {silent}"
    )
    assert told > 0
    assert silent == 0
