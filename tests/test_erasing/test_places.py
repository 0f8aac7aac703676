"""Links out of the data directory, hard links, folders that cannot be read, and what is left."""

import os
from pathlib import Path

import pytest

from tests.running import configured, draw_pages
from weightstream.erasing.erasure import erase_person
from weightstream.outputs.exports.decisions import export_store

HEAD = "user_id,effectiveDateTime,weight,unit,source_type\n"
ROWS = {who: f"{who},2024-01-01,80,kg,scale\n" for who in ("a", "b")}


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "elsewhere/inner").mkdir(parents=True)
    return tmp_path / "elsewhere"


def test_what_a_link_leads_to_is_searched_and_told(store, elsewhere):
    (elsewhere / "inner/of_a.csv").write_text(HEAD + ROWS["a"])
    (elsewhere / "inner/of_b.csv").write_text(HEAD + ROWS["b"])
    (store / "archive").symlink_to(elsewhere)
    (store / "one.csv").symlink_to(elsewhere / "inner/of_a.csv")
    (elsewhere / "inner/round").symlink_to(elsewhere)
    (store / "broken").symlink_to(elsewhere / "nothing")
    erased = erase_person(configured(store), "a", rewrite=True)
    assert set(erased.left) == {store / "archive/inner/of_a.csv", store / "one.csv"}
    assert (elsewhere / "inner/of_a.csv").read_text() == HEAD + ROWS["a"]


def test_pages_in_a_linked_folder_are_erased_as_ever(store, elsewhere):
    (store / "dashboards").symlink_to(elsewhere)
    draw_pages(store)
    before = len(list((elsewhere / "persons").iterdir()))
    assert erase_person(configured(store), "a").left == {}
    assert len(list((elsewhere / "persons").iterdir())) == before - 1


def test_another_name_of_a_file_is_told(store):
    elsewhere = store.with_name("elsewhere")
    elsewhere.mkdir()
    export_store(configured(store), store / "all.csv")
    (store / "done.csv").write_text(HEAD + ROWS["a"] + ROWS["b"])
    os.link(store / "all.csv", elsewhere / "kept.csv")
    os.link(store / "done.csv", store / "again.csv")
    erased = erase_person(configured(store), "a", rewrite=True)
    assert set(erased.left) == {store / "all.csv"}
    assert "another name" in erased.left[store / "all.csv"]
    assert (store / "again.csv").read_text() == f"{HEAD}\n{ROWS['b']}"


def test_a_folder_that_cannot_be_read_is_told(store, monkeypatch):
    (store / "closed").mkdir()
    scandir = os.scandir

    def refused(path):
        if os.fspath(path) == str(store / "closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert set(erase_person(configured(store), "a").left) == {store / "closed"}


def test_files_that_cannot_even_be_looked_at_are_told(store, elsewhere, monkeypatch):
    (store / "closed").write_text(HEAD + ROWS["a"])
    (elsewhere / "closed").write_text(HEAD + ROWS["a"])
    (store / "link").symlink_to(elsewhere / "closed")
    look = Path.stat

    def refused(path, **options):
        if path.name in ("closed", "link"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    erased = erase_person(configured(store), "a")
    assert {store / "closed", store / "link"} == {*erased.left, *erased.files}
    assert store / "link" in erased.left


def test_an_id_in_rows_of_others_is_told(store_files, csv_of, fresh_dir):
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("Ann-1", "2024-01-01", "80")))
    source = data_dir / "done.csv"
    for other in ("of Ann-1", "of Ann-1.", "of Ann-12", "of Ann-1.2"):
        source.write_text(HEAD + f"Ann-1,2024-01-01,80,kg,scale\nb,2024-01-01,60,kg,{other}\n")
        erased = erase_person(configured(data_dir), "Ann-1", rewrite=True)
        assert source.read_text() == f"{HEAD}\nb,2024-01-01,60,kg,{other}\n"
        assert set(erased.left) == ({source} if other.rstrip(".").endswith("-1") else set())
