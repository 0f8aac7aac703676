"""Persons with hostile ids are erased: no byte of the data directory holds the id afterwards."""

import pytest
from click.testing import CliRunner

from tests.running import draw_pages
from weightstream.cli import cli
from weightstream.erasing.searching import forms_of
from weightstream.parsing.coded import trimmed
from weightstream.store.connection import STORE_NAME

IDS = [
    *("Ann-4711", "o'Neil-4711", 'a"b-4711', "a,b-4711", "a;b-4711", "a\tb-4711", "-4711-a"),
    *("--help", "../../etc-4711", "a/b/4711", "a\\b4711", "%4711%", "_4711_", "*4711*", "[4711]"),
    *("<b>4711</b>", "&amp;4711", "$(id)4711", "`id`4711", "{4711}", "|4711|", "=4711+1"),
    *("ünï-4711", "É4711", "ß-4711", "Ann 4711", "Ann  4711", "null-4711", "NaN-4711", "1e4711"),
    *(
        "00004711",
        "4711.0",
        "47,11x",
        "0x4711",
        "漢字-4711",
        "عربى-4711",
        "emoji😀4711",
        "a\u200d4711",
    ),
    *("a\u0301-4711", "A" * 200, "id:4711", "id=4711", "user=4711", "#4711", "//4711", "?4711=1"),
    *("select 4711", "4711--", "x" * 3 + "4711", "4711/*"),
    *(
        "\ufeffbom4711",
        "rtl\u202e4711",
        "nb\u00a0sp4711",
        "back4711\\",
        "erased-4711",
        "\u2028ls4711",
    ),
    *("2024-01-01x4711", "80.4711", "..4711", "~4711", "CON4711", "Other-14711", "xOther-1"),
    *(
        "Oth\u0435r-1",
        "e\u0301lan4711",
        "\u00e9lan4711",
        "%41nn4711",
        "&#65;nn4711",
        r"\u0041nn4711",
    ),
    *("a''b4711", 'a""b4711', '"4711"', "'4711'", "[a]{b}(4711)", "^4711$", ".*4711", "4711|Other"),
    *("a=b&c=d4711", "mailto:ann@x.org4711", "http://x/4711", "-rf4711", "@4711", "+4711+"),
    *(
        "\u0660\u0664\u0667\u0661\u0661",
        "Ａｎｎ４７１１",
        "\U0001f468\u200d\U0001f4694711",
        "İ4711",
        "ǆ4711",
    ),
    *(
        "ﬁ4711",
        "\x7f4711",
        "4711\u3000x",
        "4711\u00ad",
        "a\u20604711",
        "１２３４",
        "<!--4711-->",
        "]]>4711",
    ),
]


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_hostile_ids(store_files, csv_of, fresh_dir, figure):
    left = []
    for user in IDS:
        data_dir = fresh_dir()
        days = [f"2024-01-0{day}T07:00:00Z" for day in range(1, 6)]
        rows = [(who, day, kg) for who, kg in ((user, "60"), ("Other-1", "80")) for day in days]
        faulty = [(user, "never", "60"), ("", "2024-01-01", user), ("Other-1", user, "60")]
        store_files(data_dir, csv_of(*rows, *faulty))
        out = data_dir / "all.csv"
        run = CliRunner().invoke
        assert run(cli, ["export", str(out), "--data-dir", str(data_dir)]).exit_code == 0
        draw_pages(data_dir)
        assert user.encode() in (data_dir / STORE_NAME).read_bytes()
        done = run(cli, ["erase", "--yes", "--data-dir", str(data_dir), "--", user])
        assert done.exit_code == 0, (user, done.output)
        files = [path for path in data_dir.rglob("*") if path.is_file()]
        content = [path.read_bytes() for path in files]
        if any(form.encode() in one for form in forms_of(trimmed(user)) for one in content):
            left.append(user)
    figure(f"hostile ids: {len(IDS)} erased, left behind {len(left)}")
    assert left == []
