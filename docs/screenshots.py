"""Take the pictures of dashboards.md and quality.md anew: python docs/screenshots.py DATA_DIR.

DATA_DIR: as `make run` leaves it (the sample). Needs Chromium, and playwright of the dev group.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from weightstream.config import Config
from weightstream.outputs.pages.index import read_index
from weightstream.outputs.report import report_on_store

OUT = Path(__file__).parent / "dashboards"
SHOTS = (
    # picture, person or page, size, theme
    ("person-desktop", "P056", (1280, 1000), "light"),
    ("person-tablet-dark", "P023", (820, 1080), "dark"),
    ("person-phone", "P006", (390, 844), "light"),
    ("persons-desktop", "index.html", (1280, 900), "light"),
    ("persons-phone-dark", "index.html", (390, 844), "dark"),
    ("quality-desktop", "quality.html", (1280, 1100), "light"),
    ("quality-phone-dark", "quality.html", (390, 900), "dark"),
)


def take(data_dir: Path) -> None:
    few = {"weeks": 0, "min_readings": 100}  # the sample is small
    report_on_store(Config.model_validate({"data": {"data_dir": data_dir}, "quality": few}))
    dashboards = data_dir / "dashboards"
    persons = read_index(dashboards / "index.html") or {}
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, what, (width, height), theme in SHOTS:
            path = f"persons/{persons[what]['page']}" if what in persons else what
            tab = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                is_mobile=width < 500,
                has_touch=width < 500,
            )
            tab.goto((dashboards / path).absolute().as_uri())
            tab.wait_for_selector("html[data-ready]")
            tab.screenshot(path=OUT / f"{name}.png")
            tab.close()
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
