"""Opening source files: plain, gzip or in a zip, recognised by content; each failure is one
sentence.

Text in UTF-16 is converted to UTF-8. Nothing is unpacked to disk except databases, which go to a
temporary file with a name of our own.
"""

import codecs
import gzip
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

from weightstream.errors import InputError, shown
from weightstream.scratch import scratch_folder

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
HEAD_BYTES = 64 << 10
MAX_MEMBERS = 100_000
CHECKED_BYTES = 16 << 20
"""Of a file that is tried before anything is started: a fraction of a second."""
BOMB_BYTES = 100 << 20
BOMB_RATIO = 200
"""What is packed and unpacks to more than both is taken for a bomb; exports reach 40."""

_CHUNK = 1 << 20
_HELD_BYTES = 32 << 20
"""Of a text that is converted; more is held in a temporary file."""
_LOOKED_AT = 512
_OF_WORKBOOK = re.compile(rb"xl/(?:workbook|worksheets|_rels|styles|sharedStrings|theme)")


@dataclass(frozen=True)
class Source:
    """A file, or a member of a zip file.

    entry: the member's place in the zip file's directory, since several may have one name.
    archive: the opened zip file, for as long as `members` holds it.
    """

    path: Path
    member: str | None = None
    entry: int = 0
    archive: zipfile.ZipFile | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path} ({self.member!r})"

    @property
    def unpacked_bytes(self) -> int:
        """Return the size of a member, as its zip file states it; 0 if it is not a member."""
        archive = self.archive
        return archive.infolist()[self.entry].file_size if archive and self.member else 0

    @property
    def name(self) -> str:
        return self.path.name if self.member is None else self.member.rsplit("/", 1)[-1]


@contextmanager
def open_source(source: Source) -> Iterator[BinaryIO]:
    """Open the content of a source, unpacked. Raises InputError for any error in reading it.

    A gzip file is unpacked to its end once before its first byte is used: of one that was cut off
    nothing is read.
    """
    with _opened(source) as stream:
        if not _starts_with(stream, GZIP_MAGIC):
            with _as_utf8(stream) as text:
                yield text
            return
        most, unpacked_bytes = _most_bytes(stream.seek(0, os.SEEK_END)), 0
        stream.seek(0)
        with gzip.open(stream) as checked:
            while part := checked.read(_CHUNK):
                unpacked_bytes += len(part)
                if unpacked_bytes > most:
                    raise _bomb(source)
        stream.seek(0)
        with gzip.open(stream) as unpacked, _as_utf8(cast(BinaryIO, unpacked)) as text:
            yield text


