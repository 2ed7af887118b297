"""SQL*Loader as a process, against the stand-in beside the project: what is loaded, told, hidden and ended."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.oracle_fixtures import STANDIN_FOLDER

from canvas_replicate.control_file import parse_control_file
from canvas_replicate.databases.sqlldr.control_text import write_control_file
from canvas_replicate.databases.sqlldr.log_file import LoadLog, Rejection
from canvas_replicate.databases.sqlldr.process import Login, Program, find_sqlldr, run_sqlldr
from canvas_replicate.errors import LeaseLost, PermanentError, TransientError

if not STANDIN_FOLDER.is_dir() or sys.platform != "linux":
    pytest.skip("needs the stand-in for Oracle beside the project, and /proc", allow_module_level=True)
sys.path.append(str(STANDIN_FOLDER))

from oracle_standin import OracleStandin

PASSWORD = "Secret/w@rd, (x)#=1"
CONTROL = """LOAD DATA INFILE 'old.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_x
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS
(id DECIMAL EXTERNAL, name CHAR(20), note CHAR(4000), born DATE "YYYY-MM-DD HH24:MI:SS")"""
TABLE = "create table tmp_x (id number(9) not null, name varchar2(20 char), note varchar2(4000 char), born date)"
SLOW_MS = 60_000
DEADLINE_SECONDS = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[OracleStandin]:
    with OracleStandin(users={"loader": PASSWORD}, sql=TABLE, process=False) as started:
        yield started


@pytest.fixture
def oracle(server: OracleStandin) -> Iterator[OracleStandin]:
    yield server
    server.control.delay(0)


@dataclass
class Place:
    """One table's file, control file and login."""

    server: OracleStandin
    folder: Path

    @property
    def aside(self) -> Path:
        return self.folder / "logs" / "tmp_x"

    def rows(self) -> list[tuple[Any, ...]]:
        with self.server.connect("loader") as connection:
            return list(connection.cursor().execute("select id, name, note from tmp_x order by id"))

    def run(
        self,
        data: str,
        *,
        password: str = PASSWORD,
        timeout_seconds: float = 60,
        keep_going: Callable[[], None] = lambda: None,
        program: Path = STANDIN_FOLDER / "sqlldr",
        **options: str,
    ) -> LoadLog:
        file = self.folder / "tmp_x.dat"
        file.write_bytes(data.encode())
        control = parse_control_file(CONTROL, "t.ctl")
        environ = {**os.environ, "STANDIN_PYTHON": sys.executable, "REPLICATE_SECRET": PASSWORD, "NLS_LANG": "CZECH"}
        return run_sqlldr(
            Program(program, environ),
            Login("loader", SecretStr(password), self.server.dsn),
            write_control_file(control, schema="loader", data=file),
            work_prefix=self.aside,
            options=options,
            timeout_seconds=timeout_seconds,
            keep_going=keep_going,
        )


@pytest.fixture
def place(oracle: OracleStandin, tmp_path: Path) -> Place:
    return Place(oracle, tmp_path)


# Processes, as Linux shows them


@dataclass(frozen=True)
class Seen:
    pid: int
    state: str
    parent: int
    group: int
    command: str


def processes() -> list[Seen]:
    seen = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        seen.append(Seen(int(folder.name), state, int(parent), int(group), command))
    return seen


def loads_of(parent: int) -> list[Seen]:
    """Those that are past the launcher."""
    return [
        one for one in processes() if one.parent == parent and "parfile=" in one.command and "-I" not in one.command
    ]


def alive_in(group: int) -> list[Seen]:
    return [one for one in processes() if one.group == group and one.state != "Z"]


