"""The configuration: the keys of config.toml, their defaults, and the profiles."""

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
    """Return the name of a timezone. Raises ConfigError if there is none of that name."""
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
    """Names of the columns that hold each role, in order of preference; case does not matter. A
    list that differs from the default takes precedence over names and cells (docs/formats.md); []
    means that no column holds the role."""

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
    """The folder of the store and the dashboards."""
    timezone: Timezone = "UTC"
    """The timezone of times without an offset (IANA name); a store keeps the one it began with."""
    min_date: date = date(1900, 1, 1)
    """Readings before this day are quarantined as too_old."""
    date_from: date | None = None
    """Readings before this day are excluded."""
    date_to: date | None = None
    """Readings after this day are excluded."""
    min_readings: int = Field(1, ge=1)
    """Persons with fewer readings, stored and new together, get no decisions."""
    user_offset: int = Field(0, ge=0)
    """The number of persons to skip, in the order of their ids."""
    max_users: int = Field(0, ge=0)
    """The number of persons to process after that; 0 = all."""
    users_file: Path | None = None
    """A file with one user id per line; all other persons are excluded."""
    spill_rows: int = Field(2_000_000, ge=1)
    """If the input has more rows than this, it is partitioned by person on disk."""
    inbox: Path | None = None
    """The folder in which ingest/inbox looks for files; by default inbox in the data directory."""
    inbox_rest_seconds: float = Field(10.0, ge=0)
    """A dropped file is not touched until it has been unchanged for this long."""
    columns: Columns = Columns()

    @property
    def inbox_dir(self) -> Path:
        return (self.inbox or self.data_dir / "inbox").absolute()

    @field_validator("date_to")
    @classmethod
    def _not_before(cls, last: date | None, others: ValidationInfo) -> date | None:
        first = others.data.get("date_from")
        if last and first and last < first:
            raise ValueError(f"it is before date_from, {first}, so no reading would be left")
        return last


class Kalman(Section):
    """How weight moves, and when a reading is accepted. A key that is not set has its value from
    the active set of parameters (prior-1, or a set that `weightstream learn` made)."""

    engine: Literal["compiled", "pykalman"] = "compiled"
    """compiled, or pykalman: a slow reference implementation."""
    accept_above: float = Field(0.5, gt=0, lt=1)
    """A reading is accepted if its probability of being valid is at least this."""
    unknown_noise_kg: float | None = Field(None, gt=0, le=50)
    """Noise of a source that is not in the set of parameters (kg)."""
    level_kg2_per_day: float | None = Field(None, gt=0, le=100)
    """Variance of the level's random walk per day (kg²)."""
    trend_kg_per_week: float | None = Field(None, gt=0, le=100)
    """SD of the rate of change over persons and times (kg per week)."""
    trend_days: float | None = Field(None, gt=0, le=10_000)
    """Days after which a rate has decayed to 37 %."""
    water_kg: float | None = Field(None, ge=0, le=100)
    """SD of body water, which varies within days (kg)."""
    water_days: float | None = Field(None, gt=0, le=1_000)
    """Days after which a deviation of body water has decayed to 37 %."""
    evening_kg: float | None = Field(None, ge=0, le=20)
    """Rise of the weight from early morning to late evening (kg)."""


class Source(Section):
    """The readings of one source. A key that is not set has its value from the active set."""

    bias_kg: float | None = Field(None, ge=-100, le=100)
    """How much more the source shows than a reference scale in the morning (kg)."""
    noise_kg: float | None = Field(None, ge=0.01, le=100)
    """SD of one reading (kg)."""
    error_rate: float | None = Field(None, gt=0, lt=1)
    """Share of its readings that are grossly wrong."""


class Memory(Section):
    max_concurrent_viz: int = Field(20, ge=1)
    """The largest number of drawing tasks at a time."""
    viz_memory_limit_mb: int = Field(100, ge=1)
    """The memory that one drawing task may take."""


class Threading(Section):
    enabled: bool = True
    """false: everything runs sequentially, with the same results."""
    user_pool_size: int = Field(8, ge=0)
    """Filter tasks at a time; 0 = min(cpu_count, users // 10, 8), at least 1."""
    viz_pool_size: int = Field(16, ge=1)
    """Drawing tasks at a time, if memory allows."""
    retro_pool_size: int = Field(4, ge=1)
    """Smoothing tasks at a time."""
    db_read_connections: int = Field(10, ge=1)
    """Read-only connections to the store; further readers wait."""
    db_write_batch_size: int = Field(100, ge=1)
    """Users per transaction."""
    memory: Memory = Memory()


