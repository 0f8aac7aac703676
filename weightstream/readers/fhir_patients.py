"""Whom a FHIR resource is about, and what the Patients of the same file say of that person."""

import re
from threading import Lock
from typing import Any

import orjson

from weightstream.readers.documents import MAX_LINE, fields_of, text_of
from weightstream.readers.source import Source, open_source

_PERSON = re.compile(r"(?:.*/)?Patient/([^/]+)(?:/_history/.*)?")
_PATIENT = b'"Patient"'
_SEXES = {"male": "m", "female": "f"}

Demographics = tuple[str | None, str | None]
"""Birth date, as written, and sex, m or f."""
UNKNOWN: Demographics = (None, None)


def subject_of(resource: dict[str, Any]) -> str | None:
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


class Patients:
    """Birth dates and sexes by the Patients of a file, wherever in it they stand; read once."""

    def __init__(self, source: Source, block_bytes: int) -> None:
        self._source, self._block_bytes = source, block_bytes
        self._known: dict[str | None, Demographics] | None = None
        self._lock = Lock()

    def take(self, resources: list[Any]) -> None:
        """The file is one document with these resources."""
        self._known = {}
        for resource in map(fields_of, resources):
            self._add(resource, self._known)

    @property
    def demographics(self) -> dict[str | None, Demographics]:
        """By the id of the person."""
        if self._known is None:
            with self._lock:
                self._known = self._of_lines() if self._known is None else self._known
        return self._known

    def _of_lines(self) -> dict[str | None, Demographics]:
        """Of NDJSON: its lines with a Patient."""
        known: dict[str | None, Demographics] = {}
        with open_source(self._source) as stream:
            carry = b""
            while more := stream.read(self._block_bytes):
                data = carry + more
                cut = data.rfind(b"\n") + 1
                if _PATIENT in data[:cut]:
                    self._add_lines(data[:cut], known)
                carry = data[cut:] if len(data) - cut < MAX_LINE else b""
            self._add_lines(carry, known)
        return known

    def _add_lines(self, data: bytes, known: dict[str | None, Demographics]) -> None:
        for text in data.split(b"\n"):
            if _PATIENT in text:
                try:
                    self._add(fields_of(orjson.loads(text)), known)
                except ValueError:
                    continue  # which is told where the line is read

    def _add(self, resource: dict[str, Any], known: dict[str | None, Demographics]) -> None:
        if found := described(resource, None):
            known[found["user_id"]] = found["birth_date"], found["sex"]


def described(resource: dict[str, Any], user: str | None) -> dict[str, str | None] | None:
    """Return a row of schema.DEMOGRAPHICS, as written, of a Patient; None of other resources.

    user: the person of all records, if an option names one.
    """
    person = user or text_of(resource.get("id"))
    if resource.get("resourceType") != "Patient" or not person:
        return None
    sex = _SEXES.get(text_of(resource.get("gender")) or "")
    return {"user_id": person, "birth_date": text_of(resource.get("birthDate")), "sex": sex}
