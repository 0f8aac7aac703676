"""What pages are made of besides their data: one frame, a body each, and scripts beside them."""

from importlib import metadata
from importlib.resources import files

VERSION = metadata.version("weightstream")
_OWN = files("weightstream.outputs.pages") / "assets"
PLOTLY = _OWN / "plotly" / "plotly-basic.min.js"
"""plotly.js with scatter and bar charts alone, as npm has it: of all that a page loads, most."""

SCRIPTS = {
    "person": (
        "columns.js",
        "words.js",
        "course.js",
        "figure.js",
        "facts.js",
        "log.js",
        "person.js",
    ),
    "index": ("words.js", "index.js"),
    "review": (),
    "quality": ("columns.js", "words.js", "course.js", "figure.js", "weeks.js", "quality.js"),
}
"""Of each page, in the order in which they run; common.js runs before anything is painted."""


def asset(name: str) -> bytes:
    return (_OWN / name).read_bytes()


def asset_names() -> list[str]:
    """Files that stand beside the pages, plotly.js aside."""
    return sorted({"style.css", "common.js"}.union(*SCRIPTS.values()))


def template(page: str, title: str, root: str = "") -> tuple[bytes, bytes]:
    """What stands before and after the data of a page. root: the way to the index's folder."""
    scripts = [f'<script src="{root}assets/common.js"></script>']
    scripts += [f'<script src="{root}assets/{name}" defer></script>' for name in SCRIPTS[page]]
    if "figure.js" in SCRIPTS[page]:
        scripts.append(f'<script src="{root}assets/plotly.min.js" async id="plotly"></script>')
    parts = {"version": VERSION, "title": title, "root": root, "scripts": "\n".join(scripts)}
    text = asset("base.html").decode()
    for name, part in {**parts, "body": asset(f"{page}.html").decode()}.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    before, after = text.encode().split(b"{{data}}")
    return before, after
