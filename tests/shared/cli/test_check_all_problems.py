"""`replicate check` shows every mistake in a line of its own, and calls nothing fine that cannot be loaded."""

from __future__ import annotations

import pytest
from tests.workplace import STUDENTS_CTL, Workplace

from canvas_replicate.cli.check.findings import Finding
from canvas_replicate.cli.check.preflight import Report


@pytest.fixture
def place(workplace: Workplace) -> Workplace:
    workplace.add_students()
    workplace.students(3)
    assert workplace.run("replicate", "init-db").code == 0
    return workplace


NOT_READ = [
    ("'|'", "','", ": fields end with ',' by the control file, in the data file '|'.", "replicate table ctl"),
    (" OPTIONALLY ENCLOSED BY '\"'", "", ": texts are enclosed in nothing by the control file", "replicate table ctl"),
    ("#EOR#", "#EOX#", ": records end with ", "replicate table ctl"),
    ("(4000)", '(4000) "NOSUCH(:name)"', ": name: the function NOSUCH is not translated", "compute it in the query"),
    ("(4000)", '(4000) "UPPER(:nme)"', ": name: its expression uses :nme, which is no field.", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "step"), NOT_READ)
def test_a_control_file_that_does_not_read_the_data_file_is_not_fine(
    place: Workplace, old: str, new: str, message: str, step: str
) -> None:
    path = place.folder / "ctls" / "tmp_students.ctl"
    path.write_text(STUDENTS_CTL.replace(old, new), "utf-8")
    done = place.run("replicate", "check", "--json")
    assert (done.code, done.json["fine"]) == (2, [])
    [error] = [finding for finding in done.json["findings"] if finding["level"] == "error"]
    assert error["message"].startswith(str(path))
    assert message in error["message"]
    assert step in error["next_step"]
    assert place.run("replicate", "run", "hourly").code != 0


def test_mistakes_of_all_files_are_a_line_each(place: Workplace) -> None:
    conf = place.folder / "conf"
    place.configure("tmp_students", toggle="maybe", max_rejected="few")
    unknown = ", ".join(f"tmp_{number}" for number in range(9))
    (conf / "tablelist.yaml").write_text(f"hourly: [tmp_students, {unknown}]\n", "utf-8")
    (conf / "provisions.yaml").write_text("regular: {users: {scope: galaxy, cstable: a, mvtable: b}}\n", "utf-8")
    lines = [line for line in place.run("replicate", "check").out.splitlines() if line.startswith("error")]
    assert len(lines) == 9 + 2 + 1
    refused = str(place.run("replicate", "run", "hourly").error).splitlines()
    assert (len(refused), refused[-1]) == (11, "... and 2 more.")


@pytest.mark.parametrize("what", ["files", "broker", "database reporting"])
def test_no_table_is_fine_while_something_that_all_need_is_wrong(what: str) -> None:
    needed = ("files", "broker", "database reporting")
    assert Report((Finding("error", what, "x"),), ("tmp_a",), needed=needed).fine == ()
    assert Report((Finding("warning", what, "x"),), ("tmp_a",), needed=needed).fine == ("tmp_a",)
    assert Report((Finding("error", "canvas", "x"),), ("tmp_a",), needed=needed).fine == ("tmp_a",)