def wait_until(condition: Callable[[], Any]) -> Any:
    """What the condition gives once it is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
    return found


def parfile_of(process: Seen) -> Path:
    return Path(process.command.partition("parfile=")[2].split()[0])


# Loading


def test_hostile_text_arrives_as_it_is(place: Place) -> None:
    texts = [
        'a|b"c',
        "two\nlines\r\nand a tab\t",
        "  blanks  ",
        "#EOR#",
        "příliš žluťoučký 🐎",
        "'; drop table x --",
        "\\N",
    ]
    data = "".join(
        f'{number}|"x"|"{text.replace(chr(34), chr(34) * 2)}"|"2030-01-31 10:11:12"#EOR#\n'
        for number, text in enumerate(texts)
    )
    log = place.run(data)
    assert log == LoadLog(read=7, loaded=7, rejected=0, discarded=0, skipped=0, rejections=())
    assert place.rows() == [(number, "x", text) for number, text in enumerate(texts)]
    assert sorted(path.name for path in place.aside.parent.iterdir()) == ["tmp_x.ctl", "tmp_x.log"]


def test_rejected_records_are_told_by_number_and_kept_byte_for_byte(place: Place) -> None:
    long = "é" * 21
    data = f'1|"good"||#EOR#\nsecret|"no number"||#EOR#\n3|"{long}"||#EOR#\n|"no id"||#EOR#\n5|"good"||#EOR#\n'
    log = place.run(data)
    assert (log.read, log.loaded, log.rejected, log.stopped) == (5, 2, 3, None)
    assert sorted(log.rejections, key=lambda one: one.record) == [
        Rejection(2, "id", "ORA-01722", "invalid number"),
        Rejection(3, "name", "SQL*Loader", "Field in data file exceeds maximum length"),
        Rejection(4, "id", "ORA-01400", "NULL in a NOT NULL column"),
    ]
    bad = Path(f"{place.aside}.bad")
    kept = [f'3|"{long}"||', 'secret|"no number"||', '|"no id"||']
    assert sorted(bad.read_text().split("#EOR#\n")) == sorted(["", *kept])
    assert stat.S_IMODE(bad.stat().st_mode) == 0o600


def test_a_record_of_nulls_is_discarded_and_kept_aside(place: Place) -> None:
    log = place.run('1|"x"||#EOR#\n|||#EOR#\n')
    assert (log.loaded, log.discarded) == (1, 1)
    discards = Path(f"{place.aside}.dsc")
    assert discards.read_text() == "|||#EOR#\n"
    assert stat.S_IMODE(discards.stat().st_mode) == 0o600


def test_files_of_an_earlier_run_are_not_taken_for_those_of_this_one(place: Place) -> None:
    place.run('x|"bad"||#EOR#\n')
    assert Path(f"{place.aside}.bad").exists()
    assert place.run('1|"good"||#EOR#\n').rejected == 0
    assert not Path(f"{place.aside}.bad").exists()


def test_a_load_beyond_its_error_limit_is_told_as_stopped(place: Place) -> None:
    log = place.run('x|"bad"||#EOR#\ny|"bad"||#EOR#\n1|"good"||#EOR#\n', errors="1")
    assert log.stopped == "more records were rejected than allowed"
    assert log.rejected == 2


def test_a_table_that_is_not_there_is_a_permanent_error(place: Place) -> None:
    with place.server.connect("loader") as connection:
        connection.cursor().execute("rename tmp_x to tmp_y")
    try:
        with pytest.raises(PermanentError, match=r"^loading tmp_x: ORA-04043"):
            place.run('1|"x"||#EOR#\n')
    finally:
        with place.server.connect("loader") as connection:
            connection.cursor().execute("rename tmp_y to tmp_x")


def test_a_lost_connection_is_worth_another_try(place: Place) -> None:
    place.server.control.fail("insert into", 3113, "end-of-file on communication channel")
    with pytest.raises(TransientError) as caught:
        place.run('1|"x"||#EOR#\n')
    assert caught.value.code == "ORA-03113"


# Secrets


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_wrong_password_is_named_by_its_code_and_the_password_is_nowhere(place: Place) -> None:
    wrong = "Wr0ng/p@ss, word"
    seen = place.folder / "seen"
    patient = place.folder / "sqlldr"  # begins once it was looked at
    patient.write_text(f'#!/bin/sh\nuntil [ -e {seen} ]; do sleep 0.05; done\nexec {STANDIN_FOLDER / "sqlldr"} "$@"\n')
    patient.chmod(0o700)
    commands: list[str] = []
    environments: list[bytes] = []
    modes: set[int] = set()
    parfiles: set[Path] = set()

    def look() -> None:
        commands.extend(one.command for one in processes())
        for one in loads_of(os.getpid()):
            environments.append(Path(f"/proc/{one.pid}/environ").read_bytes())
            parfiles.add(parfile_of(one))
            modes.update(stat.S_IMODE(path.stat().st_mode) for path in (parfile_of(one), parfile_of(one).parent))
        if parfiles:
            seen.touch()

    with pytest.raises(PermanentError, match=r"^loading tmp_x: ORA-01017") as caught:
        place.run('1|"x"||#EOR#\n', password=wrong, keep_going=look, program=patient)
    assert caught.value.code == "ORA-01017"
    assert parfiles  # the process was seen
    assert modes == {0o600, 0o700}
    assert not any(path.parent.exists() for path in parfiles)
    assert not [command for command in commands if wrong in command or PASSWORD in command]
    for environment in environments:
        names = dict(entry.partition(b"=")[::2] for entry in environment.split(b"\0"))
        assert names[b"NLS_LANG"] == b"AMERICAN_AMERICA.AL32UTF8"
        assert not [name for name in names if name.startswith(b"REPLICATE_")]
    files = [path.read_text() for path in place.folder.rglob("*") if path.is_file()]
    told = [text for error in chain(caught.value) for text in (str(error), repr(error))]
    assert len(files) >= 3
    assert not [text for text in (*files, *told) if "Wr0ng" in text or "p@ss" in text]


# Ends


def running(parent: int) -> Seen:
    return wait_until(lambda: loads_of(parent))[0]


def test_an_answer_to_stop_ends_the_whole_group(place: Place) -> None:
    place.server.control.delay(SLOW_MS)
    groups: list[int] = []

    def lease_lost() -> None:
        groups.append(running(os.getpid()).group)
        raise LeaseLost("somebody else loads this table")

    with pytest.raises(LeaseLost, match="somebody else"):
        place.run('1|"x"||#EOR#\n', keep_going=lease_lost)
    assert groups[0] != os.getpgrp()
    assert alive_in(groups[0]) == []


def test_a_load_that_takes_too_long_is_ended_and_may_be_tried_again(place: Place) -> None:
    place.server.control.delay(SLOW_MS)
    groups: set[int] = set()
    with pytest.raises(TransientError, match=r"not done after 2 seconds") as caught:
        place.run('1|"x"||#EOR#\n', timeout_seconds=2, keep_going=lambda: groups.add(running(os.getpid()).group))
    assert caught.value.code == "sqlldr.timeout"
    assert len(groups) == 1
    assert alive_in(groups.pop()) == []


LOADS = """
import os, sys
from pathlib import Path
from pydantic import SecretStr
from canvas_replicate.databases.sqlldr.process import Login, Program, run_sqlldr
program, dsn, aside, control = sys.argv[1:]
login = Login("loader", SecretStr(sys.stdin.read()), dsn)
run_sqlldr(Program(Path(program), os.environ), login, Path(control).read_text(), work_prefix=Path(aside), options={},
           timeout_seconds=600, keep_going=lambda: None)
