"""Every type of oracle.md 4.2 to 4.4, from a real Oracle into a file and back: nothing is lost, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import oracledb
import pytest
from tests.behaviours.databases import NINES, Engine
from tests.real_oracle.carrying import as_written, carry, exact_values, values, write_dat
from tests.real_oracle.real_oracle import FINDINGS, User

from canvas_replicate.databases.oracle.source import OracleSource
from canvas_replicate.databases.oracle.target import OracleTarget
from canvas_replicate.databases.ports import WiderNumbers
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.errors import PermanentError

RAW_2000 = "5A" * 2000
KINDS: dict[str, tuple[str, str, str, object]] = {
    # column: type in the database, literal, type in the manifest, value
    "int18": ("NUMBER(18)", "-999999999999999999", "NUMBER(18,0)", -999999999999999999),
    "int19": ("NUMBER(19)", "9223372036854775808", "NUMBER(19,0)", Decimal("9223372036854775808")),
    "int38": ("NUMBER(38)", NINES, "NUMBER(38,0)", Decimal(NINES)),
    "whole": ("INTEGER", "7", "NUMBER(38,0)", Decimal(7)),
    "money": ("NUMBER(8,2)", "1.5", "NUMBER(8,2)", Decimal("1.5")),
    "fine": ("NUMBER(2,5)", "0.00012", "NUMBER(2,5)", Decimal("0.00012")),
    "hundreds": ("NUMBER(5,-2)", "12345", "NUMBER", Decimal(12300)),
    "bare": ("NUMBER", "9007199254740993.0000000001", "NUMBER", Decimal("9007199254740993.0000000001")),
    "deep": ("FLOAT(126)", "0.1", "NUMBER", Decimal("0.1")),
    "half": ("BINARY_FLOAT", "0.1", "BINARY_FLOAT", 0.10000000149011612),
    "twice": ("BINARY_DOUBLE", "0.1", "BINARY_DOUBLE", 0.1),
    "name": ("VARCHAR2(20 CHAR)", "'Żółć 🐎'", "VARCHAR2(20 CHAR)", "Żółć 🐎"),
    "nname": ("NVARCHAR2(20)", "N'abc'", "NVARCHAR2(20 CHAR)", "abc"),
    "code": ("CHAR(5 CHAR)", "'ab'", "CHAR(5 CHAR)", "ab   "),
    "ncode": ("NCHAR(4)", "N'z'", "NCHAR(4 CHAR)", "z   "),
    "bytes": ("RAW(2000)", f"HEXTORAW('{RAW_2000}')", "RAW(2000)", RAW_2000),
    "note": ("CLOB", "'a\n\"|b'", "CLOB", 'a\n"|b'),
    "nnote": ("NCLOB", "TO_NCLOB('x')", "NCLOB", "x"),
    "born": ("DATE", "TO_DATE('0001-01-01 23:59:59', 'YYYY-MM-DD HH24:MI:SS')", "DATE", datetime(1, 1, 1, 23, 59, 59)),
    "at0": ("TIMESTAMP(0)", "TIMESTAMP '2030-01-02 03:04:05'", "TIMESTAMP(0)", datetime(2030, 1, 2, 3, 4, 5)),
    "at6": ("TIMESTAMP(6)", "TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP(6)", datetime(9999, 12, 31, 23, 59, 59, 999999)),
    "at9": ("TIMESTAMP(9)", "TIMESTAMP '2030-01-02 03:04:05.123456789'", "TIMESTAMP(9)", "2030-01-02 03:04:05.123456789"),
    "west": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5 -07:00'",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.500000-07:00",
    ),
    "askew": (
        "TIMESTAMP(9) WITH TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.123456789 -00:30'",
        "TIMESTAMP(9) WITH TIME ZONE",
        "2030-07-01 10:00:00.123456789-00:30",
    ),
    "region": (
        "TIMESTAMP(6) WITH TIME ZONE",
        "FROM_TZ(TIMESTAMP '2030-07-01 10:00:00', 'America/New_York')",
        "TIMESTAMP(6) WITH TIME ZONE",
        "2030-07-01 10:00:00.000000-04:00",
    ),
    "local": (
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "TIMESTAMP '2030-07-01 10:00:00.5 -07:00'",
        "TIMESTAMP(6) WITH LOCAL TIME ZONE",
        "2030-07-01 17:00:00.500000+00:00",
    ),
}  # fmt: skip
LOBS = ("note", "nnote")
# What the driver's direct path is not trusted with is refused there, which test_real_oracle_loading shows.
DIRECT = ("int18", "int19", "int38", "whole", "money", "half", "twice", "name", "code", "bytes", "born", "at0", "at6")


def make_kinds(engine: Engine) -> None:
    """A row with every type, and one of NULLs."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, *_) in KINDS.items())
    engine.sql(
        f"CREATE TABLE kinds (id NUMBER(3), {columns})",
        f"INSERT INTO kinds VALUES (1, {', '.join(literal for _, literal, *_ in KINDS.values())})",
        f"INSERT INTO kinds VALUES (2, {', '.join(['NULL'] * len(KINDS))})",
    )


