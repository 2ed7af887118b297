"""What the preflight says of one table's parts, without a database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canvas_replicate.cli.check.findings import Finding, sort_findings
from canvas_replicate.cli.check.parts import check_grammar
from canvas_replicate.cli.check.tables import Parts, compare_parts
from canvas_replicate.cli.scaffold.control_text import control_text
from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.config.tables import Table
from canvas_replicate.control_file import parse_control_file
from canvas_replicate.datfile.columns import Column, column_from_oracle_type
from canvas_replicate.errors import Place

TABLE = Table(
    name="tmp_names",
    query="SELECT 1 FROM dual",
    base_table="schema_a.tmp_names",
    view="campus_names",
    source_table=None,
    enabled=True,
    source=None,
    max_shrink=None,
    max_rejected=None,
    loader=None,
    place=Place("conf/tablesconf.yaml", 3, 1),
)
CTL = """\
LOAD DATA INFILE 'x' "STR '#EOR#\\n'"
TRUNCATE
INTO TABLE tmp_names
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
(
  emplid CHAR(11),
  name   CHAR(300) "UPPER(:name)",
  pay    DECIMAL EXTERNAL,
  born   DATE "YYYY-MM-DD HH24:MI:SS",
  loaded SYSDATE
)
"""
TYPES = {"emplid": "VARCHAR2(11 CHAR)", "name": "VARCHAR2(300 CHAR)", "pay": "NUMBER(8,2)", "born": "DATE"}


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(column_from_oracle_type(name, kind, nullable=name != "emplid") for name, kind in types.items())


QUERY = columns(**TYPES)
BASE = columns(**TYPES, loaded="DATE")


def found(
    *,
    query: dict[str, str] | None = None,
    base: dict[str, str] | None = None,
    ctl: tuple[str, str] = ("", ""),
    sizes_known: bool = True,
    **parts: object,
) -> list[Finding]:
    """The findings where query and base table have some types changed, and a text of the control file is another."""
    return compare_parts(
        Parts(
            table=TABLE,
            query=columns(**(TYPES | (query or {}))),
            control=parse_control_file(CTL.replace(*ctl) if ctl[0] else CTL, "ctls/tmp_names.ctl"),
            base=columns(**(TYPES | {"loaded": "DATE"} | (base or {}))),
            sizes_known=sizes_known,
            **parts,  # type: ignore[arg-type]
        )
    )


def lines(findings: list[Finding]) -> list[str]:
    return [f"{finding.level}: {finding.message}" for finding in findings]


def test_parts_that_agree_give_no_finding() -> None:
    assert found() == []


def test_parts_that_are_missing_are_not_guessed_at() -> None:
    assert compare_parts(Parts(TABLE)) == []
    assert compare_parts(Parts(TABLE, query=QUERY)) == []
    assert compare_parts(Parts(TABLE, base=BASE)) == []


def test_a_long_text_in_a_field_without_length_is_an_error() -> None:
    long = {"emplid": "VARCHAR2(256 CHAR)"}
    said = found(query=long, base=long, ctl=("CHAR(11)", "CHAR"))
    assert lines(said) == ["error: column emplid: VARCHAR2(256 CHAR) in the query, CHAR(255) in the control file."]
    assert said[0].next_step == "See the migration: replicate table diff tmp_names"


@pytest.mark.parametrize("kind", ["VARCHAR2(256 CHAR)", "CLOB"])
def test_where_the_query_tells_no_lengths_the_table_is_asked(kind: str) -> None:
    query = {"emplid": "CLOB", "name": "CLOB"}
    assert found(query=query, base={"emplid": "VARCHAR2(255 CHAR)"}, ctl=("CHAR(11)", "CHAR"), sizes_known=False) == []
    said = found(query=query, base={"emplid": kind}, ctl=("CHAR(11)", "CHAR"), sizes_known=False)
    assert lines(said) == [
        f"error: ctls/tmp_names.ctl:6: emplid takes 255 characters, the base table's column is {kind}."
    ]


@pytest.mark.parametrize(
    ("ctl", "message"),
    [
        (("'|'", "','"), "fields end with ',' by the control file, in the data file '|'."),
        (("'\"'", "'~'"), "texts are enclosed in '~' by the control file, in the data file '\"'."),
        (
            (" OPTIONALLY ENCLOSED BY '\"'", ""),
            "texts are enclosed in nothing by the control file, in the data file '\"'.",
        ),
        (("OPTIONALLY ", ""), "every field is ENCLOSED by the control file, in the data file OPTIONALLY ENCLOSED."),
        ((" \"STR '#EOR#\\n'\"", ""), "records end with '\\n' by the control file, in the data file '#EOR#\\n'."),
    ],
)
def test_another_layout_than_that_of_the_data_file_is_an_error(ctl: tuple[str, str], message: str) -> None:
    said = found(ctl=ctl)
    assert lines(said) == [f"error: ctls/tmp_names.ctl: {message}"]
    assert said[0].next_step == "Rewrite it to our layout: replicate table ctl tmp_names --write"


def test_another_separator_of_one_field_is_an_error_at_its_line() -> None:
    said = found(ctl=("CHAR(11)", "CHAR(11) TERMINATED BY ';' OPTIONALLY ENCLOSED BY '\"'"))
    assert lines(said) == [
        "error: ctls/tmp_names.ctl:6: fields end with ';' by the control file, in the data file '|'."
    ]


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("NUMBER(8,2)", "DECIMAL EXTERNAL(9)", "pay takes 9 characters, a NUMBER(8,2) may have 10 in the file."),
        ("NUMBER", "DECIMAL EXTERNAL(40)", "pay takes 40 characters, a NUMBER may have 172 in the file."),
        ("BINARY_DOUBLE", "DECIMAL EXTERNAL", "pay takes 255 characters, a BINARY_DOUBLE may have 350 in the file."),
        ("BINARY_DOUBLE", "CHAR", "pay takes 255 characters, a BINARY_DOUBLE may have 350 in the file."),
    ],
)
def test_a_field_that_is_shorter_than_a_number_s_text_is_a_warning(kind: str, written: str, message: str) -> None:
    said = found(query={"pay": kind}, base={"pay": kind}, ctl=("DECIMAL EXTERNAL", written))
    assert lines(said) == [f"warning: ctls/tmp_names.ctl:8: {message}"]


@pytest.mark.parametrize("written", ["FLOAT EXTERNAL", "FLOAT EXTERNAL(350)"])
def test_float_external_takes_every_double(written: str) -> None:
    double = {"pay": "BINARY_DOUBLE"}
    assert found(query=double, base=double, ctl=("DECIMAL EXTERNAL", written)) == []


def test_a_date_field_that_is_shorter_than_the_file_s_dates_is_a_warning() -> None:
    assert lines(found(ctl=("DATE ", "DATE(10) "))) == [
        "warning: ctls/tmp_names.ctl:9: born takes 10 characters, a DATE may have 19 in the file."
    ]


def test_a_query_that_only_oracle_reads_is_a_warning() -> None:
    said = check_grammar(replace(TABLE, query="SELECT d AT LOCAL d FROM t"))
    assert lines(said) == [
        "warning: conf/tablesconf.yaml:3:1: our SQL parser does not read the query, which Oracle runs as written:"
        " line 1, column 10: AT LOCAL is not read by this parser."
    ]
    assert check_grammar(TABLE) == []


def test_two_columns_of_one_name_are_one_finding() -> None:
    parts = Parts(TABLE, (*QUERY, QUERY[0]), parse_control_file(CTL, "ctls/tmp_names.ctl"), BASE, sizes_known=True)
    assert lines(compare_parts(parts)) == [
        "error: conf/tablesconf.yaml:3:1: tmp_names: the query has 2 columns named emplid."
    ]


def test_a_table_of_numbers_needs_no_enclosure() -> None:
    text = "LOAD INFILE x \"STR '#EOR#\\n'\" TRUNCATE INTO TABLE tmp_names FIELDS TERMINATED BY '|' (pay, n DECIMAL EXTERNAL)"
    base = columns(pay="NUMBER(8,2)", n="NUMBER")
    assert compare_parts(Parts(TABLE, control=parse_control_file(text, "t.ctl"), base=base)) == []


def test_a_semicolon_that_means_nothing_is_a_note() -> None:
    assert lines(found(ctl=("SYSDATE\n)", "SYSDATE\n);"))) == [
        "note: ctls/tmp_names.ctl:11:2: the ';' at the end has no meaning to SQL*Loader."
    ]


def test_a_table_that_is_longer_than_field_and_query_is_fine() -> None:
    assert found(base={"emplid": "VARCHAR2(400 CHAR)"}) == []


def test_a_field_that_is_longer_than_the_table_is_a_note() -> None:
    said = found(ctl=("CHAR(11)", "CHAR(400)"))
    assert lines(said) == [
        "note: longer in the control file than in the base table: emplid. The table's length applies.",
    ]


def test_a_field_with_an_expression_must_take_the_value_before_it() -> None:
    said = found(ctl=("CHAR(300)", "CHAR"))
    assert lines(said) == [
        "error: ctls/tmp_names.ctl:7: name may have 300 characters in the query, CHAR(255) takes fewer."
    ]


def test_hex_takes_two_characters_a_byte() -> None:
    raw = {"emplid": "RAW(16)"}
    assert found(query=raw, base=raw, ctl=("CHAR(11)", "CHAR(32)")) == []
    said = found(query=raw, base=raw, ctl=("CHAR(11)", "CHAR(31)"))
    assert [finding.level for finding in said] == ["error"]


@pytest.mark.parametrize(
    ("query", "base"),
    [
        ({"pay": "NUMBER(9,2)"}, {}),
        ({"pay": "NUMBER(8,3)"}, {}),
        ({}, {"emplid": "VARCHAR2(9 CHAR)"}),
        ({}, {"pay": "NUMBER(7,2)"}),
        ({}, {"pay": "BINARY_DOUBLE"}),
        ({"born": "TIMESTAMP(6)"}, {"born": "TIMESTAMP(3)"}),
    ],
)
def test_a_column_that_may_not_fit_its_table_is_a_warning(query: dict[str, str], base: dict[str, str]) -> None:
    finer = ('DATE "YYYY-MM-DD HH24:MI:SS"', 'TIMESTAMP "YYYY-MM-DD HH24:MI:SS.FF6"') if "born" in query else ("", "")
    said = [finding for finding in found(query=query, base=base, ctl=finer) if finding.level != "note"]
    assert [finding.level for finding in said] == ["warning"]
    assert "in the query" in said[0].message


@pytest.mark.parametrize(
    ("query", "base", "level"),
    [
        ({"born": "VARCHAR2(19 CHAR)"}, {}, "warning"),  # a text may be written as the mask says
        ({"born": "TIMESTAMP(6)"}, {}, "error"),
        ({}, {"born": "NUMBER"}, "error"),
        ({}, {"born": "TIMESTAMP(6) WITH TIME ZONE"}, "error"),
    ],
)
def test_a_kind_is_an_error_where_no_value_can_be_converted(
    query: dict[str, str], base: dict[str, str], level: str
) -> None:
    assert sort_findings(found(query=query, base=base))[0].level == level


def test_columns_in_another_order_are_an_error() -> None:
    shifted = {"pay": TYPES["pay"], "emplid": TYPES["emplid"], "name": TYPES["name"], "born": TYPES["born"]}
    control = parse_control_file(CTL, "ctls/tmp_names.ctl")
    said = compare_parts(Parts(TABLE, columns(**shifted), control, BASE, sizes_known=True))
    assert lines(said) == ["error: column pay: is where the control file has emplid."]


def test_a_column_that_only_the_query_has_is_an_error() -> None:
    said = found(query={"nick": "VARCHAR2(20 CHAR)"})
    assert lines(said) == [
        "error: column nick: in the query (VARCHAR2(20 CHAR)), not in the control file and the base table."
    ]


def test_a_column_that_only_the_table_has_is_a_warning_and_an_error_where_it_may_not_be_null() -> None:
    assert lines(found(base={"nick": "DATE"})) == ["warning: column nick: in the base table, not in the query."]
    strict = tuple(replace(column, nullable=False) for column in columns(nick="DATE"))
    control = parse_control_file(CTL, "ctls/tmp_names.ctl")
    said = compare_parts(Parts(TABLE, QUERY, control, BASE + strict, sizes_known=True))
    assert lines(said) == ["error: column nick: in the base table, not in the query."]
    said = compare_parts(Parts(TABLE, None, control, BASE + strict))
    assert lines(said) == ["error: ctls/tmp_names.ctl: nick is NOT NULL in the base table, and nothing fills it."]


def test_what_the_load_fills_needs_its_column_too() -> None:
    control = parse_control_file(CTL, "ctls/tmp_names.ctl")
    said = compare_parts(Parts(TABLE, QUERY, control, QUERY, sizes_known=True))
    assert lines(said) == ["error: ctls/tmp_names.ctl:10: the base table has no column loaded."]


@pytest.mark.parametrize("mask", ["YYYY-MM-DD", "DD-MON-RR", "YYYY-MM-DD HH24:MI:SS.FF6"])
def test_a_mask_that_does_not_read_the_file_is_an_error(mask: str) -> None:
    said = found(ctl=("YYYY-MM-DD HH24:MI:SS", mask))
    assert lines(said) == [
        f"error: ctls/tmp_names.ctl:9: born: the mask {mask!r} does not read a DATE as the file has it."
    ]
    assert said[0].next_step == 'Write DATE "YYYY-MM-DD HH24:MI:SS".'


@pytest.mark.parametrize("fraction", ["FF", "FF6", "FF9"])
def test_masks_that_take_all_digits_of_the_file_are_fine(fraction: str) -> None:
    stamp = {"born": "TIMESTAMP(6)"}
    field = ('DATE "YYYY-MM-DD HH24:MI:SS"', f'TIMESTAMP "fxyyyy-mm-dd hh24:mi:ss.{fraction.lower()}"')
    assert found(query=stamp, base=stamp, ctl=field) == []


def test_a_date_without_mask_and_a_mask_without_date_are_errors() -> None:
    said = found(ctl=(' "YYYY-MM-DD HH24:MI:SS"', ""))
    assert "error: ctls/tmp_names.ctl:9: born is a DATE, and there is no mask to read it by." in lines(said)
    said = found(base={"born": "VARCHAR2(19 CHAR)"})
    assert [finding.message for finding in said if finding.level == "error"] == [
        "ctls/tmp_names.ctl:9: born is read as a date, but the base table's column is VARCHAR2(19 CHAR)."
    ]


@pytest.mark.parametrize(
    ("ctl", "message"),
    [
        (("TRUNCATE", "APPEND"), "APPEND adds to what is there"),
        (("TRUNCATE\n", ""), "INSERT adds to what is there"),
        (("INTO TABLE tmp_names", "INTO TABLE tmp_other"), "INTO TABLE tmp_other, but cstable is schema_a.tmp_names."),
        (("LOAD DATA", "OPTIONS (SKIP=1)\nLOAD DATA"), "OPTIONS (SKIP=...) leaves records out"),
    ],
)
def test_control_files_that_the_loader_refuses_are_errors(ctl: tuple[str, str], message: str) -> None:
    said = found(ctl=ctl)
    assert [finding.level for finding in said] == ["error"]
    assert message in said[0].message


def test_names_that_find_no_field_are_errors() -> None:
    twice = compare_parts(Parts(TABLE, QUERY + QUERY[:1]))
    odd = compare_parts(Parts(TABLE, (replace(QUERY[0], name="count(*)"),)))
    assert [finding.message for finding in twice + odd] == [
        "conf/tablesconf.yaml:3:1: tmp_names: the query has 2 columns named emplid.",
        "conf/tablesconf.yaml:3:1: tmp_names: column 1 of the query is 'count(*)', which is no name.",
    ]


def test_a_ddl_file_that_differs_is_a_warning() -> None:
    assert found(ddl=BASE) == []
    said = found(ddl=columns(**(TYPES | {"pay": "NUMBER(9,2)"}), extra="DATE"))
    assert lines(said) == [
        "warning: the ddl file describes another base table than the existing one: extra, loaded, pay."
    ]


def test_a_view_that_hides_columns_is_a_note() -> None:
    assert lines(found(view=("emplid", "name", "born", "loaded"))) == ["note: view campus_names does not show pay."]


_TYPES = st.sampled_from(
    [
        *("VARCHAR2(1 CHAR)", "VARCHAR2(4000 CHAR)", "CLOB", "CHAR(3 CHAR)", "NUMBER", "NUMBER(38,0)", "NUMBER(9,2)"),
        *("BINARY_DOUBLE", "DATE", "TIMESTAMP(0)", "TIMESTAMP(6)", "TIMESTAMP(9)", "TIMESTAMP(9) WITH TIME ZONE"),
        *("RAW(16)", "RAW(2000)"),
    ]
)


@given(st.lists(_TYPES, min_size=1, max_size=6), st.booleans())
def test_what_table_add_writes_is_never_found_fault_with(types: list[str], sizes_known: bool) -> None:
    made = columns(**{f"c{place}": kind for place, kind in enumerate(types)})
    names = Names("tmp_names", "sis.names", "tmp_names", "campus_names")
    text = control_text(names, made, text_limit=1000, for_oracle=True)
    control = parse_control_file(text, "ctls/tmp_names.ctl")
    parts = Parts(TABLE, made, control, made, made, tuple(column.name for column in made), sizes_known)
    assert [finding for finding in compare_parts(parts) if finding.level != "note"] == []
