"""Apple Health's export.xml, alone or in its zip: gigabytes, of which few tags are weighings.

The file is not parsed as XML: its declared document type is often broken, nothing in it may be
expanded, and only start tags of records of one type matter. So that type's name is looked for in
the bytes, and the tag around it is read by its own grammar. Comments and CDATA are skipped; only
the five predefined entities and character references are resolved.
"""

import re
from collections.abc import Iterator
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
from weightstream.readers.source import Source, open_source

MAX_TAG = 1 << 20
"""Longer tags are no part of a real export."""

_TYPE = b"HKQuantityTypeIdentifierBodyMass"
_ROOT = re.compile(rb"<!DOCTYPE\s+HealthData\b|<HealthData[\s>]")
_COMPANION = re.compile(rb"^[^<]*(?:<\?[^>]*>\s*)?<(?:ClinicalDocument|gpx)[\s/>]")
_ATTRIBUTE = rb"""\s+([\w:.-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')"""
_TAG = re.compile(rb"<Record((?:" + _ATTRIBUTE + rb")*+)\s*(?P<closed>/?)>")
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_BY_HAND = re.compile(rb"""<MetadataEntry\s+key=["']HKWasUserEntered["']\s+value=["']1["']""")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(lt|gt|amp|quot|apos));")
_PREDEFINED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_SECTIONS = {b"<!--": b"-->", b"<![CDATA[": b"]]>"}


def recognise(head: bytes, name: str) -> bool:
    """XML whose root is HealthData, whatever the file is called."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and bool(_ROOT.search(head))


def accompanies(head: bytes, place: str) -> bool:
    """The same data as a clinical document, the routes of workouts, and electrocardiograms."""
    return bool(_COMPANION.search(head)) or "/electrocardiograms/" in f"/{place}"


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. The file names no person: --user is required. --unit serves
    records without unit.
    """
    user = given(options.user, source, "whose weights it holds", "--user")
    line, carry = 1, b""
    with open_source(source) as stream:
        for more in _without_comments(stream, options.block_bytes):
            data = carry + more
            cut = _cut(data)
            if len(data) - cut > MAX_TAG:
                raise InputError(f"{source} holds a tag that does not end; export it again")
            if _TYPE in data[:cut]:
                yield partial(_parse, data[:cut], line, user, options.unit)
            line += data.count(b"\n", 0, cut)
            carry = data[cut:]
    if not carry.rstrip().endswith(b"</HealthData>"):
        raise InputError(f"{source} is cut off: it does not end as it should; export it again")
    yield partial(_parse, carry, line, user, options.unit)


def _without_comments(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """The content in blocks; of comments and CDATA sections only the line ends are left."""
    carry, closing = b"", b""
    while more := stream.read(block_bytes):
        data, position = carry + more, 0
        kept, carry = [], b""
        while position < len(data):
            if closing:
                end = data.find(closing, position)
                if end < 0:  # the closing mark may be cut in two
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
    """Where data can be parted: before its last record, so that each comes with what is in it.

    Where none begins in the last MAX_TAG bytes, before its last tag.
    """
    cut = data.rfind(b"<Record", max(len(data) - MAX_TAG, 0))
    return cut if cut >= 0 else max(data.rfind(b"<"), 0)


def _parse(data: bytes, line: int, user: str, unit: str | None) -> Block:
    rows: list[dict[str, Any]] = []
    counted = 0
    position = data.find(_TYPE)
    while position >= 0:
        opening = data.rfind(b"<", 0, position)
        tag = _TAG.match(data, opening) if opening >= 0 else None
        attributes = _attributes(tag[1]) if tag else {}
        if tag and attributes.get("type") == _TYPE.decode():
            line += data.count(b"\n", counted, opening)
            counted = opening
            rows.append(_row(attributes, _by_hand(data, tag), line, user, unit))
        position = data.find(_TYPE, max(tag.end() if tag else 0, position + 1))
    return Block(raw_table_of_rows(rows), f"{EACH_RECORD}, else {OPTION}" if unit else EACH_RECORD)


def _row(
    attributes: dict[str, str], by_hand: bool, line: int, user: str, unit: str | None
) -> dict[str, Any]:
    name = attributes.get("sourceName") or "apple_health"
    return {
        "user_id": user,
        "time": attributes.get("startDate"),
        "source": f"{name} (by hand)" if by_hand else name,
        "weight": attributes.get("value"),
        "unit": attributes.get("unit") or unit,
        "line": line,
    }


def _by_hand(data: bytes, tag: re.Match[bytes]) -> bool:
    """Whether the record says that a person typed it in."""
    if tag["closed"]:
        return False
    end = data.find(b"</Record>", tag.end())
    return _BY_HAND.search(data, tag.end(), end if end >= 0 else len(data)) is not None


def _attributes(text: bytes) -> dict[str, str]:
    return {
        name.decode(errors="replace"): _REFERENCE.sub(
            _resolved, (double or single).decode(errors="replace")
        )
        for name, double, single in _ATTRIBUTES.findall(text)
    }


def _resolved(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return _PREDEFINED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"
