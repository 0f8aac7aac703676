"""Pictures of persons' charts: one browser for a whole run, drawing in several tabs."""

import asyncio
import base64
import itertools
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from choreographer.errors import (
    BrowserClosedError,
    BrowserDepsError,
    BrowserFailedError,
    ChannelClosedError,
    ChromeNotFoundError,
)

from weightstream.outputs.pages.page import write_page
from weightstream.outputs.pages.person import Person, person_data
from weightstream.outputs.pages.template import PLOTLY, wording
from weightstream.scratch import scratch_folder

if TYPE_CHECKING:  # imported when a picture is drawn: it brings plotly with it
    from kaleido import PageGenerator

NO_BROWSER = (
    "No pictures: no Chromium or Chrome was found; install one (Debian: apt-get install chromium) "
    "or set BROWSER_PATH to it."
)
BROWSER_MB, TAB_MB = 600, 150
"""What Chromium takes, and more with each tab (measured: 740 MB with one, 810 with two)."""
NO_MEMORY = (
    "No pictures: a browser takes about {needed} MB, and only {free:.0f} MB are free; free some "
    "and run `weightstream dashboards --png`."
)
BROWSER_FAILED = "No pictures: the browser at {path} does not start; set BROWSER_PATH to another."
SIZE = {"width": 1100, "height": 640, "scale": 1.5}
TOGETHER = 12
"""Persons drawn between two loads of kaleido's page (a load costs as much as two figures)."""
# A browser that dies is reported by Pictures; its library would show tracebacks of the broken pipe.
logging.getLogger("choreographer").setLevel(logging.CRITICAL)

TRIES = 2
"""How often a figure on its own is tried when the browser dies under it."""


@dataclass
class Pictures:
    """What became of the pictures of a run: how many were drawn (an unchanged file counts), the
    files that failed with one sentence each, how often the browser was started anew, and one
    sentence if there is no browser at all."""

    drawn: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    restarts: int = 0
    problem: str | None = None


def draw_pictures(
    people: Iterable[tuple[Person, Path]],
    tabs: int | None = None,
    timeout: float = 30.0,
    timezone: str = "UTC",
    language: str = "en",
) -> Pictures:
    """Draw each person's chart into a PNG file, atomically replaced.

    people: taken as they are needed, at most tabs * TOGETHER at a time. tabs: None is one a
    processor. timeout: seconds that a figure may take, and also that TOGETHER may take in all; when
    they take longer, each is tried alone. A browser that dies or hangs is started anew.
    """
    run = _Run(iter(people), tabs or os.cpu_count() or 1, timeout, timezone, language)
    # A thread of its own: the caller may be inside a running event loop.
    thread = threading.Thread(target=lambda: asyncio.run(run.all()), name="pictures")
    thread.start()
    thread.join()
    if run.error:
        raise run.error
    return run.result


@dataclass
class _Job:
    person: Person
    path: Path
    tries: int = 0


class _Gone(Exception):
    """The browser died."""


class _Run:
    def __init__(
        self,
        people: Iterator[tuple[Person, Path]],
        tabs: int,
        timeout: float,
        timezone: str,
        language: str,
    ) -> None:
        self.people, self.tabs, self.timeout = people, tabs, timeout
        self.timezone, self.language = timezone, language
        self.result = Pictures()
        self.again: list[_Job] = []  # to be tried alone
        self.error: BaseException | None = None
        self.restart = False

    async def all(self) -> None:
        try:
            while await self._with_one_browser():
                self.result.restarts += 1
        except ChromeNotFoundError:
            self.result.problem = NO_BROWSER
        except (BrowserFailedError, BrowserDepsError, BrowserClosedError):
            path = os.environ.get("BROWSER_PATH", "the usual place")
            self.result.problem = BROWSER_FAILED.format(path=path)
        except BaseException as error:
            self.error = error

    async def _with_one_browser(self) -> bool:
        """Draw until nothing is left or the browser is of no more use. Returns whether to go on."""
        from kaleido import Kaleido

        self.restart = False
        with scratch_folder() as folder:
            words = folder / "texts.js"
            words.write_bytes(wording(self.language))
            browser = Kaleido(n=self.tabs, timeout=None, page_generator=_page(words))
            await browser.open()
            try:
                await asyncio.gather(*(self._worker(browser) for _ in range(self.tabs)))
            finally:
                await _close(browser)
        return self.restart

    async def _worker(self, browser: Any) -> None:
        while not self.restart and (jobs := self._next()):
            try:
                async with asyncio.timeout(self.timeout):
                    drawn = await self._draw(browser, jobs)
            except TimeoutError:
                self.restart = True  # the tab may hang for ever
                self._lost(jobs, f"took longer than {self.timeout:g} s", TRIES)
            except _Gone:
                self.restart = True
                self._lost(jobs, "the browser died", 1)
            else:
                self._keep(jobs, drawn)

    def _next(self) -> list[_Job]:
        if self.again:
            return [self.again.pop()]
        return [_Job(*found) for found in itertools.islice(self.people, TOGETHER)]

    async def _draw(self, browser: Any, jobs: list[_Job]) -> list[dict[str, str]]:
        people = [_plain(person_data(job.person, self.timezone)) for job in jobs]
        figure = {"data": [], "layout": {"weightstream": people}}
        drawing = asyncio.create_task(browser.calc_fig(figure, {"format": "json", **SIZE}))
        drawing.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            while not drawing.done():
                await asyncio.wait({drawing}, timeout=0.5)
                if browser.subprocess.poll() is not None:
                    raise _Gone
            return orjson.loads(drawing.result())
        except (BrowserClosedError, ChannelClosedError) as error:
            raise _Gone from error
        finally:
            drawing.cancel()

    def _keep(self, jobs: list[_Job], drawn: list[dict[str, str]]) -> None:
        for job, picture in zip(jobs, drawn, strict=True):
            if "png" in picture:
                write_page(job.path, base64.b64decode(picture["png"]))
                self.result.drawn += 1
            else:
                self.result.failed.append((job.path, f"could not be drawn: {picture['error']}"))

    def _lost(self, jobs: list[_Job], why: str, tries: int) -> None:
        """Try each alone: nobody knows which of several it was. Give up one that was alone."""
        for job in jobs:
            if len(jobs) == 1:
                job.tries += tries
            if job.tries < TRIES:
                self.again.append(job)
            else:
                self.result.failed.append((job.path, why))


def _plain(data: Any) -> Any:
    return orjson.loads(orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY))


def _page(words: Path) -> "PageGenerator":
    """Kaleido's page with our drawing in it. MathJax would come from a CDN: left out."""
    from kaleido import PageGenerator

    own = files("weightstream.outputs.pages") / "assets"
    ours = [own / f"{name}.js" for name in ("columns", "words", "course", "figure", "picture")]
    first, *others = [(Path(str(script)).as_uri(), "utf-8") for script in (PLOTLY, words, *ours)]
    return PageGenerator(plotly=first, mathjax=False, others=list(others))


async def _close(browser: Any) -> None:
    try:
        await asyncio.wait_for(browser.close(), 15)
    except Exception:
        browser.subprocess.kill()
