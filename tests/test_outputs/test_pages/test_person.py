"""What happened to some readings: overrides, earlier decisions, alerts, the outlook."""

from dataclasses import replace

import numpy as np
import pytest

from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.outlook import Outlook
from weightstream.outputs.pages.person import EarlierDecision, Override, person_data


def test_overrides_and_earlier_decisions_find_their_reading(make_person):
    person = make_person(30)
    ids = person.columns["measurement_id"]
    person = replace(
        person,
        overrides=[
            Override(ids[7], "accept", "Dr Berg", "2024-05-01T10:00:00Z", "seen on the scale"),
            Override("not-here", "accept", "x", "2024-05-01", ""),
        ],
        earlier=[EarlierDecision(ids[9], 1, "causal", "rejected", "digit_swap", 81.0)],
    )
    data = person_data(person)
    assert data["overrides"] == [
        (7, "set to accepted", "Dr Berg", "2024-05-01T10:00:00Z", "seen on the scale")
    ]
    row, version, stage, verdict, reason, suggested = data["earlier"][0]
    assert (row, version, suggested) == (9, 1, 81.0)
    assert data["stages"][stage] == "causal"
    assert data["verdicts"][verdict] == "rejected"
    assert data["reasons"][reason][0] == "digit_swap"  # though no current decision has it


def test_alerts_and_the_outlook_are_rounded_to_what_can_be_seen(make_person):
    ahead = Outlook((7,), [80.123], [79.0], [81.0])
    alert = Alert("2024-01-08T07:00:00Z", "unusual", 7.04, -3.14159, 0.98765)
    data = person_data(replace(make_person(3), alerts=[alert], outlook=ahead))
    assert data["alerts"] == [("2024-01-08T07:00:00Z", "unusual", 7.0, -3.14, 0.988, "new", "")]
    assert data["outlook"]["level"].tolist() == [80.12]
    assert person_data(make_person(3))["outlook"] is None


def test_the_changes_that_the_sentence_is_made_of(make_person):
    person = make_person(100)
    data = person_data(person)
    assert data["direction"][0] in ("losing", "gaining", "unclear")
    since, days, kg, lo, hi, share = data["changes"]["4 weeks"]
    assert (days, len(since)) == (28.0, 10)
    assert lo < kg < hi
    assert np.sign(share) == np.sign(kg)
    assert np.isnan(data["change"][0])
    assert data["change"][-1] == pytest.approx(kg, abs=0.006)
    nothing = person_data(replace(person, trend=None))
    assert (nothing["changes"], nothing["direction"]) == ({}, None)


def test_a_reading_keeps_grams_so_that_it_is_rounded_once(make_person):
    person = make_person(3)
    person.columns["weight_kg"][:] = [92.351407, 92.349, 80.0]
    assert person_data(person)["kg"].tolist() == [92.351, 92.349, 80.0]


def test_a_copy_is_told_from_an_error(make_person):
    person = make_person(30)
    for row, reason in ((7, "repeat"), (8, "outlier"), (9, "override")):
        person.columns["verdict"][row], person.columns["reason"][row] = "rejected", reason
    data = person_data(person)
    kinds = {name: kind for name, _, kind in data["reasons"]}
    assert {kinds[name] for name in ("repeat", "outlier", "override")} == {"copy", "", "person"}
    assert kinds["repeat"] == "copy"


def test_the_clock_of_the_source_is_kept(make_person):
    person = make_person(4)
    person.columns["raw_time"] = [
        "2024-05-01T06:03:00+01:00",
        "2024-05-02 06:03:00",
        "2024-05-03",
        "2024-05-04T06:03:00-0730",
    ]
    data = person_data(person)
    assert [data["offsets"][code] for code in data["offset"]] == ["+01:00", None, None, "-0730"]


def test_a_very_long_cell_is_cut(make_person):
    person = make_person(3)
    person.columns["raw_weight"][1] = "0" * 1_000_000 + "80"
    assert len(person_data(person)["raw"][1]) == 40
