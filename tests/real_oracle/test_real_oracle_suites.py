"""What every engine promises, on a real Oracle: the suite of the databases, by INSERT, and the suite of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.behaviours.databases import DDL, NINES, Engine, EveryDatabaseBehaviour
from tests.behaviours.ledger import LedgerBehaviour
from tests.real_oracle.real_oracle import User

from canvas_replicate.databases.oracle.ledger import OracleLedger
from canvas_replicate.errors import PermanentError
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import upgrade

SOURCE_TABLE = """CREATE TABLE everything (
    id NUMBER(10), flag NUMBER(1), big NUMBER(19), wide NUMBER(38), amount NUMBER(38,10), price NUMBER(8,2),
    name VARCHAR2(40 CHAR), code CHAR(3 CHAR), note CLOB, born DATE, seen TIMESTAMP(6),
    zoned TIMESTAMP(6) WITH TIME ZONE, content BLOB, ratio BINARY_DOUBLE)"""
# A view of a table with a primary key may get an index on it by itself; whether it does, a test of its own tells.
INDEXED_ALREADY = "ORA-01408"


class TestDatabasesOnRealOracle(EveryDatabaseBehaviour):
    """With REPLACE: the one way to load here that undoes itself. The others are in test_real_oracle_loading."""

    @pytest.fixture(autouse=True)
    def made(self, engine: Engine) -> None:
        for statement in engine.target.missing(DDL, Path("ddl/everything.sql")):
            try:
                engine.target.apply([statement], "ddl/everything.sql")
            except PermanentError as error:
                if error.code != INDEXED_ALREADY:
                    raise

    @pytest.fixture
    def everything(self, engine: Engine) -> None:
        rows = [
            f"1, 1, 9223372036854775807, {NINES}, 1234567890123456789012345678.0123456789, -0.01, 'Ada', 'abc', 'x',"
            " DATE '0001-01-01', TIMESTAMP '0001-01-01 00:00:00', TIMESTAMP '2030-07-01 10:00:00.5 -07:00',"
            f" {engine.raw('DEADBEEF00')}, 0.1",
            f"2, 0, -9223372036854775808, -{NINES}, -0.0000000001, 999999.99, '  Grace  ', 'de ', 'a\"b|c',"
            " DATE '9999-12-31', TIMESTAMP '9999-12-31 23:59:59.999999',"
            f" TIMESTAMP '2030-01-01 10:00:00.000001 +05:30', {engine.raw('00')}, 1e100",
            "2147483647, NULL, 0, 0, 0, 0, 'Żółć 数学', 'x  ', 'line\r\n\\.\nend', DATE '2024-02-29',"
            " TIMESTAMP '2024-02-29 12:00:00.5', TIMESTAMP '2024-02-29 23:59:59 +00:00',"
            f" {engine.raw('FFFE')}, -1e-100",
            "2147483646, 1, 9223372036854775806, 12345678901234567890, 100, 0.5, '#EOR#', NULL, NULL, NULL, NULL,"
            " NULL, NULL, -1.5",
            "5" + ", NULL" * 13,
        ]
        engine.sql(SOURCE_TABLE, *(f"INSERT INTO everything VALUES ({row})" for row in rows))


@pytest.fixture
def ledger_database(reporting: User) -> Iterator[OracleLedger]:
    made = OracleLedger(reporting.opened)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def ledger(ledger_database: OracleLedger) -> Ledger:
    return Ledger(ledger_database)


@pytest.fixture
def leases(ledger_database: OracleLedger) -> Leases:
    return Leases(ledger_database, "test worker")


class TestLedgerOnRealOracle(LedgerBehaviour):
    pass
