import ast
import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from tasks.runtime.pool_sizes import draw_pool_size, filter_pool_size, retro_pool_size
from weightstream.config import PROFILES, Alerts, Columns, Config, Quality, Threading
from weightstream.config_file import flatten, load
from weightstream.engine.model import PRIOR
from weightstream.errors import ConfigError
from weightstream.intake.cleaning import Rules
from weightstream.intake.selection import Selection
from weightstream.intake.sources import take_in
from weightstream.judging.causal import judging_of
from weightstream.outputs.pages.page import file_name
from weightstream.pipeline import judge_for_store
from weightstream.readers import ReadOptions

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Where no config.toml lies."""
    monkeypatch.chdir(tmp_path)


def written(tmp_path, text, name="my.toml"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def test_the_threading_section_is_the_one_of_the_contract():
    assert flatten(Threading()) == {
        ("enabled",): True,
        ("user_pool_size",): 8,
        ("viz_pool_size",): 16,
        ("retro_pool_size",): 4,
        ("db_read_connections",): 10,
        ("db_write_batch_size",): 100,
        ("memory", "max_concurrent_viz"): 20,
        ("memory", "viz_memory_limit_mb"): 100,
    }


def test_by_default_nothing_is_excluded():
    data = load().config.data
    assert (data.min_readings, data.max_users, data.user_offset) == (1, 0, 0)
    assert data.users_file is data.date_from is data.date_to is None
    assert (data.min_date, data.timezone) == (date(1900, 1, 1), "UTC")


def test_the_file_in_the_repository_says_the_defaults():
    config = load(ROOT / "config.toml").config
    assert config.data.data_dir == ROOT / "data"
    data = config.data.model_copy(update={"data_dir": Config().data.data_dir})
    assert config.model_copy(update={"data": data}) == Config()


@pytest.mark.parametrize(
    ("text", "unknown", "nearest"),
    [
        ("[threading]\nuser_pool = 3", "threading.user_pool", "threading.user_pool_size"),
        ("[threading.memry]\nmax_concurrent_viz = 3", "threading.memry", "threading.memory"),
        ("[thraeding]\nenabled = false", "thraeding", "threading"),
        ("[data]\ntimezon = 'UTC'", "data.timezon", "data.timezone"),
        ("[sources.scale]\nnoise = 1", "sources.scale.noise", "sources.NAME.noise_kg"),
        ("[sources.'https://a.b']\nbias = 1", "sources.https://a.b.bias", "sources.NAME.bias_kg"),
        ("profil = 'balanced'", "profil", "profile"),
        ("[kalmann]", "kalmann", "kalman"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path, text, unknown, nearest):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value) == f"{path}: unknown key {unknown!r}; did you mean {nearest!r}?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[threading]\nviz_pool_size = 0", "threading.viz_pool_size = 0: Input should be"),
        ("[threading]\nviz_pool_size = 'many'", "threading.viz_pool_size = 'many'"),
        ("[data]\ntimezone = 'Mars/Base'", "no timezone is called 'Mars/Base'"),
        ("[data]\nmin_date = 'soon'", "data.min_date = 'soon'"),
        ("[kalman]\nengine = 'steam'", "kalman.engine = 'steam'"),
        ("[kalman]\naccept_above = 1.0", "kalman.accept_above = 1.0"),
        ("profile = 'brave'", "profile = 'brave'"),
        ("data = 3", "data = 3"),
        ("[data]\ncolumns = 'x'", "data.columns = 'x'"),
        ("[sources]\nscale = 3", "sources.scale = 3"),
        ("[data", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_one_sentence(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load(path, {("data", "data_dir"): Path("x")} if text != "data = 3" else {})
    assert words in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="this configuration file does not exist"):
        load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "bytes.toml")
    with pytest.raises(ConfigError, match="data must be a table"):
        load(written(tmp_path, "data = 3"), {("data", "data_dir"): "x"})


def test_any_part_of_the_keys_may_be_given(tmp_path):
    config = load(written(tmp_path, "[threading]\nenabled = false")).config
    assert config == Config(threading=Threading(enabled=False))


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("\ufeff[data]\nmin_readings = 7\n", "utf-8")
    assert load(path).config.data.min_readings == 7


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    text = "[data]\ndata_dir = 'store'\nusers_file = '../who.txt'"
    data = load(written(folder, text)).config.data
    assert data.data_dir == folder / "store"
    assert data.users_file == folder / ".." / "who.txt"
    absolute = load(written(folder, "[data]\ndata_dir = '/srv/store'")).config.data
    assert absolute.data_dir == Path("/srv/store")
    given = load(folder / "my.toml", {("data", "data_dir"): Path("mine")}).config.data
    assert given.data_dir == Path("mine")


def test_a_config_toml_beside_is_read_where_none_is_named(tmp_path):
    written(tmp_path, "[data]\nmax_users = 7", "config.toml")
    assert load().config.data.max_users == 7
    other = written(tmp_path, "[data]\nmin_readings = 2")
    assert load(other).config.data.max_users == 0


def test_source_names_may_hold_anything(tmp_path):
    text = '[sources."https://api.iglucose.com"]\nnoise_kg = 0.7\n[sources."a b\\"c"]\nbias_kg = 1'
    loaded = load(written(tmp_path, text))
    assert loaded.config.sources["https://api.iglucose.com"].noise_kg == 0.7
    assert loaded.config.sources['a b"c'].bias_kg == 1
    assert loaded.origin["sources", "https://api.iglucose.com", "noise_kg"].endswith("my.toml")
    assert loaded.origin["sources", "https://api.iglucose.com", "bias_kg"] == "default"


def test_where_each_value_is_from(tmp_path):
    path = written(tmp_path, "profile = 'lenient'\n[threading]\nenabled = true")
    loaded = load(path, {("data", "data_dir"): Path("x"), ("data", "max_users"): None})
    assert loaded.config.kalman.accept_above == 0.2
    assert loaded.origin["kalman", "accept_above"] == "profile lenient"
    assert loaded.origin["threading", "enabled"] == str(path)
    assert loaded.origin["data", "data_dir"] == "command line"
    assert loaded.origin["data", "max_users"] == "default"
    assert loaded.origin.keys() == flatten(loaded.config).keys()


def test_a_file_comes_before_its_profile(tmp_path):
    path = written(tmp_path, "profile = 'lenient'\n[kalman]\naccept_above = 0.3")
    loaded = load(path)
    assert loaded.config.kalman.accept_above == 0.3
    assert loaded.origin["kalman", "accept_above"] == str(path)
    assert load(None, {("profile",): "lenient"}).config.kalman.accept_above == 0.2


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_a_set_of_the_same_keys(name):
    loaded = load(None, {("profile",): name})
    values = flatten(loaded.config)
    assert {key: values[key] for key in PROFILES[name]} == PROFILES[name]
    changed = {key for key, value in flatten(Config()).items() if values[key] != value}
    assert changed - {("profile",)} == PROFILES[name].keys()


def test_an_empty_section_changes_nothing(tmp_path):
    path = written(tmp_path, "profile = 'lenient'\n[kalman]\n[sources.scale]\n")
    assert load(path).config.kalman.accept_above == 0.2


# Every key is live: another value has an effect.

HEADER = (
    "user_id,person,effectiveDateTime,when,source_type,place,weight,mass,unit,measure,id,key,"
    "updated_at,changed"
)


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """Three persons with evenings, errors, a step of the level, and each field in two columns."""
    rng = np.random.default_rng(4)
    lines = [HEADER]
    for user, start in (("a", 80.0), ("b", 95.0), ("c", 60.0)):
        walk = start + np.cumsum(rng.normal(0, 0.3, 29))
        for day in range(1, 29):
            level = walk[day] - (14.0 if user == "b" and day >= 20 else 0.0)
            kg = level * (2.2046 if day in (9, 17) else 1.0) + 2.2 * (day == 13)
            places = (("scale", 7), ("scale" if user == "b" else "patient-device", 21))
            for place, hour in places:
                lines.append(
                    f"{user},{user.upper()},2024-03-{day:02}T{hour:02}:15:00,2024-04-{day:02}T08:00Z,"
                    f"{place},home,{kg + rng.normal(0, 0.4):.1f},{kg + 1:.1f},kg,lb,i{len(lines)},"
                    f"k{len(lines)},2024-05-01T00:00Z,2024-06-01T00:00Z"
                )
    path = tmp_path_factory.mktemp("live") / "stream.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def observe(stream, fresh_dir):
    """What comes of the stream under some settings, up to what would be stored."""

    def watch(settings):
        config = Config.model_validate(settings)
        data = config.data
        rules = Rules(datetime(2026, 1, 1, tzinfo=UTC), data.timezone, data.min_date)
        judging = judging_of(config, PRIOR)
        intake = take_in(
            [stream], ReadOptions(columns=data.columns), rules, Selection(data), fresh_dir(),
            data.spill_rows, on_rows=lambda rows: None, threads=1,
        )  # fmt: skip
        seen = [intake.files[0].quarantined]
        for part in intake.parts(2, config.execution.users_per_task):
            decided, _ = judge_for_store(part, judging, np.ones(1, np.int64))
            measured = part.take().select(["record_id", "updated", "raw_weight", "raw_unit"])
            columns = decided.decisions.part(0, len(decided.user_ids))
            shifts = decided.shifts.part(0, len(decided.user_ids))
            seen.append((decided.user_ids, columns, shifts, measured.to_pylist()))
        return repr((seen, intake.files[0].excluded))

    return watch


LIVE = {
    ("data", "timezone"): "Asia/Tokyo",
    ("data", "min_date"): "2024-03-05",
    ("data", "date_from"): "2024-03-05",
    ("data", "date_to"): "2024-03-05",
    ("data", "min_readings"): 1000,
    ("data", "user_offset"): 1,
    ("data", "max_users"): 1,
    ("data", "spill_rows"): 1,
    ("data", "columns", "user_id"): ["person"],
    ("data", "columns", "time"): ["when"],
    ("data", "columns", "source"): ["place"],
    ("data", "columns", "weight"): ["mass"],
    ("data", "columns", "unit"): ["measure"],
    ("data", "columns", "record_id"): ["key"],
    ("data", "columns", "updated"): ["changed"],
    ("kalman", "engine"): "pykalman",
    ("kalman", "accept_above"): 0.99,
    ("kalman", "unknown_noise_kg"): 3.0,
    ("kalman", "level_kg2_per_day"): 1.0,
    ("kalman", "trend_kg_per_week"): 2.0,
    ("kalman", "trend_days"): 5.0,
    ("kalman", "water_kg"): 1.5,
    ("kalman", "water_days"): 9.0,
    ("kalman", "evening_kg"): 3.0,
    ("sources", "scale", "bias_kg"): 2.0,
    ("sources", "scale", "noise_kg"): 3.0,
    ("sources", "scale", "error_rate"): 0.4,
    ("execution", "users_per_task"): 2,
}


@pytest.mark.parametrize("key", LIVE, ids=".".join)
def test_another_value_changes_what_is_decided(observe, key):
    settings = LIVE[key]
    for name in reversed(key):
        settings = {name: settings}
    assert observe(settings) != observe({})


def test_the_list_of_users_is_live(observe, tmp_path):
    (tmp_path / "who.txt").write_text("b\n")
    assert observe({"data": {"users_file": tmp_path / "who.txt"}}) != observe({})


WIDTHS = {
    ("user_pool_size",): (3, lambda t: filter_pool_size(t, 1000), 3),
    ("viz_pool_size",): (3, lambda t: draw_pool_size(t, 1e6), 3),
    ("retro_pool_size",): (3, retro_pool_size, 3),
    ("memory", "max_concurrent_viz"): (3, lambda t: draw_pool_size(t, 1e6), 3),
    ("memory", "viz_memory_limit_mb"): (500, lambda t: draw_pool_size(t, 4000.0), 4),
}


@pytest.mark.parametrize("key", WIDTHS, ids=".".join)
def test_another_value_changes_a_width(key):
    value, width, expected = WIDTHS[key]
    for name in reversed(key):
        value = {name: value}
    changed = Threading.model_validate(value)
    assert width(changed) == expected != width(Threading())


def test_widths_are_those_of_the_contract(monkeypatch):
    auto = Threading(user_pool_size=0)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert [filter_pool_size(auto, users) for users in (0, 9, 20, 59, 60, 9999)] == [
        1,
        1,
        2,
        5,
        6,
        6,
    ]
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert filter_pool_size(auto, 9999) == 8
    assert [draw_pool_size(Threading(), mb) for mb in (-5, 0, 150, 900, 1e6)] == [1, 1, 1, 4, 16]


def test_the_naming_of_pages_is_live():
    assert file_name("ann", "id") != file_name("ann", "hash")


def test_the_inbox_is_in_the_data_directory_or_where_it_is_said_to_be(tmp_path):
    config = tmp_path / "some.toml"
    config.write_text("data.data_dir = 'store'\n")
    assert load(config).config.data.inbox_dir == tmp_path / "store/inbox"
    config.write_text("data.data_dir = 'store'\ndata.inbox = 'drop'\n")
    assert load(config).config.data.inbox_dir == tmp_path / "drop"


ELSEWHERE = {
    ("data", "inbox"): "test_the_inbox_is_in_the_data_directory_or_where_it_is_said_to_be",
    ("profile",): "test_where_each_value_is_from",
    ("data", "data_dir"): "test_paths_in_a_file_are_relative_to_it",
    ("data", "users_file"): "test_the_list_of_users_is_live",
    ("visualization", "file_names"): "test_the_naming_of_pages_is_live",
    ("visualization", "goals_file"): "test_outputs/test_goals.py",
    ("visualization", "language"): "test_outputs/test_report.py",
    ("execution", "task_timeout_seconds"): "test_tasks/test_watchdog.py",
    ("visualization", "base_url"): "test_flows/test_artifacts.py",
    ("notify", "urls"): "test_deployments/test_notifying.py",
    ("schedule", "inbox"): "test_deployments/test_desired.py",
    ("schedule", "dashboards"): "test_deployments/test_desired.py",
    ("schedule", "timezone"): "test_deployments/test_desired.py",
}
READ_BY_TASKS_ONLY = {
    ("data", "inbox_rest_seconds"),
    ("threading", "enabled"),
    ("threading", "db_read_connections"),
    ("threading", "db_write_batch_size"),
}
"""Their effects need the flow (test_flows); here: some module other than config reads them."""


def test_no_key_is_forgotten_here():
    known = {key for key in LIVE if key[0] != "sources"} | ELSEWHERE.keys() | READ_BY_TASKS_ONLY
    known |= {("threading", *key) for key in WIDTHS}
    known |= {("data", "columns", key) for key in Columns.model_fields}  # test_columns.py
    known |= {("quality", key) for key in Quality.model_fields}  # test_quality.py tries each
    known |= {("alerts", key) for key in Alerts.model_fields}  # test_watching.py tries each
    assert flatten(Config()).keys() == known


def test_keys_are_read():
    read = set()
    for folder in ("weightstream", "tasks", "flows", "deployments"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != ROOT / "weightstream" / "config.py":
                tree = ast.parse(path.read_text("utf-8"))
                read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for key in READ_BY_TASKS_ONLY | ELSEWHERE.keys() - {("profile",)}:
        assert key[-1] in read, key


def test_flat_values_can_be_written_as_json():
    assert json.dumps(list(flatten(Config()).values()))


def test_the_same_settings_change_nothing(observe):
    assert observe({}) == observe({"data": {"max_users": 3}, "sources": {"other": {"bias_kg": 9}}})
