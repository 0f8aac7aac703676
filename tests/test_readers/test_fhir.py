import gzip
import json

import pytest

from weightstream.errors import InputError
from weightstream.readers import ReadOptions, parses, recognise

LOINC = "http://loinc.org"


def observation(**changes):
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "29463-7"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-01-31T07:12:33+01:00",
        "valueQuantity": {"value": 80.5, "system": "http://unitsofmeasure.org", "code": "kg"},
    } | changes


def bundle(*resources):
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


def coded(code, system=LOINC, **more):
    return {"coding": [{"system": system, "code": code}]} | more


@pytest.fixture
def single(save, cleaned):
    """The one row of one observation, from whichever table it ends in."""

    def single(change, **options):
        result = cleaned(save(json.dumps(observation(**change))), **options)
        (row,) = (
            result.measurements.to_pylist()
            + result.quarantine.to_pylist()
            + result.retractions.to_pylist()
        )
        return row

    return single


def test_one_observation(single):
    row = single({"meta": {"lastUpdated": "2024-02-01T00:00:00Z"}})
    fields = ("user_id", "wall", "amount", "unit", "source", "record_id", "updated", "line")
    assert [row[name] for name in fields] == [
        "p1", "2024-01-31T07:12:33+01:00", "80.5", "kg", "fhir", "o1",
        "2024-02-01T00:00:00.000000Z", 1,
    ]  # fmt: skip


def test_numbers_are_exact_on_lines_too(save, cleaned):
    line = json.dumps(observation(component=[{"valueQuantity": {"value": 80.5}}]))
    long = "80.50000000000000000001"
    texts = [line.replace("80.5", long), line.replace('80.5, "s', f'{long}, "s'), line]
    amounts = cleaned(save("\n".join(texts))).measurements["raw_weight"].to_pylist()
    assert amounts == [long, long, "80.5"]


def test_numbers_are_exact(save, cleaned):
    text = json.dumps(observation()).replace("80.5", "80.50000000000000000001")
    assert cleaned(save(text)).measurements["amount"].to_pylist() == ["80.50000000000000000001"]
    text = json.dumps(observation()).replace("80.5", "8.05E1")
    assert cleaned(save(text)).measurements["raw_weight"].to_pylist() == ["8.05E1"]


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"subject": {"reference": "https://h/fhir/Patient/7/_history/2"}}, "user_id", "7"),
        ({"subject": {"reference": "urn:uuid:ab-c"}}, "user_id", "ab-c"),
        ({"subject": {"reference": "#p", "identifier": {"value": "9"}}}, "user_id", "9"),
        ({"subject": {"identifier": {"value": "mrn9"}}}, "user_id", "mrn9"),
        ({"effectiveDateTime": "2024-01-31"}, "wall", "2024-01-31"),
        ({"effectiveDateTime": None, "effectiveInstant": "2024-01-31T07:12:33Z"}, "wall",
         "2024-01-31T07:12:33Z"),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2024-01-31T07:00:00Z"}}, "wall",
         "2024-01-31T07:00:00Z"),
        ({"valueQuantity": {"value": 9, "unit": "by eye", "code": "[lb_av]"}}, "unit", "lb"),
        ({"valueQuantity": {"value": 185, "unit": "lbs"}}, "unit", "lb"),
        ({"valueQuantity": {"value": 80, "unit": "kg", "code": "K", "system": "http://acme"}},
         "unit", "kg"),
        ({"code": {"coding": [{"system": LOINC, "code": "3142-7"}]}}, "source", "fhir-stated"),
        ({"device": {"display": "Scale 5"}}, "source", "Scale 5"),
        ({"status": "preliminary"}, "amount", "80.5"),
        ({"component": [{"dataAbsentReason": {}}]}, "amount", "80.5"),
        ({"note": "of a wrong type", "category": 7, "meta": []}, "amount", "80.5"),
    ],
)  # fmt: skip
def test_where_fields_stand(single, change, field, value):
    assert single(change)[field] == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"valueQuantity": None}, "missing_field"),
        ({"dataAbsentReason": {"text": "refused"}}, "missing_field"),
        ({"subject": None}, "missing_field"),
        ({"effectiveDateTime": None}, "missing_field"),
        ({"effectiveDateTime": "2024-05"}, "bad_timestamp"),
        ({"valueQuantity": {"value": 80, "comparator": "<", "code": "kg"}}, "bad_number"),
        ({"valueQuantity": {"value": 80, "code": "kg/m2"}}, "not_body_weight"),
        ({"valueQuantity": {"value": [80], "code": "kg"}}, "missing_field"),
    ],
)
def test_what_is_quarantined(single, change, reason):
    assert single(change)["reason"] == reason


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_is_taken_back_is_no_measurement(single, status):
    row = single({"status": status, "valueQuantity": None, "effectiveDateTime": None})
    assert (row["user_id"], row["record_id"]) == ("p1", "o1")
    assert "weight" not in row


