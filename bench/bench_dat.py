"""How fast the `.dat` format is written and read, against a named rival, in one run on one machine.

    python bench/bench_dat.py [ROWS]        one million by default

Ratios are what counts: seconds differ from machine to machine, and between two runs.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from canvas_replicate.control_file import ControlFile, parse_control_file
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.format import RECORD_END
from canvas_replicate.datfile.writer import DatWriter
from loader.batches import match_fields, read_frames
from loader.counts import LoadCounts
from loader.record_reader import read_record
from loader.record_splitter import split_records

BATCH_ROWS = 10_000
COLUMNS = {
    "id": ("VARCHAR2(11 CHAR)", "CHAR"),
    "name": ("VARCHAR2(100 CHAR)", "CHAR"),
    "note": ("VARCHAR2(400 CHAR)", "CHAR(400)"),
    "amount": ("NUMBER(10,2)", "DECIMAL EXTERNAL"),
    "units": ("NUMBER(9)", "INTEGER EXTERNAL"),
    "changed": ("DATE", 'DATE "YYYY-MM-DD HH24:MI:SS"'),
}
# Text as campuses have it: every tenth note holds what must be doubled and enclosed, another tenth is NULL.
ROWS_SQL = """
SELECT lpad(i::varchar, 11, '0'), 'name of ' || i,
  CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'she said "hi" | ' || i ELSE 'a note on number ' || i END,
  (i % 100000 / 100.0)::DECIMAL(10,2), (i % 21)::INTEGER,
  (TIMESTAMP '2000-01-01 00:00:00' + INTERVAL (i) SECOND)::TIMESTAMP_S
FROM range({rows}) r(i)
"""


def main() -> None:
    rows = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000
    table = duckdb.sql(ROWS_SQL.format(rows=rows)).to_arrow_table().rename_columns(list(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ours.dat")
        print(f"{'':44} {'seconds':>8} {'rows/s':>12} {'ratio':>6}")
        ours = report("write: DatWriter, hashed and measured", rows, lambda: write_ours(table, file))
        report("write: csv.writer of the standard library", rows, lambda: write_csv(table, Path(folder, "csv")), ours)
        if find_spec("pandas"):
            report("write: pandas to_csv", rows, lambda: write_pandas(table, Path(folder, "pandas")), ours)
        else:
            print("write: pandas to_csv                           left out: pandas is not installed")
        print(f"{file.stat().st_size / 1e6:.0f} MB")
        control = control_file()
        ours = report("read: read_frames, every value checked", rows, lambda: read_ours(file, control))
        report("read: record by record, nothing checked", rows, lambda: read_records(file, control), ours)
        report("read: csv.reader, on lines", rows, lambda: read_csv(file), ours)


def report(what: str, rows: int, work: Callable[[], int], ours: float | None = None) -> float:
    """Time ``work``, which returns how many rows it did; the ratio says how many times longer than ours it took."""
    started = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - started
    if done != rows:
        sys.exit(f"{what}: {done:,} rows instead of {rows:,}")
    ratio = f"{seconds / ours:.1f}x" if ours else ""
    print(f"{what:44} {seconds:>8.2f} {rows / seconds:>12,.0f} {ratio:>6}", flush=True)
    return seconds


def columns() -> tuple[Column, ...]:
    return tuple(column_from_oracle_type(name, kind) for name, (kind, _) in COLUMNS.items())


def control_file() -> ControlFile:
    fields = ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
    return parse_control_file(
        f"""LOAD DATA CHARACTERSET AL32UTF8 INFILE 'x.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE t
        FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS ({fields})""",
        "t.ctl",
    )


def write_ours(table: pa.Table, path: Path) -> int:
    with path.open("wb") as file:
        writer = DatWriter(file, columns())
        for batch in table.to_batches(BATCH_ROWS):
            writer.write(batch)
    return writer.rows


def write_csv(table: pa.Table, path: Path) -> int:
    """Not the whole format: this rival cannot enclose text and leave NULL bare (before Python 3.12)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="|", lineterminator=RECORD_END)
        for batch in table.to_batches(BATCH_ROWS):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return table.num_rows


def write_pandas(table: pa.Table, path: Path) -> int:
    """Nor this one: it encloses NULL like text, so that it cannot be told from an empty string."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for batch in table.to_batches(BATCH_ROWS):
            batch.to_pandas().to_csv(
                file, sep="|", header=False, index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator=RECORD_END
            )
    return table.num_rows


def read_ours(path: Path, control: ControlFile) -> int:
    targets = match_fields(control, {column.name: column for column in columns()})
    counts = LoadCounts(path.with_suffix(".bad"), path.with_suffix(".dsc"), control.record_end, 1)
    bare = [column.kind == "number" for column in columns()]
    with path.open("rb") as file:
        return sum(batch.num_rows for batch in read_frames(file, control, targets, bare, counts))


def read_records(path: Path, control: ControlFile) -> int:
    with path.open("rb") as file:
        return sum(
            1 for raw in split_records(file, control.record_end) if read_record(raw.decode(), control).surplus is None
        )


def read_csv(path: Path) -> int:
    """It knows one-character line ends only, so they are replaced first, which a record must survive to be right."""
    text = io.StringIO(path.read_text("utf-8").replace(RECORD_END, "\n"), newline="")
    return sum(1 for _ in csv.reader(text, delimiter="|"))


if __name__ == "__main__":
    main()
