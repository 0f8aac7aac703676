import gzip
import time
import zipfile

import pytest

from weightstream.errors import InputError
from weightstream.readers import recognise

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- a broken document type: -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation
<!ATTLIST Record type CDATA #REQUIRED
]>
<HealthData locale="en_US">
"""
TAIL = "</HealthData>\n"
WEIGHT = (
    '<Record type="HKQuantityTypeIdentifierBodyMass" sourceName="Scale" unit="kg" '
    'startDate="2024-01-31 07:12:33 +0100" endDate="2024-01-31 07:12:33 +0100" value="80.5"/>\n'
)
PULSE = WEIGHT.replace("BodyMass", "HeartRate")


def test_records_of_weight_only(save, weighings):
    index = WEIGHT.replace("BodyMass", "BodyMassIndex")
    path = save(HEAD + PULSE + WEIGHT + index + TAIL)
    assert recognise(path) == "apple_health"
    assert weighings(path, user="me") == [("2024-01-31T06:12:33Z", "80.5", "kg", "Scale")]


def test_lines(save, cleaned):
    path = save(HEAD + PULSE + WEIGHT + "<Workout>\n</Workout>\n" + WEIGHT + TAIL)
    for block_bytes in (11, 50, 4 << 20):
        result = cleaned(path, user="me", block_bytes=block_bytes)
        assert result.measurements["line"].to_pylist() == [9, 12]


def test_attributes_in_any_order_quotes_and_references(save, weighings):
    record = (
        '<Record value=\'80.5\'\n unit = "lb" device="&lt;&lt;HKDevice: 0x1>, name:S&gt;" '
        "sourceName='Ann&#39;s &quot;S&amp;M&quot; &#x263A;' startDate='2024-01-31 07:12:33 -0500' "
        "type='HKQuantityTypeIdentifierBodyMass'></Record>"
    )
    assert weighings(save(HEAD + record + TAIL), user="me") == [
        ("2024-01-31T12:12:33Z", "80.5", "lb", 'Ann\'s "S&M" ☺')
    ]


def test_what_a_person_typed_is_a_source_of_its_own(save, weighings):
    record = WEIGHT.replace("/>", '>\n<MetadataEntry key="HKWasUserEntered" value="1"/>\n</Record>')
    other = WEIGHT.replace("/>", '>\n<MetadataEntry key="HKWasUserEntered" value="0"/>\n</Record>')
    path = save(HEAD + WEIGHT + record + other + TAIL)
    for block_bytes in (40, 4 << 20):
        sources = [row[3] for row in weighings(path, user="me", block_bytes=block_bytes)]
        assert sources == ["Scale", "Scale (by hand)", "Scale"]


@pytest.mark.parametrize("block_bytes", [13, 4 << 20])
def test_comments_and_cdata_hold_no_records(save, cleaned, block_bytes):
    content = HEAD + f"<!-- {WEIGHT} -->\n<![CDATA[ {WEIGHT} ]]>\n" + WEIGHT + TAIL
    result = cleaned(save(content), user="me", block_bytes=block_bytes)
    assert result.measurements["line"].to_pylist() == [12]


def test_missing_attributes_are_missing_fields(save, cleaned):
    bare = '<Record type="HKQuantityTypeIdentifierBodyMass"/>'
    no_unit = WEIGHT.replace('unit="kg"', "")
    result = cleaned(save(HEAD + bare + no_unit + TAIL), user="me")
    assert [row["detail"] for row in result.quarantine.to_pylist()] == [
        "the row has no time and no weight and no unit",
        "the row has no unit",
    ]
    given = cleaned(save(HEAD + no_unit + WEIGHT + TAIL), user="me", unit="lb")
    assert given.measurements["unit"].to_pylist() == ["lb", "kg"]


def test_entities_are_not_expanded(save, cleaned, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("not for readers")
    bomb = f'<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "{secret.as_uri()}">'
    record = WEIGHT.replace("80.5", "&b;").replace("Scale", "&x;")
    path = save(HEAD.replace("]>", f"{bomb}]>") + record + TAIL)
    (row,) = cleaned(path, user="me").quarantine.to_pylist()
    assert (row["reason"], row["weight"], row["source"]) == ("bad_number", "&b;", "&x;")


@pytest.mark.parametrize("rest", [1, 40, 3 << 10])
def test_a_long_tail_without_records_is_no_cut(save, cleaned, monkeypatch, rest):
    """Workouts and summaries follow the records; the last block may be a few bytes of them."""
    monkeypatch.setattr("weightstream.readers.apple_health.MAX_TAG", 1 << 10)
    block = 4 << 10
    content = HEAD + WEIGHT
    tail = '<ActivitySummary activeEnergyBurned="1"/>\n' * 1000
    fill = (len(content + tail + TAIL) - rest) % block
    path = save(content + " " * ((block - fill) % block) + tail + TAIL)
    result = cleaned(path, user="me", block_bytes=block)
    assert (len(result.measurements), result.rows) == (1, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (HEAD + WEIGHT * 3, "truncated"),
        (HEAD + WEIGHT * 3 + WEIGHT[:50], "truncated"),
        (HEAD + "<!-- " + WEIGHT * 100 + TAIL, "truncated"),
        (HEAD + '<Record type="' + "x" * (3 << 20) + TAIL, "does not end"),
    ],
)
def test_files_that_cannot_be_used(save, cleaned, content, sentence):
    with pytest.raises(InputError, match=sentence):
        cleaned(save(content), user="me", block_bytes=1 << 16)


@pytest.mark.parametrize(
    "broken",
    [
        WEIGHT.replace("unit=", 'Health Mate App Version="2.6.0" Modified Date="x" unit='),
        WEIGHT.replace("unit=", 'My value="1" Body unit="st" unit='),
        WEIGHT.replace('"Scale"', '"Scale" note="a < b > c"').replace("note", "n"),
        WEIGHT.replace('" ', '"'),  # no space between attributes
        WEIGHT.replace("unit=", "device=S unit="),
        WEIGHT.replace('value="80.5"', "value=80.5"),
        WEIGHT.replace('value="80.5"/>', 'value="80.5"'),
        WEIGHT.replace("unit=", 'name="5" scale" unit='),
        WEIGHT.replace("unit=", "User's Name='O' unit="),
        WEIGHT.replace(
            'type="HKQuantityTypeIdentifierBodyMass"', "type=HKQuantityTypeIdentifierBodyMass"
        ),
    ],
)
@pytest.mark.parametrize("block_bytes", [150, 4 << 20])
def test_broken_attributes_cost_nothing_but_themselves(save, cleaned, broken, block_bytes):
    assert broken != WEIGHT
    content = HEAD + WEIGHT + broken + PULSE + WEIGHT + TAIL
    result = cleaned(save(content), user="me", block_bytes=block_bytes)
    found = [(row["line"], row["amount"], row["unit"]) for row in result.measurements.to_pylist()]
    assert found == [(8, "80.5", "kg"), (9, "80.5", "kg"), (11, "80.5", "kg")]
    assert len(result.quarantine) == 0


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        (WEIGHT.replace('unit="kg"', 'unit="kg'), "the row has no time"),
        (WEIGHT.replace("value=", "="), "the row has no weight"),
        (WEIGHT.replace("unit=", 'value="81" unit=').replace('" ', '"'), "states its value twice"),
    ],
)
def test_a_record_that_cannot_be_read_is_quarantined_with_its_line(save, cleaned, broken, detail):
    content = HEAD + WEIGHT + broken + WEIGHT + TAIL
    result = cleaned(save(content), user="me")
    assert result.measurements["line"].to_pylist() == [8, 10]
    (row,) = result.quarantine.to_pylist()
    assert row["line"] == 9
    assert detail in row["detail"]


def test_a_type_that_is_no_record_is_none(save, cleaned):
    """As a value of metadata, of another record, or inside another attribute."""
    other = (
        '<Record type="X" note="HKQuantityTypeIdentifierBodyMass" value="1"/>\n'
        '<Correlation><MetadataEntry value="HKQuantityTypeIdentifierBodyMass"/></Correlation>\n'
        '<Record type="X" a b="HKQuantityTypeIdentifierBodyMass" value="1"/>\n'
    )
    assert cleaned(save(HEAD + other + WEIGHT + other + TAIL), user="me").rows == 1


@pytest.mark.parametrize(
    "junk",
    [
        "HKQuantityTypeIdentifierBodyMass ",  # many types and no record
        '<Record type="HKQuantityTypeIdentifierBodyMass" <',  # records that never end
        '<Record a="1" type="HKQuantityTypeIdentifierBodyMass" value="1">',  # nor close
        '<Record type="HKQuantityTypeIdentifierBodyMass" ' + "x" * 9_000 + " >< ",
        "=\"'=",
    ],
)
def test_junk_takes_time_in_proportion(save, cleaned, junk):
    def seconds(size):
        path = save(HEAD + "<Record " + junk * (size // len(junk)) + WEIGHT + TAIL)
        began = time.process_time()
        cleaned(path, user="me")
        return time.process_time() - began

    seconds(1 << 10)
    assert seconds(1 << 20) < 12 * seconds(1 << 18) + 0.2


def test_attributes_of_old_exports(save, weighings):
    record = WEIGHT.replace("sourceName", "source").replace(
        "/>", ' Device Serial="7" HKWasUserEntered="1"/>'
    )
    (row,) = weighings(save(HEAD + record + TAIL), user="me")
    assert row[3] == "Scale (by hand)"


def test_the_person_must_be_given(save, cleaned):
    with pytest.raises(InputError, match="give --user"):
        cleaned(save(HEAD + WEIGHT + TAIL))


def test_zip_is_searched_by_content(save, weighings, tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
        archive.writestr("apple_health_export/╧ÇΣ.xml", HEAD + PULSE * 1000 + WEIGHT + TAIL)
        archive.writestr("../../etc/passwd", "not written anywhere")
    assert recognise(path) == "apple_health"
    assert len(weighings(path, user="me")) == 1
    packed = save(gzip.compress((HEAD + WEIGHT + TAIL).encode()), "export.xml.gz")
    assert len(weighings(packed, user="me")) == 1


def test_files_by_others(shared, weighings):
    folder = shared / "samples/apple-health"
    rows = weighings(folder / "analyst-multi-source.xml", user="me")
    assert len(rows) == 5
    assert rows[-1] == ("2026-03-23T07:00:00Z", "73.1", "kg", "Phone Scale")
    rows = weighings(folder / "hydawo-export-dst.xml", user="me")
    assert rows == [
        ("2026-03-01T12:30:00Z", "180", "lb", "Fixture Scale"),
        ("2026-03-09T11:30:00Z", "179", "lb", "Fixture Scale"),
    ]
