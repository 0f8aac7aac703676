"""Who is kept out, and that nothing is read where that cannot be told."""

import stat

import pytest

from weightstream.config import Config
from weightstream.erasing.erasure import erase_person
from weightstream.erasing.tombstones import KEY_NAME, read_tombstones
from weightstream.errors import StoreError
from weightstream.intake.tombstones import NOBODY, Tombstones, token
from weightstream.parsing.coded import trimmed
from weightstream.store.connection import open_writer


def erase(data_dir, user, **options):
    return erase_person(Config.model_validate({"data": {"data_dir": data_dir}}), user, **options)


@pytest.fixture
def erased_dir(store_files, csv_of, fresh_dir):
    """Of Ann and Bob, with Ann erased."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(("Ann-1", "2024-01-01", "80"), ("Bob-1", "2024-01-01", "90")))
    erase(data_dir, " Ann-1 ")
    return data_dir


def tombstones(data_dir):
    with open_writer(data_dir) as connection:
        return read_tombstones(connection, data_dir)


def test_ids_are_taken_as_an_ingest_takes_them(erased_dir):
    found = tombstones(erased_dir)
    assert "Ann-1" in found
    assert trimmed("\tAnn-1\u2003") in found
    assert all(other not in found for other in ("ann-1", "Ann-12", "Bob-1", "Ａnn-1"))


def test_an_id_is_looked_up_once(monkeypatch):
    calls = []
    key = b"k" * 32

    def counted(key, user_id):
        calls.append(user_id)
        return token(key, user_id)

    monkeypatch.setattr("weightstream.intake.tombstones.token", counted)
    found = Tombstones(key, frozenset([token(key, "a")]))
    assert [user in found for user in ("a", "b", "a", "b")] == [True, False] * 2
    assert calls == ["a", "b"]


def test_without_erasures_there_is_no_key_and_nothing_to_look_up(store_files, csv_of, data_dir):
    store_files(data_dir, csv_of(("a", "2024-01-01", "80")))
    assert tombstones(data_dir) is NOBODY
    assert not (data_dir / KEY_NAME).exists()


def test_tokens_say_nothing_without_the_key(erased_dir, tables):
    ((kept, *_),) = tables(erased_dir)["erasures"]
    key = bytes.fromhex((erased_dir / KEY_NAME).read_text())
    assert kept == token(key, "Ann-1")
    assert kept != token(bytes(32), "Ann-1")
    assert stat.S_IMODE((erased_dir / KEY_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "", "not a key", "00" * 32, "00" * 31, "\xff"])
def test_without_its_key_nobody_is_let_in(erased_dir, content, ingested, csv_of, tables):
    key = erased_dir / KEY_NAME
    key.unlink()
    if content is not None:
        key.write_text(content, "latin-1")
    before = tables(erased_dir, "runs")
    ran = ingested(csv_of(("Ann-1", "2024-01-02", "80")), erased_dir)
    assert ran.state.name == "Failed"
    assert isinstance(ran.result, StoreError)
    assert "restore it from a backup" in str(ran.result)
    assert tables(erased_dir, "runs") == before
    with pytest.raises(StoreError, match="restore it"):
        erase(erased_dir, "Bob-1")


def test_a_second_erasure_uses_the_same_key(erased_dir):
    key = (erased_dir / KEY_NAME).read_text()
    erase(erased_dir, "Bob-1")
    assert (erased_dir / KEY_NAME).read_text() == key
    assert {"Ann-1", "Bob-1"} <= {
        user for user in ("Ann-1", "Bob-1") if user in tombstones(erased_dir)
    }
