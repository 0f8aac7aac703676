"""The table of goals, and its way to the page."""

import orjson
import pytest

from weightstream.config import Config
from weightstream.errors import ConfigError
from weightstream.outputs.drawing import drawing_of, rendered
from weightstream.outputs.goals import Goal, read_goals
from weightstream.store.connection import ReadPool
from weightstream.store.models import judging_on


def table(tmp_path, text):
    path = tmp_path / "goals.csv"
    path.write_text(text)
    return path


def test_goals_are_read(tmp_path):
    path = table(tmp_path, "user_id,kg,by\nann,72.5,2024-06-01\nbob,90,\n")
    assert read_goals(path) == {"ann": Goal(72.5, "2024-06-01"), "bob": Goal(90.0)}
    assert read_goals(None) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user_id,kg\nann,72\n", r"line 1: .* needs the columns user_id, kg, by"),
        ("user_id,kg,by\nann,72,\nbob,few,\n", "line 3: 'few' is not a goal; write kg, 1 to 700"),
        ("user_id,kg,by\nann,nan,\n", "line 2: 'nan' is not a goal"),
        ("user_id,kg,by\nann,7200,\n", "line 2: '7200' is not a goal"),
        ("user_id,kg,by\nann,72,June\n", "line 2: 'June' is not a date; write YYYY-MM-DD"),
    ],
)
def test_what_is_no_goal_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        read_goals(table(tmp_path, text))


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="goals_file cannot be read"):
        read_goals(tmp_path / "none.csv")


def test_a_page_holds_the_goal_of_its_person(store_files, csv_of, fresh_dir, tmp_path):
    folder = fresh_dir()
    rows = [(name, f"2024-01-0{day}T07:00:00Z", "80") for name in ("ann", "bob") for day in (1, 2)]
    store_files(folder, csv_of(*rows))
    goals = table(tmp_path, "user_id,kg,by\nann,72.5,2024-06-01\n")
    config = Config.model_validate(
        {"data": {"data_dir": folder}, "visualization": {"goals_file": str(goals)}}
    )
    with ReadPool(folder, 1) as pool, pool.connection() as connection:
        drawing = drawing_of(folder / "dashboards", config, judging_on(connection, config))
        pages = [content for _, content, _ in rendered(connection, drawing, ["ann", "bob"])]
    held = [orjson.loads(page.split(b'id="data">')[1].split(b"</script>")[0]) for page in pages]
    assert [one["goal"] for one in held] == [[72.5, "2024-06-01"], None]
