"""A mistake on the command line or in a file is found before any database is opened: here none can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workplace import Workplace

PROVISIONS = "regular: {users: {scope: account, cstable: tmp_cnv_users, mvtable: canvas_users}}\n"
PUSHES = "regular: [{process: people, kind: users, sql: SELECT 1 FROM dual}]\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    place = Workplace(tmp_path)
    place.add_students()
    place.add_canvas("http://127.0.0.1:1", "token", PROVISIONS)
    (place.folder / "conf" / "pushes.yaml").write_text(PUSHES, "utf-8")
    for alias in ("CAMPUS", "REPORTING"):
        place.environment[f"REPLICATE_DATABASES__{alias}__URL"] = "postgresql://nobody@127.0.0.1:1/nowhere"
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    yield place
    place.close()


WRONG_NAMES = [
    ("replicate run hourley", "no schedule 'hourley' in tablelist.yaml. Did you mean 'hourly'?"),
    ("replicate run hourly campsu", "no database 'campsu' is configured. Did you mean 'campus'?"),
    ("replicate provision --historical", "provisions.yaml has no historical reports."),
    ("replicate provision --historical --processorgs", "--historical or --processorgs, not both."),
    ("replicate push --processorgs", "pushes.yaml has no orgs processes."),
    ("replicate push --tablename poeple", "no process 'poeple' in pushes.yaml under regular. Did you mean 'people'?"),
    ("replicate rerun tmp_student", "no table 'tmp_student' in tablesconf.yaml or provisions.yaml. Did you mean"),
    ("replicate rerun tmp_students campsu", "no database 'campsu' is configured."),
    ("replicate replay 20300101T000000Z-hourly-abcdef tmp_student", "no table 'tmp_student'"),
    ("replicate why table tmp_student", "no table 'tmp_student'"),
    ("replicate table diff tmp_student", "no table 'tmp_student'"),
    ("replicate table add sis.rooms --schedule hourley", "no schedule 'hourley'"),
    ("extractor run hourley", "no schedule 'hourley'"),
    ("extractor run hourly --tablename tmp_student", "table 'tmp_student' is not in schedule hourly. Did you mean"),
    ("loader run hourley", "no schedule 'hourley'"),
    ("loader run hourly --tablename tmp_student", "table 'tmp_student' is not in schedule hourly."),
    ("provisioner run --processorgs", "provisions.yaml has no orgs reports."),
    ("canvas-pusher run --tablename poeple", "no process 'poeple'"),
    ("canvas-pusher plan --processorgs", "pushes.yaml has no orgs processes."),
]


@pytest.mark.parametrize(("command", "message"), WRONG_NAMES)
def test_a_name_that_is_not_configured_is_refused(place: Workplace, command: str, message: str) -> None:
    done = place.run(*command.split())
    assert done.code == 2
    assert message in str(done.error)


def test_trigger_refuses_as_well(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_BUS_URL", "amqp://127.0.0.1:1")
    assert "no schedule 'hourley'" in str(place.run("replicate", "trigger", "hourley").error)
    assert "no database 'campsu'" in str(place.run("replicate", "trigger", "hourly", "campsu").error)
    assert place.run("replicate", "trigger", "hourly").code == 5


OF_STUDENTS = [
    "replicate run hourly",
    "replicate rerun tmp_students",
    "replicate replay 20300101T000000Z-hourly-abcdef tmp_students",
    "extractor run hourly",
    "loader run hourly",
]
OF_USERS = ["replicate provision", "replicate rerun tmp_cnv_users", "provisioner run"]


@pytest.mark.parametrize("command", [*OF_STUDENTS, *OF_USERS])
def test_a_control_file_that_is_not_understood_is_told_at_its_place(place: Workplace, command: str) -> None:
    table = "tmp_students" if command in OF_STUDENTS else "tmp_cnv_users"
    path = place.folder / "ctls" / f"{table}.ctl"
    path.write_text(path.read_text("utf-8").replace("TRUNCATE", "TRUNCTE"), "utf-8")
    done = place.run(*command.split())
    assert done.code == 2
    assert f"{table}.ctl:" in str(done.error)
    path.unlink()
    assert "There is no control file" in str(place.run(*command.split()).error)


@pytest.mark.parametrize("command", [*OF_STUDENTS, *OF_USERS, "replicate push", "replicate why table tmp_students"])
def test_without_a_mistake_the_database_is_what_is_missing(place: Workplace, command: str) -> None:
    assert place.run(*command.split()).code == 5


def test_the_control_file_of_a_table_that_is_off_or_of_another_schedule_is_not_read(place: Workplace) -> None:
    (place.folder / "ctls" / "tmp_cnv_users.ctl").unlink()
    assert place.run("replicate", "run", "hourly").code == 5
    (place.folder / "ctls" / "tmp_students.ctl").unlink()
    assert place.run("replicate", "run", "hourly").code == 2
    place.configure("tmp_students", toggle="off")
    assert place.run("replicate", "run", "hourly").code == 5
