"""No driver's exception is left without a meaning of ours."""

from __future__ import annotations

import socket
import sys
import traceback

import duckdb
import oracledb
import pytest

from canvas_replicate.databases.duckdb.connecting import translated
from canvas_replicate.databases.oracle import errors as oracle
from canvas_replicate.errors import DataError, LoginRefused, PermanentError, TransientError

DUCKDB_ERRORS = [kind for kind in vars(duckdb).values() if isinstance(kind, type) and issubclass(kind, duckdb.Error)]


@pytest.mark.parametrize("kind", DUCKDB_ERRORS, ids=lambda kind: kind.__name__)
def test_every_duckdb_error_is_one_of_ours(kind: type[duckdb.Error]) -> None:
    error = translated(kind("first line\nsecond line"), "table x")
    assert isinstance(error, TransientError | PermanentError)
    assert error.code == f"duckdb.{kind.__name__}"
    assert "table x" in str(error)
    assert "second line" not in str(error)


def test_a_refused_value_does_not_get_into_the_text() -> None:
    error = translated(duckdb.ConversionException("Could not convert string '123-45-6789' to INT32"), "table x")
    assert isinstance(error, DataError)
    assert "6789" not in str(error)


def test_what_may_pass_is_retried_and_what_cannot_is_not() -> None:
    assert isinstance(translated(duckdb.TransactionException("conflict"), "x"), TransientError)
    assert isinstance(translated(duckdb.IOException("disk"), "x"), TransientError)
    assert not isinstance(translated(duckdb.CatalogException("no table"), "x"), TransientError)
    assert isinstance(translated(duckdb.ConstraintException("duplicate key"), "x"), DataError)


# Oracle

ORACLE_CLASSES = [
    kind
    for kind in vars(oracledb).values()
    if isinstance(kind, type) and issubclass(kind, oracledb.Error | oracledb.Warning)
]
# oracle.md 3.1, row by row.
RECONNECT = (18, 20, 28, 57, 1033, 1034, 1089, 1090, 1092, 3113, 3114, 3135, 12514, 12516, 12519, 12520)
RECONNECT += (12537, 12541, 12545, 12547, 12570, 12571, 12757)
RECONNECT_DRIVER = ("DPY-4005", "DPY-4011", "DPY-4024", "DPY-4033", "DPY-6000", "DPY-6001", "DPY-6005")
PAUSE = (51, 54, 60, 1555, 1591, 4020, 4021, 4061, 4068, 8103, 8176, 8177, 14411, 14450, 30006)
# Not in that table, of the same kinds.
RECONNECT += (2391, 2399, 1035, 1109, 3136, 12505, 12535, 12592, 12609, 12805, 25402, 25405)
PAUSE += (55, 104, 1410, 2050, 12827)
SPACE = (257, 1536, 1628, 1631, 1652, 1653, 1654, 1658, 1691, 19502, 30036)
SPACE += (1650, 1692, 4030, 4031, 19809, 27102, 30032)
PERMANENT = (*range(900, 937), 942, 1017, 1031, 1466, 2266, 4043, 6550, 8181, 24344, 28000, 28001)
PERMANENT_DRIVER = ("DPY-2001", "DPY-2069", "DPY-3001", "DPY-3010", "DPY-4000", "DPY-4026", "DPY-4027", "DPY-7000")
VALUES = (1, 1400, 1438, 1722, *range(1840, 1862), 2290, 2291, 2292, 12899)
VALUES_DRIVER = ("DPY-4036", "DPY-4037", "DPY-4038", "DPY-4039", "DPY-4042", "DPY-8000", "DPY-8001")
STOP_AND_LOOK = (600, 3137, 7445)
# oracle.md 3: what the driver tells as DPY-4011.
REWRITTEN = (22, 28, 31, 45, 378, 600, 602, 603, 609, 1012, 1041, 1043, 1089, 1092, 2396, 3113, 3114, 3122, 3135)
REWRITTEN += (12153, 12537, 12547, 12570, 12583, 27146, 28511, 56600)
SECRET = "555-12-3456"


def driver_error(code: int | str, text: str) -> oracledb.Error:
    """As the driver makes it of a server's message, or of its own."""
    made = sys.modules["oracledb.errors"]
    number = code if isinstance(code, int) else 0
    message = f"ORA-{code:05}: {text}" if isinstance(code, int) else f"{code}: {text}"
    error = made._Error(message, code=number)
    raised: oracledb.Error = error.exc_type(error)
    return raised


