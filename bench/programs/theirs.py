"""What others do, each as a process that knows nothing of the project: python theirs.py WAY ARGUMENTS"""

import csv
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

from timing import report

RECORD_END = "#EOR#\n"
BATCH_ROWS = 20_000


def read_batches(rows):
    import pyarrow as pa

    return pa.ipc.open_file(rows).read_all().to_batches()


def write_polars(rows, target):
    """The ceiling: text of the same values, without a check, a figure or a hash."""
    import polars as pl

    frames = [pl.from_arrow(batch) for batch in read_batches(rows)]

    def work():
        with open(target, "wb") as file:
            for frame in frames:
                frame.write_csv(
                    file, include_header=False, separator="|", line_terminator=RECORD_END, quote_style="non_numeric"
                )

    report(work)


def write_pandas(rows, target):
    """It encloses NULL like text, so that it cannot be told from an empty string."""
    frames = [batch.to_pandas() for batch in read_batches(rows)]

    def work():
        with open(target, "w", encoding="utf-8", newline="") as file:
            for frame in frames:
                frame.to_csv(
                    file, sep="|", header=False, index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator=RECORD_END
                )

    report(work)


def write_csv(rows, target):
    """Encloses only where it must: NULL and an empty string are one."""
    batches = read_batches(rows)

    def work():
        with open(target, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="|", lineterminator=RECORD_END)
            for batch in batches:
                writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    report(work)


def connect(dsn):
    import oracledb

    return oracledb.connect(user="bench", password="bench", dsn=dsn, sdu=65535)


def drain(dsn, table, _):
    """Only fetching, in batches, as the driver does it by default: most numbers as doubles."""

    def work(table=table):
        with connect(dsn) as connection:
            for frame in connection.fetch_df_batches(f"SELECT * FROM {table}", size=BATCH_ROWS):
                frame.num_rows()

    work("bench_1000")
    report(work)


def original(dsn, table, target):
    """The scripts that are replaced: fetchall, DataFrame, to_csv."""
    import pandas as pd

    def work():
        with connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            frame = pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])
            frame.to_csv(target, sep="|", index=False, header=False)

    report(work)


def adbc(dsn, table, target):
    import pyarrow.csv as pc
    from adbc_driver_oracle import dbapi

    def work():
        with dbapi.connect(uri=f"oracle://bench:bench@{dsn}") as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            reader = cursor.fetch_record_batch()
            with pc.CSVWriter(target, reader.schema, write_options=pc.WriteOptions(include_header=False)) as writer:
                for batch in reader:
                    writer.write_batch(batch)

    report(work)


