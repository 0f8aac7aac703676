"""Nothing of an erased person is left in any byte, any name, or comes back (docs/erasure.md)."""

import gzip
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from tests.running import draw_pages, run
from weightstream.cli import cli
from weightstream.outputs.pages.page import file_name

# Other canaries than where no path may name a person: the harness is shared, and keeps paths.
USER, OTHER = "Canary-Toucan-3318", "Canary-Heron-5526"
WEIGHT, TIME, SOURCE, CELL = "83.51977", "2024-01-03T07:11:53", "phone of Xanthippe", "Zyzzyva"
PAGES = [file_name(USER, naming).removesuffix(".html") for naming in ("hash", "id")]
CANARIES = (USER, WEIGHT, TIME, SOURCE, CELL, *PAGES)
HEAD = "user_id,effectiveDateTime,source_type,weight,unit\n"


def rows(user: str, weight: str, source: str = "scale") -> str:
    return "".join(f"{user},2024-01-{day:02}T07:00:00Z,{source},{weight},kg\n" for day in (1, 2, 5))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Of two persons, the one to be erased with faulty rows too."""
    path = tmp_path_factory.mktemp("source") / f"export-{USER}.csv"
    path.write_text(
        HEAD
        + rows(USER, WEIGHT, SOURCE)
        + rows(OTHER, "91.2")
        + f" {USER} ,{TIME}Z,{SOURCE},{CELL},kg\n"
        + f",2024-01-04,scale,{USER},kg\n"
        + f"{OTHER},2024-01-06,scale,x,kg\n"
    )
    return path


@pytest.fixture
def kept(prefect_harness, data_dir):
    """Every byte and name in the data directory and where Prefect keeps its things."""

    def read(also_prefect: bool = False) -> bytes:
        folders = [data_dir] + [prefect_harness.home] * also_prefect
        if also_prefect:
            time.sleep(4)  # its server records in batches
        content = []
        for path in (path for folder in folders for path in folder.rglob("*")):
            content.append(str(path.relative_to(path.anchor)).encode())
            if path.is_file():
                data = path.read_bytes()
                content.append(gzip.decompress(data) if path.suffix == ".gz" else data)
        return b"\n".join(content)

    return read


def standing(kept: bytes) -> set[str]:
    return {canary for canary in CANARIES if canary.encode() in kept}


def holders(data_dir) -> list[str]:
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    return [path.name for path in files if standing(path.read_bytes())]


def litter(data_dir, source):
    """What users, killed runs and an inbox leave in a data directory."""
    for ending in ("csv", "ndjson", "parquet"):
        run("export", data_dir / f"all.{ending}", "--data-dir", data_dir)
    run("export", data_dir / "out.fhir.ndjson", "--data-dir", data_dir)
    run("export", data_dir / "package", "--package", "--data-dir", data_dir)
    for ending in ("ndjson", "parquet"):
        run("export", data_dir / f"raw.{ending}", "--raw", "--data-dir", data_dir)
    run("export", data_dir / f"{USER}.csv", "--user", USER, "--data-dir", data_dir)
    (data_dir / ".all.csv.0123abcd").write_text(USER)
    for folder in ("inbox/done", "inbox/failed/2024", "spill/1-aa"):
        (data_dir / folder).mkdir(parents=True)
    shutil.copy(source, data_dir / "inbox/done/weights.csv")
    packed = data_dir / "inbox/failed/2024/weights.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    own = data_dir / f"inbox/done/user={USER}/scale.csv"
    own.parent.mkdir()
    own.write_text(f"date,weight (kg)\n{TIME},{WEIGHT}\n")
    (data_dir / "spill/1-aa/07.parquet").write_text(USER)
    persons = data_dir / "dashboards/persons"
    for page in PAGES:
        (persons / f"{page}.png").write_text(USER)
        (persons / f"{page}.html.1-1.tmp").write_text(USER)
    (data_dir / "dashboards/index.html.1-1.tmp").write_text(USER)


@pytest.mark.parametrize("file_names", ["hash", "id"])
def test_of_the_person_nothing_is_left_and_nothing_comes_back(
    ingested, source, data_dir, kept, exported, tmp_path, file_names
):
    settings = {"visualization.file_names": file_names}
    ingested(source, data_dir, settings, dashboards=True)
    run("learn", "--data-dir", data_dir)
    ingested(source, data_dir, settings, dashboards=True, retro="inline")
    litter(data_dir, source)
    assert standing(kept()) == set(CANARIES)
    done = run("erase", USER, "--rewrite", "--data-dir", data_dir)
    assert done.exit_code == 0, done.output
    assert standing(kept(also_prefect=True)) - {USER} == set()
    left = {"all.csv", "all.ndjson", "all.parquet", "out.fhir.ndjson", "raw.ndjson", "raw.parquet"}
    assert left <= {path.name for path in data_dir.iterdir()}
    assert not (data_dir / f"{USER}.csv").exists()
    assert OTHER in (data_dir / "out.fhir.ndjson").read_text()
    assert "\n\n" not in (data_dir / "out.fhir.ndjson").read_text()
    assert OTHER in (data_dir / "package/received.csv").read_text()
    # Prefect was given the path of a file that is called after the person; see docs/erasure.md.
    assert standing(kept()) == set(), holders(data_dir)

    again = ingested(source, data_dir, settings, dashboards=True, retro="inline")
    assert again.result.counts == {
        "accepted": 0, "rejected": 0, "duplicates": 3, "quarantined": 1, "excluded": 5, "failed": 0,
    }  # fmt: skip
    after = standing(kept())
    assert after == {USER}, "the name of the file that was read again, and nothing else"
    named = tmp_path / "weights.csv"
    shutil.copy(source, named)
    run("erase", USER, "--data-dir", data_dir)
    ingested(named, data_dir, settings, dashboards=True)
    assert standing(kept()) == set()

    # Of the other person everything is as if the erased one had never been there.
    alone = tmp_path / "alone.csv"
    alone.write_text(HEAD + rows(OTHER, "91.2") + f"{OTHER},2024-01-06,scale,x,kg\n")
    ingested(alone, tmp_path / "alone", settings, dashboards=True, retro="inline")
    page = f"dashboards/persons/{file_name(OTHER, file_names)}"
    assert (data_dir / page).is_file()
    assert users(data_dir) == users(tmp_path / "alone") == [OTHER]
    assert OTHER in (data_dir / "dashboards/index.html").read_text()


def users(data_dir) -> list[str]:
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        return [user for (user,) in connection.execute("select distinct user_id from measurements")]


def test_exports_of_others_do_not_change(store_files, simulated, fresh_dir, exported):
    """Neither their decisions, nor the exports that lie about but for the lines of the erased."""
    data_dir = fresh_dir()
    store_files(data_dir, simulated(12, 600))
    out = data_dir / "all.csv"
    run("export", out, "--data-dir", data_dir)
    user = users(data_dir)[4]
    before = out.read_text().splitlines()
    said = exported(data_dir).decode().splitlines()
    assert run("erase", user, "--data-dir", data_dir).exit_code == 0
    left = [line for line in before if f'"{user}"' not in line and f",{user}," not in line]
    assert out.read_text().splitlines() == left
    assert len(left) < len(before)
    others = [line for line in said if f'"{user}"' not in line and f",{user}," not in line]
    assert exported(data_dir).decode().splitlines() == others


def test_parameters_that_the_person_taught_are_stale(store_files, simulated, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, simulated(12, 600))
    assert "learnt-1" in run("learn", "--data-dir", data_dir).output
    assert "stale" not in run("status", "--data-dir", data_dir).output
    done = run("erase", users(data_dir)[0], "--data-dir", data_dir)
    assert "learnt-1" in done.output
    assert "learnt-1 is stale" in run("status", "--data-dir", data_dir).output
    again = run("learn", "--data-dir", data_dir)
    assert again.exit_code in (0, 1), again.output
    assert "learnt-2" in again.output or "refused" in again.output  # few persons test it
    assert "stale" not in run("status", "--data-dir", data_dir).output


def test_without_rewrite_sources_are_listed_and_stay(store_files, source, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, source)
    inbox = data_dir / "inbox"
    (inbox / "done").mkdir(parents=True)
    for name in ("waits.csv", "done/read.csv"):
        shutil.copy(source, inbox / name)
    before = [path.read_bytes() for path in sorted(inbox.rglob("*.csv"))]
    done = run("erase", USER, "--data-dir", data_dir)
    assert done.exit_code == 0, done.output
    assert "read.csv: holds 5 rows of this person; --rewrite removes them" in done.stdout
    assert "waits.csv: waits to be read; this person's rows will be left out" in done.stdout
    assert [path.read_bytes() for path in sorted(inbox.rglob("*.csv"))] == before
    # What waits is not touched: somebody may be writing it.
    done = run("erase", USER, "--rewrite", "--data-dir", data_dir)
    assert done.exit_code == 0
    assert (inbox / "waits.csv").read_bytes() in before
    assert USER.encode() not in (inbox / "done/read.csv").read_bytes()


def test_an_unknown_person_is_one_sentence_unless_in_advance(
    store_files, csv_of, fresh_dir, tables
):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of((OTHER, "2024-01-01", "80")))
    before = tables(data_dir)
    done = run("erase", USER, "--data-dir", data_dir)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("weightstream: ")
    assert done.stderr.count("\n") == 1
    assert "has no person" in done.stderr
    assert tables(data_dir) == before
    assert not (data_dir / "erasure.key").exists()
    assert run("erase", USER, "--in-advance", "--data-dir", data_dir).exit_code == 0
    late = store_files(data_dir, csv_of((USER, "2024-01-01", "80")))
    assert late.outcomes["excluded"] == 1
    assert users(data_dir) == [OTHER]
    assert run("erase", USER, "--data-dir", data_dir).exit_code == 0


def test_a_copy_that_cannot_be_deleted_is_told(
    store_files, csv_of, fresh_dir, tmp_path, monkeypatch
):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of((USER, "2024-01-01", "80"), (OTHER, "2024-01-01", "80")))
    copy = data_dir / "copy.csv"
    assert run("export", copy, "--user", USER, "--data-dir", data_dir).exit_code == 0
    usual = Path.unlink

    def unlink(path, **options):  # root may delete everything
        if path == copy:
            raise PermissionError(13, "Permission denied")
        usual(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    done = run("erase", USER, "--data-dir", data_dir)
    assert done.exit_code == 1, done.output
    assert f"left: {copy}: cannot be deleted (Permission denied)" in done.stdout
    assert users(data_dir) == [OTHER]


@pytest.mark.parametrize("nobody", ["", " ", "NULL"])
def test_nobody_cannot_be_erased(store_files, csv_of, fresh_dir, tables, nobody):
    """A blank id would be found in every name, and in every row that names nobody."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of((OTHER, "2024-01-01", "80"), ("", "2024-01-02", "80")))
    before = tables(data_dir)
    done = run("erase", nobody, "--in-advance", "--rewrite", "--data-dir", data_dir)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "is not an id" in done.stderr
    assert tables(data_dir) == before


