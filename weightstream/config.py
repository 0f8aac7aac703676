"""The configuration: what config.toml may say, defaults and profiles."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from weightstream.errors import ConfigError


def required_timezone(name: str) -> str:
    """The name, if it is one. Raises ConfigError."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f"no timezone is called {name!r}; use an IANA name such as Europe/Oslo"
        ) from None
    return name


def _checked_timezone(name: str) -> str:
    try:
        return required_timezone(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error


Timezone = Annotated[str, AfterValidator(_checked_timezone)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Columns(Section):
    """Names of the columns that hold each role, most wanted first, compared without case. A list
    that differs from the default comes before what names and cells tell (docs/formats.md); [] means
    that no column holds the role."""

    user_id: tuple[str, ...] = ("user_id", "userid", "user", "patient_id", "person_id")
    time: tuple[str, ...] = ("effectiveDateTime", "effective_at", "timestamp", "datetime", "date")
    date: tuple[str, ...] = ("date",)
    clock: tuple[str, ...] = ("time",)
    source: tuple[str, ...] = ("source_type", "source", "device")
    weight: tuple[str, ...] = ("weight", "value", "weight_kg")
    unit: tuple[str, ...] = ("unit", "units")
    measure: tuple[str, ...] = ("metric", "measure")
    record_id: tuple[str, ...] = ("id", "record_id", "measurement_id")
    updated: tuple[str, ...] = ("updated_at", "timestamp")
    birth_date: tuple[str, ...] = ("birth_date",)
    sex: tuple[str, ...] = ("sex",)
    age_days: tuple[str, ...] = ("age_days",)
    age_years: tuple[str, ...] = ("age_years",)
    timezone: tuple[str, ...] = ("timezone", "tz")


class Data(Section):
    data_dir: Path = Path("data")
    """Where the store and the dashboards live."""
    timezone: Timezone = "UTC"
    """Of times that are written without an offset (IANA name); a store remembers its own."""
    min_date: date = date(1900, 1, 1)
    """Readings before it are quarantined as too_old."""
    date_from: date | None = None
    """Readings before this day are excluded."""
    date_to: date | None = None
    """Readings after this day are excluded."""
    min_readings: int = Field(1, ge=1)
    """Persons with fewer readings, stored and new together, stay undecided."""
    user_offset: int = Field(0, ge=0)
    """How many persons, in the order of their ids, are left out at the start."""
    max_users: int = Field(0, ge=0)
    """How many persons are taken after that; 0 = all."""
    users_file: Path | None = None
    """One user id a line; others are excluded."""
    spill_rows: int = Field(2_000_000, ge=1)
    """Above so many rows the input is partitioned by person on disk."""
    inbox: Path | None = None
    """Where ingest/inbox finds files; the folder inbox in the data directory if not set."""
    inbox_rest_seconds: float = Field(10.0, ge=0)
    """A dropped file is left alone until nothing has changed it for so long."""
    columns: Columns = Columns()

    @property
    def inbox_dir(self) -> Path:
        return (self.inbox or self.data_dir / "inbox").absolute()

    @field_validator("date_to")
    @classmethod
    def _not_before(cls, last: date | None, others: ValidationInfo) -> date | None:
        first = others.data.get("date_from")
        if last and first and last < first:
            raise ValueError(f"it is before date_from, {first}, so that no reading would be left")
        return last


class Kalman(Section):
    """How weight moves and when a reading counts. A key that is not set is as the active set of
    parameters says (prior-1, or what `weightstream learn` made)."""

    engine: Literal["compiled", "pykalman"] = "compiled"
    """compiled, or pykalman, the slow reference."""
    accept_above: float = Field(0.5, gt=0, lt=1)
    """A reading is accepted where its probability of being valid is at least this."""
    unknown_noise_kg: float | None = Field(None, gt=0, le=50)
    """Noise of a source that the set of parameters does not know (kg)."""
    level_kg2_per_day: float | None = Field(None, gt=0, le=100)
    """Variance by which the level wanders in a day (kg²)."""
    trend_kg_per_week: float | None = Field(None, gt=0, le=100)
    """SD of the weekly rate among persons and times (kg a week)."""
    trend_days: float | None = Field(None, gt=0, le=10_000)
    """Days after which a rate has decayed to 37 %."""
    water_kg: float | None = Field(None, ge=0, le=100)
    """SD of the water that comes and goes within days (kg)."""
    water_days: float | None = Field(None, gt=0, le=1_000)
    """Days after which water has decayed to 37 %."""
    evening_kg: float | None = Field(None, ge=0, le=20)
    """Rise from early morning to late evening (kg)."""


class Source(Section):
    """One source's readings. A key that is not set is as the active set of parameters says."""

    bias_kg: float | None = Field(None, ge=-100, le=100)
    """How much more it shows than a reference scale in the morning (kg)."""
    noise_kg: float | None = Field(None, ge=0.01, le=100)
    """SD of one reading (kg)."""
    error_rate: float | None = Field(None, gt=0, lt=1)
    """Share of its readings that are grossly wrong."""


class Memory(Section):
    max_concurrent_viz: int = Field(20, ge=1)
    """Never more drawing tasks than these."""
    viz_memory_limit_mb: int = Field(100, ge=1)
    """The most that one drawing task may take."""


class Threading(Section):
    enabled: bool = True
    """false: everything sequential, same results."""
    user_pool_size: int = Field(8, ge=0)
    """0 = auto: min(cpu_count, users // 10, 8), at least 1."""
    viz_pool_size: int = Field(16, ge=1)
    """Drawing tasks at once, where memory allows."""
    retro_pool_size: int = Field(4, ge=1)
    """Smoothing tasks at once."""
    db_read_connections: int = Field(10, ge=1)
    """Read-only connections to the store; who comes after that waits."""
    db_write_batch_size: int = Field(100, ge=1)
    """Users per transaction."""
    memory: Memory = Memory()


class Quality(Section):
    """What `weightstream report --check` asks of every source, and of the newest ingest."""

    weeks: int = Field(13, ge=0)
    """Sources are checked over so many weeks up to the newest reading; 0 = all."""
    min_readings: int = Field(200, ge=1)
    """A source with fewer rows in these weeks is not checked."""
    max_quarantined: float = Field(0.1, ge=0, le=1)
    """Share of the rows of a source, and of the newest ingest, that may be quarantined."""
    max_rejected: float = Field(0.25, ge=0, le=1)
    """Share of a source's readings that may be rejected."""
    coverage_95_tolerance: float = Field(0.05, ge=0, le=1)
    """How far from 95 % the share of accepted readings inside their 95 % interval may be."""
    coverage_50_tolerance: float = Field(0.15, ge=0, le=1)
    """The same of the 50 % interval."""
    max_difference_kg: float = Field(0.5, gt=0)
    """Accepted readings may so much differ from what was expected, on average (kg)."""
    max_drift_kg: float = Field(0.5, gt=0)
    """That average may so much differ from the weeks before (kg)."""
    max_rise: float = Field(0.1, gt=0, le=1)
    """By so much a source's share of rejected or quarantined rows may rise from one week on."""
    least_volume: float = Field(0.5, ge=0, le=1)
    """A source's rows in the last four weeks, as a share of what is usual, may fall to this."""
    max_silence: float = Field(3.0, gt=0)
    """A source, and ingest, may be silent for so many times the longest of 20 usual pauses."""


class Visualization(Section):
    file_names: Literal["hash", "id"] = "hash"
    """Of person pages: a hash of the user id, or the id itself."""
    goals_file: Path | None = None
    """What persons want to weigh: a CSV file with the columns user_id, kg and by (YYYY-MM-DD, or
    empty)."""
    base_url: str = ""
    """Where a web server of yours serves the folder dashboards (https://...); links to pages in
    Prefect lead there. Empty: the path is told as text."""

    @field_validator("base_url")
    @classmethod
    def _of_the_web(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("write a web address, such as https://weights.example.org/pages")
        return url.rstrip("/")


class Notify(Section):
    """Who is told by `weightstream server setup`'s automations of what goes wrong."""

    urls: tuple[str, ...] = ()
    """Webhooks (https://...) and addresses of Apprise (mailto://..., slack://...) that are told of
    runs that failed, crashed or degraded, of limits of [quality] that are passed, and of how many
    persons have new alerts. $NAME is taken from the environment of `server setup`."""


class Schedule(Section):
    """When the deployments of a Prefect server run by themselves."""

    inbox: str = "*/5 * * * *"
    """ingest/inbox (cron); empty: never."""
    dashboards: str = "30 3 * * *"
    """dashboards/refresh (cron); empty: never."""
    timezone: Timezone = "UTC"
    """Of both (IANA name)."""


class Alerts(Section):
    """What of a person's course is told as an alert."""

    rules: tuple[Literal["heart-failure", "weight-loss", "unusual"], ...] = (
        "heart-failure",
        "weight-loss",
        "unusual",
    )
    """heart-failure: rapid gain; weight-loss: 5 % in 30 days, 10 % in 180; unusual: faster than
    the model expects of anybody."""
    least_probability: float = Field(0.2, ge=0, le=1)
    """An alert of heart-failure or weight-loss is told from this probability on."""
    false_alerts_per_year: float = Field(0.1, gt=0)
    """Unusual changes to expect for a person in a year in which no change is unusual."""
    persons_file: Path | None = None
    """Other rules for some persons: a CSV file with the columns user_id and rules (names with
    spaces between them)."""


class Execution(Section):
    users_per_task: int = Field(0, ge=0)
    """0 = one person a task while there are at most 64 (under limits of a server: as few tasks as
    slots), else batches balanced by rows."""
    task_timeout_seconds: float = Field(3600.0, ge=0)
    """A task that does not get on for so long hangs: its run fails, and its process ends; 0 = wait
    for ever."""


class Config(Section):
    profile: Literal["conservative", "balanced", "lenient", "clinical"] = "balanced"
    """conservative, balanced, lenient or clinical: a named set of keys; a file's come first."""
    data: Data = Data()
    kalman: Kalman = Kalman()
    sources: dict[str, Source] = {}
    threading: Threading = Threading()
    quality: Quality = Quality()
    visualization: Visualization = Visualization()
    alerts: Alerts = Alerts()
    execution: Execution = Execution()
    notify: Notify = Notify()
    schedule: Schedule = Schedule()


Key = tuple[str, ...]
"""A key's path; source names hold dots, so that dotted text is for display only."""

PROFILES: Mapping[str, Mapping[Key, Any]] = {
    # Reject when in doubt.
    "conservative": {("kalman", "accept_above"): 0.8},
    "balanced": {},
    # Keep when in doubt.
    "lenient": {("kalman", "accept_above"): 0.2},
    # Clothes, other scales, no fixed hour: an unknown source scatters as a clinic's.
    "clinical": {("kalman", "unknown_noise_kg"): 1.0},
}
"""What a profile sets: plain keys of this file, below what the file itself says."""