@contextmanager
def _as_utf8(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The stream; of text in UTF-16 a copy in UTF-8."""
    encoding = _utf16(stream.read(HEAD_BYTES))
    stream.seek(0)
    if encoding is None:
        yield stream
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    with tempfile.SpooledTemporaryFile(_HELD_BYTES) as copy:
        while part := stream.read(_CHUNK):
            copy.write(decoder.decode(part).encode())
        copy.write(decoder.decode(b"", True).encode())
        copy.seek(0)
        yield cast(BinaryIO, copy)


def _utf16(head: bytes) -> str | None:
    """The encoding if a file that starts so is text in UTF-16.

    Without a byte order mark, letters of alphabets tell: every second byte of them is 0.
    """
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark) and not head.startswith(codecs.BOM_UTF32_LE):
            return encoding
    start = head[: _LOOKED_AT & ~1]
    for at, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 8 and start[at::2].count(0) >= 0.9 * (len(start) // 2):
            text = start.decode(encoding, "replace")
            if all(character.isprintable() or character in "\t\r\n" for character in text):
                return encoding
    return None


@contextmanager
def local_file(source: Source) -> Iterator[Path]:
    """A path under which the unpacked content lies; a temporary one if it was packed."""
    with _opened(source) as stream:
        packed = source.member is not None or _starts_with(stream, GZIP_MAGIC)
    if not packed:
        yield source.path
        return
    with scratch_folder() as folder, open_source(source) as content:
        with (folder / "copy").open("wb") as copy:
            shutil.copyfileobj(content, copy, _CHUNK)
        yield folder / "copy"


def beside(source: Source, ending: str) -> Source | None:
    """What is called like the source with an ending more, as a database's -wal, if it is there."""
    if source.member is None:
        path = source.path.with_name(source.path.name + ending)
        return Source(path) if path.is_file() else None
    name = source.member + ending
    with reading(source.path, source), _held_open(source) as archive:
        entries = [n for n, info in enumerate(archive.infolist()) if info.filename == name]
    return replace(source, member=name, entry=entries[-1]) if entries else None


def head_of(source: Source) -> bytes:
    """The first bytes of a source, unpacked: what formats are recognised by. Raises InputError."""
    with _opened(source) as stream:
        if not _starts_with(stream, GZIP_MAGIC):
            head = stream.read(HEAD_BYTES)
        else:
            with gzip.open(stream) as unpacked:
                head = unpacked.read(HEAD_BYTES)
    encoding = _utf16(head)
    return head if encoding is None else head.decode(encoding, "ignore").encode()


def is_zip(path: Path) -> bool:
    with reading(path), path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return head.startswith(ZIP_MAGIC) and not is_workbook(head)


def is_workbook(head: bytes) -> bool:
    """Whether a file that starts so is an Excel workbook, which is a zip file of its own kind."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]  # name of the first member
    is_package = first.startswith((b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/"))
    return head.startswith(ZIP_MAGIC) and is_package and _OF_WORKBOOK.search(head) is not None


@contextmanager
def members(path: Path) -> Iterator[list[Source]]:
    """The files in a zip file, by name, with the zip file held open; of one name, in their order.

    Raises InputError for a damaged zip file, and for one that is a bomb as a whole.
    """
    with reading(path):
        archive = _archive(path)
    with archive:
        infos = archive.infolist()
        found = [n for n, info in enumerate(infos) if not info.filename.endswith("/")]
        if len(found) > MAX_MEMBERS:
            raise InputError(f"{path} holds {len(found)} files; at most {MAX_MEMBERS} are read")
        sizes = [infos[n].file_size for n in found if not _is_bomb(infos[n])]
        if sum(sizes) > _most_bytes(path.stat().st_size):
            raise _bomb(Source(path))
        yield [
            Source(path, infos[n].filename, n, archive)
            for n in sorted(found, key=lambda n: (infos[n].filename, n))
        ]


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size > _most_bytes(info.compress_size)


def _most_bytes(packed: int) -> int:
    """What so many packed bytes may unpack to."""
    return max(BOMB_BYTES, BOMB_RATIO * packed)


def _bomb(source: Source) -> InputError:
    return InputError(
        f"{source} unpacks to far more than its size; unpack it yourself and check it"
    )


@contextmanager
def reading(path: Path, source: Source | None = None) -> Iterator[None]:
    """Raise InputError for a path that is no file, and for whatever goes wrong in reading it.

    source: what of it is read, if that is a member.
    """
    if shown(path) != str(path):  # the store could not keep it
        raise InputError(f"the name of {shown(path)!r} is not UTF-8; rename it")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is not a regular file; save its content to one")
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the files in it") from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error):
        raise InputError(
            f"{source or path} is a damaged or truncated gzip or zip file; fetch it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    with reading(source.path, source):
        if source.member is None:
            with source.path.open("rb") as stream:
                yield stream
            return
        with _held_open(source) as archive:
            try:
                info = archive.infolist()[source.entry]
                if _is_bomb(info):
                    raise _bomb(source)
                member = cast(BinaryIO, archive.open(info))
            except (RuntimeError, NotImplementedError):
                raise InputError(
                    f"{source} is encrypted or packed in a rare way; unpack it yourself"
                ) from None
            except (ValueError, IndexError, struct.error):  # as a name that is no UTF-8
                raise zipfile.BadZipFile from None
            with member:
                yield member


def _held_open(source: Source) -> AbstractContextManager[zipfile.ZipFile]:
    """Its zip file, opened once for all members: reading the directory takes time for each."""
    if source.archive is not None and source.archive.fp is not None:
        return nullcontext(source.archive)
    return _archive(source.path)


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (NotImplementedError, ValueError, IndexError, struct.error):
        raise zipfile.BadZipFile from None


def _starts_with(stream: BinaryIO, magic: bytes) -> bool:
    start = stream.read(len(magic))
    stream.seek(0)
    return start == magic
