"""The tables of the store, as small named steps; sqlite-utils records which were applied."""

from sqlite_utils import Database, Migrations

migrations = Migrations("weightstream")

CURRENT_DECISIONS = """
create view current_decisions as
select
  m.measurement_id, m.user_id, m.effective_at, m.source, m.raw_weight, m.raw_unit, m.weight_kg,
  d.verdict, d.reason, d.p_valid,
  d.expected_kg,
  d.expected_kg - d.expected_margin_kg as expected_lo_kg,
  d.expected_kg + d.expected_margin_kg as expected_hi_kg,
  d.level_kg,
  d.level_kg - d.level_margin_kg as level_lo_kg,
  d.level_kg + d.level_margin_kg as level_hi_kg,
  d.trend_kg_per_week, d.suggested_kg, d.stage, d.version,
  r.run_id, d.model, f.name as file, m.line
from decisions d
join measurements m using (user_id, effective_at, measurement_id)
join runs r on r.id = d.run
join files f on f.id = m.file
where d.version = (
  select max(version) from decisions v
  where v.user_id = d.user_id and v.effective_at = d.effective_at
    and v.measurement_id = d.measurement_id
)
"""


CURRENT_DECISIONS_2 = """
create view current_decisions as
select
  m.measurement_id, d.user_id, m.effective_at, m.source, m.raw_weight, m.raw_unit, m.weight_kg,
  d.verdict, d.reason, d.p_valid,
  d.expected_kg,
  d.expected_kg - d.expected_margin_kg as expected_lo_kg,
  d.expected_kg + d.expected_margin_kg as expected_hi_kg,
  d.level_kg,
  d.level_kg - d.level_margin_kg as level_lo_kg,
  d.level_kg + d.level_margin_kg as level_hi_kg,
  d.trend_kg_per_week, d.suggested_kg, d.stage, d.version,
  r.run_id, d.model, f.name as file, m.line,
  o.action as override, o.made_by as override_by
from decisions d
join measurements m on m.user_id = coalesce(d.received_user, d.user_id)
  and m.effective_at = d.effective_at and m.measurement_id = d.measurement_id
join runs r on r.id = d.run
join files f on f.id = m.file
left join overrides o on o.measurement_id = d.measurement_id and o.withdrawn_at is null
where d.verdict <> 'moved' and d.version = (
  select max(version) from decisions v
  where v.user_id = d.user_id and v.effective_at = d.effective_at
    and v.measurement_id = d.measurement_id
)
"""


@migrations()
def files_and_runs(db: Database) -> None:
    db.table("settings").create({"key": str, "value": str}, pk="key")
    db.table("runs").create(
        {
            "id": int,
            "run_id": str,  # Prefect's flow run id where there is one
            "kind": str,  # ingest, retro, dashboards, learn
            "status": str,  # running, completed, degraded, failed
            "started_at": str,
            "finished_at": str,
            "rows_in": int,
            "accepted": int,
            "rejected": int,
            "duplicates": int,
            "quarantined": int,
            "excluded": int,
            "failed": int,
            "users": int,
            "seconds": str,  # JSON: stage -> seconds
        },
        pk="id",
        not_null={"run_id", "kind", "status", "started_at"},
    )
    db.table("runs").create_index(["run_id"], unique=True)
    db.table("files").create(
        {
            "id": int,
            "sha256": str,
            "name": str,  # as it was called when first seen
            "importer": str,
            "bytes": int,
            "reads": int,
            "last_run": int,
            "rows_in": int,  # this and what follows: at the last read
            "duplicates": int,
            "quarantined": int,
            "excluded": int,
            "excluded_reasons": str,  # JSON: reason -> rows
            "skipped": int,
        },
        pk="id",
        foreign_keys=[("last_run", "runs", "id")],
    )
    db.table("files").create_index(["sha256"], unique=True)


@migrations()
def measurements_and_decisions(db: Database) -> None:
    # Keyed by person and time without a rowid: a batch of new persons is appended to the end of
    # the tree, and a person's history is one range of it.
    db.execute(
        """
        create table measurements (
          user_id text not null,
          effective_at text not null,       -- UTC, or the day alone
          measurement_id text not null,
          source text not null,
          weight_kg real not null,
          local_hour real,                  -- null where only the day is known
          raw_weight text not null,
          raw_unit text not null,
          raw_time text not null,
          record_id text,                   -- the source's own
          run integer not null references runs(id),
          file integer not null references files(id),
          line integer not null,
          primary key (user_id, effective_at, measurement_id)
        ) without rowid
        """
    )
    db.execute(
        """
        create table decisions (
          user_id text not null,
          effective_at text not null,
          measurement_id text not null,
          version integer not null,         -- rises when verdict, reason or suggestion changes
          verdict text not null,
          reason text not null,
          p_valid real,
          expected_kg real,
          expected_margin_kg real,          -- half of the 95 % interval
          level_kg real,
          level_margin_kg real,
          trend_kg_per_week real,
          suggested_kg real,
          stage text not null,              -- causal, retro
          model text not null,
          run integer not null references runs(id),
          primary key (user_id, effective_at, measurement_id, version)
        ) without rowid
        """
    )
    db.execute(CURRENT_DECISIONS)


