"""Which columns are chosen, what is told of them, and what is refused instead of guessed."""

import pytest

from weightstream.config import Columns
from weightstream.errors import ConfigError, InputError
from weightstream.readers import ReadOptions, column_names, parses
from weightstream.readers.columns import resolve
from weightstream.readers.table import ROLES, named_columns, table_of

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
PERSON = {"user_id": ["p"] * 4}
KG = ["80.1", "80.2", "80.0", "79.9"]


def choose(cells, **options):
    rows = list(zip(*cells.values(), strict=True))
    return resolve(table_of("x.csv", list(cells), rows, ReadOptions(**options)))


def chosen(cells, **options):
    return choose(cells, **options).named()


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("weight_kg", "kg"), ("Weight (lb)", "lb"), ("WeightKg", "kg"), ("weight [KG]", "kg"),
        ("Gewicht (kg)", "kg"), ("Poids (kg)", "kg"), ("体重（kg）", "kg"), ("bodyweight", None),
        ("Weight & Body Mass (lb)", "lb"), ("Body Mass (kg)", "kg"), ("kg", "kg"), ("value", None),
        ("Weight (kg/lbs)", None),
        ("weight_kg_or_lb", None),
        ("Weight in pounds", "lb"), ("BODY_WEIGHT_LBS", "lb"), ("my weight", None),
    ],
)  # fmt: skip
def test_names_of_a_weight(name, stated):
    found = choose(PERSON | {"date": DAYS, name: KG}, unit=None if stated else "kg")
    assert found.named()["weight"] == (name,)
    assert found.stated == (stated,)


@pytest.mark.parametrize(
    "name",
    ["Goal weight (kg)", "target_weight", "Trend weight", "Lean body mass (kg)", "Muscle Mass(lb)",
     "Fat mass (kg)", "Body Mass Index", "weight_change", "Weight (%)", "birth_weight", "height"],
)  # fmt: skip
def test_what_nobody_weighed_is_no_weight(name):
    columns = PERSON | {"date": DAYS, name: ["70", "70", "70", "70"]}
    with pytest.raises(InputError, match="no column for weight"):
        chosen(columns, unit="kg")
    assert chosen(columns | {"weight": KG}, unit="kg")["weight"] == ("weight",)


def test_what_is_passed_over_is_told():
    found = choose(PERSON | {"date": DAYS, "Goal weight (kg)": KG, "Weight (kg)": KG})
    assert found.notes == ("ignored, not a weighing: 'Goal weight (kg)'",)


def test_two_weights_that_differ_are_refused_by_their_names():
    other = ["81.1", "81.2", "81.0", "80.9"]
    columns = PERSON | {"date": DAYS, "Scale weight (kg)": KG, "Clinic weight (kg)": other}
    with pytest.raises(InputError) as refused:
        chosen(columns)
    assert "'Scale weight (kg)', 'Clinic weight (kg)'" in str(refused.value)
    assert '--column weight="Scale weight (kg)"' in str(refused.value)
    named = named_columns(["weight=Scale weight (kg)"])
    assert chosen(columns, named=named)["weight"] == ("Scale weight (kg)",)


def test_one_weight_in_two_columns_is_one():
    pounds = ["176.6", "176.8", "176.4", "176.1"]
    both = choose(PERSON | {"date": DAYS, "WeightPound": pounds, "WeightKg": KG})
    assert (both.named()["weight"], both.stated) == (("WeightKg", "WeightPound"), ("kg", "lb"))
    again = choose(PERSON | {"date": DAYS, "weight": KG, "Weight ": KG}, unit="kg")
    assert again.named()["weight"] == ("weight",)
    wrong = ["150.0", "151.0", "152.0", "153.0"]
    with pytest.raises(InputError, match="several columns that may be the weight"):
        chosen(PERSON | {"date": DAYS, "WeightPound": wrong, "WeightKg": KG})


def test_stones_and_pounds_are_added():
    found = choose(
        PERSON | {"date": DAYS, "weight (st)": ["12"] * 4, "weight (lb)": ["4", "3.5", "0", ""]}
    )
    assert (found.added, found.named()["weight"]) == (True, ("weight (st)", "weight (lb)"))


def test_a_date_and_a_time_of_day_are_one_time():
    clocks = ["06:58", "12:15", "21:40", ""]
    assert chosen(PERSON | {"date": DAYS, "time": clocks, "weight_kg": KG})["time"] == (
        "date",
        "time",
    )
    midnights = [f"{day} 00:00:00" for day in DAYS]
    columns = PERSON | {"MeasurementDate": midnights, "MeasurementTime": clocks, "weight_kg": KG}
    assert chosen(columns)["time"] == ("MeasurementDate", "MeasurementTime")
    bed = PERSON | {"date": DAYS, "bedtime": clocks, "weight_kg": KG}
    assert chosen(bed)["time"] == ("date",)


