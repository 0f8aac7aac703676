"""One person's chart from files: `weightstream plot`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weightstream.atomic_files import appearing
from weightstream.clean_files import CleanJob, clean_files
from weightstream.cleaned import plot
from weightstream.config import Config
from weightstream.errors import ConfigError, InputError
from weightstream.outputs.exports.judged_files import check_place
from weightstream.pipeline import Stage
from weightstream.readers import ReadOptions
from weightstream.scratch import scratch_folder

if TYPE_CHECKING:
    import plotly.graph_objects as go

ENDINGS = (".html", ".png")


def check_chart(out: Path, files: list[Path], overwrite: bool) -> None:
    """Raise ConfigError if a chart cannot or must not be written to `out`."""
    if out.suffix not in ENDINGS:
        raise ConfigError(f"{out}: the name must end in {' or '.join(ENDINGS)}")
    check_place(out, files, overwrite)


def plot_files(
    files: list[Path], options: ReadOptions, config: Config, stage: Stage, person: str | None,
    out: Path,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Judge files and draw the chart of one person.

    Returns the number of that person's measurements, and the import report.

    person: required if there are several. out: see check_chart. Raises InputError, ConfigError.
    """
    with scratch_folder() as folder:
        judged = folder / "judged.parquet"
        done, report = clean_files(CleanJob(files, judged, config, options, stage))
        if done.exit_status == 2:
            raise InputError("; ".join(done.problems))
        table = pq.read_table(judged)
    person = person or _only_person(table)
    figure = plot(table, person)
    with appearing(out) as unfinished:
        if out.suffix == ".html":
            figure.write_html(unfinished)
        else:
            unfinished.write_bytes(_picture(figure))
    return int(pc.sum(pc.equal(table["user_id"], person)).as_py()), report


def _picture(figure: "go.Figure") -> bytes:
    """Return the figure as PNG. Raises ConfigError if no browser can draw it."""
    import kaleido  # noqa: F401, whose absence is told otherwise

    try:
        return bytes(figure.to_image(format="png", width=1100, height=640, scale=1.5))
    except Exception as error:  # of whatever the browser is driven by
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(f"no picture could be drawn ({reason}); write .html instead") from None


def _only_person(table: pa.Table) -> str:
    users = pc.unique(table["user_id"])
    if len(users) != 1:
        raise ConfigError(
            f"there are judged measurements of {len(users):,} persons; choose one with --person"
        )
    return str(users[0])
