import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weightstream import schema
from weightstream.config import Columns
from weightstream.errors import InputError
from weightstream.readers import ReadOptions, delimited, parses, recognise, records

HEADER = "user_id,effectiveDateTime,source_type,weight,unit\n"
ROW = "u1,2024-01-31 07:12:33,scale,80.5,kg\n"


def write(folder: Path, content: str | bytes, name: str = "weights.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(path: Path, **options) -> pa.Table:
    blocks = [parse() for parse in parses(path, ReadOptions(**options))]
    return pa.concat_tables([block.rows for block in blocks] or [schema.RAW.empty_table()])


def rows(path: Path, *fields: str, **options) -> list[tuple]:
    found = table(path, **options).to_pylist()
    return [tuple(row[field] for field in fields) for row in found]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_utf_8_is(tmp_path, encoding):
    text = HEADER + 'zoë,2024-01-31,"a scale",80.5,kg\n' * 50
    plain = write(tmp_path, text)
    wide = write(tmp_path, text.encode(encoding), "wide.csv")
    packed = write(tmp_path, gzip.compress(text.encode(encoding)), "wide.csv.gz")
    for path in (wide, packed):
        for block_bytes in (7, 1 << 20):
            assert table(path, block_bytes=block_bytes).to_pylist() == table(plain).to_pylist()


def test_the_main_layout(tmp_path):
    path = write(tmp_path, HEADER + ROW)
    assert table(path).schema == schema.RAW
    assert table(path).to_pylist() == [
        {"user_id": "u1", "time": "2024-01-31 07:12:33", "source": "scale", "weight": "80.5",
         "unit": "kg", "record_id": None, "updated": None, "line": 2, "retracted": None,
         "fault": None, "detail": None, "birth_date": None, "sex": None}
    ]  # fmt: skip


def test_a_timestamp_beside_the_time_is_when_the_source_changed_the_row(tmp_path):
    path = write(
        tmp_path,
        "id,user_id,effectiveDateTime,source_type,weight,unit,timestamp\n"
        "7,u1,2024-01-31,scale,80,kg,2024-02-01T00:00:00Z\n",
    )
    found = rows(path, "record_id", "time", "updated")
    assert found == [("7", "2024-01-31", "2024-02-01T00:00:00Z")]


def test_a_timestamp_alone_is_the_time(tmp_path):
    path = write(
        tmp_path, "user_id,timestamp,weight,source,unit\nu1,2024-01-31T07:12,80,scale,kg\n"
    )
    assert rows(path, "time", "updated", "source") == [("2024-01-31T07:12", None, "scale")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_case_and_spaces_of_the_header(tmp_path, delimiter):
    text = "USER_ID, EffectiveDateTime ,Source,Weight,Unit\nu1,2024-01-31,scale,80,kg\n"
    path = write(tmp_path, text.replace(",", delimiter))
    assert rows(path, "user_id", "time", "weight") == [("u1", "2024-01-31", "80")]


def test_columns_by_configuration(tmp_path):
    path = write(tmp_path, "who,when,kilos,u\na,2024-01-31,80,kg\n")
    columns = Columns(user_id=("WHO",), time=("when",), weight=("kilos",), unit=("u",))
    assert rows(path, "user_id", "weight", columns=columns) == [("a", "80")]


@pytest.mark.parametrize("name", ["weight_kg", "Weight (kg)", "weight [KG]"])
def test_a_weight_column_may_state_its_unit(tmp_path, name):
    path = write(tmp_path, f"user_id,date,{name}\nu1,2024-01-31,80\n")
    assert rows(path, "weight", "unit") == [("80", "kg")]


def test_user_and_unit_given_where_the_file_does_not_say(tmp_path):
    path = write(tmp_path, "date,weight\n2024-01-31,176\n")
    assert rows(path, "user_id", "unit", user="me", unit="lb") == [("me", "lb")]


def test_missing_cells_are_null(tmp_path):
    path = write(tmp_path, HEADER + "u1,,scale,NULL,kg\n,2024-01-31,,80\n")
    found = rows(path, "user_id", "time", "source", "weight", "unit", "fault")
    assert found == [
        ("u1", None, "scale", None, "kg", None),
        (None, "2024-01-31", None, "80", None, None),
    ]


def test_lines_count_blank_ones_quoted_line_ends_and_the_header(tmp_path):
    text = (
        "\r\n" + HEADER.replace("\n", "\r\n") + "u1,2024-01-01,s,80,kg\r\n\r\n"
        'u2,2024-01-02,"a\r\nb",81,kg\r\nu3,2024-01-03,s,82,kg'
    )
    path = write(tmp_path, text)
    assert rows(path, "user_id", "line") == [("u1", 3), ("u2", 5), ("u3", 7)]


def test_blank_lines_alone_keep_the_fast_road(tmp_path):
    path = write(tmp_path, HEADER + ROW + "\n\n" + ROW + "\r\n" + ROW)
    assert [line for (line,) in rows(path, "line")] == [2, 5, 7]


def test_byte_order_mark(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + (HEADER + ROW).encode())
    assert rows(path, "user_id") == [("u1",)]


def test_quotes_around_and_doubled_in_cells(tmp_path):
    path = write(tmp_path, HEADER + '"u1","2024-01-01","say ""hi"", you","80","kg"\n')
    assert rows(path, "source", "weight") == [('say "hi", you', "80")]


def test_rows_that_are_not_utf8_are_windows_1252(tmp_path):
    body = ROW.replace("scale", "wäge") + ROW.replace("scale", "žluť")
    content = (HEADER + body).encode() + ROW.replace("scale", "wäge").encode("cp1252")
    found = [source for (source,) in rows(write(tmp_path, content), "source")]
    assert found == ["wäge", "žluť", "wäge"]


def test_ragged_rows(tmp_path):
    path = write(
        tmp_path,
        HEADER + "u1,2024-01-01,s,80\nu2,2024-01-01,s,80,5,kg\n" + "u3,2024-01-01,s,80,kg,,\n",
    )
    assert rows(path, "user_id", "weight", "unit", "fault", "detail") == [
        ("u1", "80", None, None, None),
        ("u2", "80", "5", "missing_field", "the row has 6 cells and the header 5"),
        ("u3", "80", "kg", None, None),
    ]


@pytest.mark.parametrize("block_bytes", [64, 4 << 20])
@pytest.mark.parametrize("after", [3, 3000])
def test_a_quote_that_is_never_closed_costs_one_line(tmp_path, after, block_bytes):
    path = write(tmp_path, HEADER + ROW + 'u2,2024-01-01,"open,80,kg\n' + ROW * after)
    found = rows(path, "user_id", "line", "fault", block_bytes=block_bytes)
    assert found[:2] == [("u1", 2, None), ("u2", 3, "missing_field")]
    assert found[2:] == [("u1", line, None) for line in range(4, 4 + after)]


def test_a_stray_quote_does_not_swallow_the_next_quoted_row(tmp_path):
    text = HEADER + 'u1,2024-01-01,"open,80,kg\nu2,2024-01-02,"shut",81,kg\n'
    found = rows(write(tmp_path, text), "user_id", "line", "fault")
    assert found == [("u1", 2, "missing_field"), ("u2", 3, None)]


def test_inches_are_no_quotes(tmp_path):
    path = write(tmp_path, HEADER + 'u1,2024-01-01,12" scale,80,kg\n' + ROW)
    assert rows(path, "source", "line") == [('12" scale', 2), ("scale", 3)]


def test_a_field_of_a_megabyte_and_null_bytes_stay_in_their_row(tmp_path):
    big = "x" * (1 << 20)
    path = write(
        tmp_path, HEADER + ROW + f"u2,2024-01-01,{big},80,kg\n" + "u3,2024\0,s,80,kg\n" + ROW
    )
    assert rows(path, "user_id", "line") == [("u1", 2), ("u2", 3), ("u3", 4), ("u1", 5)]


def test_a_line_beyond_all_measure_is_one_faulty_record(tmp_path, monkeypatch):
    monkeypatch.setattr("weightstream.readers.records.MAX_LINE", 1000)
    path = write(tmp_path, HEADER + ROW + "x" * 50_000 + "\n" + ROW)
    found = rows(path, "line", "fault", block_bytes=300)
    assert found == [(2, None), (3, "missing_field"), (4, None)]


def test_gzip_is_told_by_content(tmp_path):
    path = write(tmp_path, gzip.compress((HEADER + ROW).encode()))
    assert rows(path, "user_id") == [("u1",)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (gzip.compress(HEADER.encode() + ROW.encode() * 5000)[:-200], "truncated gzip"),
        (b"\x1f\x8bnonsense", "damaged or truncated gzip"),
        (bytes(range(256)) * 10, "in no format"),
        (ROW.encode(), "no header"),
        (b"u1,2024-01-31,80\n", "no header"),
        (b"user_id,effectiveDateTime,unit\n", "no column for weight"),
        (b"effectiveDateTime,weight\n", "no column for user and unit.*--user and --unit"),
        (("a," * 1_000_000 + HEADER).encode(), "more than 10,000 columns"),
        ((HEADER + ROW).replace("\n", "\r").encode(), "bare carriage returns"),
        ((HEADER + "u1,03/04/2024,s,80,kg\n").encode(), "day or the month"),
        (
            (
                HEADER
                + "u1,13/04/2024,s,80,kg\nu1,04/13/2024,s,80,kg\n"
                + "u1,04/03/2024,s,80,kg\n" * 3
            ).encode(),
            "day or the month",
        ),
    ],
)
def test_files_that_cannot_be_used_get_one_sentence(tmp_path, content, sentence):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=sentence) as refused:
        table(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        table(tmp_path)


@pytest.mark.parametrize(("option", "value"), [("user", "me"), ("unit", "kg")])
def test_what_the_file_says_itself_is_not_to_be_given(tmp_path, option, value):
    with pytest.raises(InputError, match=f"leave --{option} out"):
        table(write(tmp_path, HEADER + ROW), **{option: value})


def test_no_refusal_quotes_the_file(tmp_path):
    path = write(tmp_path, "Jane Doe,2024-01-31,scale,123.4,kg\n")
    with pytest.raises(InputError) as refused:
        table(path)
    assert "Jane" not in str(refused.value)
    assert "123.4" not in str(refused.value)


@pytest.mark.parametrize("block_bytes", [64, 4 << 20])
def test_the_order_of_day_and_month_comes_from_the_whole_file(tmp_path, block_bytes):
    body = "u1,03/04/2024,s,80,kg\n" * 20 + "u1,28/04/2024,s,80,kg\n"
    path = write(tmp_path, HEADER + body)
    blocks = [parse() for parse in parses(path, ReadOptions(block_bytes=block_bytes))]
    assert {block.dialect.date_order for block in blocks} == {"dmy"}


def test_a_few_doubtful_dates_do_not_refuse_the_file(tmp_path):
    path = write(tmp_path, HEADER + ROW + "u1,03/04/2024,s,80,kg\n")
    blocks = [parse() for parse in parses(path, ReadOptions())]
    assert [block.dialect.date_order for block in blocks] == [None]


def dialects(path: Path, **options):
    return {parse().dialect for parse in parses(path, ReadOptions(**options))}


@pytest.mark.parametrize("block_bytes", [64, 4 << 20])
def test_one_decimal_comma_proves_the_others_of_the_file(tmp_path, block_bytes):
    body = 'u1,2024-01-31,s,"80,500",kg\n' * 20 + 'u1,2024-01-31,s,"80,5",kg\n'
    path = write(tmp_path, HEADER + body)
    blocks = [parse() for parse in parses(path, ReadOptions(block_bytes=block_bytes))]
    doubtful = [one for one in blocks if "80,500" in one.rows["weight"].to_pylist()]
    assert {one.dialect.decimal_comma for one in doubtful} == {True}  # before the proof, too


def test_a_comma_that_nothing_proves_is_left_open_until_an_option_decides(tmp_path):
    path = write(tmp_path, HEADER + 'u1,2024-01-31,s,"80,500",kg\n')
    assert [one.decimal_comma for one in dialects(path)] == [None]
    assert [one.decimal_comma for one in dialects(path, decimal="comma")] == [True]
    assert [one.decimal_comma for one in dialects(path, decimal="point")] == [False]


def test_one_date_of_the_other_order_does_not_refuse_the_file(tmp_path):
    us = "".join(f"u1,01/{day}/2024,s,80,kg\n" for day in range(1, 29))
    path = write(tmp_path, HEADER + us + "u1,25/06/2024,s,80,kg\nu1,2024-06-25,s,80,kg\n")
    assert [one.date_order for one in dialects(path)] == ["mdy"]


def test_an_option_decides_the_order_unless_the_file_disproves_it(tmp_path):
    open_file = write(tmp_path, HEADER + "u1,03/04/2024,s,80,kg\n", "open.csv")
    assert [one.date_order for one in dialects(open_file, dates="mdy")] == ["mdy"]
    proven = write(tmp_path, HEADER + "u1,03/04/2024,s,80,kg\nu1,13/04/2024,s,80,kg\n", "x.csv")
    with pytest.raises(InputError, match="that prove the order dmy; leave --dates mdy out"):
        dialects(proven, dates="mdy")


def test_a_title_a_separator_line_and_repeated_headers(tmp_path):
    text = "sep=;\nMy weights;;;;\n" + (HEADER + ROW).replace(",", ";")
    path = write(tmp_path, text + (HEADER + ROW).replace(",", ";"))
    blocks = [parse() for parse in parses(path, ReadOptions())]
    assert rows(path, "user_id", "line") == [("u1", 4), ("u1", 6)]
    assert [block.skipped for block in blocks] == [1]
    assert blocks[0].notes == ("1 line above the header skipped",)


def test_recognised_as_text_only():
    assert delimited.recognise(HEADER.encode(), "x.csv")
    assert not delimited.recognise(b"\x00\x01binary", "x.csv")
    assert not delimited.recognise(b'{"resourceType": "Bundle"}', "x.csv")
    assert not delimited.recognise(b'[\n {"providers": []}]', "x.csv")
    assert delimited.recognise(b"[date],[weight]\n", "x.csv")
    assert not delimited.recognise(b"", "x.csv")


def test_formats_that_do_not_exist(tmp_path):
    path = write(tmp_path, HEADER + ROW)
    assert recognise(path) == "csv"
    with pytest.raises(InputError, match="'xls' is not a format"):
        table(path, format="xls")


pieces = st.sampled_from(
    ["u1", "2024-01-01", "80", "kg", ",", ",", ",", ",", "\n", "\n", "\r\n", '"', '""', "\r", " ",
     "é", "\n\n", "NULL", ROW, ROW, 'u2,2024-01-02,"q,x",81,kg\n', 'u2,2024-01-02,"q\nx",81,kg\n']
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(pieces, max_size=60).map("".join), st.integers(1, 90))
def test_rows_do_not_depend_on_the_size_of_blocks(tmp_path_factory, body, block_bytes):
    path = write(tmp_path_factory.mktemp("blocks"), HEADER + body)
    whole = table(path).to_pylist()
    assert table(path, block_bytes=block_bytes).to_pylist() == whole
    # Every line that is not blank belongs to a record: lines rise, and no record starts on a blank.
    lines = [row["line"] for row in whole]
    texts = (HEADER + body).split("\n")
    assert lines == sorted(set(lines))
    assert all(texts[line - 1].strip() for line in lines)
    first = next(
        (number for number, text in enumerate(texts, 1) if number > 1 and text.strip()), None
    )
    assert (lines or [None])[0] == first


@settings(deadline=None)
@given(st.lists(pieces, max_size=60).map("".join))
def test_ragged_rows_are_the_same_on_both_roads(body):
    layout = delimited.Layout(",", 5, (0, 1, 3), frozenset({0, 3}))
    chunk = records.Chunk(body.encode(), 2)
    fast = delimited.cells_by_pyarrow(chunk, layout) if body else None
    if fast is None or not records.is_regular(chunk.data, ","):
        return
    slow = delimited.cells_by_record(chunk, layout)
    names = list(slow)
    found = zip(*[fast[name].to_pylist() if name in fast else [None] * len(fast["line"])
                  for name in names], strict=True)  # fmt: skip
    at = names.index("line")
    expected = zip(*[slow[name].to_pylist() for name in names], strict=True)
    assert sorted(found, key=lambda row: row[at]) == list(expected)


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
def test_a_mark_of_byte_order_within_the_rows_stays(tmp_path, block_bytes):
    path = write(tmp_path, HEADER + "\n".join(f"\ufeffx,2024-01-0{d},,80,kg" for d in range(1, 6)))
    found = rows(path, "user_id", block_bytes=block_bytes)
    assert found == [("\ufeffx",)] * 5


FIELDS = ("user_id", "time", "source", "weight", "unit")
plain_cells = st.text(alphabet='abc019 -:".,;é', max_size=6)


@settings(deadline=None)
@given(st.lists(st.lists(plain_cells, min_size=5, max_size=5), min_size=1, max_size=12), st.data())
def test_both_roads_give_the_same_rows(tmp_path_factory, cells, data):
    """Written regularly, cells come back through pyarrow and through the record parser alike."""
    quoted = ['"' + cell.replace('"', '""') + '"' for row in cells for cell in row]
    lines = [",".join(quoted[row * 5 : row * 5 + 5]) for row in range(len(cells))]
    folder = tmp_path_factory.mktemp("roads")
    fast = rows(write(folder, HEADER + "\n".join(lines)), *FIELDS, "line")
    # A lone carriage return in the last line sends the whole chunk through the record parser.
    slow = rows(write(folder, HEADER + "\n".join([*lines, "z,z\r,z,z,z"])), *FIELDS, "line")
    assert slow[:-1] == fast
    nulls = delimited.NULLS
    assert [row[:5] for row in fast] == [tuple(None if c in nulls else c for c in r) for r in cells]