@pytest.mark.parametrize(
    ("name", "cells", "are_clocks"),
    [
        ("time", ["9.33.45", "10.44.45", "21.02.11", "06.59.00"], True),
        ("klokkeslett", ["09.10.11", "10.11.09", "08.09.10", "07.08.09"], True),
        ("day", ["09.10.11", "10.11.09", "08.09.10", "07.08.09"], False),
        ("time", ["31.01.24", "01.02.24", "02.02.24", "03.02.24"], False),
    ],
)
def test_numbers_with_two_dots_are_days_or_times_of_day(name, cells, are_clocks):
    columns = PERSON | {name: cells, "weight_kg": KG}
    found = chosen(columns | {"date": DAYS} if are_clocks else columns)
    assert found["time"] == (("date", name) if are_clocks else (name,))


IMPORTED = [f"2024-06-01T10:00:0{n}Z" for n in range(4)]


def test_a_date_beside_the_time_of_an_import():
    found = choose(PERSON | {"date": DAYS, "timestamp": IMPORTED, "weight_kg": KG})
    assert (found.named()["time"], found.named()["updated"]) == (("date",), ("timestamp",))
    assert "like times of an import" in found.notes[0]


def test_a_date_beside_the_time_of_the_same_day():
    stamps = [f"{day}T07:00:00Z" for day in DAYS]
    assert chosen(PERSON | {"date": DAYS, "timestamp": stamps, "weight_kg": KG})["time"] == (
        "timestamp",
    )


def test_a_date_and_a_time_that_contradict_each_other_are_refused():
    stamps = ["2024-05-01T07:00Z", "2024-02-11T07:00Z", "2023-01-03T07:00Z", "2022-01-04T07:00Z"]
    with pytest.raises(InputError, match=r"may be the time: 'timestamp', 'date'.*--column time="):
        chosen(PERSON | {"date": DAYS, "timestamp": stamps, "weight_kg": KG})


def test_the_time_is_found_by_its_cells_where_no_name_tells():
    found = choose(PERSON | {"Kuupäev": DAYS, "weight_kg": KG})
    assert found.named()["time"] == ("Kuupäev",)
    assert found.notes == ("'Kuupäev' is used as the time, because of its cells",)


def test_when_a_row_was_made_is_not_when_it_was_weighed():
    with pytest.raises(InputError, match="no column for time"):
        chosen(PERSON | {"created_at": DAYS, "weight_kg": KG})


def test_persons_under_two_ids():
    one_to_one = {"user_id": ["a", "a", "b", "b"], "patient_id": ["1", "1", "2", "2"]}
    rest = {"date": DAYS, "weight_kg": KG}
    assert chosen(one_to_one | rest)["user_id"] == ("user_id",)
    with pytest.raises(InputError, match="may be the person: 'user_id', 'patient_id'"):
        chosen(one_to_one | {"patient_id": ["1", "2", "3", "4"]} | rest)


def test_names_of_a_household_are_persons():
    rest = {"date": DAYS, "weight_kg": KG}
    assert chosen({"Name": ["Ann", "Bob", "Ann", "Bob"]} | rest)["user_id"] == ("Name",)
    with pytest.raises(InputError, match="leave --user out"):
        chosen({"Name": ["Ann", "Bob", "Ann", "Bob"]} | rest, user="me")
    assert "user_id" not in chosen({"Name": ["My scale"] * 4} | rest, user="me")
    with pytest.raises(InputError, match='give --user, or name it by --column user_id="id"'):
        chosen({"id": ["1", "1", "2", "2"]} | rest)


def test_a_column_of_zones_is_used_where_it_leaves_no_doubt():
    zoned = PERSON | {"date": DAYS, "timezone": ["Europe/Oslo"] * 4, "weight_kg": KG}
    found = choose(zoned)
    assert found.named()["timezone"] == ("timezone",)
    assert "zone that 'timezone' names" in found.notes[0]
    found = choose(zoned | {"timezone": ["60", "-300", "60", "60"]})
    assert "timezone" not in found.named()
    assert "'timezone' is not read" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("Benutzer", True), ("Family Members", True), ("PatientID", True), ("participant code", True),
     ("user weight", False), ("client type", False), ("Nom", True)],
)  # fmt: skip
def test_persons_by_other_names(name, is_one):
    assert column_names.is_user(column_names.parse_name(name)) == is_one


