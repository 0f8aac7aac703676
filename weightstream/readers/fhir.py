"""FHIR R4 Observations of body weight: single, in a Bundle or envelope, or as bulk NDJSON.

https://hl7.org/fhir/R4/observation.html; codes from LOINC, SNOMED CT and IEEE 11073, units from
UCUM. An envelope is JSON that is no resource and holds some, such as the export of Fasten.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from weightstream.errors import InputError
from weightstream.parsing.units import canonical_unit
from weightstream.readers.block import (
    EACH_RECORD,
    NAMELESS,
    Block,
    Parse,
    ReadOptions,
    named_user,
    raw_table_of_tuples,
)
from weightstream.readers.column_names import PLAIN, parse_name, weight_fit
from weightstream.readers.documents import (
    Number,
    Records,
    fields_of,
    items_of,
    parse_json,
    read_json,
    text_of,
)
from weightstream.readers.fhir_patients import (
    UNKNOWN,
    Demographics,
    Patients,
    described,
    subject_of,
)
from weightstream.readers.fhir_units import unit_of
from weightstream.readers.source import Source, head_of
from weightstream.schema import DEMOGRAPHICS

SOURCES = {
    "29463-7": "fhir",  # LOINC: body weight
    "3141-9": "fhir",  # measured
    "3142-7": "fhir-stated",
    "8335-2": "fhir-estimated",
    "8350-1": "fhir-clothed",
    "8351-9": "fhir",  # without clothes
    "27113001": "fhir",  # SNOMED CT: body weight
    "363808001": "fhir",  # measured
    "424927000": "fhir-clothed",  # with shoes
    "425024002": "fhir",  # without shoes
    "735395000": "fhir",  # current
    "188736": "fhir",  # IEEE 11073, of personal health devices
}
"""Code to the name of the source: how a weight was come by decides its bias and noise."""

_LOINC, _SNOMED, _DEVICES = "loinc", "snomed", "11073"
_OIDS = {
    "2.16.840.1.113883.6.1": _LOINC,
    "2.16.840.1.113883.6.96": _SNOMED,
    "2.16.840.1.113883.6.24": _DEVICES,
}
_VALUE = re.compile(rb'"value"\s*:\s*(-?[0-9][0-9.eE+-]*)')
_TAKEN_BACK = ("entered-in-error", "cancelled")
_RESOURCE = re.compile(rb'"resourceType"\s*:\s*"')
_WEIGHED = (b'"kg"', b'"[lb_av]"', b'"lb"', b'"lbs"', b'"g"')
"""Units by which a line of NDJSON may hold a weight under a code that is not known."""
_EMPTY = {"resourceType": None}
"""Stands for an entry of a Bundle without a resource, so that the others keep their positions."""
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
    "birth_date",
    "sex",
)
_XML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*+<\w+[^>]*xmlns=[\"']http://hl7\.org/fhir[\"']",
    re.DOTALL,
)


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
    patients = Patients(source, options.block_bytes)
    convert = partial(_convert, source=source, options=options, patients=patients)
    flatten = partial(_document, patients=patients, user=options.user)
    wanted = (*(f'"{code}"'.encode() for code in SOURCES), b'"Bundle"', b'"Patient"', *_WEIGHED)
    return read_json(source, options, convert, flatten, wanted, _parse_line)


def _parse_line(text: bytes) -> Any:
    """As parse_json, three times faster; of its numbers only the weight stays as it is written."""
    try:
        resource = orjson.loads(text)
    except ValueError:
        return parse_json(text)
    quantity = fields_of(fields_of(resource).get("valueQuantity"))
    value = quantity.get("value")
    if type(value) in (int, float):
        near = _VALUE.search(text, text.find(b'"valueQuantity"'))
        written = [near[1]] if near and float(near[1]) == value else _VALUE.findall(text)
        if len(written) > 1:
            written = list({number for number in written if float(number) == value})
        if len(written) != 1 or float(written[0]) != value:
            return parse_json(text)
        quantity["value"] = Number(written[0].decode())
        return resource
    return parse_json(text)


def _document(document: Any, patients: Patients, user: str | None) -> Iterator[Any]:
    resources = list(_resources(document, user))
    patients.take(resources)
    return iter(resources)


def _resources(document: Any, user: str | None) -> Iterator[Any]:
    """The resources of a document: itself, those in its lists, Bundles, Parameters and envelopes,
    and Observations that another resource contains.

    An envelope that names who provided the resources is the record of one person, who has another
    id with each provider: there `user` stands for all of these ids.
    """
    pending: list[tuple[Any, str | None]] = [(document, None)]
    while pending:
        value, provider = pending.pop()
        if isinstance(value, list):
            pending.extend((one, provider) for one in reversed(value))
        elif not isinstance(value, dict):
            continue
        elif "resourceType" not in value:
            name = text_of(value.get("name")) or provider
            pending.extend((one, name) for one in reversed(value.values()))
        elif value["resourceType"] == "Bundle":
            entries = items_of(value.get("entry"))
            inner = (fields_of(one).get("resource") or _EMPTY for one in reversed(entries))
            pending.extend((one, provider) for one in inner)
        elif value["resourceType"] == "Parameters":
            for one in map(fields_of, reversed(items_of(value.get("parameter")))):
                parts = {"resourceType": "Parameters", "parameter": one.get("part")}
                pending += [(parts, provider), (one.get("resource"), provider)]
        else:
            if "contained" in value:
                pending.extend((one, provider) for one in _contained(value))
                value = {name: field for name, field in value.items() if name != "contained"}
            yield _provided(value, provider, user) if provider else value


def _contained(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The Observations within a resource, of its subject where they name none.

    Their ids are unique within the resource only, and they are versioned and taken back with it.
    """
    given = {name: resource.get(name) for name in ("subject", "meta")}
    taken_back = {"status": resource["status"]} if _is_taken_back(resource) else {}
    own = text_of(resource.get("id"))
    found = []
    for one in map(fields_of, reversed(items_of(resource["contained"]))):
        if one.get("resourceType") == "Observation":
            inner = text_of(one.get("id"))
            identified = {"id": f"{own}#{inner}" if own and inner else None}
            found.append(given | one | taken_back | identified)
    return found


