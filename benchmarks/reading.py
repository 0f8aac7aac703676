"""Readers alone: files to clean arrays, nothing judged or stored."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.runs import Place
from benchmarks.table import Line
from weightstream.intake.cleaning import Rules, read_clean
from weightstream.readers import ReadOptions

RULES = Rules(started=datetime(2030, 1, 1, tzinfo=UTC))
THREADS = 2
TIMES = 5
RESOURCES = 200_000
APPLE_BYTES = 512 << 20
"""Memory does not grow with the file: 2 GiB take what these take."""

PEAK = (
    "import sys\n"
    "from pathlib import Path\n"
    "from datetime import UTC, datetime\n"
    "from weightstream.intake.cleaning import Rules, read_clean\n"
    "from weightstream.readers import ReadOptions\n"
    "rules = Rules(datetime(2030, 1, 1, tzinfo=UTC))\n"
    "for part in read_clean(Path(sys.argv[1]), ReadOptions(user='me'), rules, 0, 2): pass\n"
    "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss begins at the parent's
    "print(int(status.partition('VmHWM:')[2].split()[0]) / 1024)"
)

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE HealthData [\n]>\n<HealthData locale="en_US">\n'
RECORD = (
    ' <Record type="{}" sourceName="Watch" sourceVersion="10.4" device="&lt;&lt;HKDevice: 0x283&gt;'
    ', name:Watch, model:Watch, hardware:Watch6,2, software:10.4&gt;" unit="{}" '
    'creationDate="2024-01-31 07:12:33 +0100" startDate="2024-01-31 07:{:02}:33 +0100" '
    'endDate="2024-01-31 07:12:33 +0100" value="{}"/>\n'
)


def lines(place: Place, rows: int, persons: int) -> Iterator[Line]:
    rate = rows / seconds(place.simulated(rows, persons))
    yield Line("CSV to clean arrays", f"{rate:,.0f} rows/s", "≥ 1,000,000", rate >= 1_000_000)
    rate = RESOURCES / seconds(bulk(place.folder / "bulk.ndjson"))
    measured = f"{rate:,.0f} resources/s"
    yield Line("FHIR NDJSON to clean arrays", measured, "≥ 100,000", rate >= 100_000)
    path = apple(place.folder / "export.xml")
    rate = path.stat().st_size / 1e6 / seconds(path, user="me")
    yield Line("Apple Health XML", f"{rate:,.0f} MB/s", "≥ 50", rate >= 50)
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, check=True)
    peak = float(done.stdout)
    yield Line("memory of it", f"{peak:,.0f} MB", "< 300 MB", peak < 300)


def read(path: Path, **options: Any) -> int:
    """Rows that were read."""
    parts = read_clean(path, ReadOptions(**options), RULES, 0, THREADS)
    return sum(part.rows for part in parts)


def seconds(path: Path, **options: Any) -> float:
    """The best of several times."""
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        read(path, **options)
        taken.append(time.perf_counter() - started)
    return min(taken)


def bulk(path: Path) -> Path:
    """Observations as a bulk export writes them, one a line."""
    kg = {"unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    loinc = {"system": "http://loinc.org", "code": "29463-7", "display": "Body Weight"}
    with path.open("w", encoding="utf-8") as file:
        for n in range(RESOURCES):
            resource = {
                "resourceType": "Observation",
                "id": f"o{n}",
                "meta": {"lastUpdated": "2024-02-01T00:00:00Z"},
                "status": "final",
                "category": [{"coding": [{"code": "vital-signs", "display": "vital-signs"}]}],
                "code": {"coding": [loinc], "text": "Body Weight"},
                "subject": {"reference": f"Patient/p{n % 5000}"},
                "encounter": {"reference": f"Encounter/e{n}"},
                "effectiveDateTime": f"2024-01-{1 + n % 28:02}T07:{n % 60:02}:33+01:00",
                "issued": "2024-02-01T00:00:00.000+01:00",
                "valueQuantity": {"value": 60 + n % 400 / 10} | kg,
            }
            file.write(json.dumps(resource, separators=(",", ":")) + "\n")
    return path


def apple(path: Path) -> Path:
    """One record in two hundred is a weight."""
    weight = ("HKQuantityTypeIdentifierBodyMass", "kg")
    pulse = ("HKQuantityTypeIdentifierHeartRate", "count/min")
    kinds = islice(cycle([weight, *[pulse] * 199]), 10_000)
    block = "".join(RECORD.format(*kind, n % 60, 60 + n % 40) for n, kind in enumerate(kinds))
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        while file.tell() < APPLE_BYTES:
            file.write(block)
        file.write("</HealthData>\n")
    return path
