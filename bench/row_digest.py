"""What the digest of the rows costs, and what an unchanged table saves, in one run on one machine.

    python bench/row_digest.py [ROWS]        one million by default

Ratios are what counts: seconds differ from machine to machine, and between two runs. Medians of five.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.workplace import Workplace

from canvas_replicate.databases.duckdb.digesting import FileDigester
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.datfile.digest import Digester
from canvas_replicate.datfile.writer import DatWriter

TIMES = 5
BATCH_ROWS = 50_000
TABLES, UNCHANGED = 10, 8
TYPES = {
    "id": "NUMBER(9)",
    "units": "NUMBER(4)",
    "amount": "NUMBER(12,2)",
    "name": "VARCHAR2(40 CHAR)",
    "code": "VARCHAR2(10 CHAR)",
    "note": "VARCHAR2(100 CHAR)",
    "status": "VARCHAR2(1 CHAR)",
    "born": "DATE",
    "seen": "TIMESTAMP(6)",
    "place": "VARCHAR2(60 CHAR)",
}
ROWS_SQL = """SELECT i::INTEGER AS id, (i % 100)::SMALLINT AS units, (i * 1.25)::DECIMAL(12,2) AS amount,
    'name ' || i AS name,
    (i % 977)::VARCHAR AS code, CASE WHEN i % 10 = 0 THEN NULL ELSE repeat('n', (i % 60)::INTEGER) END AS note,
    'A' AS status,
    (TIMESTAMP '2000-01-01' + INTERVAL (i) SECOND)::TIMESTAMP_S AS born,
    TIMESTAMP '2000-01-01' + INTERVAL (i) SECOND AS seen,
    'place ' || (i % 5000) AS place FROM range({rows}) r(i)"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    columns = tuple(column_from_oracle_type(name, kind) for name, kind in TYPES.items())
    reader = duckdb.sql(ROWS_SQL.format(rows=rows)).fetch_arrow_table().to_batches(BATCH_ROWS)
    without = measure(lambda: write(reader, columns, None))
    digested = measure(lambda: write(reader, columns, FileDigester(columns)))
    print(f"writing {rows:,} rows x {len(columns)} columns: {without:.2f} s; with the digest {digested:.2f} s,")
    print(f"  {digested / without:.2f} times as long")
    unchanged, forced = compare_runs(rows // TABLES)
    print(f"load and refresh of {TABLES} tables of {rows // TABLES:,} rows, {UNCHANGED} unchanged: {unchanged:.2f} s;")
    print(f"  with --force {forced:.2f} s, {forced / unchanged:.1f} times as long")


def measure(run: Callable[[], None]) -> float:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def write(batches: list[pa.RecordBatch], columns: tuple[Column, ...], digester: Digester | None) -> None:
    writer = DatWriter(io.BytesIO(), columns, digester)
    for batch in batches:
        writer.write(batch)


def compare_runs(rows: int) -> tuple[float, float]:
    """Seconds of load and refresh, as the ledger has them: with unchanged tables, and forced."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder))
        place.source_sql("CREATE SCHEMA sis")
        for number in range(TABLES):
            place.source_sql(f"CREATE TABLE sis.t{number} AS {ROWS_SQL.format(rows=rows)}")
            ddl = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
            fields = ", ".join(f"{name} {CTL_KINDS.get(name, 'CHAR')}" for name in TYPES)
            place.add_table(
                f"tmp_t{number}",
                sql=f"SELECT {', '.join(TYPES)} FROM sis.t{number}",
                ctl=CTL.format(table=f"tmp_t{number}", fields=fields),
                ddl=f"CREATE TABLE tmp_t{number} ({ddl});\n"
                f"CREATE MATERIALIZED VIEW campus_t{number} AS SELECT * FROM tmp_t{number};",
            )
        os.environ |= place.environment
        run(place, "init-db")
        run(place, "run", "hourly")
        seconds = []
        for words in ([], ["--force"]):
            for number in range(UNCHANGED, TABLES):
                place.source_sql(f"UPDATE sis.t{number} SET units = (units + 1) % 100")
            run(place, "run", "hourly", *words)
            newest = "run_id = (SELECT max(run_id) FROM replicate_run)"
            [(total,)] = place.target_sql(f"SELECT sum(load_seconds) FROM replicate_run_table WHERE {newest}")
            seconds.append(float(total))
            time.sleep(1.1)  # run ids count seconds
        place.close()
        return seconds[0], seconds[1]


CTL = """LOAD DATA CHARACTERSET AL32UTF8 INFILE 'x.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE {table}
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS ({fields})
"""
CTL_KINDS = {
    "born": 'DATE "YYYY-MM-DD HH24:MI:SS"',
    "seen": 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"',
    **dict.fromkeys(("id", "units"), "INTEGER EXTERNAL"),
    "amount": "DECIMAL EXTERNAL",
}


def run(place: Workplace, *words: str) -> None:
    done = place.run("replicate", *words)
    if done.code:
        raise SystemExit(done.out)


if __name__ == "__main__":
    main()
