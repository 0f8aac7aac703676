"""Excel workbooks, built here part by part: no library that writes them is needed."""

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from weightstream.errors import InputError
from weightstream.readers import recognise
from weightstream.readers.spreadsheet import _column

_CONTENT = "application/vnd.openxmlformats-"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    f'<Default Extension="rels" ContentType="{_CONTENT}package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml"'
    f' ContentType="{_CONTENT}officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="22"/></cellXfs></styleSheet>'
)
DATE, MOMENT = 1, 2


def _cell(place: str, value: object) -> str:
    if isinstance(value, tuple):
        number, style = value
        return f'<c r="{place}" s="{style}"><v>{number}</v></c>'
    if isinstance(value, (int, float)):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def _sheet(rows: list[list[object]]) -> str:
    body = "".join(
        f'<row r="{number}">'
        + "".join(_cell(f"{chr(65 + at)}{number}", v) for at, v in enumerate(row) if v is not None)
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>'


def workbook(path: Path, date1904: bool = False, **sheets: list[list[object]]) -> Path:
    """Write an .xlsx file. Cells: texts, numbers, or (number, DATE or MOMENT)."""
    names = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    links += f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    system = f'<workbookPr date1904="{int(date1904)}"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("[Content_Types].xml", _TYPES)
        out.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r" Target="xl/workbook.xml"'
            f' Type="{_OFFICE}/officeDocument"/></Relationships>',
        )
        out.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{system}'
            f"<sheets>{names}</sheets></workbook>",
        )
        out.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
        )
        out.writestr("xl/styles.xml", _STYLES)
        for n, rows in enumerate(sheets.values(), 1):
            out.writestr(f"xl/worksheets/sheet{n}.xml", _sheet(rows))
    return path


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
    rows = cleaned(path).measurements.to_pylist()
    assert [(row["wall"], row["amount"], row["line"]) for row in rows] == [
        ("2024-01-31", "80.5", 4),
        ("2024-02-01T07:12:00", "80", 6),
        ("2024-02-03", "80.4", 7),
    ]


@pytest.mark.parametrize(("date1904", "day"), [(False, "2024-01-31"), (True, "2028-02-01")])
def test_days_are_of_the_date_system_that_the_workbook_states(tmp_path, cleaned, date1904, day):
    rows = [HEADER, ["p1", (45322, DATE), 80.5, "kg"], ["p1", 45322, 80.6, "kg"]]
    path = workbook(tmp_path / "w.xlsx", date1904, Weights=rows)
    assert [row["wall"] for row in cleaned(path).measurements.to_pylist()] == [day, day]


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


def test_a_sheet_that_spans_more_than_fits_into_memory_is_refused(tmp_path, cleaned):
    path = workbook(tmp_path / "w.xlsx", A=[HEADER])
    with zipfile.ZipFile(path, "a") as out:
        cell = _cell("XFD1048576", "x")
        out.writestr("xl/worksheets/sheet2.xml", f'<sheetData><row r="1">{cell}</row></sheetData>')
    with pytest.raises(InputError, match="1,048,576 rows and 16,384 columns; save it as CSV"):
        cleaned(path)


def test_letters_of_columns():
    assert [_column(letters) for letters in (b"A", b"Z", b"AA", b"XFD")] == [1, 26, 27, 16_384]