def _is_taken_back(resource: dict[str, Any]) -> bool:
    return resource.get("status") in _TAKEN_BACK


def _provided(resource: dict[str, Any], provider: str, user: str | None) -> dict[str, Any]:
    resource = {"device": {"display": provider}} | resource
    if user is not None:
        resource.pop("subject", None)
    return resource


def _convert(records: Records, source: Source, options: ReadOptions, patients: Patients) -> Block:
    rows, people, skipped, others = [], [], 0, Counter[str]()
    for line, record in records:
        if _is_lone(record) and (name := _source(record)):
            rows.append(
                _row(record, name, record, None, line, source, options, patients.demographics)
            )
            continue
        found = 0
        for resource in _of_record(record, options.user):
            weighing = _weighing(resource)
            if weighing is None:
                skipped += 1
                if person := described(resource, options.user):
                    people.append(person)
                if kind := _other_mass(resource):
                    others[kind] += 1
                continue
            if found:
                raise InputError(
                    f"{source} holds several weighings on a line; give each Bundle as its own file"
                )
            found = 1
            rows.append(_row(resource, *weighing, line, source, options, patients.demographics))
    return Block(
        raw_table_of_tuples(_COLUMNS, rows),
        EACH_RECORD,
        skipped=skipped,
        others=others,
        people=pa.Table.from_pylist(people, DEMOGRAPHICS),
    )


def _is_lone(record: Any) -> bool:
    """Whether it is an Observation that contains no other."""
    fields = fields_of(record)
    return fields.get("resourceType") == "Observation" and "contained" not in fields


def _of_record(record: Any, user: str | None) -> Iterable[dict[str, Any]]:
    """The resources of one record: of a line of NDJSON, a Bundle and the like may hold several."""
    fields = fields_of(record)
    is_plain = fields.get("resourceType") not in (None, "Bundle", "Parameters")
    return (record,) if is_plain and "contained" not in fields else _resources(record, user)


class _Weighing(NamedTuple):
    """element: the Observation, or the component of it, that holds the weight."""

    source: str
    element: dict[str, Any]
    fault: str | None = None


def _weighing(resource: dict[str, Any]) -> _Weighing | None:
    """Where an Observation holds a body weight: in itself, or in a component; else None."""
    if resource.get("resourceType") != "Observation":
        return None
    if source := _source(resource):
        return _Weighing(source, resource)
    parts = map(fields_of, items_of(resource.get("component")))
    found = [_Weighing(source, part) for part in parts if (source := _source(part))]
    if not found:
        return _Weighing("fhir", resource) if _is_named_weight(resource) else None
    weights = {_weight(one.element, _quantity(one.element)) for one in found}
    fault = f"the record holds {len(weights)} different weights" if len(weights) > 1 else None
    return found[0]._replace(fault=fault)


