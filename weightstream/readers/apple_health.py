"""Apple Health's export.xml, alone or in its zip: gigabytes, of which few tags are weighings.

The file is not parsed as XML: its declared document type is often broken, so are attributes that
apps added, nothing in it may be expanded, and only start tags of records of one type matter. So
that type's name is looked for in the bytes, and the tag around it is read by its own grammar, or,
where it breaks that, attribute by attribute. Comments and CDATA are skipped; only the five
predefined entities and character references are resolved.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from weightstream.errors import InputError
from weightstream.readers.block import (
    EACH_RECORD,
    OPTION,
    Block,
    Parse,
    ReadOptions,
    given,
    raw_table_of_rows,
)
from weightstream.readers.records import decode
from weightstream.readers.source import Source, head_of, open_source

MAX_TAG = 1 << 20
"""The longest tag of a real export, in bytes."""

_TYPE = "HKQuantityTypeIdentifierBodyMass"
_WEIGHT = re.compile(rb"HKQuantityTypeIdentifierBodyMass(?!\w)")
_SHARED_LINE = re.compile(rb"<Record[^\n]*<Record")
_ROOT = re.compile(rb"<!DOCTYPE\s+HealthData\b|<HealthData[\s>]")
_COMPANION = re.compile(rb"^[^<]*(?:<\?[^>]*>\s*)?<(?:ClinicalDocument|gpx)[\s/>]")
_ATTRIBUTE = rb"""\s+([\w:.-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')"""
_TAG = re.compile(rb"<Record((?:" + _ATTRIBUTE + rb")*+)\s*(?P<closed>/?)>")
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_END = re.compile(rb"/?>(?=\s*(?:<|\Z))|(?=<Record\s)")
"""Of a tag that breaks the grammar: a > that stands in a value is not followed by the next tag. The
next record ends it too."""
_VALUE = re.compile(rb"""\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>/]+))""")
_PUNCTUATION = re.compile(rb"""["'<>]""")
_NAME = re.compile(rb"[\w:.-]+")
_EDGE = re.compile(rb"</?Record\b")
_TAKEN = (b"value", b"unit", b"startDate")
_IS_WEIGHT = re.compile(rb"""(?<![\w:.-])type\s*=\s*["']?HKQuantityTypeIdentifierBodyMass(?!\w)""")
_BY_HAND = re.compile(rb"""<MetadataEntry\s+key=["']HKWasUserEntered["']\s+value=["']1["']""")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(lt|gt|amp|quot|apos));")
_PREDEFINED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_SECTIONS = {b"<!--": b"-->", b"<![CDATA[": b"]]>"}


def recognise(head: bytes, name: str) -> bool:
    """XML whose root is HealthData, whatever the file is called."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and bool(_ROOT.search(head))


def accompanies(head: bytes, place: str) -> bool:
    """Recognise the same data as a clinical document, routes of workouts, and ECGs."""
    return bool(_COMPANION.search(head)) or "/electrocardiograms/" in f"/{place}"


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. The file names no person, so --user is required. --unit is for
    records without a unit.
    """
    user = given(options.user, source, "whose weights it holds", "--user")
    # Where several records share a line, their positions tell them apart.
    mark = b"<Record" if _SHARED_LINE.search(head_of(source)) else b"\n"
    line, carry = 1, b""
    with open_source(source) as stream:
        for more in _without_comments(stream, options.block_bytes):
            data = carry + more
            cut = _cut(data)
            if len(data) - cut > MAX_TAG:
                raise InputError(f"{source} holds a tag that does not end; export it again")
            if _WEIGHT.search(data, 0, cut):
                yield partial(_parse, data[:cut], line, mark, user, options.unit)
            line += data.count(mark, 0, cut)
            carry = data[cut:]
    if not carry.rstrip().endswith(b"</HealthData>"):
        raise InputError(f"{source} is truncated, its end is missing; export it again")
    yield partial(_parse, carry, line, mark, user, options.unit)


def _without_comments(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Yield the content in blocks; comments and CDATA sections are reduced to their line ends."""
    carry, closing = b"", b""
    while more := stream.read(block_bytes):
        data, position = carry + more, 0
        kept, carry = [], b""
        while position < len(data):
            if closing:
                end = data.find(closing, position)
                if end < 0:  # the closing mark may be split between blocks
                    rest = max(position, len(data) - 2)
                    kept.append(b"\n" * data.count(b"\n", position, rest))
                    carry = data[rest:]
                    break
                kept.append(b"\n" * data.count(b"\n", position, end))
                position, closing = end + len(closing), b""
                continue
            found = [(data.find(opening, position), end) for opening, end in _SECTIONS.items()]
            start, closing = min((one for one in found if one[0] >= 0), default=(len(data), b""))
            tail = data.rfind(b"<", max(position, len(data) - 8))
            if not closing and tail >= 0 and _may_open(data[tail:]):
                start, carry = tail, data[tail:]
                kept.append(data[position:start])
                break
            kept.append(data[position:start])
            position = start
        yield b"".join(kept)


def _may_open(tail: bytes) -> bool:
    return any(opening.startswith(tail) for opening in _SECTIONS)


def _cut(data: bytes) -> int:
    """Return where data can be split: before its last record, so that no record is divided.

    If no record begins in the last MAX_TAG bytes, before its last tag.
    """
    cut = data.rfind(b"<Record", max(len(data) - MAX_TAG, 0))
    return cut if cut >= 0 else max(data.rfind(b"<"), 0)


def _parse(data: bytes, line: int, mark: bytes, user: str, unit: str | None) -> Block:
    rows: list[dict[str, Any]] = []
    counted = done = 0
    for found in _WEIGHT.finditer(data):
        opening = data.rfind(b"<Record", done, found.start())
        tag = _tag(data, opening) if opening >= 0 else None
        done = max(done, tag.end if tag else found.start())
        if tag is None or tag.end <= found.start() or not tag.is_weight:
            continue
        line += data.count(mark, counted, opening)
        counted = opening
        rows.append(_row(tag, _by_hand(data, tag), line, user, unit))
    return Block(raw_table_of_rows(rows), f"{EACH_RECORD}, else {OPTION}" if unit else EACH_RECORD)


@dataclass(frozen=True)
class _Tag:
    """A start tag of a record. end: of it in the data. fault: a sentence, or None."""

    attributes: dict[str, str]
    end: int
    closed: bool
    is_weight: bool
    fault: str | None = None


def _tag(data: bytes, opening: int) -> _Tag | None:
    """Return the tag that begins there, parsed as XML or attribute by attribute."""
    whole = _TAG.match(data, opening)
    if whole:
        attributes = _attributes(_ATTRIBUTES.findall(whole[1]))
        is_weight = attributes.get("type") == _TYPE
        return _Tag(attributes, whole.end(), bool(whole["closed"]), is_weight)
    start = opening + len(b"<Record")
    ending = _END.search(data, start, start + MAX_TAG)
    end = ending.end() if ending else len(data)
    text = data[start:end]
    pairs = list(_pairs(text))
    attributes = _attributes(pairs)
    again = [name for name in _TAKEN if len({pair[1:] for pair in pairs if pair[0] == name}) > 1]
    fault = f"the record states its {again[0].decode()} twice" if again else None
    closed = ending is not None and ending[0].startswith(b"/")
    return _Tag(attributes, end, closed, _IS_WEIGHT.search(text) is not None, fault)


def _pairs(text: bytes) -> Iterator[tuple[bytes, ...]]:
    """Name, and value in one of the places after it, of each attribute that can be told.

    Names with spaces in them are written by some apps; none of those that are needed has one.
    """
    position = 0
    while (equals := text.find(b"=", position)) >= 0:
        name = _PUNCTUATION.split(text[position:equals])[-1].strip()
        value = _VALUE.match(text, equals + 1)
        position = value.end() if value else equals + 1
        if value and _NAME.fullmatch(name):
            yield name, *value.groups(b"")


def _row(tag: _Tag, by_hand: bool, line: int, user: str, unit: str | None) -> dict[str, Any]:
    attributes = tag.attributes
    name = attributes.get("sourceName") or attributes.get("source") or "apple_health"
    row = {
        "user_id": user,
        "time": attributes.get("startDate"),
        "source": f"{name} (by hand)" if by_hand else name,
        "weight": attributes.get("value"),
        "unit": attributes.get("unit") or unit,
        "line": line,
    }
    return row | ({"fault": "missing_field", "detail": tag.fault} if tag.fault else {})


def _by_hand(data: bytes, tag: _Tag) -> bool:
    """Return whether the record says that a person typed it in."""
    if tag.attributes.get("HKWasUserEntered") == "1":
        return True
    if tag.closed:
        return False
    edge = _EDGE.search(data, tag.end)
    return _BY_HAND.search(data, tag.end, edge.start() if edge else len(data)) is not None


def _attributes(pairs: list[tuple[bytes, ...]]) -> dict[str, str]:
    """From a name, and the value in one of the places after it."""
    return {
        decode(name): _REFERENCE.sub(_resolved, decode(b"".join(values))) for name, *values in pairs
    }


def _resolved(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return _PREDEFINED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"