class Quality(Section):
    """Limits that `weightstream report --check` applies to every source and the newest ingest."""

    weeks: int = Field(13, ge=0)
    """The number of weeks, up to the newest reading, over which sources are checked; 0 = all."""
    min_readings: int = Field(200, ge=1)
    """A source with fewer rows in these weeks is not checked."""
    max_quarantined: float = Field(0.1, ge=0, le=1)
    """The largest share of the rows of a source, or of the newest ingest, in quarantine."""
    max_rejected: float = Field(0.25, ge=0, le=1)
    """The largest share of a source's readings that are rejected."""
    coverage_95_tolerance: float = Field(0.05, ge=0, le=1)
    """The largest distance from 95 % of the share of accepted readings in their 95 % interval."""
    coverage_50_tolerance: float = Field(0.15, ge=0, le=1)
    """The same for the 50 % interval."""
    max_difference_kg: float = Field(0.5, gt=0)
    """The largest average difference of accepted readings from their expected values (kg)."""
    max_drift_kg: float = Field(0.5, gt=0)
    """The largest change of that average against the weeks before (kg)."""
    max_rise: float = Field(0.1, gt=0, le=1)
    """The largest rise of a source's share of rejected or quarantined rows."""
    least_volume: float = Field(0.5, ge=0, le=1)
    """The smallest number of rows in a source's last four weeks, as a share of the usual one."""
    max_silence: float = Field(3.0, gt=0)
    """The longest silence of a source, or of ingest, in multiples of its longest usual pause."""


class Visualization(Section):
    file_names: Literal["hash", "id"] = "hash"
    """File names of person pages: a hash of the user id, or the id itself."""
    language: Literal["en", "de", "es", "fr", "nl"] = "en"
    """The language of the pages of persons and of their list."""
    goals_file: Path | None = None
    """The goals of persons: a CSV file with the columns user_id, kg and by (YYYY-MM-DD, or
    empty)."""
    base_url: str = ""
    """The address at which your web server serves the folder dashboards (https://...); Prefect
    links to pages there. Empty: Prefect shows the path as text."""

    @field_validator("base_url")
    @classmethod
    def _of_the_web(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("write a web address, such as https://weights.example.org/pages")
        return url.rstrip("/")


class Notify(Section):
    """Whom the automations of `weightstream server setup` notify, or runs if there is no server."""

    urls: tuple[str, ...] = ()
    """Webhooks (https://...) and addresses of Apprise (mailto://..., slack://...). They are
    notified of limits of [quality] that are exceeded and of the number of persons with new alerts;
    with a server also of runs that failed, crashed or degraded. $NAME is replaced from the
    environment (with a server: of `server setup`)."""


class Schedule(Section):
    """The schedules of the deployments on a Prefect server."""

    inbox: str = "*/5 * * * *"
    """ingest/inbox (cron); empty: never."""
    dashboards: str = "30 3 * * *"
    """dashboards/refresh (cron); empty: never."""
    timezone: Timezone = "UTC"
    """The timezone of both (IANA name)."""


class Alerts(Section):
    """Which changes of a person's weight give an alert."""

    rules: tuple[Literal["heart-failure", "weight-loss", "unusual"], ...] = (
        "heart-failure",
        "weight-loss",
        "unusual",
    )
    """heart-failure: rapid gain; weight-loss: 5 % in 30 days, 10 % in 180; unusual: faster than
    levels usually change."""
    least_probability: float = Field(0.2, ge=0, le=1)
    """The smallest probability at which heart-failure or weight-loss gives an alert."""
    false_alerts_per_year: float = Field(0.1, gt=0)
    """The number of false alerts of unusual changes per person-year."""
    persons_file: Path | None = None
    """Other rules for some persons: a CSV file with the columns user_id and rules (names with
    spaces between them)."""


class Execution(Section):
    users_per_task: int = Field(0, ge=0)
    """Persons per task. 0 = batches of about equally many rows."""
    task_timeout_seconds: float = Field(3600.0, ge=0)
    """A task without progress for this long counts as hung: its run fails and its process ends;
    0 = wait for ever."""


class Config(Section):
    profile: Literal["conservative", "balanced", "lenient", "clinical"] = "balanced"
    """conservative, balanced, lenient or clinical: a set of keys that a file can override."""
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
"""The path of a key. Source names contain dots, so dotted text is only for display."""

PROFILES: Mapping[str, Mapping[Key, Any]] = {
    # Reject in case of doubt.
    "conservative": {("kalman", "accept_above"): 0.8},
    "balanced": {},
    # Keep in case of doubt.
    "lenient": {("kalman", "accept_above"): 0.2},
    # Clothes, other scales, no fixed hour: an unknown source has the noise of a clinic.
    "clinical": {("kalman", "unknown_noise_kg"): 1.0},
}
"""The keys that a profile sets. Keys of a config file override them."""