def _quantity(element: dict[str, Any]) -> dict[str, Any]:
    return fields_of(element.get("valueQuantity"))


def _source(element: dict[str, Any]) -> str | None:
    """The name of the source, by the code of a body weight."""
    for coding in items_of(fields_of(element.get("code")).get("coding")):
        code = fields_of(coding).get("code")
        code = code.strip() if isinstance(code, str) else None
        if code in SOURCES and _fits(text_of(coding.get("system")), code):
            return SOURCES[code]
    return None


@lru_cache(maxsize=1024)
def _fits(system: str | None, code: str) -> bool:
    """Whether the code is of that system; LOINC's and SNOMED's are known without one."""
    own = _LOINC if "-" in code else _DEVICES if len(code) == 6 else _SNOMED
    return _system(system) == own or (system is None and own != _DEVICES)


@lru_cache(maxsize=1024)
def _system(uri: str | None) -> str | None:
    """LOINC, SNOMED CT or IEEE 11073, whether as its address, however written, OID or name."""
    text = (uri or "").strip().lower()
    named = next((name for name in (_LOINC, _SNOMED, _DEVICES) if name in text), None)
    return named or _OIDS.get(text.removeprefix("urn:oid:"))


def _is_named_weight(resource: dict[str, Any]) -> bool:
    """Whether it has no code that is known anywhere, but a weight's name, and a weight's unit."""
    if _mass_unit(resource) is None:
        return False
    concept = fields_of(resource.get("code"))
    names = [text_of(concept.get("text"))]
    for coding in map(fields_of, items_of(concept.get("coding"))):
        if _system(text_of(coding.get("system"))):
            return False
        names.append(text_of(coding.get("display")))
    return any(name and weight_fit(parse_name(name)) == PLAIN for name in names)


def _mass_unit(element: dict[str, Any]) -> str | None:
    unit, _ = unit_of(_quantity(element))
    return canonical_unit(unit or "")


def _other_mass(resource: dict[str, Any]) -> str | None:
    """What an Observation measures that has the unit of a weight and is none, by its own name."""
    if resource.get("resourceType") != "Observation" or _mass_unit(resource) is None:
        return None
    concept = fields_of(resource.get("code"))
    codings = [fields_of(one) for one in items_of(concept.get("coding"))]
    names = [concept.get("text"), *(one.get("display") for one in codings)]
    codes = (f"code {one['code']}" for one in codings if one.get("code"))
    return next((text_of(one) for one in names if text_of(one)), next(codes, "no name"))


def _row(
    resource: dict[str, Any],
    source_name: str,
    element: dict[str, Any],
    contradiction: str | None,
    line: int,
    source: Source,
    options: ReadOptions,
    demographics: dict[str | None, Demographics],
) -> tuple[Any, ...]:
    """A raw row in the order of _COLUMNS: tuples, since millions of dicts take their time."""
    user = named_user(subject_of(resource), source, options)
    quantity = _quantity(element)
    unit, two_units = unit_of(quantity)
    absent = resource.get("dataAbsentReason") or element.get("dataAbsentReason")
    fault = detail = None
    if not user:
        fault, detail = NAMELESS["fault"], NAMELESS["detail"]
    elif two_units:
        fault, detail = "unknown_unit", two_units
    elif contradiction:
        fault, detail = "bad_number", contradiction
    birth_date, sex = demographics.get(user, UNKNOWN)
    return (
        user,
        _time(resource),
        _device(resource) or source_name,
        None if absent else _weight(element, quantity),
        unit,
        text_of(resource.get("id")),
        text_of(fields_of(resource.get("meta")).get("lastUpdated"))
        or text_of(resource.get("issued")),
        line,
        _is_taken_back(resource),
        fault,
        detail,
        birth_date,
        sex,
    )


def _weight(element: dict[str, Any], quantity: dict[str, Any]) -> str | None:
    """The number as it is written, with its comparator; or a text, which may tell its unit."""
    weight = text_of(quantity.get("value"))
    if weight and quantity.get("comparator"):
        return f"{quantity['comparator']}{weight}"
    return weight or text_of(element.get("valueString")) or text_of(element.get("valueInteger"))


def _device(resource: dict[str, Any]) -> str | None:
    if "device" not in resource:
        return None
    return text_of(fields_of(resource["device"]).get("display"))


def _time(resource: dict[str, Any]) -> str | None:
    """A period stands at its start."""
    found = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    return text_of(found or fields_of(resource.get("effectivePeriod")).get("start"))
