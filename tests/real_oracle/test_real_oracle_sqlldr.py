"""SQL*Loader itself: its logs as they are written today, its exit codes, and passwords in parameter files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.real_oracle.real_oracle import FINDINGS, User

from canvas_replicate.control_file import parse_control_file
from canvas_replicate.databases.sqlldr.control_text import write_control_file
from canvas_replicate.databases.sqlldr.log_file import LoadLog, Rejection
from canvas_replicate.databases.sqlldr.process import Login, Program, run_sqlldr
from canvas_replicate.errors import ConfigError, PermanentError

CONTROL = """LOAD DATA INFILE 'old.dat' "STR '#EOR#\\n'" TRUNCATE INTO TABLE tmp_x
FIELDS TERMINATED BY '|' OPTIONALLY ENCLOSED BY '"' TRAILING NULLCOLS
(id DECIMAL EXTERNAL, name CHAR(20), note CHAR(4000), born DATE "YYYY-MM-DD HH24:MI:SS")"""
TABLE = "CREATE TABLE tmp_x (id NUMBER(9) NOT NULL, name VARCHAR2(20 CHAR), note VARCHAR2(4000), born DATE)"


@dataclass(frozen=True)
class Place:
    program: Path
    user: User
    folder: Path

    @property
    def aside(self) -> Path:
        return self.folder / "tmp_x"

    def run(self, data: str, *, password: str | None = None, **options: str) -> LoadLog:
        file = self.folder / "tmp_x.dat"
        file.write_text(data, "utf-8", newline="")
        return run_sqlldr(
            Program(self.program, {**os.environ, "NLS_LANG": "CZECH_CZECH REPUBLIC.EE8ISO8859P2"}),
            Login(self.user.name, SecretStr(password or self.user.password), self.user.server.dsn),
            write_control_file(parse_control_file(CONTROL, "t.ctl"), schema=self.user.name, data=file),
            work_prefix=self.aside,
            options=options,
            timeout_seconds=120,
            keep_going=lambda: None,
        )


@pytest.fixture
def place(sqlldr: Path, reporting: User, folder: Path) -> Place:
    reporting.sql(TABLE)
    return Place(sqlldr, reporting, folder)


def test_a_log_without_rejects_is_read(place: Place) -> None:
    assert place.run('1|"x"||#EOR#\n2|"y"||#EOR#\n') == LoadLog(2, 2, 0, 0, 0, ())
    FINDINGS["SQL*Loader"] = Path(f"{place.aside}.log").read_text("utf-8").strip().splitlines()[0][:80]


def test_an_empty_file_is_a_load_of_nothing(place: Place) -> None:
    place.user.sql("INSERT INTO tmp_x (id) VALUES (1)")
    assert place.run("") == LoadLog(0, 0, 0, 0, 0, ())
    assert place.user.sql("SELECT COUNT(*) FROM tmp_x") == [(0,)]


def test_rejects_and_discards_are_read_from_the_log_and_kept_byte_for_byte(place: Place) -> None:
    long = "é" * 21
    data = f'1|"good"||#EOR#\nx|"no number"||#EOR#\n3|"{long}"||#EOR#\n|"no id"||#EOR#\n|||#EOR#\n6|"ž"||#EOR#\n'
    log = place.run(data, errors="10")
    assert (log.read, log.loaded, log.rejected, log.discarded, log.stopped) == (6, 2, 3, 1, None)
    assert sorted(log.rejections, key=lambda one: one.record) == [
        Rejection(2, "id", "ORA-01722", "invalid number"),
        Rejection(3, "name", "SQL*Loader", "Field in data file exceeds maximum length"),
        Rejection(4, "id", "ORA-01400", "NULL in a NOT NULL column"),
    ]
    bad = Path(f"{place.aside}.bad").read_text("utf-8")
    assert sorted(bad.split("#EOR#\n")) == sorted(["", 'x|"no number"||', f'3|"{long}"||', '|"no id"||'])
    assert Path(f"{place.aside}.dsc").read_text("utf-8") == "|||#EOR#\n"


def test_twenty_characters_of_many_bytes_are_no_reject(place: Place) -> None:
    assert place.run(f'1|"{"数" * 20}"||#EOR#\n').rejected == 0
    assert place.user.sql("SELECT LENGTH(name) FROM tmp_x") == [(20,)]


def test_beyond_its_error_limit_it_stops_and_says_so(place: Place) -> None:
    log = place.run('x|"bad"||#EOR#\ny|"bad"||#EOR#\nz|"bad"||#EOR#\n1|"good"||#EOR#\n', errors="1")
    assert log.stopped == "more records were rejected than allowed"
    assert log.rejected == 2


def test_a_direct_log_is_read_with_the_indexes_that_it_left_unusable(place: Place) -> None:
    place.user.sql("CREATE UNIQUE INDEX x_u ON tmp_x (id)")
    log = place.run('1|"x"||#EOR#\n1|"y"||#EOR#\nz|"bad"||#EOR#\n', direct="TRUE", errors="10")
    assert (log.read, log.loaded, log.rejected) == (3, 2, 1)
    assert [name.upper() for name in log.unusable_indexes] == ["REPORTING.X_U"]
    assert log.fatal == ()


def test_a_table_that_is_not_there_is_a_permanent_error(place: Place) -> None:
    place.user.sql("DROP TABLE tmp_x PURGE")
    with pytest.raises(PermanentError, match=r"^loading tmp_x: ") as caught:
        place.run('1|"x"||#EOR#\n')
    FINDINGS["SQL*Loader, no such table"] = caught.value.code
    assert caught.value.code in ("ORA-00942", "ORA-04043")


def test_a_wrong_password_is_told_by_its_code_and_is_nowhere(place: Place) -> None:
    with pytest.raises(PermanentError) as caught:
        place.run('1|"x"||#EOR#\n', password="Wr0ng/p@ss")
    assert caught.value.code == "ORA-01017"
    texts = [path.read_text("utf-8", "replace") for path in place.folder.iterdir()]
    assert not [text for text in [*texts, str(caught.value), repr(caught.value)] if "Wr0ng" in text or "p@ss" in text]


@pytest.mark.parametrize(
    "password",
    ["Simple_1", "p@ss/w0rd", "P#ss w0rd, (x)=1", "100%$HOME", "?star*1", "-dash1", "Zażółć_1", "a,b;c:d&e!f1"],
)
def test_a_password_goes_through_the_parameter_file(place: Place, password: str) -> None:
    place.user.server.sql(f'ALTER USER reporting IDENTIFIED BY "{password}"')
    try:
        assert place.run('1|"x"||#EOR#\n', password=password).loaded == 1
    finally:
        place.user.server.sql(f'ALTER USER reporting IDENTIFIED BY "{place.user.password}"')


@pytest.mark.parametrize("password", ["p@ss/w\"rd'", "p@ss/w'rd", "back\\slash"])
def test_a_password_that_a_parameter_file_may_not_keep_whole_is_refused_in_time(place: Place, password: str) -> None:
    """A wallet that holds the login is the way out; these tests have none."""
    place.user.sql("INSERT INTO tmp_x (id) VALUES (7)")
    with pytest.raises(ConfigError, match="keep the login in a wallet"):
        place.run('1|"x"||#EOR#\n', password=password)
    assert place.user.sql("SELECT id FROM tmp_x") == [(7,)]
