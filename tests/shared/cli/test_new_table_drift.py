"""What differs between a query and the table that it fills, and the migration that ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.cli.scaffold.ddl_text import DdlParts, format_ddl, read_parts
from canvas_replicate.cli.scaffold.drift import Found, choose_columns, find_differences
from canvas_replicate.cli.scaffold.migration import Migration, TableState, plan_migration
from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.control_file import parse_control_file
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import ConfigError
from canvas_replicate.sql.ddl import parse_ddl

NAMES = Names("tmp_names", "sis.names", "tmp_names", "campus_names")
FILE = Path("ddl/tmp_names.sql")
CTL = """\
-- kept by hand
LOAD DATA
TRUNCATE
INTO TABLE tmp_names
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
(
  emplid CHAR(11),
  name   CHAR(60) "UPPER(:name)",
  pay    DECIMAL EXTERNAL,
  loaded SYSDATE,
  born   DATE "YYYY-MM-DD HH24:MI:SS"
)
-- the end
"""
TYPES = {"emplid": "VARCHAR2(11 CHAR)", "name": "VARCHAR2(60 CHAR)", "pay": "NUMBER(8,2)", "born": "DATE"}


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(column_from_oracle_type(name, kind, nullable=name != "emplid") for name, kind in types.items())


TABLE = columns(**TYPES, loaded="DATE")
DDL = format_ddl(DdlParts(NAMES, TABLE, ("emplid",), ("campus_reader",), "-- Names.\n"))


def state(
    query: tuple[Column, ...],
    *,
    ctl: str = CTL,
    ddl: str | None = DDL,
    base: tuple[Column, ...] | None = TABLE,
    sizes_known: bool = True,
) -> TableState:
    made = parse_ddl(ddl, FILE).tables[0].columns if ddl else None
    found = Found(query, parse_control_file(ctl, "ctls/tmp_names.ctl"), made, base, sizes_known)
    return TableState(NAMES, found, ctl, FILE, ddl, read_parts(ddl, FILE, NAMES) if ddl else None)


def lines(query: tuple[Column, ...], **parts: object) -> list[str]:
    return [str(difference) for difference in find_differences(state(query, **parts).found)]  # type: ignore[arg-type]


def migrated(query: tuple[Column, ...], **parts: object) -> Migration:
    return plan_migration(state(query, **parts), text_limit=1000, for_oracle=True)  # type: ignore[arg-type]


def alters(found: Migration) -> list[str]:
    return [statement for statement in found.statements if statement.startswith("ALTER")]


def test_nothing_differs_where_nothing_changed() -> None:
    assert lines(columns(**TYPES)) == []
    assert migrated(columns(**TYPES)) == Migration((), (), ())


def test_a_new_column_is_added_everywhere_and_may_be_null() -> None:
    query = columns(
        emplid="VARCHAR2(11 CHAR)", nick="VARCHAR2(20 CHAR)", name="VARCHAR2(60 CHAR)", pay="NUMBER(8,2)", born="DATE"
    )
    assert lines(query) == [
        "nick: in the query (VARCHAR2(20 CHAR)), not in the control file, the ddl file and the base table"
    ]
    found = migrated(query)
    assert alters(found) == ["ALTER TABLE tmp_names ADD (nick VARCHAR2(20 CHAR))"]
    ctl, ddl = found.changes
    assert ctl.after == CTL.replace("CHAR(11),\n", "CHAR(11),\n  nick   CHAR(20),\n")
    assert ddl.after == DDL.replace("CHAR) NOT NULL,\n", "CHAR) NOT NULL,\n  nick   VARCHAR2(20 CHAR),\n").replace(
        "SELECT emplid,\n", "SELECT emplid,\n       nick,\n"
    )


def test_the_view_is_made_again_with_its_key_and_grants_around_the_changes() -> None:
    statements = migrated(columns(**TYPES, nick="DATE")).statements
    assert statements[0] == "DROP MATERIALIZED VIEW campus_names"
    assert statements[1].startswith("ALTER")
    assert statements[2].startswith("CREATE MATERIALIZED VIEW campus_names")
    assert "nick" in statements[2]
    assert statements[3:] == (
        "CREATE UNIQUE INDEX campus_names_key ON campus_names (emplid)",
        "GRANT SELECT ON campus_names TO campus_reader",
    )


def test_a_longer_column_is_made_longer_in_table_and_files() -> None:
    found = migrated(columns(**(TYPES | {"emplid": "VARCHAR2(15 CHAR)"})))
    assert alters(found) == ["ALTER TABLE tmp_names MODIFY (emplid VARCHAR2(15 CHAR))"]
    assert [change.after for change in found.changes] == [
        CTL.replace("CHAR(11)", "CHAR(15)"),
        DDL.replace("VARCHAR2(11 CHAR)", "VARCHAR2(15 CHAR)"),
    ]


def test_a_wider_number_keeps_room_for_what_was_there() -> None:
    found = migrated(columns(**(TYPES | {"pay": "NUMBER(7,4)"})))
    assert alters(found) == ["ALTER TABLE tmp_names MODIFY (pay NUMBER(10,4))"]


def test_a_narrower_column_is_told_and_stays() -> None:
    query = columns(**(TYPES | {"emplid": "VARCHAR2(9 CHAR)"}))
    found = find_differences(state(query).found)
    assert {difference.is_drift for difference in found} == {False}
    assert str(found[0]).endswith("wide enough, stays")
    assert migrated(query) == Migration((), (), ())


def test_a_column_that_is_gone_is_dropped_but_not_what_the_load_itself_fills() -> None:
    query = columns(**{name: kind for name, kind in TYPES.items() if name != "pay"})
    assert lines(query) == ["pay: in the control file, the ddl file and the base table, not in the query"]
    found = migrated(query)
    assert alters(found) == ["ALTER TABLE tmp_names DROP COLUMN pay"]
    assert found.changes[0].after == CTL.replace("  pay    DECIMAL EXTERNAL,\n", "")


def test_a_column_of_another_kind_is_dropped_and_added() -> None:
    found = migrated(columns(**(TYPES | {"born": "CLOB"})))
    assert alters(found) == ["ALTER TABLE tmp_names DROP COLUMN born", "ALTER TABLE tmp_names ADD (born CLOB)"]
    assert "born   CHAR(1000)\n)" in found.changes[0].after


@pytest.mark.parametrize("emplid", [{}, {"emplid": "RAW(16)"}], ids=["gone", "another kind"])
def test_a_key_that_is_lost_is_for_people_to_decide(emplid: dict[str, str]) -> None:
    others = {name: kind for name, kind in TYPES.items() if name != "emplid"}
    with pytest.raises(ConfigError, match=r"ddl/tmp_names.sql: emplid is part of the key, and "):
        migrated(columns(**emplid, **others))


def test_another_order_is_drift_of_the_control_file_alone() -> None:
    query = columns(**dict(reversed(TYPES.items())))
    assert lines(query) == ["born: is where the control file has emplid"]
    found = migrated(query)
    assert (alters(found), len(found.changes)) == ([], 1)
    assert [f.name for f in parse_control_file(found.changes[0].after, "x").data_fields] == list(reversed(TYPES))


def test_a_field_may_have_its_own_name_for_the_column_at_its_place() -> None:
    query = columns(**TYPES)
    assert lines((replace(query[0], name="student_id"), *query[1:])) == []


def test_an_expression_may_make_another_type_of_a_column() -> None:
    assert lines(columns(**(TYPES | {"name": "NUMBER(3)"}))) == []


def test_sizes_that_a_source_does_not_know_are_not_compared() -> None:
    query = columns(**(TYPES | {"emplid": "CLOB", "pay": "NUMBER(18,4)"}))
    assert lines(query, sizes_known=False) == []
    assert len(lines(query)) == 4


def test_a_number_without_limits_is_an_expression_and_tells_nothing() -> None:
    assert lines(columns(**(TYPES | {"pay": "NUMBER"}))) == []


def test_finer_seconds_need_another_mask() -> None:
    ctl = CTL.replace('DATE "YYYY-MM-DD HH24:MI:SS"', 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"')
    table = columns(**(TYPES | {"born": "TIMESTAMP(6)"}), loaded="DATE")
    found = migrated(columns(**(TYPES | {"born": "TIMESTAMP(9)"})), ctl=ctl, base=table, ddl=None)
    assert alters(found) == ["ALTER TABLE tmp_names MODIFY (born TIMESTAMP(9))"]
    assert found.changes[0].after == ctl.replace("FF6", "FF9")


def test_a_missing_base_table_is_told() -> None:
    assert "There is no base table tmp_names" in migrated(columns(**TYPES), base=None).notes[0]


def test_a_ddl_file_with_more_in_it_is_left_to_people() -> None:
    found = migrated(columns(**TYPES, nick="DATE"), ddl=DDL + "CREATE INDEX i ON tmp_names (name);\n")
    assert alters(found) == list(found.statements)
    assert [change.file for change in found.changes] == [Path("ctls/tmp_names.ctl")]
    assert "ddl/tmp_names.sql: it has more than this command writes" in found.notes[0]


@pytest.mark.parametrize(
    "ctl",
    [
        CTL.replace("CHAR(11),\n", "CHAR(11),"),
        CTL.replace("CHAR(11),", "CHAR(11), -- the id"),
        CTL.replace('  name   CHAR(60) "UPPER', '  name   CHAR(60)\n "UPPER'),
        CTL.replace('SS"\n)', 'SS")'),
    ],
    ids=["two on a line", "a comment", "one on two lines", "no line for the end"],
)
def test_a_control_file_that_is_not_one_field_a_line_is_left_to_people(ctl: str) -> None:
    found = migrated(columns(**TYPES, nick="DATE"), ctl=ctl)
    assert [change.file for change in found.changes] == [FILE]
    assert "one field a line" in found.notes[0]


def test_line_ends_of_both_files_stay() -> None:
    found = migrated(columns(**TYPES, nick="DATE"), ctl=CTL.replace("\n", "\r\n"))
    assert found.changes[0].after.count("\n") == found.changes[0].after.count("\r\n")


NUMBERS = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: f"NUMBER({p},{s})"))
TEXTS = st.integers(1, 4000).map(lambda n: f"VARCHAR2({n} CHAR)")


@given(st.one_of(st.tuples(NUMBERS, NUMBERS), st.tuples(TEXTS, TEXTS)))
def test_after_the_migration_nothing_drifts(types: tuple[str, str]) -> None:
    before, now = types
    ctl = CTL.replace("CHAR(11)", "CHAR(4000)")
    query = columns(emplid=now, name="CLOB", pay="NUMBER", born="DATE")
    existing = columns(emplid=before, name="CLOB", pay="NUMBER", born="DATE", loaded="DATE")
    found = state(query, ctl=ctl, ddl=None, base=existing).found
    after = replace(found, base=choose_columns(found, existing))
    assert [str(difference) for difference in find_differences(after) if difference.is_drift] == []