def test_every_type_is_handed_over_exactly_and_null_as_null(engine: Engine) -> None:
    make_kinds(engine)
    query = f"SELECT {', '.join(KINDS)} FROM kinds ORDER BY id; "
    with engine.source.open(query, batch_rows=10) as opened:
        full, empty = (row for rows in opened.batches for row in rows.to_pylist())
    assert opened.columns == tuple(column_from_oracle_type(name, told) for name, (_, _, told, _) in KINDS.items())
    assert full == {name: value for name, (*_, value) in KINDS.items()}
    assert set(empty.values()) == {None}
    assert engine.source.describe(query) == opened.columns


@pytest.mark.parametrize("method", ["insert", "sqlldr", "direct"])
def test_every_type_goes_through_a_file_into_a_table_and_is_the_same(
    engine: Engine, reporting: User, folder: Path, method: str, request: pytest.FixtureRequest
) -> None:
    make_kinds(engine)
    names = ["id", *(DIRECT if method == "direct" else KINDS)]
    engine.sql(f"CREATE TABLE tmp_copied AS SELECT {', '.join(names)} FROM kinds WHERE 1 = 0")
    program = request.getfixturevalue("sqlldr") if method == "sqlldr" else None
    written, found = carry(
        OracleSource(reporting.opened),
        OracleTarget(reporting.opened, sqlldr=program),
        folder,
        f"SELECT {', '.join(names)} FROM kinds",
        method=method,
    )
    assert found == written
    scalars = ", ".join(name for name in names if name not in LOBS)
    for one, other in (("kinds", "tmp_copied"), ("tmp_copied", "kinds")):
        assert engine.sql(
            f"SELECT COUNT(*) FROM (SELECT {scalars} FROM {one} MINUS SELECT {scalars} FROM {other})"
        ) == [(0,)]
    for name in (name for name in names if name in LOBS):
        same = (
            f"SELECT DBMS_LOB.COMPARE(a.{name}, b.{name}) FROM kinds a JOIN tmp_copied b ON b.id = a.id WHERE a.id = 1"
        )
        assert engine.sql(same) == [(0,)]


def test_char_is_padded_or_trimmed_as_it_was_said(engine: Engine, reporting: User) -> None:
    make_kinds(engine)
    query = "SELECT code, ncode, name FROM kinds WHERE id = 1 -- the end"
    assert values(OracleSource(reporting.opened), query) == [("ab   ", "z   ", "Żółć 🐎")]
    assert values(OracleSource(reporting.opened, trim_char=True), query) == [("ab", "z", "Żółć 🐎")]


# Numbers