def test_a_person_is_asked_only_on_a_terminal(store_files, csv_of, fresh_dir, monkeypatch):
    from click.testing import CliRunner

    data_dir = fresh_dir()
    store_files(data_dir, csv_of((USER, "2024-01-01", "80")))
    arguments = ["erase", USER, "--data-dir", str(data_dir)]
    with monkeypatch.context() as on_a_terminal:
        on_a_terminal.setattr("weightstream.cli.on_a_terminal", lambda: True)
        asked = CliRunner().invoke(cli, arguments, input="n\n")
        assert asked.exit_code == 1
        assert users(data_dir) == [USER]
        assert CliRunner().invoke(cli, [*arguments, "--yes"]).exit_code == 0
    assert users(data_dir) == []
    assert CliRunner().invoke(cli, arguments).exit_code == 0  # again: nothing is asked, or left


def test_one_that_was_cut_short_is_told_and_gone_on_with(
    store_files, csv_of, fresh_dir, monkeypatch
):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of((USER, "2024-01-01", "80"), (OTHER, "2024-01-01", "80")))

    def killed(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("weightstream.store.erasing.scrub", killed)
        run("erase", USER, "--data-dir", data_dir)
    assert users(data_dir) == [OTHER]
    assert "cut short" in run("status", "--data-dir", data_dir).output
    assert run("erase", USER, "--data-dir", data_dir).exit_code == 0
    assert "cut short" not in run("status", "--data-dir", data_dir).output


def test_readings_that_were_moved_to_or_from_the_person(store_files, csv_of, fresh_dir, exported):
    """What was theirs leaves the other's series; what was given to them does not come back."""
    data_dir = fresh_dir()
    days = [f"2024-01-{day:02}" for day in range(1, 13)]
    rows = [(who, day, kg) for who, kg in ((USER, "60"), (OTHER, "80")) for day in days[:11]]
    store_files(data_dir, csv_of(*rows, (USER, days[11], "80.5"), (OTHER, days[11], "60.5")))
    before = of_other(data_dir)
    for kg, to in (("80.5", OTHER), ("60.5", USER)):
        (name,) = (row[0] for row in measured(data_dir) if row[1] == float(kg))
        done = run(
            "override", name, "assign", to, "--by", "x", "--note", USER, "--data-dir", data_dir
        )
        assert done.exit_code == 0, done.output
    draw_pages(data_dir)
    assert "80.5" in {row[0] for row in of_other(data_dir)}
    assert run("erase", USER, "--data-dir", data_dir).exit_code == 0
    assert holders(data_dir) == []
    after = of_other(data_dir)
    assert {row[0] for row in after} == {"80", "60.5"}
    assert [row for row in after if row[0] == "60.5"] == [("60.5", "rejected", "override")]
    assert len(after) == len(before) == 12
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        assert connection.execute("select count(*) from users where dirty").fetchone() == (0,)


def measured(data_dir):
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        return connection.execute("select measurement_id, weight_kg from measurements").fetchall()


def of_other(data_dir):
    with sqlite3.connect(data_dir / "weightstream.db") as connection:
        return connection.execute(
            "select raw_weight, verdict, reason from current_decisions where user_id = ?", (OTHER,)
        ).fetchall()
