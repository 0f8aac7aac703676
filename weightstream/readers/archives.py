"""Zip files: every member in a known format is read, and other members are named.

If there are several members, the rows of one count only after it is read to its end. So a damaged
member is left out completely, even if its beginning was parsed.
"""

import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from weightstream import schema
from weightstream.errors import InputError
from weightstream.readers.block import EACH_RECORD, Block, Parse, ReadOptions, Unread
from weightstream.readers.formats import FORMATS, Inventory, UnknownFormat, is_litter, reader_of
from weightstream.readers.source import CHECKED_BYTES, Source, members

HELD_BYTES = 32 << 20
"""The bytes of a member's parsed rows in memory; more go to a temporary file until its end."""
JOINED_ROWS, JOINED_BLOCKS = 50_000, 1_000
"""The number of small members that are parsed as one block."""
NAMED = 3
"""The number of members that are named if nothing in a zip file can be read."""


def format_of_zip(path: Path) -> str:
    """Return the format of the first member that is read. Raises InputError if there is none."""
    with members(path) as sources:
        return _sorted_out(path, sources, "auto").usable[0][1]


def parses_of_zip(path: Path, options: ReadOptions) -> Iterator[Parse]:
    """Read the members; lines count through all of them, so that each belongs to one record.

    Raises InputError if none can be read.
    """
    with members(path) as sources:
        inventory = _sorted_out(path, sources, options.format)
        unread = inventory.unread()
        if unread:
            yield partial(_nothing, tuple(unread))
        if any(name == "apple_health" for _, name in inventory.usable):
            options = replace(options, of_one=True)  # clinical records name the patient
        if len(inventory.usable) == 1:
            ((source, name),) = inventory.usable
            yield from reader_of(name).read(source, options)
        else:
            yield from _one_by_one(path, inventory.usable, options)


def check_zip(path: Path, options: ReadOptions) -> None:
    """Raise InputError if the starts of all members show that none can be used."""
    with members(path) as sources:
        refused = []
        for source, name in _sorted_out(path, sources, options.format).usable:
            if source.unpacked_bytes > CHECKED_BYTES:
                return
            try:
                try_start(reader_of(name).read(source, options))
            except InputError as error:
                refused.append(str(error))
            else:
                return
        raise InputError(f"{path} holds no file that can be used{_first(refused)}")


def try_start(parsed: Iterator[Parse]) -> None:
    """Parse the start, up to about CHECKED_BYTES. Raises InputError as reading would."""
    try:
        for parse in islice(parsed, CHECKED_BYTES // ReadOptions.block_bytes):
            parse()
    except InputError:
        raise
    except Exception:  # noqa: S110 what a reader trips over is told when it is read
        pass
    finally:
        if isinstance(parsed, Generator):
            parsed.close()


def _sorted_out(path: Path, sources: list[Source], wanted: str) -> Inventory:
    inventory = Inventory(FORMATS if wanted == "auto" else [wanted])
    for source in sources:
        place = source.member or ""
        if is_litter(place):
            continue
        try:
            inventory.add(source, place)
        except InputError as error:
            inventory.leave_out(source, str(error))
    if not inventory.usable:
        told = _first([one.sentence for one in inventory.unread()])
        raise UnknownFormat(f"{path} holds no file that can be read{told}")
    return inventory


def _first(sentences: list[str]) -> str:
    more = f"; and {len(sentences) - NAMED:,} more" if len(sentences) > NAMED else ""
    return f": {'; '.join(sentences[:NAMED])}{more}" if sentences else ""


def _one_by_one(
    path: Path, usable: list[tuple[Source, str]], options: ReadOptions
) -> Iterator[Parse]:
    offset, refused = 0, []
    joined = _Joined()
    for source, name in usable:
        with tempfile.SpooledTemporaryFile(HELD_BYTES) as held:
            try:
                blocks = [_held(parse(), held) for parse in reader_of(name).read(source, options)]
            except InputError as error:
                refused.append(str(error))
                yield partial(_nothing, (Unread(str(source), str(error)),))
                continue
            held.seek(0)
            highest = offset
            for block in blocks:
                rows = pa.ipc.open_stream(held).read_all()
                lines = pc.add(rows["line"], offset)
                highest = max(highest, pc.max(lines).as_py() or 0)
                yield from joined.add(block, _with_lines(rows, lines))
            offset = highest
    yield from joined.take()
    if len(refused) == len(usable):
        raise InputError(f"{path} holds no file that can be used{_first(refused)}")


class _Joined:
    """Joins small blocks with the same notation into large ones, since each block takes time."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._rows: list[pa.Table] = []

    def add(self, block: Block, rows: pa.Table) -> Iterator[Parse]:
        """Add a block's rows; yields the earlier ones if the block cannot be joined to them."""
        if self._blocks and _way(self._blocks[0]) != _way(block):
            yield from self.take()
        self._blocks.append(block)
        self._rows.append(rows)
        if sum(map(len, self._rows)) >= JOINED_ROWS or len(self._rows) >= JOINED_BLOCKS:
            yield from self.take()

    def take(self) -> Iterator[Parse]:
        """Yield the rows that were added and not yielded yet."""
        if self._blocks:
            block = replace(
                self._blocks[0],
                rows=pa.concat_tables(self._rows).unify_dictionaries(),
                skipped=sum(one.skipped for one in self._blocks),
                others=dict(sum((Counter(one.others) for one in self._blocks), Counter())),
            )
            yield partial(_same, block)
        self._blocks, self._rows = [], []


def _way(block: Block) -> tuple[object, ...]:
    """Return everything in a block that says how to read its rows."""
    counted = ("rows", "skipped", "others")
    return tuple(getattr(block, one.name) for one in fields(block) if one.name not in counted)


def _same(block: Block) -> Block:
    return block


def _held(block: Block, held: IO[bytes]) -> Block:
    """Return the block without its rows, which are stored elsewhere."""
    rows = block.rows.combine_chunks()
    with pa.ipc.new_stream(held, rows.schema) as stream:
        stream.write_table(rows)
    return replace(block, rows=schema.RAW.empty_table())


def _with_lines(rows: pa.Table, lines: pa.ChunkedArray) -> pa.Table:
    place = rows.schema.get_field_index("line")
    return rows.set_column(place, "line", lines)


def _nothing(unread: tuple[Unread, ...]) -> Block:
    """Return a block that only names unread members."""
    return Block(schema.RAW.empty_table(), EACH_RECORD, unread=unread)
