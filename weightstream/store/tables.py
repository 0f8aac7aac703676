"""The tables, indexes and views of the store, as SQL."""

TABLES: dict[str, str] = {
    "settings": "create table settings (key text primary key, value text, checksum integer)",
    "runs": """
create table runs (
  id integer primary key,
  run_id text not null,             -- Prefect's flow run id where there is one
  kind text not null,               -- ingest, retro, dashboards, learn, override
  status text not null,             -- running, completed, degraded, failed
  started_at text not null,
  finished_at text,
  rows_in integer,
  accepted integer,
  rejected integer,
  duplicates integer,
  quarantined integer,
  excluded integer,
  failed integer,
  users integer,
  seconds text,                     -- JSON: stage -> seconds
  results text,                     -- JSON: stage -> what it did, such as retro's counts
  checksum integer
)""",
    "files": """
create table files (
  id integer primary key,
  sha256 text,
  name text,                        -- as it was called when first seen
  importer text,
  bytes integer,
  reads integer,
  last_run integer references runs(id),
  rows_in integer,                  -- this and what follows: at the last read
  duplicates integer,
  quarantined integer,
  excluded integer,
  excluded_reasons text,            -- JSON: reason -> rows
  skipped integer,
  checksum integer
)""",
    # Keyed by person and time without a rowid: a batch of new persons is appended to the end of
    # the tree, and a person's history is one range of it.
    "measurements": """
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
  updated text,                     -- by the source; null where it does not say
  run integer not null references runs(id),
  file integer not null references files(id),
  line integer not null,
  checksum integer,                 -- of what judging reads of it
  received_checksum integer,        -- of run, file, line and how it was written
  primary key (user_id, effective_at, measurement_id)
) without rowid""",
    "decisions": """
create table decisions (
  user_id text not null,            -- whose series the measurement is in
  effective_at text not null,
  measurement_id text not null,
  version integer not null,         -- rises when verdict, reason or suggestion changes
  received_user text,               -- whom it was received for, where that is another person
  verdict text not null,
  reason text not null,
  p_reason real,
  second_reason text,
  p_second real,
  p_valid real,
  expected_kg real,
  expected_margin_kg real,          -- half of the 95 % interval
  level_kg real,
  level_margin_kg real,
  trend_kg_per_week real,
  change_28d_kg real,
  change_28d_margin_kg real,        -- half of the 95 % interval
  suggested_kg real,
  stage text not null,              -- causal, retro
  model text not null,
  run integer not null references runs(id),
  checksum integer,
  primary key (user_id, effective_at, measurement_id, version)
) without rowid""",
    "users": """
create table users (
  user_id text primary key,
  revision integer not null,        -- rises with every change of the person's series
  dirty integer not null,           -- 1: retro has not seen the newest change; 2: nor has a
                                    -- reviewer's decision been applied
  readings integer not null,
  rejected integer not null,
  first_us integer not null,        -- the oldest reading, microseconds since 1970 UTC
  last_us integer not null,         -- the newest
  level_kg real,                    -- after the newest
  trend_kg_per_week real,
  checksum integer
) without rowid""",
    # Apart from users, since persons may be described before they are weighed.
    "demographics": """
create table demographics (
  user_id text primary key,
  birth_date text,                  -- 1984-05-31; contradictory: sources state several
  sex text,                         -- m, f, or contradictory
  checksum integer
) without rowid""",
    "user_states": """
create table user_states (
  user_id text primary key,
  basis text not null,              -- fingerprint of engine, parameters and configuration
  settled integer not null,         -- 0: the whole series is judged again
  state blob not null,              -- of the filter after the last reading whose decision can no
                                    -- longer change, and its layout
  records blob,                     -- hashes of the records that the readings came as, so that a
                                    -- correction is noticed without reading them; null: not known
  checksum integer
) without rowid""",
    "level_shifts": """
create table level_shifts (
  user_id text not null,
  effective_at text not null,       -- of the first reading on the new level
  measurement_id text not null,
  from_kg real not null,
  to_kg real not null,
  checksum integer,
  primary key (user_id, effective_at, measurement_id)
) without rowid""",
    "records": """
create table records (
  user_id text not null,
  source text not null,
  record_id text not null,          -- empty: the measurement also came without an id
  measurement_id text not null,     -- empty: the source retracted the record
  updated text,                     -- by the source; null where it does not say
  run integer not null references runs(id),
  file integer not null references files(id),
  line integer not null,
  checksum integer,
  primary key (user_id, source, record_id, measurement_id)
) without rowid""",
    "superseded": """
create table superseded (
  user_id text not null,
  effective_at text not null,
  measurement_id text not null,
  reason text not null,             -- superseded, retracted
  checksum integer,
  primary key (user_id, effective_at, measurement_id)
) without rowid""",
    "former_ids": """
create table former_ids (
  former_id text primary key,       -- what weightstream 0.1 called the measurement
  user_id text not null,
  effective_at text not null,
  measurement_id text not null,
  checksum integer
) without rowid""",
    "sources": """
create table sources (
  model text,
  source text,
  bias_kg real,
  noise_kg real,
  error_rate real,
  readings integer,
  checksum integer,
  primary key (model, source)
)""",
    "models": """
create table models (
  name text primary key,
  active integer,
  learnt_at text,
  readings integer,
  parameters text,                  -- JSON, as weightstream.judging.parameters writes it
  stale integer not null default 0, -- 1: learnt from persons of whom one has been erased since
  checksum integer
)""",
    "quarantine": """
create table quarantine (
  file_id integer references files(id),
  line integer,
  file text,
  reason text,
  detail text,
  user_id text,
  time text,
  source text,
  weight text,
  unit text,
  run integer references runs(id),
  checksum integer,
  primary key (file_id, line)
)""",
    "overrides": """
create table overrides (
  id integer primary key,
  user_id text,                     -- whom the measurement was received for
  effective_at text,
  measurement_id text,
  action text,                      -- accept, reject, assign
  assigned_to text,
  made_by text,
  note text,
  made_at text,
  withdrawn_at text,
  withdrawn_by text,
  checksum integer
)""",
    # The status of alerts, which themselves are computed from the readings.
    "alert_statuses": """
create table alert_statuses (
  user_id text not null,
  kind text not null,               -- rapid_gain, weight_loss, unusual, unconfirmed
  began text not null,              -- effective_at of the first reading that told it
  status text not null,             -- new, acknowledged, closed
  made_by text not null,
  made_at text not null,
  note text,
  checksum integer,
  primary key (user_id, kind, began)
) without rowid""",
    # So that each alert is announced once at most, whatever becomes of the pages.
    "announced_alerts": """
create table announced_alerts (
  user_id text not null,
  kind text not null,
  began text not null,
  announced_at text not null,
  checksum integer,
  primary key (user_id, kind, began)
) without rowid""",
    "erasures": """
create table erasures (
  token text primary key,
  erased_at text,
  finished_at text,                 -- null: cut short; erase goes on with it
  left_to_do text,                  -- JSON, until it is finished: whom to judge and draw anew
  checksum integer
)""",
    # To notice that a row is missing, which no checksum of a row shows.
    "row_counts": """
create table row_counts (
  user_id text primary key,
  measurements integer not null,
  decisions integer not null
) without rowid""",
}
"""Tables by name; each comes after those that it refers to."""

