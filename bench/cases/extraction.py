"""Oracle on the wire → file. The stand-in for Oracle serves from a process of its own, which is not counted."""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from bench.harness import OURS, STANDIN, Case, NotAvailable, Sample, Scale, Way, run_program

UNDIGESTED = "ours without the digest of the rows"
DRAIN, ORIGINAL, SLING, DLT, ADBC = "draining the driver", "the original's way", "Sling", "dlt", "adbc-driver-oracle"
NUMBERS = ("ID", "AMOUNT", "RATIO")
EXACT_ROWS = 1_000
# What a database of students has and a double has not: long keys, amounts, fractions.
EXACT = f"""CREATE TABLE bench_exact (id NUMBER(30), amount NUMBER(14,2), ratio NUMBER);
INSERT INTO bench_exact
SELECT 123456789012345678901234567000 + LEVEL, LEVEL * 6213560.19, LEVEL * 12345678901 + 0.0000000001
FROM DUAL CONNECT BY LEVEL <= {EXACT_ROWS};
CREATE TABLE bench_shape AS SELECT * FROM bench_10;
"""


def start_standin(sql: str) -> Any:
    """A stand-in whose user ``bench`` has what ``sql`` makes; a context manager that stops it."""
    if not STANDIN.is_dir():
        raise NotAvailable("there is no stand-in for Oracle (REPLICATE_TEST_STANDIN)")
    if str(STANDIN) not in sys.path:
        sys.path.insert(0, str(STANDIN))
    from oracle_standin import OracleStandin

    return OracleStandin(users={"bench": "bench"}, process=True, sql=sql)


@contextmanager
def prepare(scale: Scale) -> Iterator[Sequence[Way]]:
    rows = scale.of(300_000, 2_000)
    with tempfile.TemporaryDirectory() as folder, start_standin(EXACT) as server:
        truth = _read_truth(server.dsn)

        def way(name: str, program: str, word: str, *, separator: str = "|", **options: Any) -> Way:
            @cache
            def check_numbers() -> str:
                target = f"{folder}/{word}-exact.csv"
                try:
                    run_program(program, word, server.dsn, "bench_exact", target, **options)
                except NotAvailable:
                    return "long numbers are refused"
                return _describe_wrong(_find_file(Path(target), "bench_exact"), separator, truth)

            def measure() -> Sample:
                sample = run_program(program, word, server.dsn, f"bench_{rows}", f"{folder}/{word}.csv", **options)
                return sample if name == DRAIN else replace(sample, note=check_numbers())

            return Way(name, measure)

        undigested = f"{folder}/undigested.dat"
        python, sling = scale.rivals.python, scale.rivals.find_sling()
        yield [
            way(OURS, "ours.py", "extract"),
            Way(UNDIGESTED, lambda: run_program("ours.py", "extract", server.dsn, f"bench_{rows}", undigested, "")),
            way(DRAIN, "theirs.py", "drain"),
            way(ORIGINAL, "theirs.py", "original"),
            way(ADBC, "theirs.py", "adbc", python=python, separator=","),
            way(DLT, "theirs.py", "dlt", python=python, separator=","),
            way(SLING, "theirs.py", "sling", python=python, separator=",", SLING=str(sling))
            if sling
            else Way(SLING, lambda: _refuse("sling-linux-amd64 is not installed")),
        ]


def _refuse(reason: str) -> Sample:
    raise NotAvailable(reason)


def _read_truth(dsn: str) -> dict[str, list[Decimal | None]]:
    """The numbers of the rows, exactly, by column; rows are told apart by their place."""
    import oracledb

    with oracledb.connect(user="bench", password="bench", dsn=dsn) as connection, connection.cursor() as cursor:
        cursor.outputtypehandler = lambda cursor, _: cursor.var(str, arraysize=cursor.arraysize)
        cursor.execute(f"SELECT {', '.join(NUMBERS)} FROM bench_exact ORDER BY id")
        columns = list(zip(*cursor.fetchall(), strict=True))
    return {name: [_read_number(text) for text in column] for name, column in zip(NUMBERS, columns, strict=True)}


def _find_file(target: Path, table: str) -> Path | None:
    """dlt writes into a folder and gives its file a name."""
    if target.exists():
        return target
    return next(iter(sorted(Path(f"{target}.dlt").glob(f"out/{table}/*.csv"))), None)


def _describe_wrong(file: Path | None, separator: str, truth: dict[str, list[Decimal | None]]) -> str:
    """How many numbers in the file differ from the database's, by column."""
    if file is None:
        return "no file to compare"
    text = file.read_text("utf-8").replace("#EOR#\n", "\n")
    records = list(csv.reader(text.splitlines(), delimiter=separator))
    if records[0][0].upper() == "ID":
        del records[0]
    records.sort(key=lambda record: float(record[0]))
    wrong = {
        name: sum(_read_number(record[place]) != truth[name][row] for row, record in enumerate(records))
        for place, name in enumerate(NUMBERS)
    }
    listed = ", ".join(f"{count:,} of {name.lower()}" for name, count in wrong.items() if count)
    return f"of {len(records):,} rows wrong: {listed}" if listed else "every number is right"


def _read_number(text: str | None) -> Decimal | None:
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


CASES: tuple[Case, ...] = (
    Case(
        "extract",
        "Extract over the wire: 300,000 rows of ten mixed columns, query to finished file",
        prepare,
        targets={UNDIGESTED: 1 / 1.15, DRAIN: 1 / 1.15, ORIGINAL: 7, SLING: 4, DLT: 3, ADBC: 1},
    ),
)
