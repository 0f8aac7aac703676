"""Damaged stores: nothing else is ever exported, listed or drawn, and most damage is noticed."""

import random
import shutil

import pytest

from tests.running import draw_pages, run
from weightstream.errors import StoreError
from weightstream.store.connection import STORE_NAME

STORES, BITS, BLOCK = 67, (1, 4, 64), 512
COMMANDS = (("export",), ("export", "--raw"), ("alerts",), ("review",))


def said(data_dir):
    """What commands and pages say of a store; None where they refuse it."""
    found = []
    for name, *options in COMMANDS:
        out = [data_dir.with_name("out.csv")] if name == "export" else []
        done = run(name, *out, *options, "--data-dir", data_dir)
        assert done.exit_code in (0, 2), done.output
        found.append(None if done.exit_code else [done.stdout, *(one.read_bytes() for one in out)])
        for one in out:
            one.unlink(missing_ok=True)
    try:
        draw_pages(data_dir)
        found.append([page.read_bytes() for page in sorted(data_dir.rglob("*.html"))])
    except StoreError:
        found.append(None)
    return found


def page_size(content):
    return int.from_bytes(content[16:18], "big")


def flipped(content, chance, number):
    """Flip 1, 4 or 64 bits."""
    for _ in range(BITS[number % len(BITS)]):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def in_headers(content, chance, number):
    """Flip a bit in the header of a page, or in its list of cells."""
    page = chance.randrange(len(content) // page_size(content)) * page_size(content)
    content[page + chance.randrange(40)] ^= 1 << chance.randrange(8)


def emptied(content, chance, number):
    """Write zeros over a block, as a disk does that lost a write."""
    at = chance.randrange(len(content) // BLOCK) * BLOCK
    content[at : at + BLOCK] = bytes(BLOCK)


def swapped(content, chance, number):
    """Exchange two pages, as misdirected writes do."""
    size = page_size(content)
    a, b = (at * size for at in chance.sample(range(1, len(content) // size), 2))
    content[a : a + size], content[b : b + size] = content[b : b + size], content[a : a + size]


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("damage", [flipped, in_headers, emptied, swapped])
def test_damaged_stores(store_files, simulated, smooth, fresh_dir, figure, damage):
    data_dir = fresh_dir()
    store_files(data_dir, simulated(12, 1200))
    smooth(data_dir)
    expected, chance, told, silent = said(data_dir), random.Random(67), 0, 0
    shutil.rmtree(data_dir / "dashboards")
    for number in range(STORES):
        shutil.copytree(data_dir, copy := fresh_dir())
        content = bytearray((copy / STORE_NAME).read_bytes())
        damage(content, chance, number)
        (copy / STORE_NAME).write_bytes(content)
        pairs = list(zip(said(copy), expected, strict=True))
        refused = any(now is None for now, _ in pairs)
        told += refused or run("check", "--data-dir", copy).exit_code != 0
        silent += any(now not in (None, before) for now, before in pairs)
        shutil.rmtree(copy)
    figure(
        f"damaged stores, {damage.__name__}: {STORES}, noticed {told} (the others in space that "
        f"nothing uses), said something else {silent}"
    )
    assert told > 0
    assert silent == 0
