"""What happened to some readings: overrides, earlier decisions, alerts, the outlook."""

from dataclasses import replace

from weightstream.outputs.pages.alerts import Alert
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
    ahead = Outlook(-0.51234, -0.1, (7,), [80.123], [79.0], [81.0])
    alert = Alert("2024-01-08T07:00:00Z", "change", 7.04, -3.14159, 0.98765)
    data = person_data(replace(make_person(3), alerts=[alert], outlook=ahead))
    assert data["alerts"] == [("2024-01-08T07:00:00Z", "change", 7.0, -3.14, 0.988)]
    assert data["outlook"]["rate"] == (-0.512, -0.1)
    assert data["outlook"]["level"].tolist() == [80.12]
    assert person_data(make_person(3))["outlook"] is None


def test_a_very_long_cell_is_cut(make_person):
    person = make_person(3)
    person.columns["raw_weight"][1] = "0" * 1_000_000 + "80"
    assert len(person_data(person)["raw"][1]) == 40
