"""weightstream.clean_dataset: the same judgements by many workers, part by part."""

import json
import pickle
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import weightstream
from weightstream import dataset
from weightstream.clean_files import CleanJob, clean_files
from weightstream.config import Config
from weightstream.errors import ConfigError, InputError
from weightstream.readers import ReadOptions

IN_ORDER = [("user_id", "ascending"), ("measurement_id", "ascending")]


@pytest.fixture
def sources(simulated):
    """Two files that share persons."""
    return [simulated(40, 1500, 3), simulated(40, 1500, 4)]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(dataset, "TEXT_BYTES_PER_PART", 50_000)


def rows_in(folder):
    return pyarrow.dataset.dataset(folder).to_table().sort_by(IN_ORDER)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_rows_are_those_of_clean(sources, tmp_path):
    made = weightstream.clean_dataset([str(path) for path in sources], tmp_path / "set")
    done, _ = clean_files(CleanJob(sources, tmp_path / "one.parquet", Config()))
    assert rows_in(tmp_path / "set").equals(
        pq.read_table(tmp_path / "one.parquet").sort_by(IN_ORDER)
    )
    assert {name: made["counts"][name] for name in done.counts} == done.counts
    assert made["counts"]["rows_in"] == 3000
    assert len(made["parts"]) > 2
    parts = [name for name in names_in(tmp_path / "set") if name.startswith("part-")]
    assert len(parts) == len(made["parts"])
    assert names_in(tmp_path / "set") == {
        *parts, "_SUCCESS", "_manifest.json", "_quarantine.parquet"
    }  # fmt: skip
    users = [set(pq.read_table(tmp_path / "set" / name)["user_id"].to_pylist()) for name in parts]
    assert sum(map(len, users)) == len(set().union(*users))
    quarantine = pq.read_table(tmp_path / "set/_quarantine.parquet")
    assert len(quarantine) == made["counts"]["quarantined"]


def test_a_run_that_was_killed_goes_on_from_what_is_complete(sources, tmp_path, monkeypatch):
    names = [str(path) for path in sources]
    whole = weightstream.clean_dataset(names, tmp_path / "whole")
    usual, judged = dataset.judge_bucket, []

    def dies(whole, bucket):
        if bucket == 2:
            raise KeyboardInterrupt
        judged.append(bucket)
        return usual(whole, bucket)

    monkeypatch.setattr(dataset, "judge_bucket", dies)
    with pytest.raises(KeyboardInterrupt):
        weightstream.clean_dataset(names, tmp_path / "set")
    assert not (tmp_path / "set/_SUCCESS").exists()
    complete = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("part-*")}
    assert complete
    monkeypatch.setattr(dataset, "judge_bucket", usual)
    monkeypatch.setattr(dataset, "read", None)  # nothing is read again
    made = weightstream.clean_dataset(names, tmp_path / "set")
    assert made == whole
    assert complete == {path: path.stat().st_mtime_ns for path in complete}
    assert rows_in(tmp_path / "set").equals(rows_in(tmp_path / "whole"))


def test_a_job_that_is_done_is_not_done_again_and_another_is_refused(sources, tmp_path):
    names = [str(path) for path in sources]
    made = weightstream.clean_dataset(names, tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()}
    assert weightstream.clean_dataset(names, tmp_path / "set") == made
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "set").iterdir()}
    with pytest.raises(ConfigError, match="of another job"):
        weightstream.clean_dataset(names[0], tmp_path / "set")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        weightstream.clean_dataset(names, tmp_path / "mine")


