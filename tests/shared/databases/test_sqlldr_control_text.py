"""The control file of a run says what the user's control file means, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate.control_file import (
    WHITE_SPACE,
    Condition,
    ControlFile,
    Delimiters,
    Field,
    Sequence,
    parse_control_file,
    read_control_file,
)
from canvas_replicate.databases.sqlldr.control_text import list_tuning_options, write_control_file
from canvas_replicate.errors import ConfigError

DATA = Path("/data/dat/20300101T000000Z-hourly-abc123/tmp_x.dat")
PIPES = Delimiters("|", '"', optionally_enclosed=True)


def parse(text: str) -> ControlFile:
    return parse_control_file(text, "t.ctl")


def with_columns(columns: str) -> ControlFile:
    return parse(f"LOAD DATA INTO TABLE t FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"'\n({columns})")


def meaning(control: ControlFile) -> ControlFile:
    """Without what a derived file does not keep."""
    return replace(control, file="", schema=None, options={})


def test_a_whole_control_file_is_written_as_expected() -> None:
    control = parse(
        "OPTIONS (ROWS=500) LOAD DATA CHARACTERSET UTF8 INFILE 'old.dat' \"STR '#EOR#\\n'\" BADFILE 'old.bad'"
        " TRUNCATE PRESERVE BLANKS INTO TABLE own.tmp_x WHEN kind <> 'x' FIELDS TERMINATED BY '|' OPTIONALLY"
        " ENCLOSED BY '\"' TRAILING NULLCOLS (id DECIMAL EXTERNAL, name, kind FILLER CHAR(1),"
        ' note CHAR(4000) NULLIF note=BLANKS "TRIM(:note)", born DATE "YYYY-MM-DD", day DATE(8),'
        " at TIMESTAMP WITH TIME ZONE 'YYYY-MM-DD\"T\"HH24:MITZH:TZM', n RECNUM, s SEQUENCE(MAX), d SYSDATE,"
        " c CONSTANT \"it's\", e EXPRESSION \"seq.NEXTVAL\", own TERMINATED BY ';' ENCLOSED BY X'5C')"
    )
    assert write_control_file(control, schema="reporting", data=DATA) == (
        "LOAD DATA\n"
        "CHARACTERSET AL32UTF8 LENGTH SEMANTICS CHAR\n"
        f"INFILE '{DATA}' \"STR X'23454F52230A'\"\n"
        "TRUNCATE\n"
        "PRESERVE BLANKS\n"
        'INTO TABLE "REPORTING"."TMP_X"\n'
        "WHEN (\"KIND\" <> 'x')\n"
        "FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"'\n"
        "TRAILING NULLCOLS\n"
        "(\n"
        '  "ID" DECIMAL EXTERNAL(255),\n'
        '  "NAME" CHAR(255),\n'
        '  "KIND" FILLER CHAR(1),\n'
        '  "NOTE" CHAR(4000) NULLIF ("NOTE" = BLANKS) "TRIM(:note)",\n'
        '  "BORN" DATE(255) "YYYY-MM-DD",\n'
        "  \"DAY\" DATE(8) TERMINATED BY '|' OPTIONALLY ENCLOSED BY '\"',\n"
        '  "AT" TIMESTAMP WITH TIME ZONE \'YYYY-MM-DD"T"HH24:MITZH:TZM\',\n'
        '  "N" RECNUM,\n'
        '  "S" SEQUENCE(MAX,1),\n'
        '  "D" SYSDATE,\n'
        '  "C" CONSTANT "it\'s",\n'
        '  "E" EXPRESSION "seq.NEXTVAL",\n'
        "  \"OWN\" CHAR(255) TERMINATED BY ';' ENCLOSED BY X'5C'\n"
        ")\n"
    )


@pytest.mark.parametrize("path", sorted((ROOT / "ctls").glob("*.ctl")), ids=lambda path: path.name)
def test_every_control_file_of_this_repository_keeps_its_meaning(path: Path) -> None:
    control = read_control_file(path)
    again = parse(write_control_file(control, schema="reporting", data=DATA))
    assert meaning(again) == meaning(control)
    assert again.schema == "reporting"


# Any control file

NAMES = st.from_regex(r"[a-z_][a-z0-9_$#]{0,8}|[a-z0-9 ,.'()-]{1,6}", fullmatch=True)
TEXTS = st.text(max_size=6)
DATED = ("date", "timestamp", "timestamp_tz")


def not_both_quotes(text: str) -> bool:
    return not ("'" in text and '"' in text)


ASCII = st.text(st.characters(codec="ascii", exclude_characters="\\"), max_size=8)
QUOTABLE = ASCII.filter(not_both_quotes)
SQL = st.text(st.characters(codec="ascii"), max_size=12).filter(
    lambda text: '\\"' not in text and not text.endswith("\\")
)


@st.composite
def delimiters(draw: st.DrawFn, *, enclosed: bool | None = None) -> Delimiters:
    is_enclosed = draw(st.booleans()) if enclosed is None else enclosed
    start = st.characters(exclude_characters=WHITE_SPACE if is_enclosed else "", exclude_categories=("Cs",))
    terminator = draw(start) + draw(st.text(max_size=2))
    if not is_enclosed:
        return Delimiters(terminator)
    enclosure = draw(st.text(min_size=1, max_size=2).filter(lambda text: text != terminator))
    closing = draw(st.none() | st.text(min_size=1, max_size=2).filter(lambda text: text != enclosure))
    return Delimiters(terminator, enclosure, draw(st.booleans()), closing)


def conditions(columns: list[str]) -> st.SearchStrategy[tuple[Condition, ...]]:
    one = st.builds(Condition, st.sampled_from(columns), st.sampled_from(["=", "<>"]), st.none() | TEXTS)
    return st.lists(one, max_size=2).map(tuple)


@st.composite
def made_fields(draw: st.DrawFn, name: str) -> Field:
    return draw(
        st.one_of(
            st.builds(Field, st.just(name), st.sampled_from(["recnum", "sysdate"])),
            st.builds(Field, st.just(name), st.just("constant"), constant=QUOTABLE),
            st.builds(Field, st.just(name), st.just("expression"), expression=SQL),
            st.builds(
                Field,
                st.just(name),
                st.just("sequence"),
                sequence=st.builds(Sequence, st.integers() | st.sampled_from(["MAX", "COUNT"]), st.integers()),
            ),
        )
    )


@st.composite
def data_fields(draw: st.DrawFn, name: str, columns: list[str], table: Delimiters, *, is_column: bool) -> Field:
    kind = draw(st.sampled_from(["char", "number", *DATED]))
    bound = not is_column and draw(st.booleans())
    filler = bound or (not is_column and draw(st.booleans()))
    own = draw(st.none() | delimiters(enclosed=True if table.enclosure else None))
    return Field(
        name,
        kind,
        length=255 if kind.startswith("timestamp") else draw(st.integers(1, 500_000)),
        mask=draw(st.none() | QUOTABLE) if kind in DATED else None,
        filler=filler,
        bound_filler=bound,
        nullif=draw(conditions(columns)),
        expression=None if filler else draw(st.none() | SQL),
        delimiters=None if own == table else own,
    )


@st.composite
def control_files(draw: st.DrawFn) -> ControlFile:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    generated = [False, *(draw(st.booleans()) for _ in names[1:])]
    columns = [name for name, made in zip(names, generated, strict=True) if not made]
    table = draw(delimiters())
    fields = [
        draw(made_fields(name)) if made else draw(data_fields(name, columns, table, is_column=name == names[0]))
        for name, made in zip(names, generated, strict=True)
    ]
    return ControlFile(
        file="t.ctl",
        table=draw(NAMES),
        fields=tuple(fields),
        delimiters=table,
        schema=draw(st.none() | NAMES),
        mode=draw(st.sampled_from(["INSERT", "APPEND", "REPLACE", "TRUNCATE"])),
        record_end=draw(st.binary(min_size=1, max_size=6)),
        trailing_nullcols=draw(st.booleans()),
        preserve_blanks=draw(st.booleans()),
        when=draw(conditions(columns)),
    )


@given(control_files())
def test_any_control_file_keeps_its_meaning(control: ControlFile) -> None:
    text = write_control_file(control, schema=None, data=DATA)
    again = parse(text)
    assert text.isascii()
    assert meaning(again) == meaning(control)
    assert again.schema == control.schema


# Options


def test_only_options_that_tune_are_carried() -> None:
    control = parse(
        "OPTIONS (ROWS=500, BINDSIZE=2000000, DIRECT=FALSE, SKIP=1, LOAD=9, ERRORS=99, PARALLEL=TRUE, SILENT=(ALL),"
        " SKIP_INDEX_MAINTENANCE=TRUE, RESUMABLE=TRUE, SKIP_UNUSABLE_INDEXES=TRUE) LOAD DATA DISCARDMAX 3"
        " INTO TABLE t FIELDS TERMINATED BY '|' (a)"
    )
    assert list_tuning_options(control) == {
        "rows": "500",
        "bindsize": "2000000",
        "direct": "FALSE",
        "skip_unusable_indexes": "TRUE",
    }
    assert "OPTIONS" not in write_control_file(control, schema=None, data=DATA)


# What cannot be handed over


@pytest.mark.parametrize(
    "path", ["/data/it's.dat", "/data/a b.dat", "/data/*.dat", "/data/caf\u00e9.dat", 'a".dat', "$x.dat"]
)
def test_a_path_that_would_need_quoting_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be given the path .* Choose a REPLICATE_DATA_DIR") as caught:
        write_control_file(with_columns("a"), schema=None, data=Path(path))
    assert caught.value.code == "sqlldr.path"


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ("a, b CONSTANT 'caf\u00e9'", "the text 'caf\u00e9'"),
        ("a, b CONSTANT 'C:\\x'", "the text"),
        ('a, b CONSTANT "it\'s \\"x\\""', "the text"),
        ("a, b \"NVL(:b, 'caf\u00e9')\"", "the expression"),
        ('a, b DATE "YYYY\u5e74"', "the text"),
        ('a, "\u00c9T\u00c9"', "the name '\u00e9t\u00e9'"),
    ],
)
def test_a_text_that_would_not_arrive_as_it_is_is_refused_with_its_line(columns: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write_control_file(with_columns(columns), schema=None, data=DATA)
    assert str(caught.value).startswith(f"t.ctl:2: {what}")
    assert "cannot be passed to SQL*Loader unchanged." in str(caught.value)
