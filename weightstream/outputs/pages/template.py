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
    "failing": (),
    "quality": ("columns.js", "words.js", "course.js", "figure.js", "weeks.js", "quality.js"),
}
"""Of each page, in the order in which they run; a shared script runs before anything is painted."""
TRANSLATED = frozenset({"person", "index"})
SHARED, ENGLISH = "common.js", "common-en.js"
"""Words and common.js, for pages that are translated and for those that are always in English."""


def asset(name: str) -> bytes:
    return (_OWN / name).read_bytes()


def languages() -> list[str]:
    """Return the languages that pages can be in, as in `visualization.language`."""
    return sorted(path.name.removesuffix(".json") for path in (_OWN / "languages").iterdir())


def wording(language: str = "en") -> bytes:
    """Return the script that gives pages their words, which all of their scripts need."""
    texts = (_OWN / "languages" / f"{language}.json").read_text(encoding="utf-8")
    return b"window.Wording = " + texts.strip().encode() + b";\n" + asset("texts.js")


def shared_script(language: str = "en") -> bytes:
    """Return SHARED as it stands beside pages: words first, since pages of earlier versions load
    no script for them."""
    return wording(language) + asset("common.js")


def asset_names() -> list[str]:
    """Files that stand beside the pages as they are here."""
    return sorted({"style.css"}.union(*SCRIPTS.values()))


def template(page: str, title: str, root: str = "") -> tuple[bytes, bytes]:
    """What stands before and after the data of a page. root: the way to the index's folder."""
    shared = SHARED if page in TRANSLATED else ENGLISH
    scripts = [f'<script src="{root}assets/{shared}"></script>']
    scripts += [f'<script src="{root}assets/{name}" defer></script>' for name in SCRIPTS[page]]
    if "figure.js" in SCRIPTS[page]:
        scripts.append(f'<script src="{root}assets/plotly.min.js" async id="plotly"></script>')
    parts = {"version": VERSION, "title": title, "root": root, "scripts": "\n".join(scripts)}
    text = asset("base.html").decode()
    for name, part in {**parts, "body": asset(f"{page}.html").decode()}.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    before, after = text.encode().split(b"{{data}}")
    return before, after