def test_what_sources_take_back_reaches_their_persons(tmp_path):
    observation = (
        '{"resourceType":"Observation","id":"%s","status":"%s","code":{"coding":[{"system":'
        '"http://loinc.org","code":"29463-7"}]},"subject":{"reference":"Patient/%s"},'
        '"effectiveDateTime":"2024-01-31","valueQuantity":{"value":80.5,"code":"kg"}}\n'
    )
    (tmp_path / "a.ndjson").write_text(
        "".join(observation % (n, "final", f"p{n}") for n in range(9))
    )
    (tmp_path / "b.ndjson").write_text(observation % (4, "entered-in-error", "p4"))
    made = weightstream.clean_dataset(
        [str(tmp_path / name) for name in ("a.ndjson", "b.ndjson")], tmp_path / "set"
    )
    reasons = {row["user_id"]: row["reason"] for row in rows_in(tmp_path / "set").to_pylist()}
    assert [user for user, reason in reasons.items() if reason == "retracted"] == ["p4"]
    assert (made["counts"]["excluded"], made["counts"]["rejected"]) == (1, 1)


def test_a_source_that_cannot_be_used_is_told_and_the_others_go_on(sources, tmp_path):
    (tmp_path / "bad.csv").write_text("first,second\n1,2\n")
    made = weightstream.clean_dataset(
        [str(sources[0]), str(tmp_path / "bad.csv")], tmp_path / "set"
    )
    assert len(made["problems"]) == 1
    assert "bad.csv" in made["problems"][0]
    assert made["counts"]["rows_in"] == 1500
    with pytest.raises(InputError, match=r"bad\.csv"):
        weightstream.clean_dataset(str(tmp_path / "bad.csv"), tmp_path / "none")


def test_windows_over_all_persons_are_refused(sources, tmp_path):
    config = Config.model_validate({"data": {"max_users": 3}})
    with pytest.raises(ConfigError, match="max_users"):
        weightstream.clean_dataset(str(sources[0]), tmp_path / "set", config=config)


def test_a_folder_in_an_object_store_will_do(sources, tmp_path):
    import fsspec

    system = fsspec.filesystem("memory")
    system.store.clear()
    made = weightstream.clean_dataset(str(sources[0]), "memory://bucket/set")
    assert json.loads(system.cat("/bucket/set/_manifest.json"))["id"] == made["id"]
    weightstream.clean_dataset(str(sources[0]), tmp_path / "set")
    tables = [
        pq.read_table(pa.BufferReader(system.cat(f"/bucket/set/{part['name']}")))
        for part in made["parts"]
    ]
    assert pa.concat_tables(tables).sort_by(IN_ORDER).equals(rows_in(tmp_path / "set"))
    assert not [name for name in system.find("/bucket/set") if "_work" in name]


def test_dask_gives_the_same(sources, tmp_path):
    distributed = pytest.importorskip("distributed")
    names = [str(path) for path in sources]
    expected = weightstream.clean_dataset(names, tmp_path / "threads")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        made = weightstream.clean_dataset(names, tmp_path / "dask", client=client)
    assert made == expected
    for part in made["parts"]:
        assert (tmp_path / "dask" / part["name"]).read_bytes() == (
            tmp_path / "threads" / part["name"]
        ).read_bytes()


def test_workers_may_have_another_working_directory(sources, tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("here", "elsewhere")]
    for folder in folders:
        folder.mkdir()
    names = []
    for number, source in enumerate(sources):
        names.append(f"w{number}.csv")
        (folders[0] / names[-1]).write_bytes(source.read_bytes())
    monkeypatch.chdir(folders[0])
    expected = weightstream.clean_dataset(names, "here")

    def elsewhere(_, function, numbers):
        for number in numbers:
            monkeypatch.chdir(folders[1])
            found = pickle.loads(pickle.dumps(function))(number)
            monkeypatch.chdir(folders[0])
            yield number, found

    monkeypatch.setattr(dataset, "_each", elsewhere)
    assert weightstream.clean_dataset(names, "there") == expected
    for part in expected["parts"]:
        there, here = (Path(folder, part["name"]).read_bytes() for folder in ("there", "here"))
        assert there == here
    assert list(folders[1].iterdir()) == []


