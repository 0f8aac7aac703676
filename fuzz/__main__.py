"""`make fuzz`: coverage-guided fuzzing of the readers, format by format.

What it finds lies in the folder of findings; `python -m fuzz FORMAT --repeat FILE` shows it again.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = (
    "csv", "fhir", "open_mhealth", "apple_health", "withings", "fitbit", "google_fit", "garmin",
    "health_auto_export", "health_connect_json",
    "openscale", "samsung_health", "libra", "parquet", "xlsx", "health_connect", "zip",
)  # fmt: skip
ONE_INPUT_SECONDS = 20
MEMORY_MB = 2048


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("formats", nargs="*", default=FORMATS, metavar="FORMAT")
    parser.add_argument("--seconds", type=int, default=30, help="for each format")
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    parser.add_argument("--repeat", type=Path, help="one file, without fuzzing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.repeat:
        from fuzz.target import check

        check(asked.repeat.read_bytes(), *asked.formats)
    elif asked.here:
        fuzz(asked.formats[0], asked.seconds, asked.findings)
    else:
        asked.findings.mkdir(exist_ok=True)
        sys.exit(each(asked.formats, asked.seconds, asked.findings))


def each(formats: list[str], seconds: int, findings: Path) -> int:
    """One process a format, since the fuzzer ends its own. Returns how many found something."""
    failed = 0
    for name in formats:
        command = [sys.executable, "-m", "fuzz", name, "--here", "--seconds", str(seconds)]
        done = subprocess.run(
            [*command, "--findings", str(findings)], capture_output=True, text=True, check=False
        )
        last = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
        print(f"{name}: {last[-1] if last else 'FOUND SOMETHING'}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout[-4000:], done.stderr[-4000:], flush=True)
    return failed


def fuzz(name: str, seconds: int, findings: Path) -> None:
    """Ends the process: 0 after the seconds, another status if something was found."""
    import atheris

    with atheris.instrument_imports(include=["weightstream"]):
        from fuzz.target import check
    from fuzz.seeds import MORE_SEEDS, SEEDS, binary_seeds

    with tempfile.TemporaryDirectory() as folder:
        seed = SEEDS[name].encode() if name in SEEDS else binary_seeds()[name]
        Path(folder, "seed").write_bytes(seed)
        for number, more in enumerate(MORE_SEEDS.get(name, ())):
            Path(folder, f"seed-{number}").write_text(more, "utf-8")
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={ONE_INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-artifact_prefix={findings}/{name}-",
            "-max_len=4096",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, folder], lambda data: check(data, name))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
