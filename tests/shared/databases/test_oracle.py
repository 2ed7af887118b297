"""Source and target on the stand-in for Oracle: what is proved here is the adapter and its SQL, not Oracle itself."""

from __future__ import annotations

import dataclasses
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import pyarrow as pa
import pytest
from pydantic import SecretStr
from tests.behaviours.databases import (
    HOSTILE,
    NINES,
    Engine,
    EveryDatabaseBehaviour,
    batch,
    believed,
    load_of,
    nothing,
)
from tests.oracle_fixtures import OracleDatabase

from canvas_replicate.databases.oracle import connecting, measuring
from canvas_replicate.databases.oracle.connecting import Oracle
from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import Check, Loaded, Rejection, SnapshotUnavailable, Tag, WiderNumbers
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.datfile.statistics import Figures
from canvas_replicate.errors import ConfigError, DataError, PermanentError, ReplicateError, TransientError

pytestmark = [
    pytest.mark.oracle,
    # The driver leaves the socket of a connection that was cut to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

SOURCE_TABLE = """CREATE TABLE everything (
    id NUMBER(10), flag NUMBER(1), big NUMBER(19), wide NUMBER(38), amount NUMBER(38,10), price NUMBER(8,2),
    name VARCHAR2(40 CHAR), code CHAR(3 CHAR), note CLOB, born DATE, seen TIMESTAMP(6),
    zoned TIMESTAMP(6) WITH TIME ZONE, content BLOB, ratio BINARY_DOUBLE)"""
STUDENTS = (
    "CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))",
    "CREATE MATERIALIZED VIEW campus_students AS SELECT id, name FROM tmp_students",
)
REMEMBERED = (
    "CREATE TABLE replicate_view (view_name VARCHAR2(256 CHAR) PRIMARY KEY, refresh_method VARCHAR2(20 CHAR),"
    " refreshed_at TIMESTAMP(6))",
)
# An answer that never comes ends a test here, and not an hour later.
DEADLINE_SECONDS = 20.0
SLOW_MS = 2_500


@pytest.fixture
def engine(oracle: OracleDatabase) -> Iterator[Engine]:
    """One session for all that a test itself asks, in autocommit."""
    with oracledb.connect(user=oracle.user, password=oracle.password, dsn=oracle.opened.address.dsn) as connection:
        connection.autocommit = True

        def sql(*statements: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement, fetch_lobs=False, fetch_decimals=True)
                return list(cursor.fetchall()) if cursor.description else []

        sql(*REMEMBERED)
        yield Engine(
            OracleSource(oracle.opened),
            OracleTarget(oracle.opened),
            sql,
            lambda digits: f"HEXTORAW('{digits}')",
            empty=None,
            mode="REPLACE",
            method="insert",
        )


class TestDatabasesOnOracle(EveryDatabaseBehaviour):
    """By INSERT with REPLACE: the one way to load here that undoes itself."""

    @pytest.fixture
    def everything(self, engine: Engine) -> None:
        rows = [
            f"1, 1, 9223372036854775807, {NINES}, 1234567890123456789012345678.0123456789, -0.01, 'Ada', 'abc', 'x',"
            " DATE '0001-01-01', TIMESTAMP '0001-01-01 00:00:00',"
            f" TIMESTAMP '2030-07-01 10:00:00.5-07:00', {engine.raw('DEADBEEF00')}, 0.1",
            f"2, 0, -9223372036854775808, -{NINES}, -0.0000000001, 999999.99, '  Grace  ', 'de ', 'a\"b|c',"
            " DATE '9999-12-31', TIMESTAMP '9999-12-31 23:59:59.999999',"
            f" TIMESTAMP '2030-01-01 10:00:00.000001+05:30', {engine.raw('00')}, 1e300",
            "2147483647, NULL, 0, 0, 0, 0, 'Żółć 数学', 'x  ', 'line\r\n\\.\nend', DATE '2024-02-29',"
            " TIMESTAMP '2024-02-29 12:00:00.5', TIMESTAMP '2024-02-29 23:59:59+00:00',"
            f" {engine.raw('FFFE')}, -5e-324",
            "2147483646, 1, 9223372036854775806, 12345678901234567890, 100, 0.5, '#EOR#', NULL, NULL, NULL, NULL,"
            " NULL, NULL, -1.5",
            "5" + ", NULL" * 13,
        ]
        engine.sql(SOURCE_TABLE, *(f"INSERT INTO everything VALUES ({row})" for row in rows))


@pytest.fixture(autouse=True)
def blobs_measured_without_dbms_lob(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in does not have that package; Oracle's RAWTOHEX does not take a long BLOB."""
    length = measuring._write_length
    monkeypatch.setattr(
        measuring,
        "_write_length",
        lambda name, base: f"LENGTH(RAWTOHEX({name}))" if base.type == "BLOB" else length(name, base),
    )


def values(engine: Engine, query: str, batch_rows: int = 100, **how: Any) -> list[tuple[Any, ...]]:
    with engine.source.open(query, batch_rows=batch_rows, **how) as opened:
        return [tuple(row.values()) for rows in opened.batches for row in rows.to_pylist()]


# Source: values

KINDS: dict[str, tuple[str, str, str, object]] = {
    # column: type in the database, literal, type in the manifest, value
    "int9": ("NUMBER(9)", "-123456789", "NUMBER(9,0)", -123456789),
    "int19": ("NUMBER(19)", "9223372036854775808", "NUMBER(19,0)", Decimal("9223372036854775808")),
    "int38": ("NUMBER(38)", NINES, "NUMBER(38,0)", Decimal(NINES)),
    "whole": ("INTEGER", "7", "NUMBER(38,0)", Decimal(7)),
    "money": ("NUMBER(8,2)", "1.5", "NUMBER(8,2)", Decimal("1.50")),
    "bare": ("NUMBER", "9007199254740993.0000000001", "NUMBER", Decimal("9007199254740993.0000000001")),
    "rounded": ("NUMBER(5,-2)", "1234567", "NUMBER", Decimal(1234600)),
    "small": ("NUMBER(2,5)", "0.00012", "NUMBER(2,5)", Decimal("0.00012")),
    "deep": ("FLOAT(126)", "0.1", "NUMBER", Decimal("0.1")),
    "half": ("BINARY_FLOAT", "0.1", "BINARY_FLOAT", 0.10000000149011612),
    "twice": ("BINARY_DOUBLE", "0.1", "BINARY_DOUBLE", 0.1),
    "name": ("VARCHAR2(20 CHAR)", "'Żółć 🐎'", "VARCHAR2(20 CHAR)", "Żółć 🐎"),
    "nname": ("NVARCHAR2(20)", "'数学'", "NVARCHAR2(20 CHAR)", "数学"),
    "code": ("CHAR(5 CHAR)", "'ab'", "CHAR(5 CHAR)", "ab   "),
    "ncode": ("NCHAR(4)", "'ž'", "NCHAR(4 CHAR)", "ž   "),
    "bytes": ("RAW(5)", "HEXTORAW('00ff10')", "RAW(5)", "00FF10"),
    "content": ("BLOB", "HEXTORAW('DEADBEEF')", "BLOB", "DEADBEEF"),
    "note": ("CLOB", "'a\n\"|b'", "CLOB", 'a\n"|b'),
    "nnote": ("NCLOB", "'ž'", "NCLOB", "ž"),
    "tree": ("XMLTYPE", "xmltype('<a>ž</a>')", "CLOB", "<a>ž</a>"),
    "born": ("DATE", "DATE '0001-01-01'", "DATE", datetime(1, 1, 1)),
    "at3": (
        "TIMESTAMP(3)",
        "TIMESTAMP '2030-01-02 03:04:05.678'",
        "TIMESTAMP(3)",
        datetime(2030, 1, 2, 3, 4, 5, 678000),
    ),
    "at6": (
        "TIMESTAMP(6)",
        "TIMESTAMP '9999-12-31 23:59:59.999999'",
        "TIMESTAMP(6)",
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    "at9": (
        "TIMESTAMP(9)",
        "TIMESTAMP '2030-01-02 03:04:05.123456'",
        "TIMESTAMP(9)",
        "2030-01-02 03:04:05.123456000",
    ),
    "zoned": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5-07:00'",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.500000-07:00",
    ),
    "zoned9": (
        "TIMESTAMP(9) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.123456-00:30'",
        "TIMESTAMP(9) WITH TIME ZONE",
        "2030-07-01 10:00:00.123456000-00:30",
    ),
    "region": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "FROM_TZ(TIMESTAMP '2030-07-01 10:00:00', 'Europe/Berlin')",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.000000+02:00",
    ),
    "local": (
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5-07:00'",
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "2030-07-01 17:00:00.500000+00:00",
    ),
}


def make_kinds(engine: Engine) -> None:
    """A row with every type that the stand-in has and a file can hold, and a row of NULLs."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, *_) in KINDS.items())
    literals = ", ".join(literal for _, literal, *_ in KINDS.values())
    engine.sql(
        f"CREATE TABLE kinds ({columns})",
        f"INSERT INTO kinds VALUES ({literals})",
        f"INSERT INTO kinds VALUES ({', '.join(['NULL'] * len(KINDS))})",
    )


def test_every_type_is_handed_over_exactly_and_null_as_null(engine: Engine) -> None:
    make_kinds(engine)
    query = f"SELECT {', '.join(KINDS)} FROM kinds; "
    with engine.source.open(query, batch_rows=10) as opened:
        found = [row for rows in opened.batches for row in rows.to_pylist()]
    assert opened.columns == tuple(column_from_oracle_type(name, told) for name, (_, _, told, _) in KINDS.items())
    full, empty = sorted(found, key=lambda row: row["int9"] is None)
    assert full == {name: value for name, (*_, value) in KINDS.items()}
    assert set(empty.values()) == {None}
    assert engine.source.describe(query) == opened.columns


@pytest.mark.parametrize("kind", ["INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH"])
def test_a_type_that_no_file_can_hold_is_refused_by_name_and_as_text_it_is_read(engine: Engine, kind: str) -> None:
    engine.sql(f"CREATE TABLE t (span {kind})", "INSERT INTO t VALUES (NULL)")
    with pytest.raises(PermanentError, match=r"Column span: type INTERVAL_.*TO_CHAR"):
        values(engine, "SELECT span FROM t")
    assert values(engine, "SELECT TO_CHAR(span) AS span FROM t") == [(None,)]


def test_char_comes_padded_or_trimmed_as_it_was_said(engine: Engine, oracle: OracleDatabase) -> None:
    make_kinds(engine)
    query = "SELECT code, ncode, name FROM kinds WHERE code IS NOT NULL -- the end"
    assert values(engine, query) == [("ab   ", "ž   ", "Żółć 🐎")]
    trimming = dataclasses.replace(engine, source=OracleSource(oracle.opened, trim_char=True))
    assert values(trimming, query) == [("ab", "ž", "Żółć 🐎")]


def test_numbers_without_limits_keep_every_digit_whatever_the_others_need(engine: Engine) -> None:
    numbers = ["1", "-0.0000000001", "1234567890123456789012345678.0123456789", "2.5", "9007199254740993"]
    engine.sql(
        "CREATE TABLE t (n NUMBER(3), x NUMBER)", *(f"INSERT INTO t VALUES ({n}, {x})" for n, x in enumerate(numbers))
    )
    for batch_rows in (1, 9):
        assert values(engine, "SELECT x FROM t ORDER BY n", batch_rows) == [(Decimal(x),) for x in numbers]
    assert values(engine, "SELECT COUNT(*) AS n, SUM(x) AS s FROM t WHERE n IN (0, 3)") == [(2, Decimal("3.5"))]


def test_a_number_is_read_exactly_or_asks_for_the_other_way(engine: Engine) -> None:
    numbers = [f"{digits}e{power}" for power in (*range(36, 46), 60, 76, 77, 100, 125) for digits in ("1", "-9")]
    numbers += ["1e-30", "-5e-36", "1e-38", "1e-39", "-1e-60", "3e-130"]
    rows = [f"INSERT INTO t VALUES ({n}, {number})" for n, number in enumerate(numbers)]
    engine.sql("CREATE TABLE t (n NUMBER(3), x FLOAT(126))", *rows)
    refused = []
    for n, number in enumerate(numbers):
        try:
            [(found,)] = values(engine, f"SELECT x FROM t WHERE n = {n}")
        except WiderNumbers:
            refused.append(number)
        else:
            assert Decimal(found) == Decimal(number)
    assert {"1e100", "-1e-60"} <= set(refused)
    assert "1e36" not in refused


def test_the_other_way_gives_the_same_numbers(engine: Engine) -> None:
    numbers = ["1", "-0.0000000001", "1234567890123456789012345678.0123456789", "-2.5"]
    engine.sql(
        "CREATE TABLE t (n NUMBER(3), x NUMBER)", *(f"INSERT INTO t VALUES ({n}, {x})" for n, x in enumerate(numbers))
    )
    found = values(engine, "SELECT x, n FROM t ORDER BY n", wide_numbers=True)
    assert found == [(Decimal(x), n) for n, x in enumerate(numbers)]


def test_a_table_is_told_with_its_key(engine: Engine) -> None:
    engine.sql("CREATE TABLE t (a NUMBER(3), b VARCHAR2(9 CHAR), c DATE, CONSTRAINT t_pk PRIMARY KEY (b, a))")
    facts = engine.source.table("t")
    assert [column.name for column in facts.columns] == ["a", "b", "c"]
    assert facts.key == ("b", "a")
    with pytest.raises(PermanentError, match=r"no table reporting\.nothing"):
        engine.source.table("nothing")


# Source: what goes wrong


def many_rows(engine: Engine) -> str:
    engine.sql("CREATE TABLE many AS SELECT LEVEL AS n FROM DUAL CONNECT BY LEVEL <= 5000")
    return "SELECT n FROM many"


@contextmanager
def silent_listener() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"oracle://u@127.0.0.1:{listening.getsockname()[1]}/service"


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.5)
    started = time.monotonic()
    with silent_listener() as url, pytest.raises(TransientError, match="no answer") as caught:
        Oracle(url, SecretStr("p")).connect()
    assert caught.value.code == "oracle.silent"
    assert time.monotonic() - started < 5


def test_a_slow_server_is_given_up_at_the_connect_and_in_the_middle(
    engine: Engine, oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = many_rows(engine)
    source = OracleSource(Oracle(oracle.url, SecretStr(oracle.password), call_seconds=0.5))
    with source.open(query, batch_rows=10) as opened:
        batches = iter(opened.batches)
        next(batches)
        oracle.control.delay(SLOW_MS)
        with pytest.raises(TransientError) as caught:
            list(batches)
    assert caught.value.code == "DPY-4024"
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.5)
    with pytest.raises(TransientError, match="connecting to"):
        source.reach()


def test_a_listener_that_refuses_may_be_up_later(oracle: OracleDatabase) -> None:
    oracle.control.refuse(2)
    with pytest.raises(TransientError, match="connecting to 127") as caught:
        OracleSource(oracle.opened).reach()
    assert caught.value.code == "DPY-6005"


def test_a_service_that_the_listener_does_not_know_is_worth_few_tries(oracle: OracleDatabase) -> None:
    with pytest.raises(TransientError) as caught:
        Oracle(f"{oracle.url}_not", SecretStr(oracle.password)).connect()
    assert (caught.value.code, caught.value.tries) == ("DPY-6001", 3)


def test_a_wrong_password_is_tried_once_and_shown_nowhere(oracle: OracleDatabase) -> None:
    wrong = SecretStr("Wr0ng#secret")
    with pytest.raises(PermanentError, match="not tried again") as caught:
        OracleSource(Oracle(oracle.url, wrong)).reach()
    assert caught.value.code == "ORA-01017"
    assert oracle.control.counters()["failed_logins"] == 1
    assert "Wr0ng" not in "".join(traceback.format_exception(caught.value))


def test_a_connection_that_is_cut_in_the_middle_may_be_made_again(engine: Engine, oracle: OracleDatabase) -> None:
    query = many_rows(engine)
    oracle.control.post("/fault/drop", after_rows=1000, match="SELECT n FROM many")
    with pytest.raises(TransientError) as caught:
        values(engine, query, 100)
    assert caught.value.code == "DPY-4011"
    assert len(values(engine, query, 1000)) == 5000


def test_undo_that_is_gone_is_worth_two_tries(engine: Engine, oracle: OracleDatabase) -> None:
    query = many_rows(engine)
    oracle.control.fail_fetch(1000, 1555, "ORA-01555: snapshot too old", match="SELECT n FROM many")
    with pytest.raises(TransientError, match="UNDO_RETENTION") as caught:
        values(engine, query)
    assert (caught.value.code, caught.value.tries) == ("ORA-01555", 2)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1555, "ORA-01555: snapshot too old"),
        (1031, "ORA-01031: insufficient privileges"),
        (1466, "ORA-01466: unable to read data - table definition has changed"),
        (8181, "ORA-08181: specified number is not a valid system change number"),
    ],
)
def test_a_moment_that_cannot_be_read_says_so(engine: Engine, oracle: OracleDatabase, code: int, text: str) -> None:
    query = many_rows(engine)
    scn = engine.source.moment()
    oracle.control.fail("many AS OF SCN", code, text)
    with pytest.raises(SnapshotUnavailable, match=text[:9]):
        values(engine, query, as_of=scn)
    assert len(values(engine, query, 5000, as_of=scn)) == 5000


def test_a_moment_is_told_by_either_way_or_refused_with_what_to_ask_for(engine: Engine, oracle: OracleDatabase) -> None:
    oracle.control.fail("DBMS_FLASHBACK", 1031, "ORA-01031: insufficient privileges", times=2)
    assert engine.source.moment() > 0
    oracle.control.fail("v.database", 1031, "ORA-01031: insufficient privileges")
    with pytest.raises(SnapshotUnavailable, match="Grant EXECUTE on DBMS_FLASHBACK"):
        engine.source.moment()


def test_a_lost_connection_is_no_reason_to_do_without_a_moment(engine: Engine, oracle: OracleDatabase) -> None:
    oracle.control.fail("DBMS_FLASHBACK", 3113, "ORA-03113: end-of-file on communication channel")
    with pytest.raises(TransientError) as caught:
        engine.source.moment()
    assert caught.value.code == "ORA-03113"


def test_a_query_that_yields_nothing_can_be_left_by_another_thread(engine: Engine, oracle: OracleDatabase) -> None:
    ended: list[tuple[str, float]] = []

    def fetch(batches: Iterator[object]) -> None:
        try:
            list(batches)
        except ReplicateError as error:
            ended.append((error.code, time.monotonic()))

    with engine.source.open(many_rows(engine), batch_rows=10) as opened:
        oracle.control.delay(SLOW_MS)
        described = len(oracle.control.statements("FROM many"))
        thread = threading.Thread(target=fetch, args=(opened.batches,))
        thread.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(oracle.control.statements("FROM many")) == described:
            assert time.monotonic() < deadline, "the query does not reach the server"
        cancelled = time.monotonic()
        opened.cancel()
        thread.join(DEADLINE_SECONDS)
    assert [code for code, _ in ended] == ["ORA-01013"]
    assert ended[0][1] - cancelled < SLOW_MS / 2000


def test_a_dba_sees_whose_session_it_is(engine: Engine, oracle: OracleDatabase) -> None:
    tag = Tag("extractor", "20300101T000000Z-hourly-abc123", "tmp_students")
    with engine.source.open(many_rows(engine), batch_rows=10, tag=tag) as opened:
        next(iter(opened.batches))
        seen = oracle.control.get("/sessions")
    assert ("canvas-replicate", "extractor") in {(one["program"], one["module"]) for one in seen}


# Target: ways to load


def students(oracle: OracleDatabase, *more: str) -> None:
    oracle.sql(*STUDENTS, *more)


def loading(
    target: OracleTarget,
    folder: Path,
    rows: pa.Table,
    *,
    method: str,
    max_rejected: int = 0,
    table: str = "tmp_students",
    verify: Callable[[Loaded], None] = believed,
    check: Check = nothing,
    **how: Any,
) -> list[Rejection]:
    """What the database refused."""
    refused: list[Rejection] = []
    numbers: set[int] = set()

    def reject(rejection: Rejection) -> None:
        refused.append(rejection)
        numbers.add(rejection.record)

    load = load_of(folder, target, table, rows, method=method, **how)
    load = dataclasses.replace(load, max_rejected=max_rejected, reject=reject, rejected=numbers)
    target.replace(load, verify=verify, check=check)
    return refused


@pytest.fixture
def with_sqlldr(oracle: OracleDatabase, monkeypatch: pytest.MonkeyPatch) -> OracleTarget:
    monkeypatch.setenv("STANDIN_PYTHON", sys.executable)
    folder = Path(str(sys.modules["oracle_standin"].__file__)).parents[1]
    return OracleTarget(oracle.opened, sqlldr=folder / "sqlldr")


@pytest.mark.parametrize("method", ["sqlldr", "direct", "insert"])
def test_hostile_text_arrives_by_every_way(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    oracle.sql("CREATE TABLE tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))")
    rows = batch(id=[str(n) for n in range(len(HOSTILE))], name=list(HOSTILE))
    verified: list[Loaded] = []
    text = column_from_oracle_type("name", "VARCHAR2(40)")
    loading(with_sqlldr, tmp_path, rows, method=method, measure={"name": text}, verify=verified.append)
    assert oracle.sql("SELECT id, name FROM tmp_students ORDER BY id") == list(enumerate(HOSTILE))
    assert verified[0].rows == len(HOSTILE)
    assert verified[0].figures == {"name": Figures(non_null=len(HOSTILE), characters=len("".join(HOSTILE)))}


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_what_the_database_refuses_is_told_record_by_record_without_its_values(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    oracle.sql(
        "CREATE TABLE tmp_students (id NUMBER(3) NOT NULL, name VARCHAR2(4 CHAR) CHECK (name <> 'no'),"
        " CONSTRAINT students_pk PRIMARY KEY (id))"
    )
    rows = batch(id=["1", "1", "2", None, "1234", "3"], name=["Ada", "Bob", "no", "Eve", "Max", "secret"])
    refused = loading(with_sqlldr, tmp_path, rows, method=method, max_rejected=9)
    assert sorted((one.record, one.code) for one in refused) == [
        (2, "ORA-00001"),
        (3, "ORA-02290"),
        (4, "ORA-01400"),
        (5, "ORA-01438"),
        (6, "ORA-12899"),
    ]
    columns = {one.record: one.column for one in refused}
    assert (columns[4], columns[6]) == ("id", "name")
    assert not [one for one in refused if "secret" in one.reason or "1234" in one.reason]
    assert oracle.sql("SELECT id, name FROM tmp_students") == [(1, "Ada")]


def test_an_error_that_is_no_single_records_ends_the_load(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, tmp_path: Path
) -> None:
    students(oracle)
    loading(with_sqlldr, tmp_path, batch(id=["1"], name=["Ada"]), method="insert", mode="REPLACE")
    oracle.control.fail("INSERT INTO", 1653, "ORA-01653: unable to extend table")
    with pytest.raises(TransientError, match="make room") as caught:
        loading(with_sqlldr, tmp_path, batch(id=["2"], name=["Bob"]), method="insert", mode="REPLACE")
    assert caught.value.code == "ORA-01653"
    assert oracle.sql("SELECT id FROM tmp_students") == [(1,)]


@pytest.mark.parametrize("method", ["sqlldr", "direct", "insert"])
def test_a_copy_that_is_not_proved_never_reaches_the_view(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    """TRUNCATE cannot be undone: the base table is then empty or new, and what people read is as it was."""
    students(oracle, *REMEMBERED)
    loading(with_sqlldr, tmp_path, batch(id=["1"], name=["Ada"]), method=method)
    with_sqlldr.refresh("campus_students", check=nothing)

    def refused(loaded: Loaded) -> None:
        raise DataError("the copy is not the file")

    with pytest.raises(DataError, match="not the file"):
        loading(with_sqlldr, tmp_path, batch(id=["2"], name=["Bob"]), method=method, verify=refused)
    assert oracle.sql("SELECT id FROM campus_students") == [(1,)]
    assert oracle.sql("SELECT id FROM tmp_students") == ([] if method == "insert" else [(2,)])


@pytest.mark.parametrize(
    ("ddl", "reason"),
    [
        ("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(9 CHAR), CONSTRAINT s_pk PRIMARY KEY (id))", "primary key S_PK"),
        ("CREATE TABLE tmp_students (id NUMBER(9) UNIQUE, name VARCHAR2(9 CHAR))", "unique key"),
        ("CREATE TABLE tmp_students (id NUMBER(9) CHECK (id > 0), name VARCHAR2(9 CHAR))", "check"),
        ("CREATE TABLE tmp_students (id NUMBER, name VARCHAR2(9 CHAR))", "column id (NUMBER)"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name CLOB)", "column name (CLOB)"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name NVARCHAR2(9))", "column name (NVARCHAR2"),
        ("CREATE TABLE tmp_students (id NUMBER(9), name VARCHAR2(9 CHAR), at TIMESTAMP(9))", "column at (TIMESTAMP(9))"),
    ],
)  # fmt: skip
def test_direct_path_is_refused_where_it_would_not_keep_everything(
    oracle: OracleDatabase, ddl: str, reason: str, tmp_path: Path
) -> None:
    oracle.sql(ddl, "INSERT INTO tmp_students (id) VALUES (7)")
    target = OracleTarget(oracle.opened)
    rows = batch(id=["1"], name=["Ada"])
    with pytest.raises(ConfigError, match=re.escape(reason)):
        loading(target, tmp_path, rows, method="direct")
    assert oracle.sql("SELECT id FROM tmp_students") == [(7,)]
    loading(target, tmp_path, rows, method="auto")
    assert oracle.control.statements("DIRECT PATH") == []
    assert oracle.sql("SELECT id FROM tmp_students") == [(1,)]


def test_direct_path_is_taken_without_being_asked_for_where_nothing_hinders(
    oracle: OracleDatabase, tmp_path: Path
) -> None:
    students(oracle, "INSERT INTO tmp_students VALUES (7, 'old')")
    loading(OracleTarget(oracle.opened), tmp_path, batch(id=["1", "2"], name=["Ada", None]), method="auto")
    [load] = oracle.control.statements("DIRECT PATH")
    assert load["sql"] == "DIRECT PATH LOAD REPORTING.TMP_STUDENTS (ID, NAME)"
    assert oracle.sql("SELECT id, name FROM tmp_students ORDER BY id") == [(1, "Ada"), (2, None)]


def test_direct_path_is_refused_for_what_only_the_dictionary_or_the_control_file_knows(
    oracle: OracleDatabase, tmp_path: Path
) -> None:
    students(
        oracle,
        "CREATE UNIQUE INDEX students_u ON tmp_students (id)",
        "CREATE TABLE all_triggers (trigger_name VARCHAR2(30), table_owner VARCHAR2(30), table_name VARCHAR2(30),"
        " status VARCHAR2(8))",
        "INSERT INTO all_triggers VALUES ('STUDENTS_T', 'REPORTING', 'TMP_STUDENTS', 'ENABLED')",
    )
    with pytest.raises(ConfigError, match=r"unique \w+ STUDENTS_U, trigger STUDENTS_T, SQL expressions"):
        loading(
            OracleTarget(oracle.opened),
            tmp_path,
            batch(id=["1"], name=["Ada"]),
            method="direct",
            expressions={"name": "UPPER(:name)"},
        )


def test_sqlldr_is_not_replaced_in_silence_where_it_was_asked_for(oracle: OracleDatabase, tmp_path: Path) -> None:
    students(oracle)
    with pytest.raises(ConfigError, match="no sqlldr is on this machine's PATH"):
        loading(OracleTarget(oracle.opened), tmp_path, batch(id=["1"], name=["Ada"]), method="sqlldr")


@pytest.mark.parametrize("method", ["sqlldr", "insert"])
def test_an_index_that_a_load_left_unusable_fails_it(
    oracle: OracleDatabase, with_sqlldr: OracleTarget, method: str, tmp_path: Path
) -> None:
    students(oracle)
    rows = batch(id=["1"], name=["Ada"])
    # TRUNCATE makes the stand-in's indexes usable again: a table of that name takes the place of the dictionary's view.
    oracle.sql(
        "CREATE TABLE all_indexes (index_name VARCHAR2(30), table_owner VARCHAR2(30), table_name VARCHAR2(30),"
        " status VARCHAR2(8), uniqueness VARCHAR2(9))",
        "INSERT INTO all_indexes VALUES ('STUDENTS_I', 'REPORTING', 'TMP_STUDENTS', 'UNUSABLE', 'NONUNIQUE')",
    )
    with pytest.raises(DataError, match=r"left STUDENTS_I unusable.*ALTER INDEX REPORTING\.STUDENTS_I REBUILD"):
        loading(with_sqlldr, tmp_path, rows, method=method, verify=lambda loaded: pytest.fail("it was believed"))


def test_tables_and_views_without_a_schema_lie_where_it_was_said(oracle: OracleDatabase, tmp_path: Path) -> None:
    oracle.sql(
        "CREATE TABLE schema_a.tmp_students (id NUMBER(9) NOT NULL, name VARCHAR2(40 CHAR))",
        "CREATE MATERIALIZED VIEW schema_b.campus_students AS SELECT id, name FROM schema_a.tmp_students",
        *REMEMBERED,
    )
    target = OracleTarget(oracle.opened, base_schema="schema_a", view_schema="schema_b")
    loading(target, tmp_path, batch(id=["1"], name=["Ada"]), method="insert")
    assert target.refresh("campus_students", check=nothing) == 1
    assert oracle.sql("SELECT name FROM schema_b.campus_students") == [("Ada",)]
    [call] = oracle.control.statements("DBMS_MVIEW.REFRESH")
    assert call["binds"] == ["SCHEMA_B.CAMPUS_STUDENTS"]


# Target: views

STACK = (
    "ORA-12008: error in materialized view or zonemap refresh path\n"
    "ORA-32354: cannot refresh materialized view REPORTING.CAMPUS_STUDENTS using out-of-place complete refresh\n"
    'ORA-06512: at "SYS.DBMS_SNAPSHOT_KKXRCA", line 3012'
)


def refreshed(oracle: OracleDatabase, **how: Any) -> OracleTarget:
    """A view that shows one row, while its base table has two."""
    students(oracle, *REMEMBERED, "INSERT INTO tmp_students VALUES (1, 'Ada')")
    target = OracleTarget(oracle.opened, **how)
    target.refresh("campus_students", check=nothing)
    oracle.sql("INSERT INTO tmp_students VALUES (2, 'Bob')")
    return target


def remembered(oracle: OracleDatabase) -> list[tuple[str, str]]:
    return oracle.sql("SELECT view_name, refresh_method FROM replicate_view")


def refresh_calls(oracle: OracleDatabase) -> list[str]:
    calls = [str(one["sql"]) for one in oracle.control.statements("DBMS_MVIEW.REFRESH")]
    return ["aside" if "out_of_place => TRUE" in sql else "atomic" for sql in calls]


def test_a_view_is_built_aside(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    assert target.refresh("campus_students", check=nothing) == 2
    assert refresh_calls(oracle) == ["aside", "aside"]
    assert remembered(oracle) == [("reporting.campus_students", "out_of_place")]


def test_a_view_that_cannot_be_built_aside_is_refreshed_in_one_transaction_from_then_on(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    oracle.control.fail("out_of_place => TRUE", 12008, STACK)
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(int(oracle.sql("SELECT COUNT(*) FROM campus_students")[0][0]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert target.refresh("campus_students", check=nothing) == 2
    finally:
        done.set()
        reader.join(DEADLINE_SECONDS)
    assert seen <= {1, 2}
    assert refresh_calls(oracle)[1:] == ["aside", "atomic"]
    assert remembered(oracle) == [("reporting.campus_students", "atomic")]
    target.refresh("campus_students", check=nothing)
    assert refresh_calls(oracle)[3:] == ["atomic"]


@pytest.mark.parametrize(
    ("code", "stack", "ours", "kind"),
    [
        (12018, STACK.replace("12008", "12018").replace("32354", "00942"), "ORA-00942", PermanentError),
        (12008, STACK.replace("32354", "01555"), "ORA-01555", TransientError),
        (12008, STACK.replace("32354", "01652"), "ORA-01652", TransientError),
        (12048, STACK.replace("12008", "12048").replace("32354", "12899"), "ORA-12899", DataError),
        (3113, "ORA-03113: end-of-file on communication channel", "ORA-03113", TransientError),
        (4021, "ORA-04021: timeout occurred while waiting to lock object", "ORA-04021", TransientError),
        (1031, "ORA-01031: insufficient privileges", "ORA-01031", PermanentError),
    ],
)
def test_a_refresh_that_fails_says_why_and_leaves_the_view(
    oracle: OracleDatabase, code: int, stack: str, ours: str, kind: type[ReplicateError]
) -> None:
    target = refreshed(oracle)
    oracle.control.fail("DBMS_MVIEW.REFRESH", code, stack)
    with pytest.raises(kind, match="refreshing campus_students") as caught:
        target.refresh("campus_students", check=nothing)
    assert (type(caught.value), caught.value.code) == (kind, ours)
    assert oracle.sql("SELECT id FROM campus_students") == [(1,)]
    assert target.refresh("campus_students", check=nothing) == 2


def test_a_refresh_that_the_dictionary_does_not_confirm_is_not_believed(oracle: OracleDatabase) -> None:
    target = refreshed(oracle)
    oracle.sql("CREATE TABLE all_mviews AS SELECT * FROM all_mviews")
    oracle.sql("UPDATE all_mviews SET last_refresh_date = last_refresh_date - 1")
    with pytest.raises(DataError, match="does not show that it was refreshed"):
        target.refresh("campus_students", check=nothing)


def test_the_procedure_of_the_views_owner_is_called_instead(oracle: OracleDatabase) -> None:
    """The stand-in keeps no procedures: what is sent is seen, and what it answers is ours."""
    students(oracle, *REMEMBERED)
    target = OracleTarget(oracle.opened, procedure="schema_b.replicate_refresh")
    with pytest.raises(PermanentError, match="refreshing campus_students: ORA-06550"):
        target.refresh("campus_students", check=nothing)
    [call] = oracle.control.statements("replicate_refresh")
    assert call["sql"] == "BEGIN schema_b.replicate_refresh(:v); END;"
    assert call["binds"] == ["REPORTING.CAMPUS_STUDENTS"]
    assert oracle.control.refreshes() == []


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ((), "no materialized view"),
        (("CREATE TABLE campus_students AS SELECT id, name FROM tmp_students",), "no materialized view"),
        (
            ("CREATE MATERIALIZED VIEW campus_students REFRESH COMPLETE ON COMMIT AS SELECT id FROM tmp_students",),
            "refreshes itself (ON COMMIT)",
        ),
        (
            (
                "CREATE MATERIALIZED VIEW campus_students AS SELECT id FROM tmp_students",
                "CREATE TABLE all_refresh_children (owner VARCHAR2(30), name VARCHAR2(30), next_date DATE)",
                "INSERT INTO all_refresh_children VALUES ('REPORTING', 'CAMPUS_STUDENTS', SYSDATE)",
            ),
            "refreshes itself (by START WITH or NEXT)",
        ),
    ],
    ids=["none", "a table", "on commit", "next"],
)
def test_a_view_that_is_not_there_or_refreshes_itself_is_refused(
    oracle: OracleDatabase, statements: tuple[str, ...], why: str
) -> None:
    oracle.sql(STUDENTS[0], *statements)
    target = OracleTarget(oracle.opened)
    for ask in (target.require_view, lambda view: target.refresh(view, check=nothing)):
        with pytest.raises(PermanentError, match=re.escape(why)):
            ask("campus_students")
    assert oracle.control.refreshes() == []


def test_what_is_missing_is_made_with_what_belongs_to_it(oracle: OracleDatabase) -> None:
    target = OracleTarget(oracle.opened)
    ddl = f"{STUDENTS[0]};\n{STUDENTS[1]};\nCREATE UNIQUE INDEX campus_key ON campus_students (id);\n"
    assert len(target.missing(ddl, Path("s.sql"))) == 3
    oracle.sql(STUDENTS[0])
    target.apply(target.missing(ddl, Path("s.sql")), "s.sql")
    assert target.missing(ddl, Path("s.sql")) == []
    target.require_view("campus_students")