@pytest.mark.parametrize("kind", ORACLE_CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_of_the_oracle_driver_is_one_of_ours(kind: type[oracledb.Error]) -> None:
    for argument in ("a text", driver_error("DPY-1001", "not connected").args[0]):
        error = oracle.translated(kind(argument), "table x")
        assert isinstance(error, TransientError | PermanentError)
        assert error.code
        assert error.message.startswith("table x: ")


@pytest.mark.parametrize("code", [*RECONNECT, *PAUSE, *SPACE, *RECONNECT_DRIVER])
def test_what_may_pass_in_oracle_is_tried_again(code: int | str) -> None:
    error = oracle.translated(driver_error(code, "said the server"), "table x")
    assert type(error) is TransientError
    assert error.code == (code if isinstance(code, str) else f"ORA-{code:05}")
    assert error.tries is None or error.tries >= 2


@pytest.mark.parametrize("code", [*PERMANENT, *PERMANENT_DRIVER, *STOP_AND_LOOK, "DPY-5004", "ORA-09999"])
def test_what_cannot_pass_in_oracle_is_told_at_once(code: int | str) -> None:
    error = oracle.translated(driver_error(code, "said the server"), "table x")
    assert type(error) in (PermanentError, LoginRefused)
    assert "Help:" not in str(error)


@pytest.mark.parametrize("code", [*VALUES, *VALUES_DRIVER])
def test_an_oracle_error_about_a_value_shows_none(code: int | str) -> None:
    """Since 23ai the server's texts quote values; the driver's quote those that it cannot convert."""
    text = (
        f"unable to convert string value containing {SECRET} to a number\n"
        f"ORA-03301: (ORA-00001 details) row with column values (SSN:'{SECRET}') already exists"
    )
    with pytest.raises(DataError) as caught, oracle.translate_errors("table x"):
        raise driver_error(code, text)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert str(caught.value).startswith("table x: ")


@pytest.mark.parametrize("code", REWRITTEN)
def test_a_session_that_ended_is_told_by_what_ended_it(code: int) -> None:
    raised = driver_error(code, "why it ended")
    assert raised.args[0].full_code == "DPY-4011"
    error = oracle.translated(raised, "table x")
    assert error.code == f"ORA-{code:05}"
    assert type(error) is (PermanentError if code in STOP_AND_LOOK else TransientError)


def test_an_error_is_told_by_the_innermost_of_its_stack() -> None:
    stack = (
        "error in materialized view refresh path\nORA-12018: following error encountered during code generation\n"
        'ORA-01652: unable to extend temp segment\nORA-06512: at "SYS.DBMS_SNAPSHOT", line 7'
    )
    error = oracle.translated(driver_error(12008, stack), "refreshing x")
    assert (type(error), error.code) == (TransientError, "ORA-01652")
    alone = oracle.translated(driver_error(12008, "error in materialized view refresh path"), "refreshing x")
    assert (type(alone), alone.code) == (PermanentError, "ORA-12008")


@pytest.mark.parametrize(
    ("outer", "stack", "code"),
    [
        (2068, "following severe error from LINK\nORA-03113: end-of-file on communication channel", "ORA-03113"),
        (2068, "following severe error from LINK\nORA-12541: TNS:no listener", "ORA-12541"),
        (4052, "looking up T@L\nORA-00604: recursive SQL\nORA-12541: TNS:no listener", "ORA-12541"),
        (2063, "preceding line from LINK\nORA-00054: resource busy", "ORA-00054"),
        (29913, "error in callout\nORA-29400: data cartridge error\nORA-04030: out of process memory", "ORA-04030"),
    ],
)
def test_a_code_that_wraps_another_is_retried_as_the_other(outer: int, stack: str, code: str) -> None:
    error = oracle.translated(driver_error(outer, stack), "table x")
    assert (type(error), error.code) == (TransientError, code)


@pytest.mark.parametrize(
    ("outer", "stack"),
    [
        (20001, f"student {SECRET} has no plan"),
        (12008, f"error in materialized view refresh path\nORA-20001: student {SECRET}\nORA-06512: at line 1"),
        (12008, f"error in path\nORA-01403: no data found\nORA-20001: student {SECRET}"),
    ],
)
def test_a_programmer_s_own_text_is_never_repeated(outer: int, stack: str) -> None:
    with pytest.raises(PermanentError) as caught, oracle.translate_errors("refreshing x"):
        raise driver_error(outer, stack)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.code in ("ORA-20001", "ORA-01403")


def test_a_query_that_oracle_does_not_read_needs_more_than_a_rerun() -> None:
    error = oracle.translated(driver_error(933, "SQL command not properly ended"), "the query")
    assert error.next_for("tmp_x") == "Correct the SQL of the query. Then: replicate rerun tmp_x"


def test_a_refresh_that_meets_a_repeated_key_names_the_index_and_what_to_do() -> None:
    stack = "error in path\nORA-00001: unique constraint (SCHEMA_B.CAMPUS_X_KEY) violated"
    error = oracle.translated(driver_error(12008, stack), "refreshing campus_x")
    assert str(error) == (
        "refreshing campus_x: a row with this key exists already (ORA-00001, constraint SCHEMA_B.CAMPUS_X_KEY)."
        " Rows of the base table repeat the key of a unique index on the view. Correct them in the source, or drop the"
        " index and make it on columns that are unique: a rerun alone fails again."
    )


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (socket.gaierror(-2, "Name or service not known"), "oracle.host"),
        (ConnectionResetError(104, "Connection reset by peer"), "oracle.network"),
        (TimeoutError(), "oracle.network"),
    ],
)
def test_an_error_of_the_network_may_pass(raised: OSError, code: str) -> None:
    error = oracle.translated(raised, "connecting to db:1521/x")
    assert (type(error), error.code) == (TransientError, code)
    assert error.message.startswith("connecting to db:1521/x: ")


def test_a_text_that_is_no_text_is_told_without_its_bytes() -> None:
    with pytest.raises(DataError, match="character set") as caught, oracle.translate_errors("table x"):
        SECRET.encode().join([b"\xff", b""]).decode()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("code", ["DPY-4017", "DPY-4018", "DPY-2049", "DPY-4019", "DPY-5004"])
def test_a_connect_string_gets_into_no_text(code: str) -> None:
    with pytest.raises(PermanentError) as caught, oracle.translate_errors("table x"):
        raise driver_error(code, f'cannot parse connect string "host/service?password={SECRET}"')
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_what_stands_inside_a_refused_connection_is_what_counts() -> None:
    inside = (
        'cannot connect to database (CONNECTION_ID=x).\nDPY-6001: Service "x" is not registered. (Similar to ORA-12514)'
    )
    error = oracle.translated(driver_error("DPY-6005", inside), "connecting to x")
    assert (type(error), error.code) == (TransientError, "DPY-6001")
    assert isinstance(error, TransientError)
    assert error.tries == 3
