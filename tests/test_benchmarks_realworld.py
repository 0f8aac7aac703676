from dataclasses import replace

import numpy as np
import pytest

from benchmarks import growthcleanr, realworld
from benchmarks.injected import LEAST_KG, spoilt_stream
from benchmarks.real_bodies import TABLE, change_quantiles, clinic_body, home_body
from benchmarks.realworld import Score, rows_of
from benchmarks.rivals import judged


@pytest.mark.parametrize(
    ("place", "make", "persons", "most"),
    [("clinic", clinic_body, 500, 20), ("home", home_body, 60, 40)],
)
def test_bodies_move_as_measured_by_gap(place: str, make, persons: int, most: int) -> None:
    """Half, three quarters and 95 % of the changes, each gap; days in a spell differ most."""
    bodies = [make(np.random.default_rng([9, k])) for k in range(persons)]
    for band, measured in TABLE[place].items():
        got = change_quantiles(bodies, band, most)
        for k in (0, 1, 3):
            assert got[k] / measured[k] == pytest.approx(1.0, abs=0.4), band


@pytest.mark.parametrize("place", ["clinic", "home"])
def test_what_is_not_spoilt_stays_and_what_is_spoilt_is_far_off(place: str) -> None:
    spoilt = spoilt_stream(place, 4, 40, 0.1)
    wrong = spoilt.how != ""
    assert wrong.any()
    assert (wrong == ~spoilt.stream.right).all()
    same = spoilt.stream.batch.weight_kg == spoilt.right.weight_kg
    assert (same == ~wrong).all()
    assert (spoilt.off[wrong] >= LEAST_KG).all()
    assert (spoilt.off[~wrong] == 0).all()


def test_streams_repeat_by_seed_and_have_no_errors_at_rate_0() -> None:
    one, again, other = (spoilt_stream("clinic", seed, 20, 0.05) for seed in (1, 1, 2))
    assert (one.stream.batch.weight_kg == again.stream.batch.weight_kg).all()
    assert len(one.off) != len(other.off) or (one.off != other.off).any()
    assert spoilt_stream("clinic", 1, 20, 0.0).stream.right.all()


def test_a_unit_error_is_named_by_its_direction() -> None:
    spoilt = spoilt_stream("home", 5, 30, 0.1)
    kg, right = spoilt.stream.batch.weight_kg, spoilt.right.weight_kg
    error = spoilt.stream.error
    assert (kg > right)[error == "unit_lb_as_kg"].all()
    assert (kg < right)[error == "unit_kg_as_lb"].all()
    assert (error == "unit_kg_as_lb").any()


def test_figures_of_a_judge_who_knows_and_of_one_who_does_not() -> None:
    spoilt = spoilt_stream("clinic", 6, 60, 0.1)
    level = spoilt.stream.level_kg
    knows = judged(spoilt.stream.right, level)
    blind = judged(np.ones(len(level), bool), level + 2.0)
    for verdict, recall, off in ((knows, 1.0, 0.0), (blind, 0.0, 2.0)):
        score = Score()
        contested = spoilt.how != ""  # as if all errors were: then nothing is found or missed
        score.add(spoilt, verdict, replace(verdict, level=level), contested)
        assert score.apart() == (None, None)
        score.add(spoilt, verdict, replace(verdict, level=level), np.zeros_like(contested))
        cells = rows_of({("clinic", 0.1, "judge"): score})[0]
        assert float(cells[5]) == recall
        assert float(cells[11]) == float(cells[12]) == off
        assert (score.apart() == (1.0, 1.0)) == (recall == 1.0)


def test_the_check_lists_every_gap_of_both_places() -> None:
    rows = realworld.check_rows(40)
    assert [row[0] for row in rows].count("clinic") == len(TABLE["clinic"])
    assert [row[0] for row in rows].count("home") == len(TABLE["home"])


def test_the_page_has_figures_kinds_sizes_and_calibration() -> None:
    names = ["weightstream causal", "15 % gate Kalman"]
    found = realworld.sections(realworld.score(["clinic"], [1], 12, names))
    page = realworld.markdown(found, [1], 12)
    assert page.startswith("# Streams that move and err as real ones do")
    for words in ("| clinic | 0.10 | 15 % gate Kalman |", "by kind", "by size", "calibration"):
        assert words in page


def test_growthcleanr_without_r_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    problem = growthcleanr.missing()
    assert problem is not None
    assert "Rscript" in problem


@pytest.fixture
def with_r() -> None:
    if (problem := growthcleanr.missing()) is not None:  # R itself says it, which takes seconds
        pytest.skip(problem)


@pytest.mark.flow
@pytest.mark.usefixtures("with_r")
def test_growthcleanr_finds_a_pounds_reading_and_keeps_order() -> None:
    spoilt = spoilt_stream("home", 1, 2, 0.0)
    batch = spoilt.right
    kg = batch.weight_kg.copy()
    kg[7] /= 0.45359237
    verdict = growthcleanr.growthcleanr(replace(batch, weight_kg=kg))
    assert not verdict.accepted[7]
    assert verdict.accepted.sum() == len(kg) - 1
    assert verdict.level[7] == kg[6]
