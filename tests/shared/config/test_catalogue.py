"""The catalogue: what the two files say, and where in them a mistake is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from tests.repository import ROOT

from canvas_replicate.config.catalogue import (
    Catalogue,
    build_effective_config,
    load_catalogue,
    resolve_source,
)
from canvas_replicate.config.provisions_file import ReportEntry
from canvas_replicate.config.pushes import ProcessEntry
from canvas_replicate.config.settings import Settings, list_setting_fields
from canvas_replicate.config.settings_sources import AppconfDatabase
from canvas_replicate.config.tables import ScheduleOptions, TableEntry
from canvas_replicate.errors import ConfigError, ExitCode, Place

CONF = Path("conf")
DATABASES = ("odl_usr", "dbprod", "qna")
LIST = "hourly: [tmp_a]\n"
TERMS = "terms:\n  earlyenroll: \"'2201'\"\n  upcoming: \"('2199', '2201')\"\n"
TABLE = "tmp_a: {cstable: tmp_a, mvtable: fsuvs_a, sql: SELECT a FROM s}\n"
GUIDE = ROOT / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    conf: str = TABLE, table_list: str = LIST, native: tuple[str, ...] = (), oracle: tuple[str, ...] = ()
) -> Catalogue:
    CONF.mkdir(exist_ok=True)
    (CONF / "tablesconf.yaml").write_text(conf, encoding="utf-8", newline="")
    (CONF / "tablelist.yaml").write_text(table_list, encoding="utf-8", newline="")
    return load_catalogue(CONF, DATABASES, native=native, oracle=oracle)


def refusal(conf: str = TABLE, table_list: str = LIST) -> str:
    with pytest.raises(ConfigError) as caught:
        load(conf, table_list)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


def entry(more: str = "", sql: str = "SELECT a FROM s") -> str:
    """A table whose further keys start in line 5."""
    return f"tmp_a:\n  cstable: tmp_a\n  mvtable: fsuvs_a\n  sql: {sql}\n{more}"


def settings(*aliases: str, target: str | None = "dbprod") -> Settings:
    return Settings.model_validate(
        {"databases": {alias: {"url": f"duckdb:///{alias}"} for alias in aliases}, "target": target}
    )


def test_the_original_files_are_understood() -> None:
    catalogue = load(
        TERMS
        + """
schedules:
  hourly: {then: [provisions, push], source: ODL_USR, snapshot: run, deadline: 90m}
  orgs: {provisions: orgs, then: [push]}

TMP_A:
  cstable: SCHEMA_A.TMP_A
  mvtable: schema_b.fsuvs_a
  dctable: PS_A
  varbl1: upcoming
  sql: |
    SELECT a
      FROM s
     WHERE strm IN $varbl1 OR strm = $varbl1
  toggle: on
  source: Qna
  max_shrink: 20%
  max_rejected: 5
  loader: direct
tmp_b:
  cstable: tmp_b
  mvtable: fsuvs_b
  dctable:
  varbl1:
  sql: SELECT a, '$5' AS price FROM v$session
  toggle: "off"