def test_other_resources_are_skipped_and_counted(save, cleaned):
    other = observation(code={"coding": [{"system": LOINC, "code": "8302-2"}]})
    foreign = observation(code={"coding": [{"system": "http://acme", "code": "29463-7"}]})
    patient = {"resourceType": "Patient", "id": "29463-7"}
    lines = [json.dumps(one) for one in (other, foreign, patient, observation())]
    result = cleaned(save("\r\n".join(lines)))
    assert (result.skipped, result.rows) == (3, 1)
    assert result.measurements["line"].to_pylist() == [4]


def test_bundles_lists_and_both_number_their_resources(save, cleaned):
    inner = {"resourceType": "Bundle", "entry": [{"resource": observation(id="b")}, {}]}
    bundle = {
        "entry": [{"resource": {"resourceType": "Patient"}}, {"resource": inner}],
        "resourceType": "Bundle",
    }
    result = cleaned(save("\ufeff" + json.dumps([bundle, observation(id="c")], indent=1)))
    assert result.measurements["line"].to_pylist() == [2, 4]
    assert result.skipped == 2


def test_ndjson_in_small_blocks_and_gzip(save, cleaned):
    lines = [json.dumps(observation(id=str(n))) for n in range(200)]
    lines[17] = lines[17][:-40]
    lines[40] = ""
    content = "\n".join(lines).encode()
    for path in (save(content), save(gzip.compress(content), "packed")):
        for block_bytes in (100, 4 << 20):
            result = cleaned(path, block_bytes=block_bytes)
            kept = result.measurements["line"].to_pylist()
            assert kept == [n for n in range(1, 201) if n not in (18, 41)]
            (bad,) = result.quarantine.to_pylist()
            assert (bad["line"], bad["reason"]) == (18, "missing_field")


def test_a_first_line_that_is_damaged_costs_no_other(save, cleaned):
    good = json.dumps(observation())
    for block_bytes in (1 << 10, 4 << 20):
        result = cleaned(save(f"{good[:-40]}\n{good}\n{good}\n"), block_bytes=block_bytes)
        assert result.measurements["line"].to_pylist() == [2, 3]
        assert result.quarantine["line"].to_pylist() == [1]
    pretty = json.dumps(observation(), indent=1)
    assert cleaned(save(pretty)).measurements["line"].to_pylist() == [1]
    assert cleaned(save(f"[\n{good}\n]")).measurements["line"].to_pylist() == [1]


def test_a_line_beyond_all_measure_is_one_faulty_record(save, cleaned, monkeypatch):
    monkeypatch.setattr("weightstream.readers.documents.MAX_LINE", 2000)
    good = json.dumps(observation())
    result = cleaned(save(f"{good}\n{{'x': '{'y' * 50_000}'}}\n{good}\n"), block_bytes=700)
    assert result.measurements["line"].to_pylist() == [1, 3]
    assert result.quarantine["line"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"resourceType": "Observation", "id": ', "not complete JSON"),
        ('{"resourceType": "X", "a": ' + "[" * 100_000, "not complete JSON"),
        (
            json.dumps(bundle(observation(), observation())) + "\n" + json.dumps(observation()),
            "several weighings on a line",
        ),
    ],
)
def test_files_that_cannot_be_used(save, cleaned, content, sentence):
    with pytest.raises(InputError, match=sentence):
        cleaned(save(content))


def test_a_document_that_is_too_large_is_refused(save, cleaned, monkeypatch):
    monkeypatch.setattr("weightstream.readers.documents.MAX_DOCUMENT", 1000)
    with pytest.raises(InputError, match="NDJSON"):
        cleaned(save(json.dumps([observation()] * 10, indent=1)), block_bytes=100)


