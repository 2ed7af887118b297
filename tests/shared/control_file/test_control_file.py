"""What a control file says, and the one error for what it must not say."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate import control_file
from canvas_replicate.control_file import (
    Condition,
    ControlFile,
    Delimiters,
    Field,
    Sequence,
    parse_control_file,
    read_control_file,
)
from canvas_replicate.errors import ConfigError

ORIGINAL = r"""LOAD DATA
CHARACTERSET UTF8
INFILE '/u01/dat/TMP_COURSES.dat' "STR '#EOR#\n'"
BADFILE '/u01/dat/TMP_COURSES.bad'
TRUNCATE
INTO TABLE TMP_COURSES
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"'
TRAILING NULLCOLS
(
  CRSE_ID,
  DESCR CHAR(4000),
  UNITS DECIMAL EXTERNAL,
  EFFDT DATE "YYYY-MM-DD HH24:MI:SS"
)
"""


def parse(text: str) -> ControlFile:
    return parse_control_file(text, "t.ctl")


def parsed_or_refused(text: str) -> ControlFile | ConfigError:
    try:
        return parse(text)
    except ConfigError as error:
        return error


def one_column(entry: str) -> Field:
    control = parse(f"LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a {entry}, b)")
    return control.fields[0]


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def column_error(entry: str) -> str:
    return error_of(f"LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' ENCLOSED BY '\"'\n(a {entry},\nb)")


def test_the_control_file_of_the_original_scripts_is_understood() -> None:
    assert parse(ORIGINAL) == ControlFile(
        file="t.ctl",
        table="tmp_courses",
        mode="TRUNCATE",
        record_end=b"#EOR#\n",
        delimiters=Delimiters("|", '"', optionally_enclosed=True),
        trailing_nullcols=True,
        fields=(
            Field("crse_id", "char", 255),
            Field("descr", "char", 4000),
            Field("units", "number"),
            Field("effdt", "date", mask="YYYY-MM-DD HH24:MI:SS"),
        ),
    )


def test_a_field_knows_the_line_that_it_starts_on() -> None:
    assert [entry.line for entry in parse(ORIGINAL).fields] == [10, 11, 12, 13]


@pytest.mark.parametrize("path", sorted((ROOT / "ctls").glob("*.ctl")), ids=lambda path: path.name)
def test_every_control_file_of_this_repository_is_understood(path: Path) -> None:
    assert read_control_file(path).table == path.stem


def test_what_is_not_said_has_sql_loader_s_defaults() -> None:
    control = parse("load data into table t fields terminated by ',' (a)")
    assert (control.mode, control.record_end, control.schema) == ("INSERT", b"\n", None)
    assert (control.trailing_nullcols, control.preserve_blanks) == (False, False)
    assert (control.when, control.options, control.enclosure) == ((), {}, None)
    assert control.fields == (Field("a", "char", 255),)


def test_file_names_may_stand_without_quotation_marks() -> None:
    text = 'LOAD DATA INFILE /u01/x-1.dat "str \'|\\n\'" BADFILE x.bad DISCARDFILE "x.dsc" APPEND'
    assert parse(f"{text} INTO TABLE t FIELDS TERMINATED BY '|' (a)").record_end == b"|\n"


@pytest.mark.parametrize(
    ("written", "record_end"),
    [
        (r"""'f' "STR '#EOR#\n'" """, b"#EOR#\n"),
        (r"""'f' "str '\r\n'" """, b"\r\n"),
        (r"""'f' "STR '|\t\n'" """, b"|\t\n"),
        ("""'f' "STR X'7C1e0A'" """, b"|\x1e\n"),
        ("""'f' 'STR "é"' """, "é".encode()),
        ("'f'", b"\n"),
    ],
)
def test_str_says_which_bytes_end_a_record(written: str, record_end: bytes) -> None:
    control = parse(f"LOAD DATA INFILE {written} INTO TABLE t FIELDS TERMINATED BY '|' (a)")
    assert control.record_end == record_end


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("", Field("a", "char")),
        ("CHAR", Field("a", "char")),
        ("CHAR(10)", Field("a", "char", 10)),
        ("INTEGER EXTERNAL(8)", Field("a", "number", 8)),
        ("DECIMAL EXTERNAL", Field("a", "number")),
        ("float external", Field("a", "number", 350)),
        ("FLOAT EXTERNAL(20)", Field("a", "number", 20)),
        ("ZONED EXTERNAL", Field("a", "number")),
        ("DATE", Field("a", "date")),
        ("DATE(10) 'YYYY-MM-DD'", Field("a", "date", 10, mask="YYYY-MM-DD")),
        ('DATE "YYYY-MM-DD\\"T\\"HH24:MI"', Field("a", "date", mask='YYYY-MM-DD"T"HH24:MI')),
        ('TIMESTAMP "YYYY-MM-DD"', Field("a", "timestamp", mask="YYYY-MM-DD")),
        ("TIMESTAMP WITH TIME ZONE 'X'", Field("a", "timestamp_tz", mask="X")),
        ("TIMESTAMP WITH LOCAL TIME ZONE 'X'", Field("a", "timestamp_tz", mask="X")),
        ('CHAR(9) "UPPER(:a)"', Field("a", "char", 9, expression="UPPER(:a)")),
        ('"NVL(:\\"A\\", \'x\')"', Field("a", "char", expression="NVL(:\"A\", 'x')")),
        ('DATE "YYYY" "f(:a)"', Field("a", "date", mask="YYYY", expression="f(:a)")),
        ("FILLER", Field("a", "char", filler=True)),
        ("BOUNDFILLER CHAR(5)", Field("a", "char", 5, filler=True, bound_filler=True)),
        ("CONSTANT 'x y'", Field("a", "constant", constant="x y")),
        ("CONSTANT 42", Field("a", "constant", constant="42")),
        ("RECNUM", Field("a", "recnum")),
        ("SYSDATE", Field("a", "sysdate")),
        ("SEQUENCE(MAX)", Field("a", "sequence", sequence=Sequence("MAX", 1))),
        ("SEQUENCE(COUNT, 5)", Field("a", "sequence", sequence=Sequence("COUNT", 5))),
        ("SEQUENCE(10,-2)", Field("a", "sequence", sequence=Sequence(10, -2))),
        ('EXPRESSION "seq.NEXTVAL"', Field("a", "expression", expression="seq.NEXTVAL")),
        ("NULLIF a=BLANKS", Field("a", "char", nullif=(Condition("a", "=", None),))),
        ("CHAR NULLIF (b <> X'4e41')", Field("a", "char", nullif=(Condition("b", "<>", "NA"),))),
        (
            "NULLIF a='' AND (b != \"it's\")",
            Field("a", "char", nullif=(Condition("a", "=", ""), Condition("b", "<>", "it's"))),
        ),
        ("CHAR TERMINATED BY ',' ENCLOSED BY '\"'", Field("a", "char", delimiters=Delimiters(",", '"'))),
        ("OPTIONALLY ENCLOSED '\"'", Field("a", "char", delimiters=Delimiters("|", '"', True))),
        ("CHAR TERMINATED BY '|'", Field("a", "char")),
        ("ENCLOSED BY '<' AND '>'", Field("a", "char", delimiters=Delimiters("|", "<", closing=">"))),
        ("ENCLOSED BY '\"' AND X'22'", Field("a", "char", delimiters=Delimiters("|", '"'))),
        ("TERMINATED BY X'9'", Field("a", "char", delimiters=Delimiters("\t"))),
        ("TERMINATED BY '\\t'", Field("a", "char", delimiters=Delimiters("\t"))),
    ],
)
def test_an_entry_of_the_column_list_is_understood(entry: str, expected: Field) -> None:
    assert one_column(entry) == expected


def test_delimiters_said_at_every_field_alike_are_those_of_the_table() -> None:
    control = parse("LOAD DATA INTO TABLE t (a TERMINATED BY ';', b CHAR TERMINATED BY ';', c RECNUM)")
    assert control.delimiters == Delimiters(";")
    assert [entry.delimiters for entry in control.fields] == [None, None, None]


def test_qualified_and_quoted_names_are_lower_case() -> None:
    control = parse('LOAD DATA INTO TABLE Schema_A."TMP_X" FIELDS TERMINATED BY X\'1F\' ("DATE" DATE, position)')
    assert (control.schema, control.table, control.terminator) == ("schema_a", "tmp_x", "\x1f")
    assert [entry.name for entry in control.fields] == ["date", "position"]


def test_options_are_numbers_truth_values_and_words() -> None:
    text = "OPTIONS (SKIP=1, errors=0, DIRECT=FALSE, SILENT=(HEADER, FEEDBACK)) UNRECOVERABLE LOAD DATA DISCARDMAX 9"
    control = parse(f"{text} INTO TABLE t FIELDS TERMINATED BY '|' (a)")
    assert control.options == {
        "skip": 1,
        "errors": 0,
        "direct": False,
        "silent": ("header", "feedback"),
        "discardmax": 9,
    }


def test_options_of_every_release_are_read() -> None:
    text = "OPTIONS (RESUMABLE=TRUE, RESUMABLE_NAME='a load', RESUMABLE_TIMEOUT=60, DEGREE_OF_PARALLELISM=AUTO, TRIM=LRTRIM)"
    control = parse(f"{text} LOAD INTO TABLE t FIELDS TERMINATED BY '|' (a)")
    assert control.options["resumable_name"] == "a load"
    assert [control.options[name] for name in ("resumable_timeout", "degree_of_parallelism", "trim")] == [
        60,
        "auto",
        "lrtrim",
    ]


def test_nullif_of_the_table_holds_for_fields_without_their_own() -> None:
    columns = "(a, b DECIMAL EXTERNAL, c NO NULLIF, d NULLIF d='x', e FILLER, f CONSTANT 1)"
    blanks = parse(f"LOAD INTO TABLE t FIELDS TERMINATED BY '|' NULLIF = BLANKS {columns}")
    own = (Condition("d", "=", "x"),)
    # Blanks are no number, so NULLIF changes nothing there.
    assert [entry.nullif for entry in blanks.fields] == [(Condition("a", "=", None),), (), (), own, (), ()]
    named = parse(f"LOAD INTO TABLE t FIELDS TERMINATED BY '|' NULLIF != 'NA' {columns}")
    assert [entry.nullif for entry in named.fields[:3]] == [
        (Condition("a", "<>", "NA"),),
        (Condition("b", "<>", "NA"),),
        (),
    ]


def test_a_comment_starts_at_white_space_and_not_inside_a_path() -> None:
    text = "LOAD DATA INFILE /data/canvas--prod/x.dat \"STR '#EOR#\\n'\" -- and this is one\nINTO TABLE t"
    control = parse(f"{text} FIELDS TERMINATED BY '|' (a,--another\nb)--last")
    assert (control.record_end, len(control.fields)) == (b"#EOR#\n", 2)


def test_a_semicolon_at_the_end_is_passed_over_with_a_note() -> None:
    control = parse("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a)\n;")
    assert control.notes == ("t.ctl:2:1: the ';' at the end has no meaning to SQL*Loader.",)


def test_when_is_a_list_of_conditions() -> None:
    control = parse("LOAD INTO TABLE t WHEN (a = 'x' AND b <> BLANKS) FIELDS TERMINATED BY '|' (a, b)")
    assert control.when == (Condition("a", "=", "x"), Condition("b", "<>", None))


@pytest.mark.parametrize("said", ["SEMANTICS CHAR", "SEMANTICS CHARACTER", "CHAR", "SEMANTICS BYTE"])
def test_lengths_count_characters_whichever_semantics_are_said(said: str) -> None:
    table = "INTO TABLE t FIELDS TERMINATED BY '|' (a CHAR(9))"
    text = f"LOAD DATA CHARACTER SET al32utf8 LENGTH {said} {table}"
    assert parse(text) == parse(f"LOAD DATA {table}")


def test_only_what_the_load_or_an_expression_changes_is_transformed() -> None:
    text = '(a CHAR, b "UPPER(:b)", c NULLIF c=\'x\', d CONSTANT 1, e FILLER, f EXPRESSION "1")'
    control = parse(f"LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' {text}")
    assert [entry.name for entry in control.fields if entry.is_transformed] == ["b", "c", "d", "f"]
    assert [entry.name for entry in control.data_fields] == ["a", "b", "c", "e"]


FILE_CLAUSES = (
    ("CHARACTERSET", "AL32UTF8"),
    ("LENGTH", "SEMANTICS", "CHAR"),
    ("INFILE", "'x.dat'", "\"STR '#EOR#\\n'\""),
    ("BADFILE", "'x.bad'"),
    ("DISCARDFILE", "x.dsc"),
    ("DISCARDMAX", "7"),
    ("PRESERVE", "BLANKS"),
)
TABLE_CLAUSES = (
    ("WHEN", "(", "a", "<>", "'x'", ")"),
    ("FIELDS", "TERMINATED", "BY", "'|'", "OPTIONALLY", "ENCLOSED", "BY", "'\"'"),
    ("TRAILING", "NULLCOLS"),
)
COLUMNS = ("(", "a", "CHAR", "(", "9", ")", "NULLIF", "a", "=", "BLANKS", ",", "b", "INTEGER", "EXTERNAL", ")")
GAPS = (" ", "\n", "\t", "\n\n", " -- the | 'quoted \" word LOAD\n")


@st.composite
def layouts(draw: st.DrawFn) -> str:
    """One and the same control file in any order of clauses, case of words and kind of white space."""
    mode = [("APPEND",)]
    before = draw(st.booleans())
    file_clauses = draw(st.permutations([*FILE_CLAUSES, *(mode if before else [])]))
    table_clauses = draw(st.permutations([*TABLE_CLAUSES, *([] if before else mode)]))
    clauses = [("LOAD", "DATA"), *file_clauses, ("INTO", "TABLE", "s", ".", "t"), *table_clauses, COLUMNS]
    text = ""
    for word in [word for clause in clauses for word in clause]:
        plain = word[0] not in "'\""
        cased = draw(st.sampled_from([word, word.lower(), word.title()])) if plain else word
        text += cased + draw(st.sampled_from(GAPS))
    return text


@given(layouts())
def test_case_comments_blank_lines_and_the_order_of_clauses_change_nothing(text: str) -> None:
    assert parse(text) == ControlFile(
        file="t.ctl",
        schema="s",
        table="t",
        mode="APPEND",
        fields=(Field("a", "char", 9, nullif=(Condition("a", "=", None),)), Field("b", "number")),
        record_end=b"#EOR#\n",
        delimiters=Delimiters("|", '"', True),
        trailing_nullcols=True,
        preserve_blanks=True,
        when=(Condition("a", "<>", "x"),),
        options={"discardmax": 7},
    )


@given(st.lists(st.sampled_from([*re.findall(r"\S+", ORIGINAL), "(", ")", ",", "'", '"', "x", "1"])))
def test_any_heap_of_words_gives_a_control_file_or_one_config_error(words: list[str]) -> None:
    outcome = parsed_or_refused("LOAD DATA " + " ".join(words))
    assert isinstance(outcome, ControlFile) or outcome.place is not None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("VARCHAR2(80)", "VARCHAR2 is a type of table columns, not of fields. Write CHAR(80) for VARCHAR2(80)."),
        ("NUMBER", "NUMBER is a type of table columns, not of fields. Write DECIMAL EXTERNAL."),
        ("CHRA(10)", "found 'CHRA'. Did you mean CHAR?"),
        ("INTEGER", "INTEGER alone is binary, and data files are text. Write INTEGER EXTERNAL."),
        ("POSITION(1:3) CHAR", "POSITION is not understood here: the fields of a data file are found by the '|'"),
        ("POSITION(1:3) CHAR", "Rewrite the file to our layout: replicate table ctl t --write"),
        ("RAW(16)", "RAW is not understood here: data files are text."),
        ("LOBFILE(b)", "LOBFILE is not understood here"),
        ("CHAR DEFAULTIF b=BLANKS", "DEFAULTIF is not understood here"),
        ("TIMESTAMP(6) 'X'", "TIMESTAMP takes no precision here. The mask gives the fraction"),
        ("CHAR(0)", "a length is at least 1."),
        ("CHAR(x)", "expected a number, found 'x'."),
        ("CHAR 'UPPER(:a)'", "an SQL expression needs double quotation marks."),
        ('FILLER "UPPER(:a)"', "a cannot have an SQL expression."),
        ('CHAR "x" "y"', "a cannot have another SQL expression."),
        ("FILLER RECNUM", "a cannot be a filler and RECNUM."),
        ("NULLIF bb='x'", "no field of the record is named 'bb'. Did you mean b?"),
        ("NULLIF b='x' OR b='y'", "OR is not understood here: SQL*Loader combines conditions with AND only."),
        ("NULLIF (1:2)='x'", "not a position. The fields of a data file have no positions: name the field."),
        ("NULLIF b > 'x'", "expected = or <> after b, found '>'."),
        ("NULLIF b = x", "expected a text in quotation marks, X'...' or BLANKS, found 'x'."),
        ("NULLIF b = X'414'", "X'414' needs two hexadecimal digits for each byte."),
        ("NULLIF b = X'FF'", "X'FF' is no text in UTF-8."),
        ("NULLIF b='x' NULLIF b='y'", "NULLIF of a appears twice. Combine conditions with AND."),
        ("TERMINATED BY ','", "leaves open whether it may be enclosed. Write both, or leave it out."),
        ("TERMINATED BY ',' TERMINATED BY ','", "TERMINATED appears twice."),
        ("ENCLOSED BY '|'", "terminator and enclosure are the same."),
        ("SEQUENCE(MIN)", "expected a number, found 'MIN'."),
        ("CONSTANT", "expected the value of CONSTANT, found ','."),
        ("EXPRESSION 'x'", "expected an SQL expression in double quotation marks, found 'x'."),
        ("CHAR CONSTANT 'it''s'", "two quotation marks side by side."),
    ],
)
def test_a_column_that_is_not_understood_is_refused_with_its_own_sentence(entry: str, message: str) -> None:
    error = column_error(entry)
    assert error.startswith("t.ctl:2:")
    assert message in error


def test_a_missing_comma_is_named_with_both_columns() -> None:
    error = error_of("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (\n  a CHAR(3)\n  number_of_seats CHAR\n)")
    assert error == "t.ctl:2:11: a comma is missing between 'a' and 'number_of_seats'."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected LOAD, found the end of the file."),
        ("LAOD DATA", "1:1: expected LOAD, found 'LAOD'. Did you mean LOAD?"),
        ("LOAD DATA\n  TRUNCAT", "2:3: expected CHARACTERSET, "),
        ("LOAD DATA\n  TRUNCAT", "found 'TRUNCAT'. Did you mean TRUNCATE?"),
        ("LOAD DATA INFILE *", "1:18: INFILE * means data in the control file"),
        ("LOAD DATA INFILE TRUNCATE", "expected a file name, found 'TRUNCATE'."),
        ("LOAD DATA INFILE 'a' INFILE 'b'", "one control file loads one data file here."),
        ("LOAD DATA INFILE 'a' \"fix 80\"", "'fix 80' is not a record end. Write \"STR '#EOR#\\n'\""),
        ("LOAD DATA INFILE 'a' \"STR '\\q'\"", "\\q is not understood in STR. Write the bytes as X'...'."),
        ("LOAD DATA INFILE 'a' \"STR ''\"", "the record end is empty."),
        ("LOAD DATA INFILE 'a' \"STR X'0A0'\"", "X'0A0' needs two hexadecimal digits for each byte."),
        ("LOAD DATA CHARACTERSET WE8MSWIN1252", "the character set 'WE8MSWIN1252' is not read here. Data files"),
        ("LOAD DATA CHARACTERSET UTF-8", "the character set 'UTF-8' is not read here."),
        ("LOAD DATA BADFILE a BADFILE b", "BADFILE appears twice."),
        ("LOAD DATA APPEND INTO TABLE t REPLACE", "the mode appears twice: APPEND and REPLACE."),
        ("LOAD DATA CONTINUEIF THIS", "CONTINUEIF is not understood here: in a data file a record is one"),
        ("LOAD DATA CONCATENATE 2", "CONCATENATE is not understood here"),
        ("LOAD DATA LENGTH WORDS", "expected CHAR, CHARACTER, BYTE, found 'WORDS'."),
        ("LOAD DATA INTO TABLE t PARTITION (p)", "PARTITION is not understood here"),
        ("LOAD DATA INTO TABLE t TRAILING NULLCOL (a)", "expected NULLCOLS, found 'NULLCOL'. Did you mean NULLCOLS?"),
        ("LOAD DATA INTO TABLE t FIELDS CSV WITH EMBEDDED (a)", "CSV is not understood here"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY WHITESPACE (a)", "WHITESPACE is not understood here"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY TAB (a)", "expected a text such as '|' or X'1F', found 'TAB'."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '\\' (a)", "Write it as X'...': \\ is X'5C'."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '' (a)", "'' is not an unambiguous delimiter."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY X'09' ENCLOSED BY '\"' (a)", "shifts the columns"),
        ("LOAD DATA INTO TABLE t FIELDS ENCLOSED BY '\"' (a)", "ENCLOSED BY needs a TERMINATED BY."),
        ("LOAD DATA INTO TABLE t (a)", "1:24: FIELDS TERMINATED BY is missing before the column list."),
        ("LOAD DATA INTO TABLE t (a TERMINATED BY '|', b)", "FIELDS TERMINATED BY is missing"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|", "1:45: the quotation mark that opens here is never"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (\"abc\")", '"abc" is a case-sensitive name in Oracle.'),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a, A)", "1:53: the column 'a' is listed twice."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a,)", "a column is missing before the end"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a", "found the end of the file."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a RECNUM)", "no column takes its value from the data"),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a) INTO TABLE u", "one control file loads one table here."),
        ("LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a)\nBEGINDATA\nit's", "2:1: BEGINDATA is not understood"),
        (
            "LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' (a); x",
            "expected nothing after the column list, found ';'.",
        ),
        ("OPTIONS (USERID=scott/tiger) LOAD", "USERID does not belong in a control file."),
        ("OPTIONS (ERORS=3) LOAD", "found 'ERORS'. Did you mean ERRORS?"),
        ("OPTIONS (ERRORS='3') LOAD", "expected the value of an option, found '3'."),
    ],
)
def test_a_file_that_is_not_understood_is_refused_where_it_goes_wrong(text: str, message: str) -> None:
    error = error_of(text)
    assert error.startswith("t.ctl:")
    assert message in error


def test_an_error_never_shows_the_password_of_an_options_clause() -> None:
    assert "tiger" not in error_of("OPTIONS (USERID=scott/tiger) LOAD")


def test_a_missing_file_and_a_file_that_is_not_text_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no control file"):
        read_control_file(tmp_path / "none.ctl")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_control_file(tmp_path)
    latin = tmp_path / "latin.ctl"
    latin.write_bytes(b"LOAD DATA\n-- caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.ctl:2: this line is not UTF-8 text\."):
        read_control_file(latin)


def test_a_file_whose_name_is_written_in_other_case_is_named(tmp_path: Path) -> None:
    (tmp_path / "TMP_X.CTL").write_text("LOAD DATA", "utf-8")
    with pytest.raises(ConfigError, match="There is no control file") as refused:
        read_control_file(tmp_path / "tmp_x.ctl")
    assert refused.value.next_step == f"Rename {tmp_path}/TMP_X.CTL to tmp_x.ctl."


def test_a_file_of_windows_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "windows.ctl"
    path.write_bytes(b"\xef\xbb\xbf" + ORIGINAL.replace("\n", "\r\n").encode())
    assert replace(read_control_file(path), file="t.ctl") == parse(ORIGINAL)


@pytest.mark.parametrize(
    ("condition", "null", "blanks", "x"),
    [
        (Condition("a", "=", None), True, True, False),
        (Condition("a", "<>", None), False, False, True),
        (Condition("a", "=", "x"), False, False, True),
        (Condition("a", "<>", "x"), True, True, False),
        (Condition("a", "<>", ""), False, True, True),
    ],
)
def test_a_condition_takes_null_for_an_empty_text(condition: Condition, null: bool, blanks: bool, x: bool) -> None:
    assert [condition.holds(value) for value in (None, "  ", "x")] == [null, blanks, x]


def test_every_word_that_the_parser_knows_is_named_on_its_page() -> None:
    page = (ROOT / "docs" / "control-files.md").read_text(encoding="utf-8")
    package = Path(str(control_file.__file__)).parent
    modules = ("words.py", "lexer.py", "clauses.py", "fields.py", "parser.py")
    source = "".join((package / name).read_text(encoding="utf-8") for name in modules)
    known = set(
        re.findall(r"""(?<=["' ])[A-Z][A-Z0-9_]+(?=["' ])""", re.sub(r'""".*?"""', "", source, flags=re.DOTALL))
    )
    known -= {"UTF", "NULL", "SQL"}
    assert {"APPEND", "NULLCOLS", "SMALLINT", "BOUNDFILLER", "SKIP_UNUSABLE_INDEXES"} <= known
    assert sorted(word for word in known if not re.search(rf"\b{word}\b", page)) == []


def test_every_attribute_of_a_field_is_set_by_some_entry() -> None:
    entries = (
        'CHAR(2) "f(:a)"',
        'DATE "M"',
        "BOUNDFILLER NULLIF b='x'",
        "CONSTANT 1",
        "SEQUENCE(1)",
        "TERMINATED BY ';'",
    )
    plain = Field("a", "char")
    seen = [one_column(entry) for entry in entries]
    changed = {
        name.name for name in fields(Field) for entry in seen if getattr(entry, name.name) != getattr(plain, name.name)
    }
    assert changed == {name.name for name in fields(Field)} - {"name"}
