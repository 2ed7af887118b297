"""`replicate table add` and `table diff` as they are typed, on DuckDB files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.workplace import Workplace
from typer.testing import CliRunner

from canvas_replicate.cli import entry
from canvas_replicate.cli.commands import tables
from canvas_replicate.cli.scaffold import changes
from canvas_replicate.cli.scaffold.changes import FileChange, write_together
from canvas_replicate.databases.ports import TableFacts
from canvas_replicate.datfile.columns import column_from_oracle_type
from canvas_replicate.errors import ConfigError, PermanentError, ReplicateError

APP = entry.new_app("test")
tables.add_to(APP)


@dataclass(frozen=True)
class Done:
    code: int
    out: str


def run(*words: str) -> Done:
    result = CliRunner().invoke(APP, ["table", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.output)


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    workplace.add_students()
    workplace.source_sql(
        "CREATE TABLE sis.buildings (code VARCHAR PRIMARY KEY, floors INTEGER NOT NULL, opened TIMESTAMP_S)",
        "INSERT INTO sis.buildings VALUES ('A', 3, TIMESTAMP '2001-02-03 04:05:06')",
    )
    return workplace


def files_of(place: Workplace) -> dict[str, bytes]:
    folders = ("conf", "ctls", "ddl")
    return {str(path): path.read_bytes() for folder in folders for path in sorted((place.folder / folder).iterdir())}


def test_without_write_there_is_a_diff_and_the_command_to_write_it(place: Workplace) -> None:
    before = files_of(place)
    done = run("add", "SIS.BUILDINGS", "--schedule", "hourly", "--grant", "campus_reader")
    assert done.code == 0
    for line in (
        "+- tmp_buildings",
        "+tmp_buildings:",
        "+TRUNCATE",
        "+CREATE TABLE tmp_buildings (",
        "--- /dev/null",
    ):
        assert line in done.out.splitlines()
    last = done.out.splitlines()[-1]
    assert last == "next:  replicate table add SIS.BUILDINGS --schedule hourly --grant campus_reader --write"
    assert files_of(place) == before


def test_a_table_that_was_added_can_be_made_loaded_and_shows_no_drift(place: Workplace) -> None:
    assert run("add", "SIS.BUILDINGS", "--schedule", "hourly", "--write").code == 0
    assert place.run("replicate", "init-db").code == 0
    assert place.run("replicate", "rerun", "tmp_buildings").code == 0
    assert place.target_sql("SELECT code, floors FROM campus_buildings") == [("A", 3)]
    assert run("diff", "tmp_buildings") == Done(0, "tmp_buildings: no drift.\n")


def test_apply_makes_table_and_view(place: Workplace) -> None:
    assert place.run("replicate", "init-db").code == 0
    done = run("add", "SIS.BUILDINGS", "--apply")
    assert "next:  replicate rerun tmp_buildings" in done.out
    assert place.target_sql("SELECT count(*) FROM tmp_buildings") == [(0,)]
    assert place.target_sql("SELECT count(*) FROM campus_buildings") == [(0,)]


def test_what_others_wrote_stays_byte_for_byte(place: Workplace) -> None:
    conf = place.folder / "conf" / "tablesconf.yaml"
    text = "# ours\r\n" + conf.read_text("utf-8").replace("\n", "\r\n").rstrip()
    conf.write_bytes(text.encode())
    run("add", "SIS.BUILDINGS", "--write")
    after = conf.read_bytes().decode()
    start, end = after.index("tmp_buildings:"), after.index("tmp_students:")
    assert after[:start] + after[end:] == text


def test_a_query_of_ones_own_gets_its_term(place: Workplace) -> None:
    query = place.folder / "query.sql"
    query.write_text(
        "SELECT b.code,\n       b.floors * 2 AS doubled\n  FROM sis.buildings b\n WHERE b.code = $varbl1\n", "utf-8"
    )
    run("add", "sis.buildings", "--query", str(query), "--term", "now", "--key", "CODE", "--write")
    assert "  doubled DECIMAL EXTERNAL" in (place.folder / "ctls" / "tmp_buildings.ctl").read_text("utf-8")
    assert "PRIMARY KEY (code)" in (place.folder / "ddl" / "tmp_buildings.sql").read_text("utf-8")
    conf = (place.folder / "conf" / "tablesconf.yaml").read_text("utf-8")
    assert "  varbl1: now\n  sql: |\n    SELECT b.code,\n           b.floors * 2 AS doubled\n" in conf


def test_a_mistake_in_a_query_is_told_at_its_place_in_its_file(place: Workplace) -> None:
    query = place.folder / "query.sql"
    query.write_text("SELECT b.code,\n  FROM sis.buildings b\n", "utf-8")
    with pytest.raises(ConfigError, match=r"query.sql:1:14: Nothing follows this comma") as refused:
        run("add", "sis.buildings", "--query", str(query))
    assert refused.value.next_step == "Remove the comma or add what is missing."


def test_a_term_that_is_not_there_is_told_with_the_file_that_would_name_it(place: Workplace) -> None:
    query = place.folder / "query.sql"
    query.write_text("SELECT code FROM sis.buildings WHERE code = $varbl1", "utf-8")
    with pytest.raises(ConfigError, match=r"conf/tablesconf.yaml:\d+:\d+: table tmp_buildings: no term 'then'"):
        run("add", "sis.buildings", "--query", str(query), "--term", "then")


def test_a_table_that_is_there_is_refused(place: Workplace) -> None:
    with pytest.raises(ConfigError, match=r"tablesconf.yaml:\d+:1: there is a table tmp_students already"):
        run("add", "sis.students")


def test_a_table_that_the_source_does_not_have_is_refused(place: Workplace) -> None:
    with pytest.raises(PermanentError, match=r"no table sis\.nothing"):
        run("add", "sis.nothing")


def test_a_file_that_lies_there_already_is_not_overwritten(place: Workplace) -> None:
    lying = place.folder / "ddl" / "tmp_buildings.sql"
    lying.write_text("-- mine\n", "utf-8")
    with pytest.raises(ConfigError, match=r"tmp_buildings\.sql: the file exists already"):
        run("add", "sis.buildings", "--write")
    assert lying.read_text("utf-8") == "-- mine\n"


def test_a_database_that_makes_nothing_leaves_the_ddl_for_the_dba(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "open_target", lambda settings, create: NoPrivileges())
    with pytest.raises(PermanentError, match="ORA-01031") as refused:
        run("add", "sis.buildings", "--apply")
    assert "Hand" in refused.value.next_step
    assert "tmp_buildings.sql" in refused.value.next_step
    assert (place.folder / "ddl" / "tmp_buildings.sql").exists()


class NoPrivileges:
    def missing(self, ddl: str, file: Path) -> list[str]:
        return [ddl]

    def apply(self, statements: list[str], what: str) -> None:
        raise PermanentError("ORA-01031: insufficient privileges.", code="ORA-01031")


def test_a_type_without_a_text_names_its_column_and_the_way_to_add_it(place: Workplace) -> None:
    place.source_sql("CREATE TABLE sis.rooms (code VARCHAR, opens TIME)")
    with pytest.raises(PermanentError, match=r"Column opens: type TIME has no place in a \.dat file\.") as refused:
        run("add", "sis.rooms")
    assert "TO_CHAR" in refused.value.next_step
    assert refused.value.next_step.endswith("--query FILE")


def test_an_oracle_table_with_a_word_of_sql_for_a_column_is_refused(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "open_source", lambda settings, alias: OracleLike())
    with pytest.raises(ConfigError, match="column 'comment' is no name") as refused:
        run("add", "sis.notes")
    assert "--query FILE" in refused.value.next_step


class OracleLike:
    def table(self, name: str) -> TableFacts:
        return TableFacts((column_from_oracle_type("COMMENT", "VARCHAR2(30 CHAR)"),), ())


def test_foreign_control_files_are_shown_and_rewritten_with_their_line_ends(place: Workplace) -> None:
    ctl = place.folder / "ctls" / "tmp_students.ctl"
    ours = ctl.read_text("utf-8").replace("\n", "\r\n")
    foreign = ours.replace("'|'", "','").replace(" \"STR '#EOR#\\n'\"", "")
    ctl.write_bytes(foreign.encode())
    shown = run("ctl", "--all")
    assert ctl.read_bytes() == foreign.encode()
    assert "-FIELDS TERMINATED BY ','" in shown.out
    assert shown.out.endswith("next:  replicate table ctl --all --write\n")
    assert run("ctl", "tmp_students", "--write").code == 0
    assert ctl.read_bytes() == ours.encode()
    assert run("ctl", "--all").out == "Every control file has the layout of our data files.\n"


def test_a_control_file_that_cannot_be_rewritten_does_not_stop_the_others(place: Workplace) -> None:
    students = place.folder / "ctls" / "tmp_students.ctl"
    ours = students.read_text("utf-8")
    place.add_table("tmp_odd", sql="SELECT 1 a", ctl="LOAD DATA INTO TABLE tmp_odd (a POSITION(1:2) BLOB)", ddl=None)
    students.write_text(ours.replace("'|'", "';'"), "utf-8")
    with pytest.raises(ConfigError, match=r"tmp_odd\.ctl:1:47: BLOB is a type of table columns"):
        run("ctl", "--all", "--write")
    assert students.read_text("utf-8") == ours


def test_drift_is_printed_with_its_migration_and_ends_with_1(place: Workplace) -> None:
    run("add", "SIS.BUILDINGS", "--write")
    place.run("replicate", "init-db")
    place.source_sql("ALTER TABLE sis.buildings ADD COLUMN street VARCHAR")
    conf = place.folder / "conf" / "tablesconf.yaml"
    conf.write_text(conf.read_text("utf-8").replace("b.opened\n", "b.opened,\n           b.street\n"), "utf-8")
    before = files_of(place)
    done = run("diff", "tmp_buildings")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "street: in the query (CLOB), not in the control file, the ddl file and the base table"
    assert "ALTER TABLE tmp_buildings ADD (street CLOB);" in lines
    assert "DROP MATERIALIZED VIEW campus_buildings;" in lines
    assert lines[-1] == "next:  replicate table diff tmp_buildings --write"
    assert files_of(place) == before
    assert run("diff", "tmp_buildings", "--write").code == 1
    assert "street CHAR(1000000)" in (place.folder / "ctls" / "tmp_buildings.ctl").read_text("utf-8")
    assert "street CLOB" in (place.folder / "ddl" / "tmp_buildings.sql").read_text("utf-8")
    (row,) = place.target_sql("SELECT count(*) FROM duckdb_columns() WHERE column_name = 'street'")
    assert row == (0,)


def test_a_column_that_the_source_lost_is_told_with_the_entry_whose_query_names_it(place: Workplace) -> None:
    place.run("replicate", "init-db")
    run("add", "SIS.BUILDINGS", "--write")
    place.source_sql("ALTER TABLE sis.buildings DROP COLUMN opened")
    with pytest.raises(
        PermanentError, match=r"tablesconf.yaml:\d+:1: the source refuses the query of tmp_buildings: .*opened"
    ):
        run("diff", "tmp_buildings")


def test_two_columns_of_one_name_have_no_drift_but_an_error(place: Workplace) -> None:
    place.run("replicate", "init-db")
    place.configure(
        "tmp_students", sql="SELECT a.id, a.name, b.id FROM sis.students a JOIN sis.students b ON a.id = b.id"
    )
    with pytest.raises(ConfigError, match=r"tmp_students: the query has 2 columns named id\. Give it an alias\."):
        run("diff", "tmp_students")


def test_drift_can_be_read_as_json(place: Workplace) -> None:
    place.run("replicate", "init-db")
    run("add", "SIS.BUILDINGS", "--write")
    done = run("diff", "tmp_buildings", "--json")
    said = json.loads(done.out)
    assert (done.code, said["differences"], said["written"]) == (1, [], False)
    assert "There is no base table tmp_buildings" in said["notes"][0]


def test_a_plan_can_be_read_as_json(place: Workplace) -> None:
    said = json.loads(run("add", "SIS.BUILDINGS", "--json").out)
    assert (said["table"], said["written"], len(said["files"])) == ("tmp_buildings", False, 3)


# -- writing ---------------------------------------------------------------------------------------------------------


def test_when_one_file_cannot_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", "utf-8")
    (tmp_path / "no folder").write_text("", "utf-8")
    planned = [FileChange(tmp_path / "a", "old", "new"), FileChange(tmp_path / "no folder" / "b", None, "new")]
    with pytest.raises(ReplicateError, match="no folder"):
        write_together(planned)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "no folder"]
    assert (tmp_path / "a").read_text("utf-8") == "old"


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("newer", "utf-8")
    with pytest.raises(ConfigError, match="changed while this was planned"):
        write_together([FileChange(tmp_path / "b", None, "new"), FileChange(tmp_path / "a", "old", "new")])
    assert (tmp_path / "a").read_text("utf-8") == "newer"
    assert not (tmp_path / "b").exists()


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", "utf-8")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    write_together([FileChange(tmp_path / "link", "old", "new\r\n")])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new\r\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_who_reads_the_configuration_reads_a_new_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("old", "utf-8")
    (tmp_path / "conf").chmod(0o664)
    write_together([FileChange(tmp_path / "ctl", None, "new"), FileChange(tmp_path / "conf", "old", "new")])
    assert (tmp_path / "ctl").stat().st_mode & 0o777 == 0o664


def test_a_byte_order_mark_is_no_change_of_the_first_line() -> None:
    assert changes.strip_bom("\ufeffterms:") == "terms:"