"""


def test_a_load_dies_with_the_process_that_started_it(place: Place) -> None:
    data, control = place.folder / "tmp_x.dat", place.folder / "given.ctl"
    data.write_text('1|"x"||#EOR#\n')
    control.write_text(write_control_file(parse_control_file(CONTROL, "t.ctl"), schema=None, data=data))
    place.server.control.delay(SLOW_MS)
    parent = subprocess.Popen(
        [sys.executable, "-c", LOADS, str(STANDIN_FOLDER / "sqlldr"), place.server.dsn, str(place.aside), str(control)],
        stdin=subprocess.PIPE,
        env={**os.environ, "STANDIN_PYTHON": sys.executable},
    )
    try:
        assert parent.stdin is not None
        with parent.stdin:
            parent.stdin.write(PASSWORD.encode())
        load = running(parent.pid)
        assert load.group == load.pid
        assert alive_in(load.group)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait(DEADLINE_SECONDS)
    wait_until(lambda: not alive_in(load.group))
    shutil.rmtree(parfile_of(load).parent)  # nobody was left to remove it


def test_a_program_that_cannot_be_started_is_told(place: Place) -> None:
    with pytest.raises(PermanentError, match="could not be started") as caught:
        place.run('1|"x"||#EOR#\n', program=place.folder / "sqlldr")
    assert caught.value.code == "sqlldr.start"


def test_sqlldr_is_found_on_the_path_only(tmp_path: Path) -> None:
    assert find_sqlldr({"PATH": f"{tmp_path}:{STANDIN_FOLDER}"}) == STANDIN_FOLDER / "sqlldr"
    assert find_sqlldr({"PATH": str(tmp_path)}) is None
    assert find_sqlldr({}) is None
