"""A small file of each format, for tests and for fuzzing to begin with."""

import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from fuzz.workbooks import workbook

FITBIT = json.dumps(
    [{"logId": 1, "weight": 176.4, "bmi": 25, "date": "01/31/24", "time": "07:12:33"}]
)
OMH = json.dumps(
    {"body_weight": {"value": 80, "unit": "kg"},
     "effective_time_frame": {"date_time": "2024-01-31T07:00:00Z"}}
)  # fmt: skip
CSV = "user_id,effectiveDateTime,source_type,weight,unit\nu1,2024-01-31,s,80,kg\n"
SEEDS = {
    "csv": CSV + 'u1,2024-02-01 10:00,"a\nb",81.5,lb\n',
    "fhir": json.dumps(
        {"resourceType": "Bundle", "entry": [{"resource": {
            "resourceType": "Observation", "id": "1", "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
            "effectiveDateTime": "2024-01-31", "valueQuantity": {"value": 80, "code": "kg"}}}]}),
    "open_mhealth": OMH,
    "apple_health": '<?xml version="1.0"?><HealthData>\n'
    '<Record type="HKQuantityTypeIdentifierBodyMass" unit="kg" '
    'startDate="2024-01-31 07:00:00 +0100" value="80"/>\n</HealthData>',
    "withings": 'Date,"Weight (kg)","Fat mass (kg)",Comments\n2024-01-31 07:00:00,80,,"x"\n',
    "fitbit": FITBIT,
    "google_fit": json.dumps({"Data Source": "derived:com.google.weight:x", "Data Points": [
        {"fitValue": [{"value": {"fpVal": 80.5}}], "startTimeNanos": 1706681553000000000}]}),
    "garmin": 'Time,Weight,Change,BMI,\n" Jan 31, 2024",\n7:12 AM,80.5 kg,--,24,\n',
    "health_auto_export": json.dumps({"data": {"metrics": [
        {"name": "weight_body_mass", "units": "lb", "data": [
            {"date": "2024-01-31 07:00:00 +0100", "qty": 176.4, "source": "Scale"}]}]}}),
    "health_connect_json": json.dumps({"records": [
        {"time": "2024-01-31T06:12:33Z", "weight": {"inKilograms": 80.5}, "metadata": {}}]}),
    "openscale": "dateTime,weight,fat,water,lbm,comment\n2024-01-31 07:12,80.5,1,2,3,\n",
    "samsung_health": "com.samsung.health.weight,1,2\nstart_time,weight,datauuid\n"
    "2024-01-31 07:12:33.000,80.5,w1,\n",
    "libra": "#Version:5\n#Units:kg\n#date;weight;weight trend\n2024-01-31 07:12:33;80.5;80\n",
}  # fmt: skip
MORE_SEEDS = {
    "csv": (
        "Person;Date;Time;tz;Weight\n;;;;(lb)\nu1;31/01/2024;0,29;Europe/Oslo;180,5\n",
        "subjid,param,time_utc,value,units\n1,Body weight,1706681553,80,kg\n1,BMI,1706681553,25,\n",
        "user_id,date,weight (st),weight (lb)\nu1,2024-01-31 07:12:33+01:00,12,4\n",
        '"pid","date","weight_kg"\n"1","a",31.01.24,"80,5"\n"2","a",01.02.24, "80"\n',
        "USUBJID,VSTESTCD,VSORRES,VSORRESU,VSDTC\nA,WEIGHT,80,kg,2024-01-10\nA,BMI,25,,\n",
        "user_id;jour;heure;pounds;ounces\nu1;1er févr. 2024;07h12;180;8\n",
    ),
}
"""Further files of a format, for what the first one does not show."""
NEEDS = {"user": "me", "timezone": "UTC"}


def options_of(name: str) -> dict[str, str]:
    """What a person has to say of a file in this format."""
    return {} if name in ("csv", "parquet", "xlsx", "zip") else NEEDS


def binary_seeds() -> dict[str, bytes]:
    """Formats that are no text."""
    return {
        "parquet": _written(_parquet),
        "xlsx": _written(_xlsx),
        "health_connect": _written(_health_connect),
        "zip": _written(_zip),
    }


def _written(write: Callable[[Any], None]) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        write(file.name)
        return Path(file.name).read_bytes()


def _parquet(path: str) -> None:
    columns = {"user_id": ["u1"], "date": ["2024-01-31"], "weight_kg": [80.5]}
    parquet.write_table(pa.table(columns), path, compression="none")


def _xlsx(path: str) -> None:
    rows = [["user_id", "date", "weight_kg"], ["u1", "2024-01-31", 80.5]]
    workbook(Path(path), Sheet1=rows)


def _health_connect(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("pragma page_size = 512")
    connection.execute("create table weight_record_table (time, zone_offset, weight, app_info_id)")
    connection.execute("insert into weight_record_table values (1706681553000, 3600, 80500.0, 1)")
    connection.commit()
    connection.close()


def _zip(path: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/weights.csv", SEEDS["csv"])
        archive.writestr("b.csv", SEEDS["csv"])