def dlt(dsn, table, target):
    """dlt reflects a small table of the same columns, and reads this one."""
    folder = Path(target + ".dlt")
    os.environ |= {"DLT_DATA_DIR": str(folder / "home"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    os.environ |= {"NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true", "RUNTIME__LOG_LEVEL": "ERROR"}
    import dlt as tool
    import sqlalchemy as sa
    from dlt.destinations import filesystem
    from dlt.sources.sql_database import sql_table

    host, _, service = dsn.partition("/")
    url = f"oracle+oracledb://bench:bench@{host}/?service_name={service}"

    def work():
        resource = sql_table(
            credentials=url,
            table="bench_exact" if table == "bench_exact" else "bench_shape",
            backend="pyarrow",
            chunk_size=BATCH_ROWS,
            query_adapter_callback=lambda *_: sa.text(f"SELECT * FROM {table}"),
        )
        pipeline = tool.pipeline(
            "bench",
            pipelines_dir=str(folder / "pipelines"),
            destination=filesystem(bucket_url=folder.as_uri()),
            dataset_name="out",
        )
        pipeline.run(resource, loader_file_format="csv").raise_on_failed_jobs()

    report(work)


def sling(dsn, table, target):
    import json

    address, _, service = dsn.partition("/")
    host, _, port = address.partition(":")
    home = Path(target + ".sling")
    home.mkdir(exist_ok=True)
    connection = {
        "type": "oracle", "host": host, "port": int(port), "user": "bench", "password": "bench", "service_name": service
    }  # fmt: skip
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(home), "SLING_HOME_DIR": str(home), "SLING_DISABLE_TELEMETRY": "TRUE",
        "ORA": json.dumps(connection), "TZ": "UTC",
    }  # fmt: skip
    command = [os.environ["SLING"], "run", "--src-conn", "ORA", "--src-stream", f"select * from {table}"]

    def work():
        subprocess.run(
            [*command, "--tgt-object", f"file://{target}"], env=environment, check=True, stdout=subprocess.DEVNULL
        )

    report(work)


def load_duckdb(file, database):
    """DuckDB's own reader of CSV, which knows the types from the table."""
    import duckdb

    with duckdb.connect(database) as connection:
        connection.execute(os.environ["TABLE"])
        columns = os.environ["COLUMNS"]
        read = f"read_csv('{file}', delim='|', quote='\"', header=false, columns={columns})"
        report(lambda: connection.execute(f"INSERT INTO t SELECT * FROM {read}").fetchall() and None)


def load_pandas(file, database):
    """read_csv and to_sql, into SQLite."""
    import sqlite3

    import pandas as pd

    def work():
        with sqlite3.connect(database) as connection:
            pd.read_csv(file, sep="|", header=None).to_sql("t", connection, index=False, if_exists="replace")

    report(work)


INSERT_KINDS = [int, int, Decimal, str, str, str, str, datetime.fromisoformat, datetime.fromisoformat, str]


def executemany(dsn, rows, table):
    """INSERT with arrays of rows that are in memory as Python objects before the time begins."""
    batches = [
        list(zip(*(column.to_pylist() for column in batch.columns), strict=True)) for batch in read_batches(rows)
    ]
    report(lambda: insert_batches(dsn, table, batches))


def executemany_csv(dsn, file, table):
    """csv.reader, a conversion for each column, and INSERT with arrays."""

    def read():
        with open(file, encoding="utf-8", newline="") as opened:
            reader = csv.reader(opened)
            while records := list(islice(reader, BATCH_ROWS)):
                yield [
                    [convert(text) if text else None for convert, text in zip(INSERT_KINDS, record, strict=True)]
                    for record in records
                ]

    report(lambda: insert_batches(dsn, table, read()))


def insert_batches(dsn, table, batches):
    import oracledb

    with connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE TABLE {table}")
        kinds = [None] * len(INSERT_KINDS)
        kinds[8] = oracledb.DB_TYPE_TIMESTAMP  # a datetime goes as DATE otherwise, without its fraction
        cursor.setinputsizes(*kinds)
        binds = ", ".join(f":{number}" for number in range(1, len(kinds) + 1))
        for batch in batches:
            cursor.executemany(f"INSERT INTO {table} VALUES ({binds})", batch)
        connection.commit()


def direct(dsn, rows, table):
    """The driver's direct path alone, from an Arrow table that is in memory: the ceiling."""
    import pyarrow as pa

    frame = pa.ipc.open_file(rows).read_all()

    def work():
        with connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE TABLE {table}")
            connection.direct_path_load("bench", table, frame.column_names, frame)

    report(work)


def read_numbers(file):
    with open(file) as opened:
        return [tuple(map(int, record)) for record in csv.reader(opened)]


def enroll_canvasapi(url, token, file, count):
    """One after the other, by Canvas's own numbers, which save it a call for each section and user."""
    import warnings

    warnings.simplefilter("ignore")  # it prefers https
    from canvasapi.requester import Requester
    from canvasapi.section import Section

    wanted, requester = read_numbers(file)[: int(count)], Requester(url, token)

    def work():
        for section, user in wanted:
            fields = {"type": "StudentEnrollment", "enrollment_state": "active", "notify": False}
            Section(requester, {"id": section}).enroll_user(user, enrollment=fields)

    report(work)


def enroll_threads(url, token, file, threads):
    """As many calls at a time as our throttle allows at best, and nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    import requests

    wanted, session = read_numbers(file), requests.Session()
    session.mount(url, requests.adapters.HTTPAdapter(pool_maxsize=int(threads)))
    session.headers["Authorization"] = f"Bearer {token}"

    def enroll(pair):
        section, user = pair
        fields = {"user_id": user, "type": "StudentEnrollment", "enrollment_state": "active", "notify": False}
        session.post(f"{url}/api/v1/sections/{section}/enrollments", json={"enrollment": fields}).raise_for_status()

    def work():
        with ThreadPoolExecutor(int(threads)) as pool:
            for _ in pool.map(enroll, wanted):
                pass

    report(work)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
