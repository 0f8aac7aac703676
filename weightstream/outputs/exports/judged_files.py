"""The output of judging without a store: one file, or a folder as a Parquet data set."""

import json
import os
import secrets
import shutil
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.errors import ConfigError
from weightstream.intake.partition import Spool
from weightstream.outputs.exports.judged import JUDGED
from weightstream.outputs.exports.table_files import WRITERS, Writer, parquet_writer
from weightstream.readers.remote import RemotePath

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine.parquet"
ROWS_PER_PART = 1_000_000
RANGES = 64
"""The number of ranges of user ids on disk, which are sorted one at a time."""
RANGE_ROWS_HELD = 8_192


def is_dataset(out: Path) -> bool:
    """Whether the name asks for a folder: it has no ending that a file of ours has."""
    return not out.suffix


def check_out(out: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Raise ConfigError if the output cannot or must not be written there. Takes milliseconds.

    sources: the files and folders that will be read.
    """
    if not is_dataset(out) and out.suffix not in WRITERS:
        raise ConfigError(
            f"{out}: the name must end in {', '.join(WRITERS)}, or have no ending for a folder"
        )
    check_place(out, sources, overwrite)


def check_place(out: Path, sources: Sequence[Path], overwrite: bool) -> None:
    """Raise ConfigError if `out` is, holds or lies in a source, or is there and is to stay."""
    place = Path(os.path.realpath(out))
    here = [path for path in sources if not isinstance(path, RemotePath)]
    for source in (Path(os.path.realpath(path)) for path in here):
        if source == place:
            raise ConfigError(f"{out} is one of the sources; name another place for the output")
        if source.is_dir() and place.is_relative_to(source):
            raise ConfigError(
                f"{out} is inside the source {source}, where the next run would read it; name a "
                "place outside"
            )
        if is_dataset(out) and source.is_relative_to(place):
            raise ConfigError(f"the source {source} is inside {out}; name another folder")
    if not place.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {place.parent}; make it first")
    if place.exists() or place.is_symlink():
        _check_existing(out, place, overwrite)


def _check_existing(out: Path, place: Path, overwrite: bool) -> None:
    if not overwrite:
        raise ConfigError(f"{out} exists; name another place, or replace it with --overwrite")
    if is_dataset(out) != place.is_dir() or not (place.is_file() or place.is_dir()):
        kind = "a folder" if place.is_dir() else "a file" if place.is_file() else "no regular file"
        raise ConfigError(f"{out} is {kind}; name another place for the output")
    if place.is_dir() and any(place.iterdir()) and not (place / MANIFEST).is_file():
        raise ConfigError(
            f"{out} is a folder with other content (it has no {MANIFEST}), which --overwrite does "
            "not remove; name another"
        )


@contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, on the same disk, that is gone afterwards. Raises ConfigError."""
    place = Path(os.path.realpath(out))
    folder = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    with written(out):
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def written(out: Path) -> Iterator[None]:
    """Raise ConfigError, in one sentence, for whatever the disk has against writing `out`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(f"{out}: cannot be written ({reason})") from None


def put_in_place(unfinished: Path, out: Path) -> None:
    """Move what is complete to `out`, in the place of what was there. Raises ConfigError."""
    place = Path(os.path.realpath(out))
    with written(out):
        if place.is_dir():  # no system replaces a folder in one step
            place.rename(unfinished.with_name("replaced"))
        os.replace(unfinished, place)


def write_dataset(
    folder: Path, tables: Iterable[pa.Table], quarantine: Iterable[pa.Table]
) -> list[dict[str, Any]]:
    """Write JUDGED tables of whole persons as parts of a data set; returns name and rows of each.

    A person is in one part. quarantine: written beside the parts, where readers of a data set do
    not look.
    """
    folder.mkdir()
    parts: list[dict[str, Any]] = []
    writer: Writer | None = None
    try:
        for table in tables:
            if writer is None or parts[-1]["rows"] >= ROWS_PER_PART:
                if writer is not None:
                    writer.close()
                parts.append({"name": f"part-{len(parts):05}.parquet", "rows": 0})
                writer = parquet_writer(folder / parts[-1]["name"], JUDGED)
            writer.write(table)
            parts[-1]["rows"] += len(table)
    finally:
        if writer is not None:
            writer.close()
    rows = pa.concat_tables(quarantine)
    if len(rows):
        pq.write_table(rows, folder / QUARANTINE)
    return parts


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a data set, last of all."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def in_user_order(
    tables: Iterable[pa.Table], user_ids: Sequence[str], folder: Path
) -> Iterator[pa.Table]:
    """Tables of the same rows, in which users ascend from the first to the last.

    tables: of whole users, each user's rows together and in order. user_ids: all, ascending.
    Holds about one part in RANGES of the rows; the others wait in folder.
    """
    step = -(-len(user_ids) // RANGES) or 1
    starts = list(user_ids[::step])
    spools = [Spool(folder / f"range-{n:02}.parquet", RANGE_ROWS_HELD) for n in range(len(starts))]
    for table in tables:
        codes = table["user_id"].combine_chunks().dictionary_encode()
        ranges = [bisect_right(starts, user) - 1 for user in codes.dictionary.to_pylist()]
        of_row = pa.array(ranges, pa.int64()).take(codes.indices)
        for number in sorted(set(ranges)):
            spools[number].append(table.filter(pc.equal(of_row, number)))
    for spool in spools:
        if spool.rows:
            rows = pa.concat_tables(list(spool.tables()))
            order = pc.sort_indices(rows["user_id"])  # stable: a user's rows keep their order
            yield rows.take(order)
