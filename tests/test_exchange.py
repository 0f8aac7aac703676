"""Where batches travel: whole or not at all, for their owner alone, and gone afterwards."""

import os
import stat
import subprocess
import sys
import threading

import pyarrow as pa
import pytest

from weightstream import exchange as module
from weightstream.errors import ConfigError, ExchangeError
from weightstream.exchange import Exchange, begin_exchange, host


@pytest.mark.parametrize("where", ["file", "memory"])
def test_what_one_puts_another_gets(tmp_path, where):
    url = tmp_path.as_uri() + "/x" if where == "file" else "memory://weightstream-test/x"
    begun = begin_exchange(url, tmp_path)
    table = pa.table({"user_id": pa.array(["ä", None]).dictionary_encode(), "kg": [1.5, None]})
    begun.put_table("filter-1.parquet", table)
    begun.put("job.json", b"{}")
    other = Exchange(begun.address)
    assert other.get_table("filter-1.parquet").equals(table)
    begun.put("job.json", b"again")
    assert other.get("job.json") == b"again"
    other.drop("job.json", "never there")
    with pytest.raises(ExchangeError, match="every worker must be able"):
        other.get("job.json")
    begun.clear()
    begun.clear()
    with pytest.raises(ExchangeError):
        other.get("filter-1.parquet")


def test_by_default_it_is_in_the_data_directory_and_private(tmp_path):
    begun = begin_exchange("", tmp_path / "data")
    begun.put("some", b"thing")
    (folder,) = (tmp_path / "data" / "exchange").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert begun.address == folder.as_uri()


def test_a_reader_never_sees_half_a_file(tmp_path):
    begun = begin_exchange(tmp_path.as_uri(), tmp_path)
    begun.put("some", b"a" * 3_000_000)
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(len(begun.get("some")))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        begun.put("some", b"b" * 3_000_000)
    stop.set()
    reader.join()
    assert seen == {3_000_000}


def test_folders_of_dead_processes_are_removed_and_no_others(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = [f"{host()}-{os.getpid()}-0011aabb", f"elsewhere-{dead.pid}-0011aabb", "mine"]
    for name in (*kept, f"{host()}-{dead.pid}-0011aabb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "filter-1.parquet").touch()
    begin_exchange(tmp_path.as_uri(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_what_cannot_be_used_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"exchange_url: nosuch://x cannot be used"):
        begin_exchange("nosuch://x", tmp_path)
    (tmp_path / "file").touch()
    blocked = begin_exchange((tmp_path / "file").as_uri() + "/x", tmp_path)
    with pytest.raises(ExchangeError, match="Not a directory"):
        blocked.put("some", b"thing")


def test_the_name_of_a_machine_makes_a_folder(monkeypatch):
    monkeypatch.setattr(module.socket, "gethostname", lambda: "a/b c")
    assert host() == "a_b_c"
