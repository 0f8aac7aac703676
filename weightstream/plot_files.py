"""One person's chart from files: what `weightstream plot` does."""

import tempfile
from pathlib import Path

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

ENDINGS = (".html", ".png")


def check_chart(out: Path, files: list[Path], overwrite: bool) -> None:
    """Raise ConfigError if no chart can, or should, be written there."""
    if out.suffix not in ENDINGS:
        raise ConfigError(f"{out}: the name must end in {' or '.join(ENDINGS)}")
    check_place(out, files, overwrite)


def plot_files(
    files: list[Path], options: ReadOptions, config: Config, stage: Stage, person: str | None,
    out: Path,
) -> int:  # fmt: skip
    """Judge files and draw the chart of a person in them; returns their measurements.

    person: needed where there are several. out: see check_chart. Raises InputError, ConfigError.
    """
    with tempfile.TemporaryDirectory(prefix="weightstream-") as folder:
        judged = Path(folder) / "judged.parquet"
        done, _ = clean_files(CleanJob(files, judged, config, options, stage))
        if done.exit_status == 2:
            raise InputError("; ".join(done.problems))
        table = pq.read_table(judged)
    person = person or _only_person(table)
    figure = plot(table, person)
    with appearing(out) as unfinished:
        if out.suffix == ".html":
            figure.write_html(unfinished)
        else:
            figure.write_image(unfinished, format="png", width=1100, height=640, scale=1.5)
    return int(pc.sum(pc.equal(table["user_id"], person)).as_py())


def _only_person(table: pa.Table) -> str:
    users = pc.unique(table["user_id"])
    if len(users) != 1:
        raise ConfigError(
            f"there are judged measurements of {len(users):,} persons; say whose chart is wanted "
            "with --person"
        )
    return str(users[0])
