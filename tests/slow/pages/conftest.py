"""The pages in a real browser, from disk, with the network cut."""

import runpy
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weightstream.config import Config
from weightstream.outputs.pages import index, page
from weightstream.outputs.pages.courses import Alert
from weightstream.outputs.pages.outlook import Outlook
from weightstream.outputs.pages.person import EarlierDecision, Override, Person
from weightstream.outputs.pages.template import SCRIPTS
from weightstream.outputs.report import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = "axe-core@4.14.1"
HOSTILE = "<script>document.title='hacked'</script>"

made_up_person = runpy.run_path(
    str(Path(__file__).parents[2] / "test_outputs" / "test_pages" / "conftest.py"),
    run_name="people",
)["made_up_person"]


def eventful_person() -> Person:
    """A person to whom everything happened that a page can show."""
    person = made_up_person(200, 1, "eventful")
    ids, at = person.columns["measurement_id"], person.columns["effective_at"]
    level = person.columns["level_kg"][-1]
    days = range(7, 57, 7)
    return replace(
        person,
        overrides=[Override(ids[50], "accept", "Dr Berg", "2024-05-01T10:00:00Z", "seen")],
        earlier=[EarlierDecision(ids[60], 1, "causal", "rejected", "digit_swap", 81.0)],
        alerts=[Alert(at[-3], "unusual", 7.0, -3.1, 0.97)],
        false_alerts=0.5,
        outlook=Outlook(
            list(days),
            [level - 0.05 * d for d in days],
            [level - 0.05 * d - 1 for d in days],
            [level - 0.05 * d + 1 for d in days],
        ),
    )


def mirrored_person() -> Person:
    """Every third weighing came through another app as well; one reading is an error."""
    person = made_up_person(120, 9, "mirrored")
    columns = person.columns
    columns["verdict"][:] = ["rejected" if n % 3 == 1 else "accepted" for n in range(120)]
    columns["reason"][:] = ["repeat" if n % 3 == 1 else "ok" for n in range(120)]
    columns["verdict"][50], columns["reason"][50] = "rejected", "outlier"
    columns["raw_time"] = [t.replace("Z", "+05:30") for t in columns["effective_at"]]
    return person


@pytest.fixture(scope="session")
def make_person() -> Any:
    return made_up_person


@pytest.fixture(scope="session")
def eventful() -> Person:
    return eventful_person()


@pytest.fixture(scope="session")
def hostile() -> str:
    """A person and a source are called so."""
    return HOSTILE


@pytest.fixture
def chromium() -> None:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")


@pytest.fixture(scope="session")
def measured_store(store_files: Any, csv_of: Any, fresh_dir: Any) -> Path:
    """Two years of two sources: one on which the other two kg more are seen, one called HOSTILE."""
    days = [f"2023-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 28)]
    rows = [("ann", f"{day}T07:00:00Z", f"{80 + n % 3 * 0.2:.1f}") for n, day in enumerate(days)]
    rows += [("ann", f"{day}T07:30:00Z", "82.3", "kg", HOSTILE) for day in days]
    rows += [("ann", "2023-05-01T12:00:00Z", "178", "kg", HOSTILE), ("ann", days[5], "x")]
    folder: Path = fresh_dir()
    store_files(folder, csv_of(*rows))
    return folder


@pytest.fixture(scope="session")
def dashboards(tmp_path_factory: pytest.TempPathFactory, measured_store: Path) -> Path:
    folder = tmp_path_factory.mktemp("dashboards")
    page.write_assets(folder)
    people = [
        eventful_person(),
        made_up_person(1, 2, "once"),
        made_up_person(3, 3, "thrice"),
        made_up_person(2000, 4, "daily"),
        made_up_person(30, 5, HOSTILE),
    ]
    people[4].columns["source"][:] = [HOSTILE] * 30
    people.append(mirrored_person())
    for person in people:
        name = page.file_name(person.user_id, "id")
        page.write_page(folder / page.PERSONS / name, page.person_page(person, "Europe/Oslo"))
    rows = [index.index_row(person, "id") for person in people]
    many = [rows[0] | {"user_id": f"x-{k:05d}", "alert": None} for k in range(10_000 - len(rows))]
    newest = max(row["last"] for row in rows)
    many[7]["alert"] = (
        "rapid_gain",
        3,
        3.1,
        0.97,
        newest,
        "new",
        newest,
    )  # eventful's is of years before
    page.write_page(folder / "index.html", index.index_page(rows + many))
    limits = {"weeks": 0, "min_readings": 100, "max_difference_kg": 0.2}
    config = Config.model_validate({"quality": limits})
    with closing(sqlite3.connect(measured_store / "weightstream.db")) as connection:
        write_report(connection, folder, config)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as play:
        started = play.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


class Viewer:
    """Opens pages with the network cut; nothing may complain or ask for more than files."""

    def __init__(self, browser: Any, dashboards: Path) -> None:
        self.browser, self.dashboards = browser, dashboards
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def open(self, name: str, size: tuple[int, int] = (1280, 900), **options: Any) -> Any:
        viewport = {"width": size[0], "height": size[1]}
        context = self.browser.new_context(viewport=viewport, offline=True, **options)
        context.set_default_timeout(60_000)  # a machine may be busy
        tab = context.new_page()
        tab.on("request", lambda request: self.asked.append(request.url))
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        tab.goto((self.dashboards / name).as_uri())
        tab.wait_for_selector(
            "html[data-ready]" if SCRIPTS.get(Path(name).stem, True) else "footer"
        )
        return tab

    def person(self, user_id: str, **options: Any) -> Any:
        return self.open(f"{page.PERSONS}/{page.file_name(user_id, 'id')}", **options)


@pytest.fixture
def viewer(browser: Any, dashboards: Path) -> Iterator[Viewer]:
    viewer = Viewer(browser, dashboards)
    yield viewer
    for context in browser.contexts:
        context.close()
    assert viewer.complaints == []
    assert [url for url in viewer.asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def from_npm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], bytes]:
    """A file of a package ("name@version"), which is skipped for where npm cannot fetch it."""
    npm = shutil.which("npm")

    def fetch(package: str, file: str) -> bytes:
        if npm is None:
            pytest.skip(f"npm is not installed, so there is no {package}")
        folder = tmp_path_factory.mktemp("npm")
        command = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run([*command, package], capture_output=True, text=True, timeout=120)
        source = folder / "node_modules" / package.split("@")[0] / file
        if not source.is_file():
            pytest.skip(f"npm could not fetch {package}: {done.stderr.strip()[-200:]}")
        return source.read_bytes()

    return fetch


@pytest.fixture(scope="session")
def axe(from_npm: Callable[[str, str], bytes]) -> str:
    """The source of axe-core."""
    return from_npm(AXE, "axe.min.js").decode()
