"""Random histories of one table: a successful run never leaves other rows than the source's, loaded or unchanged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.given import HISTORIES, HISTORIES_SEED
from tests.workplace import STUDENTS_SQL, Workplace

from canvas_replicate.databases.duckdb.target import DuckDbTarget
from canvas_replicate.ledger.items import Items
from loader import gates

EVENTS = (0, 0, 1, 1, 2, 3)  # between two runs
INSTALLATION = 100  # so many histories pass on one, which then begins anew
STUDENTS = 20
NAMES = "CASE WHEN {upper} THEN upper(name) ELSE name END"


class Killed(BaseException):
    """The process is gone: nothing of it handles this."""


# Where a process can be killed, before or after.
STEPS = [
    (gates, "verify_table"),
    (DuckDbTarget, "replace"),
    (DuckDbTarget, "refresh"),
    (DuckDbTarget, "measure"),
    (Items, "finish"),
    (Items, "begin"),
]


class History:
    """One installation, the events that happen to it, and what its view must show."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.place = Workplace(folder)
        self.place.add_students(max_shrink=1.0)
        self.place.students(STUDENTS)
        self.upper = False
        self.half = False
        self.killed = False

    def change_value(self, draw: random.Random) -> None:
        # Few values, so that a table often returns to what it was.
        self._update(f"gpa = {draw.randint(0, 2)} WHERE id = '{draw.randrange(3):09}'")

    def exchange_names(self, draw: random.Random) -> None:
        self._update("name = CASE id WHEN '000000000' THEN 'name 1' ELSE 'name 0' END WHERE id < '000000002'")

    def reset_source(self, draw: random.Random) -> None:
        self.place.students(STUDENTS)

    def change_count(self, draw: random.Random) -> None:
        self.place.students(draw.choice([STUDENTS - 1, STUDENTS, STUDENTS + 1]))

    def alter_table(self, draw: random.Random) -> None:
        sql = draw.choice(
            [
                "UPDATE tmp_students SET gpa = 3 WHERE id = '000000000'",
                "DELETE FROM tmp_students WHERE id = '000000001'",
                "DELETE FROM tmp_students",
            ]
        )
        self.place.target_sql(sql)

    def alter_view(self, draw: random.Random) -> None:
        self.place.target_sql("DELETE FROM campus_students WHERE id = '000000001'")

    def edit_control_file(self, draw: random.Random) -> None:
        self.upper = not self.upper
        path = self.place.folder / "ctls" / "tmp_students.ctl"
        plain, upper = "name CHAR(4000)", 'name CHAR(4000) "UPPER(:name)"'
        text = path.read_text("utf-8").replace(upper, plain)
        path.write_text(text.replace(plain, upper) if self.upper else text, "utf-8")

    def edit_query(self, draw: random.Random) -> None:
        self.half = not self.half
        self.place.configure("tmp_students", sql=STUDENTS_SQL + (" WHERE id < '000000006'" if self.half else ""))

    def edit_load(self, draw: random.Random) -> None:
        self.place.configure("tmp_students", load=draw.choice(["full", "delta"]))

    def run(self, draw: random.Random) -> None:
        done = self.place.run("replicate", "run", "hourly", "--json", *draw.choice([[], [], ["--force"]]))
        assert done.code == 0, done.out

    def kill(self, draw: random.Random) -> None:
        """Run, and end at a random step; a run that does not come to it ends as usual."""
        owner, name = draw.choice(STEPS)
        real = getattr(owner, name)
        after, turn = draw.random() < 0.5, draw.randint(1, 2)

        def step(*arguments: object, **options: object) -> object:
            nonlocal turn
            turn -= 1
            if turn == 0 and not after:
                raise Killed
            result = real(*arguments, **options)
            if turn == 0:
                raise Killed
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, step)
            try:
                self.place.run("replicate", "run", "hourly", "--json")
            except Killed:
                self.place.close()  # what was not committed is gone
                self.killed = True

    def find_difference(self) -> str | None:
        """What the view shows otherwise than the source, after a run that says it is successful."""
        if self.killed:  # a run that goes on loads the rows of before
            self.place.run("replicate", "run", "hourly", "--json")
            self.killed = False
        [row] = self.place.run("replicate", "run", "hourly", "--json").json
        if row["state"] != "successful":
            return str(row)
        half = "WHERE id < '000000006'" if self.half else ""
        name = NAMES.format(upper=str(self.upper).upper())
        wanted = self.place.source_sql(f"SELECT id, {name}, gpa, born FROM sis.students {half} ORDER BY id")
        if self.place.target_sql("SELECT id, name, gpa, born FROM campus_students ORDER BY id") != wanted:
            return f"the view has other rows after: {row['message']}"
        self.message = str(row["message"])
        return None

    def _update(self, change: str) -> None:
        self.place.source_sql(f"UPDATE sis.students SET {change}")


HAPPENINGS: list[Callable[[History, random.Random], None]] = [
    History.change_value,
    History.exchange_names,
    History.reset_source,
    History.change_count,
    History.alter_table,
    History.alter_view,
    History.edit_control_file,
    History.edit_query,
    History.edit_load,
    History.run,
    History.kill,
    History.kill,
]


def test_no_history_leaves_other_rows_than_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: Counter[str] = Counter()
    history: History | None = None
    for number in range(HISTORIES):
        if number % INSTALLATION == 0:
            if history is not None:
                history.place.close()
            history = History(tmp_path / str(number))
            for name, value in history.place.environment.items():
                monkeypatch.setenv(name, value)
            assert history.place.run("replicate", "init-db").code == 0
        assert history is not None
        draw = random.Random(f"{HISTORIES_SEED} {number}")
        events = [draw.choice(HAPPENINGS) for _ in range(draw.choice(EVENTS))]
        for happen in events:
            happen(history, draw)
        difference = history.find_difference()
        seed = f"seed {HISTORIES_SEED}, history {number} of {[event.__name__ for event in events]}"
        assert difference is None, f"{seed}: {difference}"
        ends[next((word for word in ("unchanged", "inserted") if word in history.message), "loaded")] += 1
    print(dict(ends))
    assert min(ends["unchanged"], ends["loaded"]) > 0
