"""Peak memory of the real commands, each in a process of its own, for a small and a large table.

    python bench/memory.py              1, 5 and 10 million rows extracted, 1 and 5 million loaded: two minutes
    python bench/memory.py --quick      a tenth of that

What grows with the table is what DuckDB keeps of the files, within its limit (`databases/duckdb/`), which is higher
for the reporting database. Exits 1 when a command took more than LIMIT_MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIMIT_MB = {"extractor": 500, "loader": 800}

CAMPUS = """
CREATE SCHEMA sis;
CREATE TABLE sis.enrollments AS SELECT
  lpad(i::varchar, 11, '0') AS id,
  'name of ' || i AS name,
  'user' || i % 90000 || '@example.edu' AS email,
  CASE WHEN i % 10 = 0 THEN NULL ELSE 'a note, "quoted" | number ' || i END AS note,
  (i % 100000 / 100.0)::DECIMAL(10,2) AS amount,
  (i % 21)::INTEGER AS units,
  (TIMESTAMP '2000-01-01 00:00:00' + INTERVAL (i) SECOND)::TIMESTAMP_S AS changed,
  '22' || lpad((i % 40)::varchar, 2, '0') AS strm
FROM range({rows}) r(i)
"""
COLUMNS = {
    "id": ("VARCHAR2(11 CHAR) NOT NULL", "CHAR"),
    "name": ("VARCHAR2(100 CHAR)", "CHAR"),
    "email": ("VARCHAR2(100 CHAR)", "CHAR"),
    "note": ("VARCHAR2(400 CHAR)", "CHAR(400)"),
    "amount": ("NUMBER(10,2)", "DECIMAL EXTERNAL"),
    "units": ("NUMBER(9)", "INTEGER EXTERNAL"),
    "changed": ("DATE", 'DATE "YYYY-MM-DD HH24:MI:SS"'),
    "strm": ("VARCHAR2(4 CHAR)", "CHAR"),
}
NAMES = ", ".join(COLUMNS)
TABLES_CONF = f"""
tmp_enrollments:
  cstable: tmp_enrollments
  mvtable: enrollments
  dctable: sis.enrollments
  varbl1: ""
  toggle: "on"
  sql: SELECT {NAMES} FROM sis.enrollments
"""
CTL = f"""
LOAD DATA CHARACTERSET AL32UTF8 INFILE 'enrollments.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_enrollments
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS
({", ".join(f"{name} {in_file}" for name, (_, in_file) in COLUMNS.items())})
"""
DDL = f"""
CREATE TABLE tmp_enrollments ({", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())}, PRIMARY KEY (id));
CREATE MATERIALIZED VIEW enrollments AS SELECT {NAMES} FROM tmp_enrollments;
"""


@dataclass(frozen=True)
class Peak:
    megabytes: float
    seconds: float


def installation(folder: Path, rows: int) -> dict[str, str]:
    """A source of that many rows and what is configured for it, as environment variables."""
    files = {
        "conf/tablelist.yaml": "nightly: [tmp_enrollments]\n",
        "conf/tablesconf.yaml": TABLES_CONF,
        "ctls/tmp_enrollments.ctl": CTL,
        "ddl/tmp_enrollments.sql": DDL,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    environment = {
        **os.environ,
        "REPLICATE_CONF_DIR": str(folder / "conf"),
        "REPLICATE_CTL_DIR": str(folder / "ctls"),
        "REPLICATE_DDL_DIR": str(folder / "ddl"),
        "REPLICATE_DATA_DIR": str(folder / "data"),
        "REPLICATE_DATABASES__CAMPUS__URL": f"duckdb:///{folder}/campus.duckdb",
        "REPLICATE_DATABASES__REPORTING__URL": f"duckdb:///{folder}/reporting.duckdb",
        "REPLICATE_TARGET": "reporting",
    }
    # In a process of its own: what a process once needed stays in its peak.
    make = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute(sys.argv[2])"
    peak_of(["-c", make, str(folder / "campus.duckdb"), CAMPUS.format(rows=rows)], environment)
    peak_of(["-m", "canvas_replicate.cli", "init-db"], environment)
    return environment


def peak_of(arguments: list[str], environment: Mapping[str, str]) -> Peak:
    """Run Python with these arguments to its good end; its greatest resident memory."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{arguments} exited {process.returncode}:\n{output.read().decode()}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Peak(used.ru_maxrss / unit, time.monotonic() - started)


def measure(rows: int, *, load: bool) -> dict[str, Peak]:
    """The peaks of one installation's commands. A table is loaded twice: once into nothing, once over itself."""
    with tempfile.TemporaryDirectory() as folder:
        environment = installation(Path(folder), rows)
        extract = ["-m", "extractor", "run", "nightly"]
        peaks = {"extractor run": peak_of(extract, environment)}
        if load:
            peaks["loader run, first"] = peak_of(["-m", "loader", "run", "nightly"], environment)
            peak_of(extract, environment)
            peaks["loader run, again"] = peak_of(["-m", "loader", "run", "nightly"], environment)
    for command, peak in peaks.items():
        print(f"{command:20} {rows:>12,} {peak.megabytes:>8.0f} {peak.seconds:>8.1f}", flush=True)
    return peaks


def main() -> None:
    unit = 100_000 if "--quick" in sys.argv else 1_000_000
    print(f"{'command':20} {'rows':>12} {'peak MB':>8} {'seconds':>8}")
    small, middle, large = measure(unit, load=True), measure(5 * unit, load=True), measure(10 * unit, load=False)
    failed = False
    for command, peak in (middle | large).items():
        bad = peak.megabytes > LIMIT_MB[command.split()[0]]
        failed |= bad
        print(f"{command:20} ratio {peak.megabytes / small[command].megabytes:.2f}{'   TOO MUCH' if bad else ''}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
