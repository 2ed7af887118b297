"""The status report of an installation where something happened."""

from __future__ import annotations

from tests.workplace import STUDENTS_CTL, STUDENTS_SQL, Workplace

from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.wiring import open_runtime
from canvas_replicate.worker.status_page.report import read_report


def test_a_report_tells_what_became_of_each_table(workplace: Workplace) -> None:
    workplace.add_students()
    for name in ("tmp_broken", "tmp_later"):
        ctl = STUDENTS_CTL.replace("tmp_students", name)
        workplace.add_table(name, sql=STUDENTS_SQL, ctl=ctl, ddl=None, schedule=name.removeprefix("tmp_"))
    workplace.students(100)
    workplace.init_db()
    assert workplace.run("replicate", "run", "hourly").code == 0
    workplace.students(10)
    assert workplace.run("replicate", "run", "hourly").code == 4
    control_file = workplace.folder / "ctls" / "tmp_broken.ctl"
    control_file.write_text("LOAD DATA of no kind", "utf-8")
    assert workplace.run("replicate", "run", "broken").code == 2  # and no run is opened
    control_file.write_text(STUDENTS_CTL.replace("tmp_students", "tmp_broken").replace("TRUNCATE", "APPEND"), "utf-8")
    assert workplace.run("replicate", "run", "broken").code == 1

    report = read_report(open_runtime(load_settings()))
    assert [(found.table, found.condition, found.rows) for found in report.tables] == [
        ("tmp_broken", "failed", None),
        ("tmp_students", "held", 100),
        ("tmp_later", "never published", None),
    ]
    broken = report.tables[0]
    assert "tmp_broken.ctl" in (broken.message or "")
    assert (broken.next_step or "").endswith("replicate rerun tmp_broken")
    assert [(artifact.table, artifact.gate) for artifact in report.held] == [("tmp_students", "file")]
    assert [(run.run.schedule, run.run.status, run.tables) for run in report.runs] == [
        ("broken", "failed", {"failed": 1}),
        ("hourly", "failed", {"held": 1}),
        ("hourly", "successful", {"successful": 1}),
    ]
    assert report.provisions == ()
    assert report.pushes == ()