def test_a_record_id_of_redcap_is_the_person():
    columns = {"record_id": ["1", "1", "2", "2"], "redcap_event_name": ["a", "b", "a", "b"]}
    found = chosen(columns | {"visit_date": DAYS, "weight_kg": KG})
    assert (found["user_id"], found.get("record_id")) == (("record_id",), None)


LONG = PERSON | {"date": DAYS, "value": ["80.1", "60", "25", "80"], "unit": ["kg", "kg", "", "kg"]}


@pytest.mark.parametrize("name", ["metric", "DESCRIPTION", "result_name", "measurement_concept_id"])
def test_the_column_of_what_is_measured(name):
    kinds = ["Body weight", "Lean body mass", "BMI", "Body weight"]
    assert chosen(LONG | {name: kinds})["measure"] == (name,)


def test_a_code_is_the_measure_though_the_sample_holds_no_weight():
    found = choose(LONG | {"itemid": ["220045", "220210", "220045", "220210"]})
    assert found.named()["measure"] == ("itemid",)
    assert "none of its first words and codes is known" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "role"), [("time", "time"), ("timezone", "timezone"), ("weight_type", "measure")]
)
def test_columns_that_are_empty_in_the_sample_keep_their_role(name, role):
    found = chosen(PERSON | {"date": DAYS, "weight_kg": KG, name: [""] * 4})
    assert name in found[role]


def test_a_weight_in_another_unit_may_begin_after_the_sample():
    cells = PERSON | {"date": DAYS, "weight_kg": KG, "weight_lb": [""] * 4}
    assert chosen(cells)["weight"] == ("weight_kg", "weight_lb")
    assert chosen(cells | {"weight_lb": KG, "weight_kg": [""] * 4})["weight"] == (
        "weight_kg",
        "weight_lb",
    )


@pytest.mark.parametrize("cells", [["final"] * 4, [""] * 4])
def test_a_status_is_heeded_though_the_sample_holds_no_deleted_row(cells):
    assert "deleted" in choose(PERSON | {"date": DAYS, "weight_kg": KG, "status": cells}).roles


@pytest.mark.parametrize(
    ("name", "cells"), [("status", ["1", "0", "1", "1"]), ("smoking status", ["no"] * 4)]
)
def test_other_states_delete_nothing(name, cells):
    assert "deleted" not in choose(PERSON | {"date": DAYS, "weight_kg": KG, name: cells}).roles


@pytest.mark.parametrize("voided", [[""] * 4, ["0"] * 4])
def test_of_several_columns_the_one_that_calls_a_row_deleted_is_heeded(voided):
    status = ["final", "entered-in-error", "final", "final"]
    columns = PERSON | {"date": DAYS, "weight_kg": KG, "voided": voided, "status": status}
    found = choose(columns)
    assert found.roles["deleted"] == list(columns).index("status")
    assert found.notes[-1] == "'voided' is not read: one column tells deleted rows"


def test_a_status_is_no_measure():
    assert "measure" not in chosen(LONG | {"type": ["manual", "scale", "manual", "scale"]})


def test_options_and_columns_that_say_the_same_twice():
    with pytest.raises(InputError, match="states lb in its header; leave --unit out"):
        chosen(PERSON | {"date": DAYS, "weight_lb": KG}, unit="kg")
    with pytest.raises(InputError, match="column for the unit; leave --unit out"):
        chosen(PERSON | {"date": DAYS, "weight": KG, "unit": ["kg"] * 4}, unit="kg")
    with pytest.raises(InputError, match="column for the user; leave --user out"):
        chosen(PERSON | {"date": DAYS, "weight_kg": KG}, user="me")


def test_an_empty_column_counts_as_absent():
    found = chosen(PERSON | {"date": DAYS, "weight": KG, "unit": [""] * 4}, unit="lb")
    assert found["weight"] == ("weight",)
    assert chosen({"user_id": [""] * 4, "date": DAYS, "weight_kg": KG}, user="me")["weight"]


def test_what_the_configuration_prefers():
    cells = PERSON | {"date": DAYS, "weight_kg": KG, "kilos": list("1234"), "id": list("abcd")}
    preferred = Columns(weight=("none", "KILOS"))
    assert chosen(cells, columns=preferred, unit="kg")["weight"] == ("kilos",)
    clocked = cells | {"day": DAYS, "hour": ["7:00", "8:00", "9:00", "10:00"]}
    both = Columns(weight=("kilos",), date=("day",), clock=("hour",))
    assert chosen(clocked, columns=both, unit="kg")["time"] == ("day", "hour")
    del cells["kilos"]
    assert chosen(cells)["record_id"] == ("id",)
    assert "record_id" not in chosen(cells, columns=Columns(record_id=()))


