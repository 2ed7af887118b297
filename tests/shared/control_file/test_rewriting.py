"""A control file of another file format, rewritten to the layout of our data files."""

from dataclasses import replace

import pytest

from canvas_replicate.control_file import parse_control_file, rewrite_layout
from canvas_replicate.control_file.rewriting import OUR_FIELDS, OUR_STR, is_our_layout
from canvas_replicate.errors import ConfigError

FOREIGN = """-- Kept: a comment
OPTIONS (SKIP=1, ERRORS=0)
LOAD DATA
CHARACTERSET WE8MSWIN1252
INFILE *
CONTINUEIF THIS PRESERVE (1) = '*'
TRUNCATE
INTO TABLE s.tmp_x
FIELDS CSV WITH EMBEDDED
(
  a POSITION(1:10) CHAR(10) NULLIF a='x', -- kept too
  b POSITION(11:400) CHAR,
  c POSITION(*:800),
  d INTEGER EXTERNAL TERMINATED BY WHITESPACE,
  e DATE "YYYY-MM-DD" ENCLOSED BY '<' AND '>' "f(:e)"
)
BEGINDATA
1 it's
"""
REWRITTEN = f"""-- Kept: a comment
OPTIONS (ERRORS=0)
LOAD DATA
CHARACTERSET AL32UTF8
INFILE 'dat/tmp_x.dat' {OUR_STR}
TRUNCATE
INTO TABLE s.tmp_x
{OUR_FIELDS}
TRAILING NULLCOLS
(
  a CHAR(10) NULLIF a='x', -- kept too
  b CHAR(390),
  c,
  d INTEGER EXTERNAL,
  e DATE "YYYY-MM-DD" "f(:e)"
)
"""


def test_only_the_layout_is_rewritten() -> None:
    assert rewrite_layout(FOREIGN, "ctls/tmp_x.ctl") == REWRITTEN
    assert rewrite_layout(REWRITTEN, "ctls/tmp_x.ctl") == REWRITTEN


@pytest.mark.parametrize(
    "layout",
    [
        "INFILE x \"STR X'0A'\" TRUNCATE INTO TABLE t FIELDS TERMINATED BY ',' TRAILING NULLCOLS (a CHAR(9), b)",
        "INFILE 'x' \"fix 80\" INFILE 'y' TRUNCATE INTO TABLE t (a POSITION(1:9) CHAR(9), b POSITION(10:12))",
        "TRUNCATE INTO TABLE t (a CHAR(9) TERMINATED BY X'9', b TERMINATED BY EOF)",
        "BYTEORDER BIG ENDIAN CONCATENATE (2) TRUNCATE INTO TABLE t FIELDS TERMINATED BY WHITESPACE (a CHAR(9), b)",
    ],
)
def test_every_layout_becomes_ours_with_the_same_columns(layout: str) -> None:
    ours = parse_control_file(f"LOAD INFILE x {OUR_STR} TRUNCATE INTO TABLE t {OUR_FIELDS} (a CHAR(9), b)", "t.ctl")
    control = parse_control_file(rewrite_layout(f"LOAD DATA {layout}", "t.ctl"), "t.ctl")
    assert is_our_layout(control)
    assert control == replace(ours, trailing_nullcols=True)


def test_what_another_layout_does_not_explain_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"VARCHAR2 is a type of table columns"):
        rewrite_layout("LOAD DATA INTO TABLE t (a POSITION(1:3) VARCHAR2(3))", "t.ctl")


def test_a_rewriting_that_would_change_a_column_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be rewritten by a program"):
        rewrite_layout("LOAD DATA INTO TABLE t (a DATE TERMINATED BY ',' \"f(:a)\", b)", "t.ctl")
