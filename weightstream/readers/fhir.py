"""FHIR R4 Observations of body weight: single, in a Bundle, or as bulk NDJSON.

https://hl7.org/fhir/R4/observation.html; codes from LOINC, units from UCUM.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson

from weightstream.errors import InputError
from weightstream.readers.block import (
    EACH_RECORD,
    NAMELESS,
    Block,
    Parse,
    ReadOptions,
    named_user,
    raw_table_of_tuples,
)
from weightstream.readers.documents import (
    NOT_JSON,
    Number,
    Records,
    fields_of,
    items_of,
    not_json,
    parse_json,
    read_json,
    text_of,
)
from weightstream.readers.source import Source, head_of

SOURCES = {
    "29463-7": "fhir",  # body weight
    "3141-9": "fhir",  # measured
    "3142-7": "fhir-stated",
    "8335-2": "fhir-estimated",
    "8350-1": "fhir-clothed",
    "8351-9": "fhir",  # without clothes
}
"""LOINC code to the name of the source: how a weight was come by decides its bias and noise."""

_LOINC = ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1", None)
_UCUM = ("http://unitsofmeasure.org", None)
_VALUE = re.compile(rb'"value"\s*:\s*(-?[0-9][0-9.eE+-]*)')
_TAKEN_BACK = ("entered-in-error", "cancelled")
_RESOURCE = re.compile(rb'"resourceType"\s*:\s*"')
_COLUMNS = (
    "user_id",
    "time",
    "source",
    "weight",
    "unit",
    "record_id",
    "updated",
    "line",
    "retracted",
    "fault",
    "detail",
)
_XML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*+<\w+[^>]*xmlns=[\"']http://hl7\.org/fhir[\"']",
    re.DOTALL,
)
_PERSON = re.compile(r"(?:.*/)?Patient/([^/]+)(?:/_history/.*)?")


def recognise(head: bytes, name: str) -> bool:
    """JSON that speaks of FHIR resources; XML too, to be refused by its name."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return (start in (b"{", b"[") and _RESOURCE.search(head) is not None) or _is_xml(head)


def _is_xml(head: bytes) -> bool:
    return _XML.match(head) is not None


def read(source: Source, options: ReadOptions) -> Iterator[Parse]:
    """See readers.block.Reader. In a Bundle, `line` is the position of the resource."""
    if _is_xml(head_of(source)):
        raise InputError(f"{source} is FHIR in XML; give it as JSON")
    codes = tuple(code.encode() for code in SOURCES)
    convert = partial(_convert, source=source, options=options)
    wanted = (*codes, b'"Bundle"')
    return read_json(source, options, convert, _resources, wanted, _parse_line)


def _parse_line(text: bytes) -> Any:
    """As parse_json, three times faster; of its numbers only the weight stays as it is written."""
    try:
        resource = orjson.loads(text)
    except ValueError:
        return parse_json(text)
    quantity = fields_of(fields_of(resource).get("valueQuantity"))
    value = quantity.get("value")
    if type(value) in (int, float):
        written = _VALUE.findall(text)
        if len(written) > 1:
            written = list({number for number in written if float(number) == value})
        if len(written) != 1 or float(written[0]) != value:
            return parse_json(text)
        quantity["value"] = Number(written[0].decode())
    return resource


def _resources(document: Any) -> Iterator[Any]:
    """The resources of a document: of a list, of a Bundle and of Bundles in it, or itself."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        elif fields_of(value).get("resourceType") == "Bundle":
            entries = items_of(value.get("entry"))
            pending.extend(fields_of(entry).get("resource") for entry in reversed(entries))
        else:
            yield value


def _convert(records: Records, source: Source, options: ReadOptions) -> Block:
    rows, skipped = [], 0
    for line, record in records:
        resource = fields_of(record)
        if resource.get("resourceType") == "Bundle":
            raise InputError(f"{source} holds a Bundle on a line; give each Bundle as its own file")
        code = _code(resource)
        if record is NOT_JSON:
            rows.append(tuple(map(not_json(line).get, _COLUMNS)))
        elif code is None:
            skipped += 1
        else:
            rows.append(_row(resource, code, line, source, options))
    return Block(raw_table_of_tuples(_COLUMNS, rows), EACH_RECORD, skipped=skipped)


def _code(resource: dict[str, Any]) -> str | None:
    """The LOINC code by which it is an Observation of body weight, else None."""
    if resource.get("resourceType") != "Observation":
        return None
    for coding in items_of(fields_of(resource.get("code")).get("coding")):
        code = fields_of(coding).get("code")
        if isinstance(code, str) and code in SOURCES and coding.get("system") in _LOINC:
            return code
    return None


def _row(
    resource: dict[str, Any], code: str, line: int, source: Source, options: ReadOptions
) -> tuple[Any, ...]:
    """A raw row in the order of _COLUMNS: tuples, since millions of dicts take their time."""
    quantity = fields_of(resource.get("valueQuantity"))
    weight = text_of(quantity.get("value"))
    if weight and quantity.get("comparator"):
        weight = f"{quantity['comparator']}{weight}"
    user = named_user(_subject(resource), source, options)
    return (
        user,
        _time(resource),
        _device(resource) or SOURCES[code],
        None if resource.get("dataAbsentReason") else weight,
        _unit(quantity),
        text_of(resource.get("id")),
        text_of(fields_of(resource.get("meta")).get("lastUpdated"))
        or text_of(resource.get("issued")),
        line,
        resource.get("status") in _TAKEN_BACK,
        None if user else NAMELESS["fault"],
        None if user else NAMELESS["detail"],
    )


def _device(resource: dict[str, Any]) -> str | None:
    if "device" not in resource:
        return None
    return text_of(fields_of(resource["device"]).get("display"))


def _subject(resource: dict[str, Any]) -> str | None:
    """The person's id: of Patient/7 or https://host/fhir/Patient/7 it is 7."""
    subject = fields_of(resource.get("subject"))
    reference = text_of(subject.get("reference"))
    if reference and not reference.startswith("#"):  # which says something in its resource only
        kind, _, rest = reference.partition("/")
        if kind == "Patient" and "/" not in rest:
            return rest or None
        match = _PERSON.fullmatch(reference)
        return match[1] if match else reference.removeprefix("urn:uuid:")
    return text_of(fields_of(subject.get("identifier")).get("value"))


def _time(resource: dict[str, Any]) -> str | None:
    """A period stands at its start."""
    found = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    return text_of(found or fields_of(resource.get("effectivePeriod")).get("start"))


def _unit(quantity: dict[str, Any]) -> str | None:
    """The UCUM code; the unit's free text only where there is no code."""
    code = text_of(quantity.get("code"))
    return code if code and quantity.get("system") in _UCUM else text_of(quantity.get("unit"))
