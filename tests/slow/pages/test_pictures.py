"""PNGs through a real browser, also one that dies or hangs."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kaleido
import pytest
from kaleido import PageGenerator

from weightstream.outputs.pages import image
from weightstream.outputs.pages.person import Person

pytestmark = pytest.mark.slow


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


@pytest.mark.usefixtures("chromium")
def test_pictures_of_several_persons(tmp_path: Path, make_person: Any) -> None:
    people = [make_person(n, n, f"p{n}") for n in (1, 3, 40)]
    drawn = image.draw_pictures([(p, tmp_path / f"{p.user_id}.png") for p in people], tabs=2)
    assert (drawn.drawn, drawn.failed, drawn.restarts, drawn.problem) == (3, [], 0, None)
    assert {png_size(path) for path in tmp_path.iterdir()} == {(1650, 960)}
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3


@pytest.mark.usefixtures("chromium")
def test_a_figure_that_cannot_be_drawn_costs_only_itself(tmp_path: Path, make_person: Any) -> None:
    broken = make_person(5, 1, "broken")
    broken.columns["effective_at"][:] = [None] * 5  # figure.js cannot read it
    people = [make_person(5, 2, "a"), broken, make_person(5, 3, "b")]
    drawn = image.draw_pictures([(p, tmp_path / f"{p.user_id}.png") for p in people], tabs=1)
    assert drawn.drawn == 2
    assert [path.name for path, _ in drawn.failed] == ["broken.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.usefixtures("chromium")
def test_a_figure_that_takes_too_long_is_given_up(
    tmp_path: Path, make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = tmp_path / "hang.js"
    hang.write_text(
        "const build = Figure.build;"
        "Figure.build = (d, v) => { while (d.user === 'slow') ; return build(d, v); };"
    )

    def with_hang(**scripts: Any) -> PageGenerator:
        scripts["others"].append((hang.as_uri(), "utf-8"))
        return PageGenerator(**scripts)

    monkeypatch.setattr(kaleido, "PageGenerator", with_hang)
    people = [make_person(5, k, name) for k, name in enumerate(["a", "slow", "b"])]
    pictures = tmp_path / "png"
    pictures.mkdir()
    drawn = image.draw_pictures(
        [(p, pictures / f"{p.user_id}.png") for p in people], tabs=1, timeout=8.0
    )
    assert drawn.drawn == 2
    assert [(path.name, why) for path, why in drawn.failed] == [
        ("slow.png", "took longer than 8 s")
    ]
    assert drawn.restarts >= 1


@pytest.mark.usefixtures("chromium")
def test_a_browser_that_dies_is_started_anew(
    tmp_path: Path, make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Watched(kaleido.Kaleido):
        async def open(self) -> None:
            await super().open()
            started.append(self)

    monkeypatch.setattr(kaleido, "Kaleido", Watched)
    pulled = threading.Event()

    def people() -> Iterator[tuple[Person, Path]]:
        for k in range(30):
            if k == 20:
                pulled.set()
            yield make_person(50, k, f"p{k}"), tmp_path / f"p{k}.png"

    def kill() -> None:
        pulled.wait(60)
        os.killpg(started[0].subprocess.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    drawn = image.draw_pictures(people(), tabs=1)
    killer.join()
    assert (drawn.drawn, drawn.failed, drawn.restarts) == (30, [], 1)
    assert len(list(tmp_path.glob("*.png"))) == 30