ODD = {
    "user_id": ["p"] * 4, "time": DAYS, "date": DAYS, "clock": ["7:00"] * 4, "source": ["s"] * 4,
    "weight": KG, "unit": ["kg"] * 4, "measure": ["weight"] * 4, "record_id": list("abcd"),
    "updated": DAYS, "birth_date": ["1984-05-31"] * 4, "sex": ["f"] * 4,
    "timezone": ["+01:00"] * 4, "age_days": ["1", "2", "3", "4"], "age_years": ["1", "2", "3", "4"],
}  # fmt: skip


@pytest.mark.parametrize("role", Columns.model_fields)
@pytest.mark.parametrize("way", ["configured", "named"])
def test_every_role_can_be_named(role, way):
    assert set(Columns.model_fields) == set(ROLES)
    usual = PERSON | {"date": DAYS, "weight_kg": KG}
    if role.startswith("age"):
        del usual["date"]
    if role == "clock":
        usual["date"] = [f"{day} 00:00" for day in DAYS]
    if role in ("weight", "measure"):
        usual = PERSON | {"date": DAYS, "value": KG, "unit": ["kg"] * 4}
    cells = usual | {"Odd one": ODD[role]}
    options = {"columns": Columns(**{role: ("Odd one",)})}
    found = chosen(cells, **(options if way == "configured" else {"named": {role: "Odd one"}}))
    kept = found["time"] if role in ("date", "clock") else found[role]
    assert "Odd one" in kept


def test_names_that_are_not_there_and_roles_that_are_none():
    with pytest.raises(
        InputError, match="no column 'wt' for --column weight; its columns are 'user_id'"
    ):
        chosen(PERSON | {"date": DAYS, "weight_kg": KG}, named={"weight": "wt"})
    with pytest.raises(
        ConfigError, match="'size' is not a role of a column; choose one of user_id"
    ):
        named_columns(["size=x"])
    with pytest.raises(ConfigError, match="names no column"):
        named_columns(["weight"])


def test_what_is_missing_is_named_beside_what_was_found():
    with pytest.raises(InputError) as refused:
        chosen({"a": ["1"], "Gewicht": ["80"], "b\x1b[2J": ["x"]}, unit="kg")
    sentence = str(refused.value)
    assert "no column for user and time; give --user, or name it by --column user_id=" in sentence
    assert "its columns are 'a', 'Gewicht', 'b?[2J'" in sentence


def test_a_table_of_ages():
    ages = {"agedays": ["1", "2", "3", "4"], "sex": list("0011"), "measurement": KG}
    found = chosen({"subjid": list("aabb"), "param": ["WEIGHTKG"] * 4} | ages)
    assert (found["age_days"], found["measure"], found["weight"]) == (
        ("agedays",), ("param",), ("measurement",)
    )  # fmt: skip


def test_two_columns_of_one_name():
    names = ["user_id", "date", "weight_kg", "weight_kg"]
    rows = [["p", day, "80", str(n)] for n, day in enumerate(DAYS, 60)]
    table = table_of("x.csv", names, rows, ReadOptions())
    with pytest.raises(InputError, match="several columns called 'weight_kg'"):
        resolve(table)


def test_a_bare_number_in_the_one_column_of_times_is_a_row_that_says_so(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("user_id,effectiveDateTime,weight,unit\na,.0,80,kg\na,.5,81,kg\n")
    parsed = [parse() for parse in parses(path, ReadOptions())]
    assert [block.rows["time"].to_pylist() for block in parsed] == [[".0", ".5"]]


def test_what_is_named_comes_before_the_time_of_a_standard():
    columns = {"USUBJID": ["p"] * 4, "VSTESTCD": ["WEIGHT"] * 4, "VSDTC": DAYS, "VSORRES": KG}
    columns |= {"VSORRESU": ["kg"] * 4, "day": DAYS, "at": ["7:00", "7:10", "7:20", "7:30"]}
    assert chosen(columns)["time"] == ("VSDTC",)
    named = named_columns(["date=day", "clock=at"])
    assert chosen(columns, named=named)["time"] == ("day", "at")


def test_of_weights_that_the_first_rows_leave_empty_none_is_passed_over():
    columns = PERSON | {"date": DAYS, "weight_st": [""] * 4, "weight_lb": [""] * 4}
    assert set(chosen(columns)["weight"]) == {"weight_st", "weight_lb"}


@pytest.mark.parametrize(
    ("cells", "kinds"), [(["weighing", "goal"], True), (["ideal", "obese"], False)]
)
def test_classes_of_a_body_mass_index_are_no_kinds(cells, kinds):
    found = choose(PERSON | {"date": DAYS, "weight_kg": KG, "category": cells * 2})
    assert found.kinds == kinds