XML = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<Observation xmlns="http://hl7.org/fhir"><id value="1"/></Observation>
"""


def test_xml_is_refused_by_its_name(save, cleaned):
    path = save(XML)
    assert recognise(path) == "fhir"
    with pytest.raises(InputError, match="is FHIR in XML; give it as JSON"):
        cleaned(path)
    for other in ("<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "<a><!--" * 9999, "<?xml?>" * 9999):
        with pytest.raises(InputError, match="in no format"):
            recognise(save(other))


def test_a_record_that_names_no_person_says_what_to_do(single):
    for subject in (None, {"reference": ""}, {"display": "somebody"}, {"reference": "#p"}):
        row = single({"subject": subject})
        assert row["reason"] == "missing_field"
        assert row["detail"] == "the record names no person; give --user"


def test_a_person_given_serves_records_that_name_none(single):
    assert single({"subject": None}, user="me")["user_id"] == "me"
    with pytest.raises(InputError, match="leave --user out"):
        single({}, user="me")


def test_files_by_others(shared, cleaned):
    folder = shared / "samples/fhir"
    expected = {
        "hl7-r4-observation-example-lb.json": ["185 lb"],
        "ms-weight-grams-bom.json": ["75000 g"],
        "uscore-weight-kg.json": ["20.09414 kg"],
        "au-cancelled-dataabsent.json": [],
        "pathling-synthea-bundle-adult.json": ["92 kg", "98.3 kg", "91.5 kg", "97.2 kg"],
        "smart-bulk-observation-excerpt.ndjson": ["90.2 kg"] * 3,
    }
    with pytest.raises(InputError, match="FHIR in XML"):
        cleaned(folder / "hl7-r4-observation-example-lb.xml")
    for name, weights in expected.items():
        assert recognise(folder / name) == "fhir"
        rows = cleaned(folder / name).measurements.to_pylist()
        assert [f"{row['amount']} {row['unit']}" for row in rows] == weights, name
    anonymous = {
        "hb-loinc-not-first.json": (1, 0, 0),
        "hb-novalue.json": (0, 1, 0),
        "hb-bundle-vitals-and-labs.json": (1, 0, 1),
        "hb-bundle-duplicate.json": (2, 0, 0),
    }
    for name, counts in anonymous.items():
        result = cleaned(folder / name, user="me")
        found = (len(result.measurements), len(result.quarantine), result.skipped)
        assert found == counts, name


@pytest.mark.parametrize(
    ("code", "source"),
    [
        (coded("29463-7", "http://loinc.org/"), "fhir"),
        (coded("29463-7", "https://loinc.org"), "fhir"),
        (coded("29463-7", "LOINC"), "fhir"),
        (coded("29463-7", "urn:oid:2.16.840.1.113883.6.1"), "fhir"),
        (coded("27113001", "http://snomed.info/sct"), "fhir"),
        (coded("424927000", "http://snomed.info/sct/"), "fhir-clothed"),
        (coded("188736", "urn:iso:std:iso:11073:10101"), "fhir"),
        ({"text": "Body weight"}, "fhir"),
        ({"coding": [{"system": "urn:clinic", "code": "W1", "display": "Gewicht"}]}, "fhir"),
    ],
)
def test_codes_of_a_body_weight(single, code, source):
    row = single({"code": code})
    assert (row["amount"], row["source"]) == ("80.5", source)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (coded("8339-4", text="Birth weight"), "Birth weight"),
        (coded("73708-0", text="Body fat"), "Body fat"),
        (coded("29463-7", "http://snomed.info/sct"), "code 29463-7"),  # no code of that system
        (coded("188736", "urn:clinic"), "code 188736"),
        ({"text": "Goal weight"}, "Goal weight"),
        (coded("75292-3", text="Body weight"), "Body weight"),  # usual weight: the code knows
    ],
)
def test_what_has_a_weights_unit_and_is_no_weighing_is_named(save, cleaned, code, name):
    text = json.dumps(observation(code=code))
    for content in (text, f"{text}\n{text}"):
        result = cleaned(save(content))
        assert result.rows == 0
        assert result.others == {name: result.skipped}


def test_a_weight_in_a_component_is_a_row(single):
    parts = [
        {"code": coded("8302-2"), "valueQuantity": {"value": 178, "unit": "cm"}},
        {"code": coded("29463-7"), "valueQuantity": {"value": 80.2, "unit": "kg"}},
    ]
    panel = {"code": coded("85353-1"), "valueQuantity": None, "component": parts}
    assert single(panel)["amount"] == "80.2"
    parts.append({"code": coded("3141-9"), "valueQuantity": {"value": 81.4, "unit": "kg"}})
    row = single(panel)
    assert row["reason"] == "bad_number"
    assert row["detail"] == "the record holds 2 different weights"


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [
        ({"unit": "lb", "code": "[lb_av]"}, "lb"),
        ({"unit": "pounds", "code": "{pounds}"}, "lb"),  # the text, where the code is none
        ({"unit": "Body weight", "code": "kg"}, "kg"),
        ({"unit": "lb", "code": "kg"}, None),
    ],
)
def test_units_that_contradict_are_refused(single, quantity, unit):
    quantity |= {"value": 80.5, "system": "http://unitsofmeasure.org"}
    row = single({"valueQuantity": quantity})
    if unit:
        assert row["unit"] == unit
    else:
        assert row["reason"] == "unknown_unit"
        assert row["detail"] == "the unit is written 'lb' and coded 'kg'"


def test_a_weight_as_text_is_a_row(single):
    assert single({"valueQuantity": None, "valueString": "180 lbs"})["amount"] == "180"


def test_half_a_character_spoils_nothing(save, cleaned):
    """JSON can write one; neither Arrow nor UTF-8 can hold it."""
    names = ["a\ud83d", "a\ud83e", "b"]
    texts = [json.dumps(observation(subject={"identifier": {"value": name}})) for name in names]
    for content in ("\n".join(texts), f"[{','.join(texts)}]"):
        users = cleaned(save(content)).measurements["user_id"].to_pylist()
        assert users == ["a\\ud83d", "a\\ud83e", "b"]


def test_texts_in_another_encoding_spoil_nothing(save, cleaned):
    text = json.dumps(observation(device={"display": "Söhnle"}), ensure_ascii=False)
    data = text.encode("cp1252")
    for content in (data, data + b"\n" + text.encode()):
        sources = cleaned(save(content)).measurements["source"].to_pylist()
        assert set(sources) == {"Söhnle"}


PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1984-05-31", "gender": "female"}


@pytest.mark.parametrize(
    ("patient", "said"),
    [
        (PATIENT, ("1984-05-31", "f")),
        (PATIENT | {"birthDate": "1984", "gender": "other"}, ("1984", None)),
        (PATIENT | {"id": "p2"}, (None, None)),
    ],
)
def test_patients_tell_birth_date_and_sex_wherever_they_stand(save, patient, said):
    together = bundle(observation(), patient)
    lines = [json.dumps(observation())] * 9 + [json.dumps(patient)]
    for content in (json.dumps(together), "\n".join(lines)):
        for block_bytes in (300, 1 << 20):
            blocks = [one() for one in parses(save(content), ReadOptions(block_bytes=block_bytes))]
            rows = [row for block in blocks for row in block.rows.to_pylist()]
            assert {(row["birth_date"], row["sex"]) for row in rows} == {said}


FASTEN = {
    "providers": [
        {"name": "Clinic A", "fhir": {"Patient": [PATIENT], "Observation": [observation()]}},
        {"name": "Clinic B", "fhir": {"Observation": [
            observation(id="o2", subject={"reference": "Patient/x9"},
                        effectiveDateTime="2024-02-01T07:00:00Z")]}},
    ]
}  # fmt: skip


def test_an_envelope_holds_resources_of_many_providers(save, cleaned):
    """The export of Fasten: one person, who has another id with each provider."""
    path = save(json.dumps(FASTEN))
    rows = cleaned(path).measurements.to_pylist()
    assert [(row["user_id"], row["source"]) for row in rows] == [
        ("p1", "Clinic A"), ("x9", "Clinic B")
    ]  # fmt: skip
    assert set(cleaned(path, user="me").measurements["user_id"].to_pylist()) == {"me"}


def test_bundles_on_lines(save, cleaned):
    lines = [bundle(PATIENT, observation()), bundle(), {"data": [observation(id="o2")]}]
    result = cleaned(save("\n".join(map(json.dumps, lines))))
    assert result.measurements["line"].to_pylist() == [1, 3]


def report(number, *contained, **changes):
    subject = {"reference": "Patient/p1"}
    fields = {"id": f"r{number}", "subject": subject, "contained": [*contained]}
    return {"resourceType": "DiagnosticReport", "status": "final"} | fields | changes


def inside(day, **changes):
    """An Observation as reports contain it: its id is unique within the report only."""
    return observation(id="w", effectiveDateTime=f"2024-01-{day:02}", **changes)


@pytest.mark.parametrize("layout", ["bundle", "lines"])
def test_ids_of_contained_weights_are_those_of_their_resource_too(save, cleaned, layout):
    reports = [report(day, inside(day)) for day in (1, 2)]
    lines = "\n".join(map(json.dumps, reports))
    result = cleaned(save(json.dumps(bundle(*reports)) if layout == "bundle" else lines))
    assert result.measurements["record_id"].to_pylist() == ["r1#w", "r2#w"]


def test_a_contained_weight_is_versioned_and_taken_back_with_its_resource(save, cleaned):
    meta = {"lastUpdated": "2024-02-01T00:00:00Z"}
    taken_back = report(2, inside(2), status="entered-in-error")
    result = cleaned(save(json.dumps(bundle(report(1, inside(1), meta=meta), taken_back))))
    assert result.measurements["updated"].to_pylist() == ["2024-02-01T00:00:00.000000Z"]
    assert result.retractions["record_id"].to_pylist() == ["r2#w"]


def test_contained_weights_without_an_id_of_their_resource_have_none(save, cleaned):
    result = cleaned(save(json.dumps(bundle(report(1, inside(1), id=None)))))
    assert result.measurements["record_id"].to_pylist() == [None]


def test_weights_in_parts_of_parameters_are_read(save, cleaned):
    part = {"name": "one", "part": [{"name": "two", "part": [{"resource": observation()}]}]}
    result = cleaned(save(json.dumps({"resourceType": "Parameters", "parameter": [part]})))
    assert result.measurements["record_id"].to_pylist() == ["o1"]