NUMBERS = [
    *("0", "-1", "2.5", "1e37", "1e38", "1e65", "1e66", "1e67", "1e76", "1e77", "1e100", "1e125", "-1e125"),
    *("-0.0000000001", "0.00000000001", "1e-40", "1e-130", "-1e-130"),
    *("9" * 40, "-" + "1234567890" * 4, "0." + "1234567890" * 4, f"{NINES}.99", "9007199254740993.0000000001"),
    *("9.999999999999999999999999999999999999999e125", "1.234567890123456789012345678901234567891e-60"),
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_read_exactly_or_asks_for_the_other_way_which_is_exact(engine: Engine, number: str) -> None:
    """What the driver makes of numbers beyond its Arrow decimal must not pass for a number (databases/oracle/exact)."""
    engine.sql("CREATE TABLE t (x NUMBER)", f"INSERT INTO t VALUES ({number})")
    source = engine.source
    try:
        quick = Decimal(values(source, "SELECT x FROM t")[0][0])
    except WiderNumbers:
        FINDINGS["numbers read in the other way"] = f"{FINDINGS.get('numbers read in the other way', '')} {number[:12]}"
    else:
        assert quick == Decimal(number)
    assert Decimal(values(source, "SELECT x FROM t", wide_numbers=True)[0][0]) == Decimal(number)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("NUMBER(38,-84)", "12345678901234567890e84"),
        ("NUMBER(38,-84)", "99999999999999999999999999999999999999e84"),
        ("NUMBER(38,127)", "0." + "0" * 89 + "1" * 38),
        ("FLOAT(126)", "1e-130"),
        ("FLOAT(126)", "1e125"),
        ("FLOAT(1)", "0.5"),
    ],
)
def test_a_number_with_an_odd_limit_is_read_exactly(engine: Engine, kind: str, number: str) -> None:
    engine.sql(f"CREATE TABLE t (x {kind})", f"INSERT INTO t VALUES ({number})")
    assert Decimal(exact_values(engine.source, "SELECT x FROM t")[0][0]) == Decimal(number)


@pytest.mark.parametrize("method", ["insert", "sqlldr"])
def test_numbers_of_every_size_go_through_a_file_into_a_table(
    engine: Engine, reporting: User, folder: Path, method: str, request: pytest.FixtureRequest
) -> None:
    engine.sql(
        "CREATE TABLE numbers (id NUMBER(3), x NUMBER)",
        *(f"INSERT INTO numbers VALUES ({place}, {number})" for place, number in enumerate(NUMBERS)),
        "CREATE TABLE tmp_copied AS SELECT * FROM numbers WHERE 1 = 0",
    )
    program = request.getfixturevalue("sqlldr") if method == "sqlldr" else None
    target = OracleTarget(reporting.opened, sqlldr=program)
    written, found = carry(OracleSource(reporting.opened), target, folder, "SELECT id, x FROM numbers", method=method)
    assert found == written
    same = "SELECT COUNT(*) FROM numbers a JOIN tmp_copied b ON b.id = a.id AND b.x = a.x"
    assert engine.sql(same) == [(len(NUMBERS),)]


def test_sums_and_counts_come_exact_although_they_have_no_precision(engine: Engine) -> None:
    engine.sql("CREATE TABLE t (x NUMBER(30,4))", *("INSERT INTO t VALUES (9007199254740993.0001)" for _ in range(3)))
    found = values(engine.source, "SELECT COUNT(*) AS n, SUM(x) AS s, 0.1 AS tenth FROM t")
    assert found == [(3, Decimal("27021597764222979.0003"), Decimal("0.1"))]


def longer_floats(control: str) -> str:
    return control.replace("FLOAT EXTERNAL", "FLOAT EXTERNAL(1100)")


