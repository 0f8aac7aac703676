"""`weightstream learn`: parameters from everything stored, made the active set."""

import sqlite3
from collections.abc import Iterator

from weightstream.batch import UserBatch
from weightstream.config import Config
from weightstream.errors import StoreError, plain
from weightstream.judging.learning import Learned, learn
from weightstream.judging.series import stored_series
from weightstream.store import models, queries
from weightstream.store.connection import STORE_NAME, existing, open_writer
from weightstream.store.stored_persons import StoredPersons

USERS_AT_A_TIME = 2_000


def learn_from_store(config: Config) -> str:
    """Learn a set of parameters, activate it, and return it as text.

    If it is refused, prior-1 becomes the active set: what is used depends on what is stored, and
    not on when and how often somebody learnt. Raises StoreError where nothing is stored.
    """
    data_dir = config.data.data_dir.absolute()
    path = data_dir / STORE_NAME
    existing(data_dir)
    with open_writer(data_dir) as connection:  # all the while: nobody can be erased meanwhile
        timezone = queries.setting(connection, "timezone") or config.data.timezone
        batches = list(stored_batches(connection, timezone))
        if not batches:
            raise StoreError(f"{path}: no measurement is stored yet; ingest some first")
        learned = learn(batches, models.next_name(connection), config.kalman)
        changed = models.activate(connection, path, learned.parameters, learned.readings)
        name = models.active(connection).name
    head = f"{learned.refused}; {name}" if learned.refused else name
    head += " is the active set; run `weightstream retro` to judge by it" if changed else " stays"
    return f"{head}\n\n{learned_text(learned)}"


def stored_batches(connection: sqlite3.Connection, timezone: str) -> Iterator[UserBatch]:
    stored = StoredPersons(connection)
    for some in queries.chunks(queries.user_ids(connection), USERS_AT_A_TIME):
        yield stored_series(stored, some, stored.history(dict.fromkeys(some, "")), timezone).batch()


def learned_text(learned: Learned) -> str:
    """Return a table of the learnt parameters with standard errors, accepted or refused."""
    made, test = learned.fit.parameters, learned.test
    lines = [f"{'source':<34}{'readings':>10}{'bias kg':>16}{'noise kg':>16}{'error rate':>12}"]
    for name, count in sorted(learned.readings.items()):
        source = made.sources[name]
        bias = with_error(source.bias_kg, learned.sd.get(f"{name}.bias_kg"))
        noise = with_error(source.noise_kg, learned.sd.get(f"{name}.noise_kg"))
        lines.append(
            f"{plain(name)[:33]:<34}{count:>10,}{bias:>16}{noise:>16}{source.error_rate:>12.4f}"
        )
    lines.append("")
    for name, value in vars(made.process).items():
        lines.append(f"{name:<34}{with_error(value, learned.sd.get(f'process.{name}'))}")
    ended = "converged" if learned.fit.converged else "NOT converged"
    lines += [
        "",
        f"search: {ended} after {learned.fit.steps} steps (gain of another {learned.fit.gain:.2g})",
        f"test on {test.readings:,} held-out readings: "
        f"log density {test.log_density:+.4f} each, "
        f"predictions off by {test.error_kg[1]:.2f} kg (before {test.error_kg[0]:.2f}), "
        f"levels moved by {test.level_kg:+.2f} kg",
    ]
    return "\n".join(lines)


def with_error(value: float, sd: float | None) -> str:
    digits = 5 if abs(value) < 0.01 else 3  # the weekly swing is a share of the weight
    return f"{value:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else "")
