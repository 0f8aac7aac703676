"""Persons with hostile ids are erased: no byte of the data directory holds the id afterwards."""

import pytest
from click.testing import CliRunner

from weightstream.cli import cli
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
]


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_hostile_ids(store_files, csv_of, fresh_dir, figure):
    left = []
    for user in IDS:
        data_dir = fresh_dir()
        days = [f"2024-01-0{day}T07:00:00Z" for day in range(1, 6)]
        rows = [(who, day, kg) for who, kg in ((user, "60"), ("Other-1", "80")) for day in days]
        store_files(data_dir, csv_of(*rows, (user, "never", "60"), ("", "2024-01-01", user)))
        out = data_dir / "all.csv"
        run = CliRunner().invoke
        assert run(cli, ["export", str(out), "--data-dir", str(data_dir)]).exit_code == 0
        assert user.encode() in (data_dir / STORE_NAME).read_bytes()
        done = run(cli, ["erase", "--yes", "--data-dir", str(data_dir), "--", user])
        assert done.exit_code == 0, (user, done.output)
        files = [path for path in data_dir.rglob("*") if path.is_file()]
        if any(user.encode() in path.read_bytes() for path in files):
            left.append(user)
    figure(f"hostile ids: {len(IDS)} erased, left behind {len(left)}")
    assert left == []
