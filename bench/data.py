"""The rows that are measured: the same for everybody, drawn by a seed."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

BATCH_ROWS = 20_000
# Column: Oracle's type, and its field in a control file.
COLUMNS = {
    "id": ("NUMBER(9)", "INTEGER EXTERNAL"),
    "units": ("NUMBER(4)", "INTEGER EXTERNAL"),
    "amount": ("NUMBER(12,2)", "DECIMAL EXTERNAL"),
    "name": ("VARCHAR2(40 CHAR)", "CHAR"),
    "code": ("VARCHAR2(10 CHAR)", "CHAR"),
    "note": ("VARCHAR2(100 CHAR)", "CHAR(400)"),
    "status": ("VARCHAR2(1 CHAR)", "CHAR"),
    "born": ("DATE", 'DATE "YYYY-MM-DD HH24:MI:SS"'),
    "seen": ("TIMESTAMP(6)", 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"'),
    "place": ("VARCHAR2(60 CHAR)", "CHAR"),
}
NAMES = ", ".join(COLUMNS)
# Text as campuses have it: every tenth note is NULL, another tenth holds what must be doubled and enclosed.
ROWS_SQL = """SELECT i::BIGINT AS id, (hash(i + {seed}) % 1000)::BIGINT AS units,
    ((hash(i + {seed} + 1) % 100000000) / 100)::DECIMAL(12,2) AS amount, 'name of ' || i AS name,
    (hash(i + {seed} + 2) % 977)::VARCHAR AS code,
    CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'she said "hi" | ' || i
      ELSE repeat('n', (hash(i + {seed} + 3) % 60)::INTEGER) || 'ote' END AS note,
    'A' AS status, (TIMESTAMP '2000-01-01' + INTERVAL (i) SECOND)::TIMESTAMP_S AS born,
    TIMESTAMP '2000-01-01' + INTERVAL (i) SECOND + INTERVAL (i % 1000000) MICROSECOND AS seen,
    'place ' || (i % 5000) AS place FROM range({rows}) r(i)"""
SEED = 19


def rows_sql(rows: int) -> str:
    return ROWS_SQL.format(rows=rows, seed=SEED)


def write_arrow(path: Path, rows: int) -> Path:
    """The rows in a file that every way reads before its time begins."""
    import duckdb
    import pyarrow as pa

    table = duckdb.sql(rows_sql(rows)).to_arrow_table()
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=BATCH_ROWS)
    return path


def control_file(table: str) -> str:
    fields = ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
    return (
        f"LOAD DATA CHARACTERSET AL32UTF8 INFILE 'x.dat' \"STR '#EOR#\\n'\" TRUNCATE INTO TABLE {table}\n"
        f"FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"' TRAILING NULLCOLS ({fields})\n"
    )


def table_sql(table: str, *, keyed: bool = False) -> str:
    kinds = [f"{name} {kind}" for name, (kind, _) in COLUMNS.items()] + ["PRIMARY KEY (id)"] * keyed
    return f"CREATE TABLE {table} ({', '.join(kinds)});\n"


def table_ddl(table: str, view: str, *, keyed: bool) -> str:
    return f"{table_sql(table, keyed=keyed)}CREATE MATERIALIZED VIEW {view} AS SELECT {NAMES} FROM {table};\n"


def make_installation(folder: Path, tables: dict[str, int], deltas: Collection[str] = ()) -> dict[str, str]:
    """A campus with these tables and numbers of rows, in DuckDB files, and what copies them; its environment.

    ``deltas`` are the tables that have a key and are loaded by their differences.
    """
    for name in ("conf", "ctls", "ddl"):
        (folder / name).mkdir(parents=True)
    conf = ""
    for name in tables:
        (folder / "ctls" / f"tmp_{name}.ctl").write_text(control_file(f"tmp_{name}"), "utf-8")
        (folder / "ddl" / f"tmp_{name}.sql").write_text(
            table_ddl(f"tmp_{name}", f"campus_{name}", keyed=name in deltas), "utf-8"
        )
        conf += (
            f"tmp_{name}: {{cstable: tmp_{name}, mvtable: campus_{name}, dctable: sis.{name}, varbl1: '',"
            f" toggle: 'on', load: {'delta' if name in deltas else 'full'}, sql: 'SELECT {NAMES} FROM sis.{name}'}}\n"
        )
    (folder / "conf" / "tablesconf.yaml").write_text(conf, "utf-8")
    (folder / "conf" / "tablelist.yaml").write_text(f"hourly: [{', '.join(f'tmp_{name}' for name in tables)}]\n")
    return {name: value for name, value in os.environ.items() if not name.startswith("REPLICATE_")} | {
        "REPLICATE_CONF_DIR": str(folder / "conf"),
        "REPLICATE_CTL_DIR": str(folder / "ctls"),
        "REPLICATE_DDL_DIR": str(folder / "ddl"),
        "REPLICATE_DATA_DIR": str(folder / "data"),
        "REPLICATE_DATABASES__CAMPUS__URL": f"duckdb:///{folder}/campus.duckdb",
        "REPLICATE_DATABASES__REPORTING__URL": f"duckdb:///{folder}/reporting.duckdb",
        "REPLICATE_TARGET": "reporting",
    }