""",
        "hourly:\n  - tmp_a\n  - TMP_B\nqna:\n  - tmp_b\n",
    )
    table = catalogue.table("tmp_a")
    assert table.query == ("SELECT a\n  FROM s\n WHERE strm IN ('2199', '2201') OR strm = ('2199', '2201')")
    assert (table.base_table, table.view, table.source_table) == ("schema_a.tmp_a", "schema_b.fsuvs_a", "PS_A")
    assert (table.enabled, table.source, table.loader) == (True, "qna", "direct")
    assert (table.max_shrink, table.max_rejected) == (0.2, 5)
    assert table.place == Place(CONF / "tablesconf.yaml", 9, 1)
    other = catalogue.table("TMP_B")
    assert (other.enabled, other.source_table, other.source, other.max_shrink) == (False, None, None, None)
    hourly = catalogue.schedule("HOURLY")
    assert (hourly.tables, hourly.then) == (("tmp_a", "tmp_b"), ("provisions", "push"))
    assert (hourly.source, hourly.snapshot, hourly.deadline) == ("odl_usr", True, timedelta(minutes=90))
    assert catalogue.schedule("qna").deadline == timedelta(hours=6)
    assert (catalogue.schedule("orgs").tables, catalogue.schedule("orgs").provisions) == ((), "orgs")


@pytest.mark.parametrize(("written", "ratio"), [("50%", 0.5), ("0.5", 0.5), ("0%", 0.0), ("1", 1.0), ("12.5%", 0.125)])
def test_a_shrink_is_a_percentage_or_a_part(written: str, ratio: float) -> None:
    assert load(entry(f"  max_shrink: {written}\n")).table("tmp_a").max_shrink == ratio


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (entry("  togle: on\n"), "5:3: tmp_a has a key 'togle' that is not known. Did you mean 'toggle'?"),
        ("tmp_a:\n  cstable: a\n  mvtable: b\n", "1:1: tmp_a has no key 'sql', which it needs."),
        (
            "tmp_a:\n",
            "1:1: tmp_a has no key 'cstable', which it needs.\n"
            "conf/tablesconf.yaml:1:1: tmp_a has no key 'mvtable', which it needs.\n"
            "conf/tablesconf.yaml:1:1: tmp_a has no key 'sql', which it needs.",
        ),
        ("tmp_a: [x]\n", "1:8: tmp_a must be a map of keys, not a list."),
        (entry("  toggle: onn\n"), "5:11: tmp_a.toggle must be on or off, not 'onn'."),
        (
            entry("  source: odl_urs\n"),
            "5:11: tmp_a.source: no database 'odl_urs' is configured. Did you mean 'odl_usr'?",
        ),
        (entry("  max_shrink: 50\n"), "5:15: tmp_a.max_shrink must be like 50% or 0.5, not '50'."),
        (entry("  max_shrink: -5%\n"), "5:15: tmp_a.max_shrink must be like 50% or 0.5, not '-5%'."),
        (entry("  max_rejected: few\n"), "5:17: tmp_a.max_rejected must be a whole number, 0 or more, not 'few'."),
        (entry("  loader: sqlloader\n"), "5:11: tmp_a.loader cannot be 'sqlloader'. Did you mean 'sqlldr'?"),
        (
            TERMS + entry("  varbl1: earlyenrol\n", "SELECT a FROM s WHERE t = $varbl1"),
            "8:11: table tmp_a: no term 'earlyenrol'. Did you mean 'earlyenroll'?",
        ),
        (
            TERMS + entry(sql="SELECT a FROM s WHERE t = $varbl1"),
            "7:34: table tmp_a: the sql has $varbl1, but varbl1 is empty. Give varbl1 the name of a term.",
        ),
        (
            TERMS + entry("  varbl1: upcoming\n"),
            "7:3: table tmp_a: varbl1 is 'upcoming', but the sql has no $varbl1. "
            "Write $varbl1 where the term belongs, or leave varbl1 empty.",
        ),
        (
            TERMS + entry("  varbl1: upcoming\n", "|\n    SELECT a FROM s\n     WHERE t = $VARBL1"),
            "9:16: table tmp_a: the sql has '$VARBL1'. The only placeholder is '$varbl1'.",
        ),
        (
            TERMS + entry("  varbl1: upcoming\n", "SELECT a FROM s WHERE t = $varbl12"),
            "7:34: table tmp_a: the sql has '$varbl12'. The only placeholder is '$varbl1'.",
        ),
        (
            TERMS + entry("  varbl1: upcoming\n", "SELECT a FROM s WHERE t = ${varbl1}"),
            "7:34: table tmp_a: the sql has '${varbl1}'. Write $varbl1.",
        ),
        (
            entry(sql="SELECT a FROM s WHERE t = :term"),
            "4:34: table tmp_a: the sql has ':term'. Nothing fills a bind variable here: write the value, or $varbl1"
            " with the name of a term in varbl1.",
        ),
        (
            entry(sql="|\n    SELECT a FROM s\n     WHERE t = '&kept' AND u = &&term"),
            "6:32: table tmp_a: the sql has '&&term'. Nothing fills a variable of SQL*Plus here: write the value, or"
            " $varbl1 with the name of a term in varbl1.",
        ),
        (
            TERMS + entry("  varbl1: upcoming\n", "|\n    SELECT a FROM s -- $varbl1"),
            "7:3: table tmp_a: varbl1 is 'upcoming', but the sql has no $varbl1. "
            "Write $varbl1 where the term belongs, or leave varbl1 empty.",
        ),
        ("terms:\n  upcoming: ['2199']\n" + TABLE, "2:13: terms.upcoming must be text, not a list."),
        ("terms:\n  upcoming:\n" + TABLE, "2:12: terms.upcoming must not be empty."),
        (
            "2tmp: {cstable: a, mvtable: b, sql: SELECT a FROM s}\n" + TABLE,
            "1:1: '2tmp' cannot name a table: a letter, then letters, digits, _, $ and #.",
        ),
        (
            "tmp_b: {cstable: a b, mvtable: b, sql: SELECT a FROM s}\n" + TABLE,
            "1:18: tmp_b.cstable: 'a b' is not a name like tmp_students or schema_a.tmp_students.",
        ),
        (
            TABLE + "tmp_b:\n  cstable: TMP_A\n  mvtable: x\n  sql: SELECT a FROM s\n",
            "3:12: table tmp_b: cstable 'tmp_a' is the one of table tmp_a already.",
        ),
        (
            TABLE + "tmp_b:\n  cstable: x\n  mvtable: fsuvs_a\n  sql: SELECT a FROM s\n",
            "4:12: table tmp_b: mvtable 'fsuvs_a' is the one of table tmp_a already.",
        ),
        (
            TABLE + TABLE.replace("tmp_a:", "TMP_A:"),
            "2:1: 'TMP_A' is here twice, first in line 1; case does not matter.",
        ),
        ("schedules: [hourly]\n" + TABLE, "1:12: schedules must be a map of keys, not a list."),
        (
            "schedules:\n  hourley: {snapshot: run}\n" + TABLE,
            "2:3: schedules: no schedule 'hourley' in tablelist.yaml. Did you mean 'hourly'?",
        ),
        (
            "schedules:\n  ../x: {provisions: orgs}\n" + TABLE,
            "2:3: '../x' cannot name a schedule: letters, digits, _ and - only.",
        ),
        (
            "schedules:\n  hourly: {deadlin: 6h}\n" + TABLE,
            "2:12: schedules.hourly has a key 'deadlin' that is not known. Did you mean 'deadline'?",
        ),
        (
            "schedules:\n  hourly: {deadline: 6}\n" + TABLE,
            "2:22: schedules.hourly.deadline: '6' is not a duration such as 45s, 90m, 6h or 1d.",
        ),
        (
            "schedules:\n  hourly: {source: dbprodd}\n" + TABLE,
            "2:20: schedules.hourly.source: no database 'dbprodd' is configured. Did you mean 'dbprod'?",
        ),
        (
            "schedules:\n  hourly: {snapshot: all}\n" + TABLE,
            "2:22: schedules.hourly.snapshot cannot be 'all'. Known: run.",
        ),
        (
            "schedules:\n  hourly: {provisions: org}\n" + TABLE,
            "2:24: schedules.hourly.provisions cannot be 'org'. Did you mean 'orgs'?",
        ),
        ("schedules:\n  hourly: {then: push}\n" + TABLE, "2:18: schedules.hourly.then must be a list, not text."),
        (
            "schedules:\n  hourly: {then: [provision]}\n" + TABLE,
            "2:19: schedules.hourly.then[1] cannot be 'provision'. Did you mean 'provisions'?",
        ),
        (
            "schedules:\n  hourly: {then: [push, provisions]}\n" + TABLE,
            "2:18: schedules.hourly.then must be [provisions], [push] or [provisions, push].",
        ),
        (
            "schedules:\n  hourly: {then: [push]}\n" + TABLE,
            "2:18: schedules.hourly.then: a push needs provisions before it. Write [provisions, push].",
        ),
        (
            "schedules:\n  hist: {provisions: historical, then: [push]}\n" + TABLE,
            "2:40: schedules.hist.then: historical provisions are never pushed. Take push out.",
        ),
    ],
)
def test_a_mistake_in_tablesconf_is_told_at_its_place(conf: str, message: str) -> None:
    assert refusal(conf) == f"conf/tablesconf.yaml:{message}"


@pytest.mark.parametrize(
    ("table_list", "message"),
    [
        ("hourly:\n  - tmp_a\nqna: tmp_a\n", "3:1: schedule qna must be a list of tables. Write each as: - table"),
        ("hourly:\n", "1:1: schedule hourly must be a list of tables. Write each as: - table"),
        (
            "hourly:\n  - tmp_a\n  - tmp_aa\n",
            "3:5: schedule hourly: no table 'tmp_aa' in tablesconf.yaml. Did you mean 'tmp_a'?",
        ),
        ("hourly:\n  - tmp_a\n  - TMP_A\n", "3:5: schedule hourly: table 'tmp_a' is in the list twice."),
        ("hourly:\n  - [tmp_a]\n", "2:5: hourly[1] must be text, not a list."),
        ("../etc: [tmp_a]\n", "1:1: '../etc' cannot name a schedule: letters, digits, _ and - only."),
        ("Hourly: [tmp_a]\nhourly: [tmp_a]\n", "2:1: 'hourly' is here twice, first in line 1; case does not matter."),
        ("- tmp_a\n", "1:1: the file must be a map of keys, not a list."),
    ],
)
def test_a_mistake_in_tablelist_is_told_at_its_place(table_list: str, message: str) -> None:
    assert refusal(TABLE, table_list) == f"conf/tablelist.yaml:{message}"


@pytest.mark.parametrize(
    ("conf", "place", "word", "right"),
    [
        (entry(sql="|\n    SELECT a\n      FORM s"), "6:7", "FORM", "FROM"),
        (entry(sql="|\n    SELEC a\n      FROM s"), "5:5", "SELEC", "SELECT"),
        (entry(sql="SELECT a FORM s"), "4:17", "FORM", "FROM"),
        (entry(sql='"SELECT a FORM s"'), "4:18", "FORM", "FROM"),
        (entry(sql='"SELECT \\"A\\" FORM s"'), "4", "FORM", "FROM"),
    ],
)
def test_a_misspelt_word_of_sql_is_found_in_the_file(conf: str, place: str, word: str, right: str) -> None:
    first = refusal(conf).splitlines()[0]
    assert first.startswith(f"conf/tablesconf.yaml:{place}: table tmp_a: {word!r} ")
    assert first.endswith(f"Did you mean {right}?")


@pytest.mark.parametrize("term", ["'1'", "('2199', '2201', '2204', '2207')", "(\n'2199',\n'2201')"])
def test_a_term_does_not_shift_the_place_of_a_mistake_behind_it(term: str) -> None:
    sql = "|\n    SELECT a FROM s WHERE t IN $varbl1 AND u IN $varbl1 ORDR BY a"
    conf = f"terms: {{x: {json.dumps(term)}}}\n" + entry("  varbl1: x\n", sql)
    column = len("    SELECT a FROM s WHERE t IN $varbl1 AND u IN $varbl1 ") + 1
    assert refusal(conf).startswith(f"conf/tablesconf.yaml:6:{column}: table tmp_a: 'ORDR' ")


def test_a_mistake_within_a_term_is_told_at_its_placeholder_and_with_the_term() -> None:
    conf = "terms: {x: \"('1',)\"}\n" + entry("  varbl1: x\n", "|\n    SELECT a FROM s\n    WHERE t IN $varbl1")
    message = refusal(conf)
    assert message.startswith("conf/tablesconf.yaml:7:16: table tmp_a: ")
    assert message.endswith("($varbl1 is ('1',) here.)")


def test_sql_that_may_run_on_a_database_of_another_tongue_is_not_held_against_oracle() -> None:
    native = "SELECT a FROM s LIMIT 5"
    assert refusal(entry(sql=native)).startswith("conf/tablesconf.yaml:4:")
    assert load(entry("  source: QNA\n", native), native=("qna",)).table("tmp_a").query == native
    by_schedule = "schedules: {hourly: {source: qna}}\n" + entry(sql=native)
    assert load(by_schedule, native=("qna",)).table("tmp_a").query == native
    with pytest.raises(ConfigError, match=r"^conf/tablesconf\.yaml:4:"):
        load(entry("  source: odl_usr\n", native), native=("qna",))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '$5 $x ${varbl1} :a &b' a FROM s",
        "SELECT q'[it's $x :y]' a, \"$x\" FROM s /* $y :z */ -- &t",
        "SELECT DATE '2030-01-01' + INTERVAL '1:30' HOUR TO MINUTE a, v$x FROM s",
        "SELECT JSON_OBJECT('a':a, 'b' :b) a FROM s",
    ],
)
def test_what_is_in_a_text_or_a_comment_is_no_placeholder(sql: str) -> None:
    assert load(entry(sql=f"|\n    {sql}")).table("tmp_a").query == sql


def test_a_term_is_filled_in_outside_of_comments_only() -> None:
    sql = "|\n    SELECT '-- x' a FROM s WHERE t IN $varbl1 -- $varbl1\n      AND u = '$varbl1'"
    query = load(TERMS + entry("  varbl1: upcoming\n", sql.replace("'$varbl1'", "q'{$varbl1}'"))).table("tmp_a").query
    assert query.startswith("SELECT '-- x' a FROM s WHERE t IN ('2199', '2201') -- $varbl1")
    assert query.endswith("q'{('2199', '2201')}'")


@pytest.mark.parametrize("sql", ["SELECT a FORM s", "SELECT XMLSERIALIZE(CONTENT a AS CLOB) a FROM s"])
def test_an_oracle_source_takes_every_query_as_it_is_written(sql: str) -> None:
    assert load(entry("  source: qna\n", sql), oracle=("qna",)).table("tmp_a").query == sql
    with pytest.raises(ConfigError, match="'DELETE' does not start a query"):
        load(entry("  source: qna\n", "DELETE FROM s"), oracle=("qna",))


def test_a_legal_query_that_the_parser_does_not_read_is_left_to_its_table() -> None:
    unread = "SELECT d AT LOCAL d FROM t"
    assert load(entry(sql=unread)).table("tmp_a").query == unread


def test_the_problems_of_both_files_are_told_together_in_order() -> None:
    conf = entry("  toggle: onn\n") + "tmp_b: {cstable: b, mvtable: b}\n"
    assert refusal(conf, "hourly: [tmp_a, tmp_z]\nqna: [tmp_y, tmp_y]\n").splitlines() == [
        "conf/tablelist.yaml:1:17: schedule hourly: no table 'tmp_z' in tablesconf.yaml. Did you mean 'tmp_b'?",
        "conf/tablelist.yaml:2:7: schedule qna: no table 'tmp_y' in tablesconf.yaml. Did you mean 'tmp_b'?",
        "conf/tablelist.yaml:2:14: schedule qna: table 'tmp_y' is in the list twice.",
        "conf/tablesconf.yaml:5:11: tmp_a.toggle must be on or off, not 'onn'.",
        "conf/tablesconf.yaml:6:1: tmp_b has no key 'sql', which it needs.",
    ]


def test_a_missing_file_is_named() -> None:
    CONF.mkdir()
    with pytest.raises(ConfigError, match=r"^conf/tablesconf\.yaml: the file does not exist\. REPLICATE_CONF_DIR "):
        load_catalogue(CONF, DATABASES)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    catalogue = load(TABLE + TABLE.replace("_a", "_bc"), "hourly: [tmp_a]\nempty: []\n")
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: catalogue.schedule("hurly"), "no schedule 'hurly' in tablelist.yaml. Did you mean 'hourly'?"),
        (lambda: catalogue.table("tmp_cb"), "no table 'tmp_cb' in tablesconf.yaml. Did you mean 'tmp_bc'?"),
        (
            lambda: catalogue.schedule_tables("hourly", "tmp_bc"),
            "table 'tmp_bc' is not in schedule hourly. Did you mean 'tmp_a'?",
        ),
        (
            lambda: catalogue.schedule_tables("empty"),
            "schedule empty has no tables. Add one: replicate table add SCHEMA.TABLE --schedule empty --write",
        ),
    ]
    for ask, message in cases:
        with pytest.raises(ConfigError) as caught:
            ask()
        assert str(caught.value) == message


def test_one_table_of_a_schedule_can_be_asked_for() -> None:
    catalogue = load(TABLE + TABLE.replace("_a", "_b"), "hourly: [tmp_b, tmp_a]\n")
    assert [table.name for table in catalogue.schedule_tables("hourly")] == ["tmp_b", "tmp_a"]
    assert [table.name for table in catalogue.schedule_tables("Hourly", "TMP_A")] == ["tmp_a"]


def test_a_schedule_of_provisions_needs_no_tables() -> None:
    catalogue = load("schedules: {orgs: {provisions: orgs, then: [push]}}\n" + TABLE)
    assert catalogue.schedule_tables("orgs") == ()


def test_the_source_is_what_the_nearest_says() -> None:
    both = load("schedules: {hourly: {source: odl_usr}}\n" + entry("  source: qna\n"))
    by_schedule = load("schedules: {hourly: {source: odl_usr}}\n" + TABLE)
    nothing = load()
    three, two = settings("odl_usr", "qna", "dbprod"), settings("odl_usr", "dbprod")
    assert resolve_source("tmp_a", "hourly", both, three, "ODL_USR", "qna") == "odl_usr"
    assert resolve_source("tmp_a", "hourly", both, three, None, "odl_usr") == "qna"
    assert resolve_source("tmp_a", "hourly", by_schedule, three, None, "qna") == "odl_usr"
    assert resolve_source("tmp_a", None, by_schedule, three, None, "qna") == "qna"
    assert resolve_source("tmp_a", "rerun", nothing, three, None, "QNA") == "qna"
    assert resolve_source("tmp_a", "hourly", nothing, two, None, None) == "odl_usr"
    assert resolve_source("tmp_a", "hourly", nothing, two, None, "gone") == "odl_usr"
    assert resolve_source("tmp_a", "hourly", nothing, two, None, "dbprod") == "odl_usr"


@pytest.mark.parametrize("named_by", ["the command line", "table tmp_a", "schedule hourly"])
def test_the_target_is_no_source_of_a_table(named_by: str) -> None:
    texts = {
        "table tmp_a": entry("  source: dbprod\n"),
        "schedule hourly": "schedules: {hourly: {source: dbprod}}\n" + TABLE,
    }
    catalogue, two = load(texts.get(named_by, TABLE)), settings("odl_usr", "dbprod")
    with pytest.raises(ConfigError) as caught:
        resolve_source("tmp_a", "hourly", catalogue, two, None if named_by in texts else "dbprod", None)
    assert named_by in str(caught.value)
    assert str(caught.value).endswith(
        "is the target (REPLICATE_TARGET), and no table is copied from there. Name another: odl_usr."
    )


def test_one_file_is_not_source_and_target() -> None:
    urls = {"campus": "duckdb:///data/one.duckdb", "dbprod": "duckdb:///data/../data/one.duckdb"}
    one = Settings.model_validate({"target": "dbprod", "databases": {name: {"url": url} for name, url in urls.items()}})
    with pytest.raises(
        ConfigError, match="REPLICATE_DATABASES__CAMPUS__URL and REPLICATE_DATABASES__DBPROD__URL are one"
    ):
        resolve_source("tmp_a", "hourly", load(), one, None, None)


def test_a_source_that_nothing_tells_is_never_guessed() -> None:
    catalogue = load()
    for databases, command_line, message in [
        (
            ("odl_usr", "qna", "dbprod"),
            None,
            "table tmp_a: no source database is configured. "
            "Name one on the command line, or as source: in tablesconf.yaml. Known: odl_usr, qna.",
        ),
        (
            ("dbprod",),
            None,
            "table tmp_a: no source database is configured. Configure the source database besides the target.",
        ),
        (
            ("odl_usr", "dbprod"),
            "odl_urs",
            "the command line: no database 'odl_urs' is configured. Did you mean 'odl_usr'?",
        ),
    ]:
        with pytest.raises(ConfigError) as caught:
            resolve_source("tmp_a", "hourly", catalogue, settings(*databases), command_line, None)
        assert str(caught.value) == message


def test_the_effective_configuration_is_json_without_secrets() -> None:
    secret = Settings.model_validate(
        {
            "databases": {"odl_usr": {"url": "oracle://joe@db", "password": "hunter2"}},
            "canvas": {"token": "hunter2"},
            "bus_url": "amqp://joe:hunter2@bus/",
        }
    )
    shown = json.dumps(build_effective_config(secret, load()))
    assert "hunter2" not in shown
    assert json.loads(shown)["tables"]["tmp_a"]["query"] == "SELECT a FROM s"
    assert json.loads(shown)["schedules"]["hourly"]["deadline"] == "21600s"


def documented(heading: str) -> set[str]:
    """The names in the first column of the tables under a heading."""
    section = re.split(r"^## ", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    return set(re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE))


def test_the_guide_names_every_setting_and_every_key_and_no_other() -> None:
    assert documented("Settings") == set(list_setting_fields())
    assert documented("appconf.yaml") == set(keys_of(AppconfDatabase))
    assert documented("tablesconf.yaml: tables") == set(keys_of(TableEntry))
    assert documented("tablesconf.yaml: schedules") == set(keys_of(ScheduleOptions))
    assert documented("pushes.yaml") == set(keys_of(ProcessEntry))


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def test_the_guide_gives_settings_and_keys_the_default_and_the_words_that_the_code_has() -> None:
    guide = GUIDE.read_text(encoding="utf-8").splitlines()
    rows = [
        f"| `{name}` | {default_of(field)} | {field.description} |" for name, field in list_setting_fields().items()
    ]
    for model in (AppconfDatabase, ScheduleOptions):
        rows += [f"| `{key}` | {field.description} |" for key, field in keys_of(model).items()]
    for model in (TableEntry, ReportEntry, ProcessEntry):
        rows += [
            f"| `{key}` | {'yes' if field.is_required() else 'no'} | {field.description} |"
            for key, field in keys_of(model).items()
        ]
    assert [row for row in rows if row not in guide] == []


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{field.default}`"


ANY_YAML = st.text("ab:- |>\"'[]{}#&*!%@\n\t?,$", max_size=80)
NEARLY = st.lists(
    st.sampled_from([
        "terms:\n", "  x: '1'\n", "schedules:\n", "tmp_a:\n", "  cstable: a\n", "  mvtable: b\n", "  varbl1: x\n",
        "  sql: |\n", "    SELECT a\n", "    FROM t WHERE x IN $varbl1\n", "  sql: SELECT ,\n", "  toggle: on\n",
        "  hourly: {then: [push], deadline: 1h}\n", "hourly:\n", "  - tmp_a\n", "  - [tmp_a]\n", "\t", "  sql: '\n",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(conf=ANY_YAML | NEARLY | st.text(), table_list=ANY_YAML | NEARLY)
@example(conf=TABLE, table_list=LIST)
def test_no_text_however_broken_gives_anything_but_a_catalogue_or_a_config_error(conf: str, table_list: str) -> None:
    message = complaint(conf, table_list)
    assert message is None or message.startswith(("conf/tablesconf.yaml", "conf/tablelist.yaml"))


def complaint(conf: str, table_list: str) -> str | None:
    try:
        load(conf, table_list)
    except ConfigError as error:
        return str(error)
    return None
