"""How long a browser takes until a page can be used, beside a plain page of plotly.js.

    python -m benchmarks.browser [--times 7]

A person of 100 readings and one of 7,300 (twenty years, daily) are judged by `clean --pages` and
opened from disk in headless Chromium. "Drawn" counts from the start of the navigation to the frame
after the chart is drawn, "complete" until the list of decisions below it is there too. The plain
page is plotly.js alone with as many points, a line and nothing else, in the same run: what the
machine takes for any page with such a chart. Least and median, ms; on a busy machine the least is
nearer to what an idle one takes.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SIZES = (100, 7_300)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
READY = """what => new Promise(done => {
  const look = () => document.documentElement.dataset[what]
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 5);
  look();
})"""
RANGE = """async value => {
  const button = document.querySelector(`#ranges [value="${value}"]`);
  const before = performance.now();
  button.click();
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - before;
}"""
PLAIN = """<!doctype html><div id="chart" style="height:540px"></div>
<script src="plotly.min.js"></script><script>
const y = {values};
Plotly.newPlot("chart", [{{y, mode: "markers"}}, {{y, mode: "lines"}}])
  .then(() => (document.documentElement.dataset.drawn = "true"));
</script>"""


def weights(readings: int) -> list[float]:
    rng = np.random.default_rng(readings)
    slow = 85.0 + 6.0 * np.sin(np.arange(readings) / 700.0)
    found: list[float] = (slow + rng.normal(0, 0.4, readings)).round(1).tolist()
    return found


def draw_pages(folder: Path) -> Path:
    """Judge and draw a person for each of SIZES, and a plain page beside."""
    table, pages = folder / "weights.csv", folder / "pages"
    start = datetime(2005, 1, 1, 6, 30, tzinfo=UTC)
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("user_id", "effectiveDateTime", "source_type", "weight", "unit"))
        for readings in SIZES:
            for day, kg in enumerate(weights(readings)):
                at = (start + timedelta(days=day)).isoformat()
                writer.writerow((f"p{readings}", at, "patient-device", kg, "kg"))
    config = folder / "config.toml"
    config.write_text('[visualization]\nfile_names = "id"\n')
    command = [sys.executable, "-m", "weightstream", "clean", str(table), "--config", str(config)]
    out = ["-o", str(folder / "judged.parquet"), "--pages", str(pages)]
    subprocess.run([*command, *out], check=True, capture_output=True)
    for readings in SIZES:
        content = PLAIN.format(values=json.dumps(weights(readings)))
        (pages / "assets" / f"plain{readings}.html").write_text(content)
    return pages


def measure(browser: Any, pages: Path, times: int) -> dict[str, list[float]]:
    """Milliseconds of each time, by what was measured."""

    def ready(
        name: str, what: str = "drawn", then: Callable[[Any], float] | None = None
    ) -> list[float]:
        found = []
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            tab = context.new_page()
            tab.goto((pages / name).as_uri(), wait_until="commit")
            took = tab.evaluate(READY, what)
            found.append(then(tab) if then else took)
            context.close()
        return found

    def everything(tab: Any) -> float:
        tab.evaluate(RANGE, "365")
        took: float = tab.evaluate(RANGE, "all")
        return took

    figures = {}
    for readings in SIZES:
        name = f"page of {readings:,} readings"
        figures[f"{name}, drawn"] = ready(f"persons/p{readings}.html")
        figures[f"{name}, complete"] = ready(f"persons/p{readings}.html", "ready")
        figures[f"plain plotly.js, {readings:,} points"] = ready(f"assets/plain{readings}.html")
    long = f"persons/p{SIZES[1]}.html"
    figures[f"All of {SIZES[1]:,} after 1 year, until the next frame"] = ready(
        long, "ready", everything
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        pages = draw_pages(Path(folder))
        browser = play.chromium.launch(executable_path=program, args=FLAGS)
        for what, took in measure(browser, pages, times).items():
            print(f"| {what} | {min(took):.0f} | {median(took):.0f} |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