@migrations()
def persons(db: Database) -> None:
    db.execute(
        """
        create table users (
          user_id text primary key,
          revision integer not null,        -- rises with every change of the person's series
          dirty integer not null,           -- 1: retro has not seen the newest change
          readings integer not null,
          rejected integer not null,
          first_us integer not null,        -- the oldest reading, microseconds since 1970 UTC
          last_us integer not null,         -- the newest
          level_kg real,                    -- after the newest
          trend_kg_per_week real
        ) without rowid
        """
    )
    db.execute("create index users_dirty on users(user_id) where dirty")
    db.execute(
        """
        create table user_states (
          user_id text primary key,
          basis text not null,              -- of the parameters that the state depends on
          settled integer not null,         -- 0: later readings may still revise earlier decisions
          state blob not null               -- float64s of the filter after the newest reading
        ) without rowid
        """
    )
    db.execute(
        """
        create table level_shifts (
          user_id text not null,
          effective_at text not null,       -- of the first reading on the new level
          measurement_id text not null,
          from_kg real not null,
          to_kg real not null,
          primary key (user_id, effective_at, measurement_id)
        ) without rowid
        """
    )


@migrations()
def sources_and_quarantine(db: Database) -> None:
    db.table("sources").create(
        {"model": str, "source": str, "bias_kg": float, "noise_kg": float, "error_rate": float},
        pk=("model", "source"),
    )
    db.table("quarantine").create(
        {
            "file_id": int,
            "line": int,
            "file": str,
            "reason": str,
            "detail": str,
            "user_id": str,
            "time": str,
            "source": str,
            "weight": str,
            "unit": str,
            "run": int,
        },
        pk=("file_id", "line"),
        foreign_keys=[("run", "runs", "id"), ("file_id", "files", "id")],
    )


@migrations()
def overrides_and_erasures(db: Database) -> None:
    db.table("overrides").create(
        {
            "id": int,
            "user_id": str,
            "measurement_id": str,
            "action": str,  # accept, reject, assign
            "assigned_to": str,
            "made_by": str,
            "note": str,
            "made_at": str,
            "withdrawn_at": str,
        },
        pk="id",
    )
    db.table("erasures").create({"token": str, "erased_at": str}, pk="token")


@migrations()
def learnt_parameters(db: Database) -> None:
    db.table("models").create(
        {
            "name": str,
            "active": int,
            "learnt_at": str,
            "readings": int,
            "parameters": str,  # JSON, as weightstream.judging.parameters writes it
        },
        pk="name",
    )
    db.table("sources").add_column("readings", int)


@migrations()
def results_of_runs(db: Database) -> None:
    db.table("runs").add_column(
        "results", str
    )  # JSON: stage -> what it did, such as retro's counts


@migrations()
def views_for_reading(db: Database) -> None:
    db.execute(
        """
        create view rejected_readings as
        select
          user_id, effective_at, source, raw_weight, raw_unit, weight_kg, reason, suggested_kg,
          expected_lo_kg, expected_hi_kg, p_valid, stage, file, line, measurement_id
        from current_decisions
        where verdict = 'rejected'
        """
    )
    db.execute(
        """
        create view persons as
        select
          user_id, readings, rejected, round(100.0 * rejected / readings, 1) as rejected_percent,
          strftime('%Y-%m-%dT%H:%M:%SZ', first_us / 1000000, 'unixepoch') as first_at,
          strftime('%Y-%m-%dT%H:%M:%SZ', last_us / 1000000, 'unixepoch') as last_at,
          level_kg, trend_kg_per_week, dirty as waits_for_retro
        from users
        """
    )
    # SQLite takes the detail from the row that holds the min().
    db.execute(
        """
        create view quarantine_by_reason as
        select file, reason, count(*) as rows, min(line) as first_line, detail as example
        from quarantine
        group by file_id, reason
        """
    )


@migrations()
def unfinished_erasures_and_stale_parameters(db: Database) -> None:
    db.table("erasures").add_column("finished_at", str)  # null: cut short; erase goes on with it
    # 1: learnt from persons of whom one has been erased since
    db.table("models").add_column("stale", int, not_null_default=0)


@migrations()
def corrections_and_human_decisions(db: Database) -> None:
    db.execute("alter table measurements add column updated text")
    # By person: 32-bit hashes of the records that their readings came as, so that a correction is
    # noticed without reading the person's history; null in a store that is older than this step.
    db.execute("alter table user_states add column records blob")
    db.execute(
        """
        create table records (
          user_id text not null,
          source text not null,
          record_id text not null,          -- empty: the measurement also came without an id
          measurement_id text not null,     -- empty: the source took the record back
          updated text,                     -- by the source; null where it does not say
          run integer not null references runs(id),
          file integer not null references files(id),
          line integer not null,
          primary key (user_id, source, record_id, measurement_id)
        ) without rowid
        """
    )
    db.execute(
        """
        create table set_aside (
          user_id text not null,
          effective_at text not null,
          measurement_id text not null,
          reason text not null,             -- superseded, retracted
          primary key (user_id, effective_at, measurement_id)
        ) without rowid
        """
    )
    db.execute("alter table decisions add column received_user text")
    db.execute("alter table overrides add column effective_at text")
    db.execute("create index overrides_user on overrides(user_id)")
    db.execute("create index overrides_assigned on overrides(assigned_to)")
    db.execute(
        "create unique index overrides_active on overrides(measurement_id) "
        "where withdrawn_at is null"
    )
    db.execute("drop view current_decisions")
    db.execute(CURRENT_DECISIONS_2)


@migrations()
def who_withdrew(db: Database) -> None:
    db.table("overrides").add_column("withdrawn_by", str)
