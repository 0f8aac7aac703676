"""The documents under shared/data come out as its expected.csv and README say."""

import pytest

from tests.reports.cases import outcome_of


def test_every_record_of_broken_attributes_is_a_row(data):
    found = outcome_of(data / "reports/12-apple-bad-attributes.xml", user="me")
    assert found.rows == [
        "me 2015-06-16T07:18:20-07:00 80.1 kg",
        "me 2015-06-17T07:18:20-07:00 80.3 kg",
        "me 2015-06-18T07:18:20-07:00 80.2 kg",
        "me 2015-06-19T07:18:20-07:00 80.4 kg",
    ]


def test_health_auto_export(data):
    found = outcome_of(data / "reports/67-health-auto-export.json", user="me")
    assert found.rows == ["me 2024-01-01T07:00:00+01:00 176.4 lb"]
    assert found.measurements["source"].to_pylist() == ["Scale"]


def test_fhir_of_all_kinds(data):
    """24 lines: weighings, what is wrong with some, and four that are no weighing at that time."""
    found = outcome_of(data / "reports/75-fhir.ndjson")
    read = dict(zip(found.measurements["line"].to_pylist(), found.rows, strict=True))
    assert read[8] == "p1 2024-01-08T07:00:00+01:00 80.1 kg"  # SNOMED CT alone
    assert read[9] == "p1 2024-01-09T07:00:00+01:00 80.2 kg"  # in a component
    assert read[10] == "p1 2024-01-10T07:00:00+01:00 180 lb"  # as a text
    details = dict(found.quarantined)
    assert details[7] == "the row has no unit"
    assert details[15] == "the row has no time"  # issued is when it was made known
    assert details[18] == "the unit is written 'lb' and coded 'kg'"
    assert set(found.others) == {"code 8339-4", "code 75292-3", "code 8348-5", "code 3140-1"}
    lost = set(range(1, 25)) - set(read) - set(details)
    assert lost == {11, 12, 19, 20, 22}  # 11 is taken back


@pytest.mark.parametrize(
    ("name", "rows", "quarantined"),
    [
        ("health-connect/matinzd-weight-record.json", [], [(1, "the row has no time")]),
        (
            "samsung-health/davidmosiah-simplified-weight.csv",
            ["me 2026-05-01T07:00:00-03:00 80 kg"],
            [],
        ),
    ],
)
def test_samples(data, name, rows, quarantined):
    found = outcome_of(data / "samples" / name, user="me")
    assert (found.rows, found.quarantined) == (rows, quarantined)
