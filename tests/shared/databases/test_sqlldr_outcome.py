"""The login that a parameter file can carry, and what an end of SQL*Loader means."""

import pytest
from pydantic import SecretStr

from canvas_replicate.databases.sqlldr.log_file import find_coded_lines
from canvas_replicate.databases.sqlldr.login import Login, hide_secret, write_userid
from canvas_replicate.databases.sqlldr.outcome import decide_outcome
from canvas_replicate.errors import ConfigError, DataError, PermanentError, ReplicateError, TransientError

DSN = "db.example.edu:1521/REPORTS"
SUMMARY = """Table T:
  {loaded} Rows successfully loaded.
  0 Rows not loaded due to data errors.
  0 Rows not loaded because all WHEN clauses were failed.
  0 Rows not loaded because all fields were null.
Total logical records skipped:          0
Total logical records read:             3
Total logical records rejected:         0
Total logical records discarded:        0
"""


def login(password: str | None, user: str | None = "loader", dsn: str = DSN) -> Login:
    return Login(user, SecretStr(password) if password is not None else None, dsn)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (login("Plain_1"), f"loader/Plain_1@{DSN}"),
        (login("p@ss/word, (x)#$&=%"), f"""'loader/"p@ss/word, (x)#$&=%"@{DSN}'"""),
        (login("1digit"), f"""'loader/"1digit"@{DSN}'"""),
        (login("caf\u00e9"), f"""'loader/"caf\u00e9"@{DSN}'"""),
        (login("Plain", user="proxy[app]"), f"'proxy[app]/Plain@{DSN}'"),
        (login("Plain", dsn="tcps://h:1/s?x=1"), "'loader/Plain@tcps://h:1/s?x=1'"),
        (login(None), f"/@{DSN}"),
        (login("unused", user=None), f"/@{DSN}"),
    ],
)
def test_a_login_is_quoted_only_where_it_must_be(given: Login, expected: str) -> None:
    assert write_userid(given) == expected


@pytest.mark.parametrize("password", ['a"b', "a'b", "a\\b", "a\nb", ""])
def test_a_password_that_a_parameter_file_cannot_carry_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(ConfigError, match="cannot be given the password of the target database") as caught:
        write_userid(login(password))
    assert not password or password not in str(caught.value)


def test_a_user_or_connect_string_with_quotation_marks_is_refused_too() -> None:
    with pytest.raises(ConfigError, match="the user of"):
        write_userid(login("x", user="a'b"))
    with pytest.raises(ConfigError, match="the connect string of"):
        write_userid(login(None, dsn="x'\n"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ORA-12541: TNS:no listener", "ORA-12541: TNS:no listener"),
        ('ORA-12154: could not find alias WORD"@db', "ORA-12154"),
        ("LRM-00108: invalid positional parameter value 'xy'", "LRM-00108"),
    ],
)
def test_a_line_that_shows_a_part_of_the_password_is_told_by_its_code(line: str, told: str) -> None:
    assert hide_secret(login("p@ss word"), line) == told


def raised(status: int, log: str) -> ReplicateError:
    with pytest.raises(ReplicateError) as caught:
        decide_outcome(status, log, list(find_coded_lines(log)), "loading tmp_x", "logs/tmp_x.log")
    return caught.value


@pytest.mark.parametrize("status", [0, 2])
def test_a_consistent_log_is_believed_with_either_status(status: int) -> None:
    assert decide_outcome(status, SUMMARY.format(loaded=3), [], "loading tmp_x", "x.log").loaded == 3


@pytest.mark.parametrize(
    ("status", "log", "kind", "code"),
    [
        (0, "", DataError, "sqlldr.log"),
        (2, SUMMARY.format(loaded=2), DataError, "sqlldr.log"),
        (2, "ORA-03113: end-of-file on communication channel", TransientError, "ORA-03113"),
        (1, "SQL*Loader-350: Syntax error at line 3.", PermanentError, "SQL*Loader-350"),
        (1, "SQL*Loader-941: Error during describe\nORA-04043: object T does not exist", PermanentError, "ORA-04043"),
        (1, "ORA-12008: error in path\nORA-00054: resource busy", TransientError, "ORA-00054"),
        (1, SUMMARY.format(loaded=3), PermanentError, "sqlldr.status"),
        (3, "SQL*Loader-500: Unable to open file (x)", PermanentError, "SQL*Loader-500"),
        (3, "SQL*Loader-522: lfiopn failed for file (x.log)", TransientError, "SQL*Loader-522"),
        (127, "", PermanentError, "sqlldr.start"),
        (-9, "", TransientError, "sqlldr.signal"),
        (137, "", TransientError, "sqlldr.signal"),
        (255, "", PermanentError, "sqlldr.status"),
    ],
)
def test_every_other_end_is_one_error_that_says_whether_to_try_again(
    status: int, log: str, kind: type[ReplicateError], code: str
) -> None:
    error = raised(status, log)
    assert (type(error), error.code) == (kind, code)
    assert error.message.startswith("loading tmp_x: ")


@pytest.mark.parametrize("note", ["ORA-28002: the password will expire within 7 days", "SQL*Loader-281: Warning: ROWS"])
def test_a_coded_line_in_the_log_of_a_complete_load_is_a_note(note: str) -> None:
    log = f"{note}\n\n{SUMMARY.format(loaded=3)}"
    read = decide_outcome(0, log, list(find_coded_lines(log)), "loading tmp_x", "x.log")
    assert (read.loaded, read.stopped, read.fatal) == (3, None, (note,))


def test_a_note_does_not_hide_the_error_that_ended_a_load() -> None:
    log = "ORA-28002: the password will expire within 7 days\nORA-03113: end-of-file on communication channel"
    assert raised(1, log).code == "ORA-03113"


def test_a_status_that_no_record_explains_is_explained_by_the_coded_line() -> None:
    log = f"SQL*Loader-2026: the load was aborted because SQL Loader cannot continue.\n{SUMMARY.format(loaded=3)}"
    read = decide_outcome(2, log, list(find_coded_lines(log)), "loading tmp_x", "x.log")
    assert read.stopped == "SQL*Loader-2026: the load was aborted because SQL Loader cannot continue."


@pytest.mark.parametrize(
    ("status", "screen"),
    [
        (1, "Message 2100 not found; No message file for product=RDBMS, facility=UL"),
        (127, "sqlldr: error while loading shared libraries: libclntsh.so.19.1: cannot open shared object file"),
        (0, "Message 2100 not found; No message file for product=RDBMS, facility=UL"),
    ],
)
def test_without_a_log_the_screen_is_told_and_no_file_is_named(status: int, screen: str) -> None:
    with pytest.raises(PermanentError) as caught:
        decide_outcome(status, "", [], "loading tmp_x", "logs/tmp_x.log", screen=screen)
    assert screen in caught.value.message
    assert "tmp_x.log" not in str(caught.value)
    assert "ORACLE_HOME" in caught.value.next_step


def test_an_early_end_by_an_error_of_the_database_is_that_error() -> None:
    discontinued = "ORA-01653: unable to extend table R.T by 128\n\nSpecify SKIP=2 when continuing the load.\n"
    error = raised(2, discontinued + SUMMARY.format(loaded=2))
    assert (type(error), error.code) == (TransientError, "ORA-01653")