@pytest.mark.parametrize("number", ["1e300", "1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "0.1"])
def test_a_double_at_the_end_of_its_range_stays_itself(
    engine: Engine, reporting: User, folder: Path, number: str
) -> None:
    """In the file it has all its digits and no exponent, which is more than the 255 characters of FLOAT EXTERNAL."""
    engine.sql("CREATE TABLE doubles (x BINARY_DOUBLE)", "CREATE TABLE tmp_copied (x BINARY_DOUBLE)")
    with reporting.connect() as connection, connection.cursor() as cursor:
        cursor.setinputsizes(x=oracledb.DB_TYPE_BINARY_DOUBLE)
        cursor.execute("INSERT INTO doubles VALUES (:x)", x=float(number))
        connection.commit()
    source, target = OracleSource(reporting.opened), OracleTarget(reporting.opened)
    written, found = carry(source, target, folder, "SELECT x FROM doubles", method="insert", edit=longer_floats)
    assert found == written
    assert engine.sql("SELECT x FROM tmp_copied") == [(float(number),)]


# Moments and other types


@pytest.mark.parametrize(
    ("kind", "literal"),
    [
        ("DATE", "DATE '-0044-03-15'"),
        ("TIMESTAMP(6)", "TIMESTAMP '-0044-03-15 10:00:00'"),
        ("TIMESTAMP(9)", "TIMESTAMP '-0044-03-15 10:00:00.000000001'"),
        ("TIMESTAMP(6) WITH TIME ZONE", "TIMESTAMP '-0044-03-15 10:00:00 +00:00'"),
    ],
)
def test_a_moment_before_christ_is_refused_and_not_told(engine: Engine, folder: Path, kind: str, literal: str) -> None:
    engine.sql(f"CREATE TABLE t (moment {kind})", f"INSERT INTO t VALUES ({literal})")
    with pytest.raises(PermanentError) as caught:
        write_dat(engine.source, "SELECT moment FROM t", folder / "t.dat")
    assert "0044" not in str(caught.value)


def test_a_long_is_read_as_text(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (id NUMBER(3), note LONG)", "INSERT INTO t VALUES (1, 'Żółć')", "INSERT INTO t VALUES (2, NULL)"
    )
    assert values(engine.source, "SELECT id, note FROM t ORDER BY id") == [(1, "Żółć"), (2, None)]


def test_xml_and_row_ids_are_turned_into_text(engine: Engine) -> None:
    engine.sql(
        "CREATE TABLE t (doc XMLTYPE)", "INSERT INTO t VALUES (XMLTYPE('<a>Ż</a>'))", "INSERT INTO t VALUES (NULL)"
    )
    found = values(engine.source, "SELECT doc, ROWID AS place FROM t ORDER BY ROWID")
    places = [place for (place,) in engine.sql("SELECT ROWIDTOCHAR(ROWID) FROM t ORDER BY ROWID")]
    assert [(doc and doc.strip(), place) for doc, place in found] == [("<a>Ż</a>", places[0]), (None, places[1])]


def test_json_and_boolean_are_turned_into_text_and_number(engine: Engine, release: int) -> None:
    if release < 23:
        pytest.skip("Oracle has both types in tables from 23ai on.")
    engine.sql(
        "CREATE TABLE t (doc JSON, flag BOOLEAN)",
        """INSERT INTO t VALUES ('{"a":[1,"Ż"]}', TRUE)""",
        "INSERT INTO t VALUES (NULL, FALSE)",
    )
    found = values(engine.source, "SELECT doc, flag FROM t ORDER BY flag DESC")
    assert found == [('{"a":[1,"Ż"]}', 1), (None, 0)]


def test_an_interval_is_refused_by_name_with_what_to_do(engine: Engine) -> None:
    with pytest.raises(PermanentError, match=r"Column span: type INTERVAL_DS .*TO_CHAR"):
        values(engine.source, "SELECT SYSTIMESTAMP - SYSTIMESTAMP AS span FROM DUAL")


def longest_records(control: str) -> str:
    """A record longer than READSIZE is an error of SQL*Loader's (oracle.md 6.3); this is the most that it takes."""
    return f"OPTIONS (READSIZE=20971520, BINDSIZE=20971520)\n{control}"


@pytest.mark.parametrize(
    ("method", "length", "edit"),
    [("insert", 5_000_000, as_written), ("sqlldr", 200_000, as_written), ("sqlldr", 3_000_000, longest_records)],
)  # fmt: skip
def test_a_long_text_goes_through_a_file_into_a_table(
    engine: Engine,
    reporting: User,
    folder: Path,
    method: str,
    length: int,
    edit: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> None:
    engine.sql("CREATE TABLE texts (id NUMBER(3), note CLOB)", "CREATE TABLE tmp_copied (id NUMBER(3), note CLOB)")
    text = ('|"Ż\r\n ' + "x" * 94) * (length // 100)
    with reporting.connect() as connection, connection.cursor() as cursor:
        cursor.setinputsizes(note=oracledb.DB_TYPE_CLOB)
        cursor.execute("INSERT INTO texts VALUES (1, :note)", note=text)
        connection.commit()
    program = request.getfixturevalue("sqlldr") if method == "sqlldr" else None
    written, found = carry(
        OracleSource(reporting.opened),
        OracleTarget(reporting.opened, sqlldr=program),
        folder,
        "SELECT id, note FROM texts",
        method=method,
        text_limit=length,
        edit=edit,
    )
    assert found == written
    assert engine.sql("SELECT DBMS_LOB.COMPARE(a.note, b.note) FROM texts a JOIN tmp_copied b ON b.id = a.id") == [(0,)]