INDEXES = (
    "create unique index runs_run_id on runs(run_id)",
    "create unique index files_sha256 on files(sha256)",
    "create index users_dirty on users(user_id) where dirty",
    "create index overrides_user on overrides(user_id)",
    "create index overrides_assigned on overrides(assigned_to)",
    "create unique index overrides_active on overrides(measurement_id) where withdrawn_at is null",
)

VIEWS: dict[str, str] = {
    "current_decisions": """
create view current_decisions as
select
  m.measurement_id, d.user_id, m.effective_at, m.source, m.raw_weight, m.raw_unit, m.weight_kg,
  d.verdict, d.reason, d.p_reason, d.second_reason, d.p_second, d.p_valid,
  d.expected_kg,
  d.expected_kg - d.expected_margin_kg as expected_lo_kg,
  d.expected_kg + d.expected_margin_kg as expected_hi_kg,
  d.level_kg,
  d.level_kg - d.level_margin_kg as level_lo_kg,
  d.level_kg + d.level_margin_kg as level_hi_kg,
  d.trend_kg_per_week,
  d.change_28d_kg,
  d.change_28d_kg - d.change_28d_margin_kg as change_28d_lo_kg,
  d.change_28d_kg + d.change_28d_margin_kg as change_28d_hi_kg,
  d.suggested_kg, d.stage, d.version,
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
)""",
    "rejected_readings": """
create view rejected_readings as
select
  user_id, effective_at, source, raw_weight, raw_unit, weight_kg, reason, suggested_kg,
  expected_lo_kg, expected_hi_kg, p_valid, stage, file, line, measurement_id
from current_decisions
where verdict = 'rejected'""",
    "persons": """
create view persons as
select
  user_id, readings, rejected, round(100.0 * rejected / readings, 1) as rejected_percent,
  strftime('%Y-%m-%dT%H:%M:%SZ', first_us / 1000000, 'unixepoch') as first_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', last_us / 1000000, 'unixepoch') as last_at,
  level_kg, trend_kg_per_week, birth_date, sex, dirty > 0 as waits_for_retro
from users left join demographics using (user_id)""",
    # SQLite takes the detail from the row that holds the min().
    "quarantine_by_reason": """
create view quarantine_by_reason as
select file, reason, count(*) as rows, min(line) as first_line, detail as example
from quarantine
group by file_id, reason""",
}