def test_a_configuration_is_given_as_to_clean_and_a_wrong_stage_is_refused(sources, tmp_path):
    made = weightstream.clean_dataset(
        str(sources[0]), tmp_path / "set", config={"data": {"timezone": "Europe/Oslo"}}
    )
    assert made["timezone"] == "Europe/Oslo"
    with pytest.raises(ConfigError, match="causal or retro"):
        weightstream.clean_dataset(str(sources[0]), tmp_path / "two", stage="smooth")


class Workers:
    """A client whose workers have this version of weightstream, or an error instead."""

    def __init__(self, *answers):
        self.answers = answers

    def wait_for_workers(self, count, timeout):
        if len(self.answers) < count:
            raise TimeoutError

    def run(self, function, *arguments, on_error):
        assert not function.__module__.startswith("weightstream")  # they could not load it
        assert on_error == "return"
        return {f"tcp://w{at}": answer for at, answer in enumerate(self.answers)}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([], "no worker"),
        (["ours", PackageNotFoundError("weightstream")], "tcp://w1 has no weightstream"),
        (["0.0.1"], "tcp://w0 has weightstream 0.0.1"),
    ],
)
def test_a_worker_that_cannot_do_it_is_named_before_anything_is_read(
    answers, words, sources, tmp_path, monkeypatch
):
    monkeypatch.setattr(dataset, "read_file", lambda *_: pytest.fail("was read"))
    answers = [version("weightstream") if one == "ours" else one for one in answers]
    with pytest.raises(ConfigError, match=words):
        weightstream.clean_dataset(
            [str(path) for path in sources], tmp_path / "set", client=Workers(*answers)
        )
    assert not (tmp_path / "set").exists()


def test_options_are_read_with(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("date,weight\n2024-01-01,80\n")
    options = ReadOptions(user="me", unit="kg")
    made = weightstream.clean_dataset(str(path), tmp_path / "set", options=options)
    assert made["counts"]["users"] == 1


def test_what_is_not_read_counts_unless_it_is_ignored(simulated, tmp_path, monkeypatch):
    from contextlib import nullcontext

    from click.testing import CliRunner

    from weightstream import cli_dask
    from weightstream.cli_files import cli

    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "weights.csv").write_bytes(simulated(12, 400).read_bytes())
    (folder / "notes.bin").write_bytes(b"\x00\x01\x02 weights")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "weights.csv", "weights.csv")
        archive.write(folder / "notes.bin", "inside.bin")
    monkeypatch.setattr(cli_dask, "cluster", lambda *_: nullcontext(None))
    for number, (options, status) in enumerate([([], 1), (["--ignore-unreadable"], 0)]):
        out = str(tmp_path / f"out{number}")
        arguments = ["clean", str(folder), "-o", out, "--dask", "local", *options]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == status, done.stderr
        for name in ("notes.bin", "inside.bin"):
            assert (name in done.stdout + done.stderr) == bool(status)


def test_a_source_by_url_is_read_by_its_worker_alone(simulated, tmp_path, monkeypatch):
    import fsspec

    from weightstream.readers import remote

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name in ("a", "b"):
        memory.pipe_file(f"/in/{name}.csv", simulated(12, 400).read_bytes())
    fetched = []
    fetch = remote.fetch
    monkeypatch.setattr(
        remote, "fetch", lambda url, place: fetched.append(url) or fetch(url, place)
    )
    begun = dataset._begun
    held = []
    monkeypatch.setattr(
        dataset, "_begun", lambda *given: held.append(list(fetched)) or begun(*given)
    )
    weightstream.clean_dataset("memory://in/*.csv", tmp_path / "set")
    assert len(held[0]) == 1  # one file is looked at, to see that it can be used
    again = weightstream.clean_dataset("memory://in/*.csv", tmp_path / "set")
    assert again["counts"]["rows_in"] == 800
    memory.store.clear()
