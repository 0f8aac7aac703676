"""Excel workbooks, as fuzz.workbooks builds them."""

import zipfile

import pytest

from fuzz.workbooks import DATE, MOMENT, workbook
from weightstream.errors import InputError
from weightstream.intake.import_report import left_out
from weightstream.readers import recognise
from weightstream.readers.spreadsheet import _column

HEADER = ["user_id", "date", "weight", "unit"]


def test_the_first_sheet_with_a_table(tmp_path, cleaned):
    path = workbook(
        tmp_path / "w.xlsx",
        Notes=[["These are my weights"], ["Enjoy"]],
        Weights=[["My weights"], [], HEADER, ["p1", (45322, DATE), 80.5, "kg"], [None],
                 ["p1", (45323.3, MOMENT), 80, "kg"], ["p1", "03.02.2024", "80,4", "kg"]],
        Other=[HEADER, ["p9", (45322, DATE), 70, "kg"]],
    )  # fmt: skip
    assert recognise(path) == "xlsx"
    found = cleaned(path)
    rows = found.measurements.to_pylist()
    assert [(row["wall"], row["amount"], row["line"]) for row in rows] == [
        ("2024-01-31", "80.5", 4),
        ("2024-02-01T07:12:00", "80", 6),
        ("2024-02-03", "80.4", 7),
    ]
    # A sheet that may hold weighings and is not read counts like such a file.
    assert [one.name for one in left_out(found.unread)] == [f"{path}, sheet 'Other'"]


def test_a_second_table_below_in_another_unit_is_refused(tmp_path, cleaned):
    """Its pounds were accepted as kilograms, and its header was a row that could not be read."""
    kilos, pounds = (["user_id", "date", f"Weight ({unit})"] for unit in ("kg", "lb"))
    path = workbook(
        tmp_path / "w.xlsx",
        A=[kilos, ["p1", (45322, DATE), 70.1], pounds, ["p2", (45322, DATE), 176]],
    )
    with pytest.raises(InputError, match="holds a second table, which begins in line 3"):
        cleaned(path)


def test_a_header_that_comes_again_in_a_sheet_is_no_row(tmp_path, cleaned):
    rows = [HEADER, ["p1", (45322, DATE), 80.5, "kg"], HEADER, ["p1", (45323, DATE), 80, "kg"]]
    found = cleaned(workbook(tmp_path / "w.xlsx", A=rows))
    assert [row["line"] for row in found.measurements.to_pylist()] == [2, 4]


def test_a_further_table_of_a_workbook_in_a_zip_file_is_named(tmp_path, cleaned):
    rows = [HEADER, ["p1", (45322, DATE), 80.5, "kg"]]
    books = {name: workbook(tmp_path / name, A=rows, B=rows) for name in ("1.xlsx", "2.xlsx")}
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, book in books.items():
            archive.write(book, name)
    found = cleaned(path)
    assert len(found.measurements) == 2
    assert len(left_out(found.unread)) == 2


@pytest.mark.parametrize(("date1904", "day"), [(False, "2024-01-31"), (True, "2028-02-01")])
def test_days_are_of_the_date_system_that_the_workbook_states(tmp_path, cleaned, date1904, day):
    rows = [HEADER, ["p1", (45322, DATE), 80.5, "kg"], ["p1", 45322, 80.6, "kg"]]
    path = workbook(tmp_path / "w.xlsx", date1904, Weights=rows)
    assert [row["wall"] for row in cleaned(path).measurements.to_pylist()] == [day, day]


def test_dates_as_text_clocks_as_shares_and_units_below_the_header(tmp_path, cleaned):
    rows = [["Date", "Time", "Weight"], [None, None, "lb"], ["31/01/2024", 0.3, 180.5],
            ["01/02/2024", "7:12 PM", 180.4], [45324, 0.5, "180,3"]]  # fmt: skip
    found = cleaned(workbook(tmp_path / "w.xlsx", A=rows), user="me").measurements.to_pylist()
    assert [(row["wall"], row["amount"], row["unit"], row["line"]) for row in found] == [
        ("2024-01-31T07:12:00", "180.5", "lb", 3),
        ("2024-02-01T19:12:00", "180.4", "lb", 4),
        ("2024-02-02T12:00:00", "180.3", "lb", 5),
    ]


def test_a_workbook_in_a_zip_file(tmp_path, cleaned):
    inner = workbook(tmp_path / "w.xlsx", A=[HEADER, ["p1", (45322, DATE), 80.5, "kg"]])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
        out.write(inner, "export/w.xlsx")
    assert cleaned(tmp_path / "all.zip").measurements["amount"].to_pylist() == ["80.5"]


@pytest.mark.parametrize(
    ("sheets", "sentence"),
    [
        (
            {"A": [["x", "y"], [1, 2]]},
            "sheet 'A' has no column for user and time and weight and unit",
        ),
        ({"A": []}, "is empty"),
        ({"A": [HEADER[1:], [(45322, DATE), 80, "kg"]]}, "no column for user; give --user"),
    ],
)
def test_workbooks_without_a_table(tmp_path, cleaned, sheets, sentence):
    with pytest.raises(InputError, match=sentence):
        cleaned(workbook(tmp_path / "w.xlsx", **sheets))


def test_damaged_and_old_workbooks(tmp_path, cleaned, save):
    whole = workbook(tmp_path / "w.xlsx", A=[HEADER, ["p1", "2024-01-31", 80, "kg"]]).read_bytes()
    for broken in (whole[:-40], whole.replace(b"xl/workbook.xml", b"xl/workbook.xmX")):
        with pytest.raises(InputError, match="damaged Excel file"):
            cleaned(save(broken))
    with pytest.raises(InputError, match="an old or encrypted Excel file"):
        cleaned(save(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)))


def test_a_workbook_with_a_name_that_is_no_utf_8_is_damaged(tmp_path, cleaned):
    path = workbook(tmp_path / "w.xlsx", A=[HEADER, ["p1", (45322, DATE), 80.5, "kg"]])
    data = bytearray(path.read_bytes())
    entry = data.rfind(b"PK\x01\x02")  # of the last member in the directory
    data[entry + 9] |= 0x08  # its name is UTF-8
    data[entry + 46] = 0xBE
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="damaged Excel file"):
        cleaned(path)


def test_a_sheet_that_spans_more_than_fits_into_memory_is_refused(tmp_path, cleaned):
    path = workbook(tmp_path / "w.xlsx", A=[HEADER])
    with zipfile.ZipFile(path, "a") as out:
        cell = '<c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c>'
        out.writestr("xl/worksheets/sheet2.xml", f'<sheetData><row r="1">{cell}</row></sheetData>')
    with pytest.raises(InputError, match="1,048,576 rows and 16,384 columns; save it as CSV"):
        cleaned(path)


def test_letters_of_columns():
    assert [_column(letters) for letters in (b"A", b"Z", b"AA", b"XFD")] == [1, 26, 27, 16_384]
