"""What a worker makes of a batch is what the flow itself would have made of it."""

import json
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from tasks import far
from tasks.far import JOB, FarRoad
from tasks.opening import opened_road
from tasks.posting import Posting
from tasks.road import road_of
from weightstream.charts.page import write_assets
from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.exchange import begin_exchange
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in
from weightstream.judging.decided import Rows


def rows(first, last):
    return [
        (user, f"2024-01-{day:02}T07:{minute:02}:00Z", f"{80 + day % 3}", "kg", "app")
        for user in ("ann", "bob")
        for day in range(first, last)
        for minute in (0, 0, 9)
    ]


@pytest.fixture
def road(csv_of, store_files, fresh_dir):
    """A store of two persons, and one batch of more of theirs, copies among it."""
    data_dir = fresh_dir()
    store_files(data_dir, csv_of(*rows(1, 9)))
    config = Config.model_validate({"data": {"data_dir": str(data_dir)}})
    with opened_road("a run", "ingest", config, [csv_of(*rows(7, 20))]) as road:
        road.intake = take_in(
            road.sources, road.reading, road.cleaning, Selection(config.data), road.spill, 10**6,
            on_rows=lambda rows: None, threads=1,
        )  # fmt: skip
        road.expect([2])
        (road.parts[0],) = road.intake.parts(1, 10)
        road.persons[0] = ["ann", "bob"]
        exchange = begin_exchange("", data_dir)
        road.cluster = SimpleNamespace(exchange=exchange)
        yield road


def alike(one, other):
    for field in fields(one):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if isinstance(before, Rows):
            users = len(one.user_ids)
            assert repr(sorted(before.part(0, users).items())) == repr(
                sorted(after.part(0, users).items())
            ), field.name
        else:
            assert np.array_equal(before, after), field.name


def sent(road, stage):
    posting = Posting(road, road.cluster, stage)
    posting.send(0)
    worker = road_of(posting.address)
    assert isinstance(worker, FarRoad)
    getattr(worker, stage)(0)
    posting.ended(0)
    posting.take(0)
    assert road.clocks[stage].seconds > 0
    assert len(road.worker_peaks) == 1
    posting.forget(0)


def test_filter(road):
    sent(road, "filter")
    there, copies = road.judged.pop(0), road.copies.pop(0)
    here = road.judge(0)
    assert here.recomputed.all()  # the stored history was needed
    alike(here, there)
    assert np.array_equal(copies, road.copies.pop(0))
    assert copies.sum() > 0


def test_smooth(road):
    sent(road, "smooth")
    here = road.look_again(0)
    assert len(here.decisions.part(0, 2)["version"]) + len(here.estimates.part(0, 2)["version"])
    alike(here, road.judged[0])


def test_draw(road):
    write_assets(road.dashboards)
    sent(road, "draw")
    there = {path.name: path.read_bytes() for path in (road.dashboards / "persons").iterdir()}
    rows = road.drawn.pop(0)
    road.draw(0)
    here = {path.name: path.read_bytes() for path in (road.dashboards / "persons").iterdir()}
    assert there == here
    assert len(there) == 2
    assert json.dumps(rows) == json.dumps(road.drawn[0])


def test_nothing_stays_in_the_exchange(road, tmp_path):
    sent(road, "filter")
    (folder,) = (road.data_dir / "exchange").iterdir()
    assert [path.name for path in folder.iterdir()] == [JOB]
    assert b"ann" not in (folder / JOB).read_bytes()


def test_another_version_on_a_worker_is_said(road, monkeypatch):
    posting = Posting(road, road.cluster, "filter")
    posting.send(0)
    monkeypatch.setattr(far, "version", lambda name: "0.0.1")
    with pytest.raises(ConfigError, match="another version of weightstream"):
        FarRoad(posting.address).filter(0)
