"""Sessions on one PostgreSQL database, and the meaning of the driver's errors."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from canvas_replicate.databases.logins import trying_login
from canvas_replicate.errors import (
    ConfigError,
    DataError,
    LoginRefused,
    PermanentError,
    ReplicateError,
    TransientError,
)

# Seconds, except tcp_user_timeout (milliseconds). A peer that is gone is noticed within about a minute.
_DEFAULTS: dict[str, Any] = {
    "application_name": "canvas-replicate",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_SETTING_SECONDS = 30.0
_PING_SECONDS = 5.0
# How values are written as text must not depend on a server's configuration.
_SESSION = {
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
    # A state that was committed must outlive a crash of the server, also of one that is configured otherwise.
    "synchronous_commit": "on",
}
# Two who make the same tables at once wait for each other.
MAKING = "SELECT pg_advisory_xact_lock(hashtext('canvas-replicate init-db'))"

# SQLSTATE classes (PostgreSQL documentation, appendix A): 08 connection, 40 rollback, 53 resources, 57 operator
# intervention, 58 system; 21 to 23 and 44 values and constraints, P0 raised by a trigger.
_TRANSIENT_CLASSES = {"08", "40", "53", "57", "58"}
_TRANSIENT_CODES = {"55P03", "55006", "25P03", "25P04", "72000"}
_DATA_CLASSES = {"21", "22", "23", "44", "P0"}
_DATA_CODES = {"40002"}
_PERMANENT_CODES = {"57P04"}  # the database was dropped
# A refused login carries no SQLSTATE; these are libpq's words, and the server's in English.
_LOGIN_REFUSED = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry"
    r"|(?:database|role) \"[^\"]*\" does not exist|is not permitted to log in"
)
_CHECK_LOGIN = "Check REPLICATE_DATABASES__<ALIAS>__URL and __PASSWORD."
_COPIED_ROW = re.compile(r"^COPY \S+, line (\d+)(?:, column (\w+))?", re.MULTILINE)


class SilentServer(psycopg.OperationalError):
    """The server did not answer a statement in time. Its connection is closed."""


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection whose statements can have a deadline of the client's: then a TransientError, and the session ends.

    The system of a server that hangs still acknowledges what it receives, so that no timeout of TCP ends the waiting.
    """

    answer_seconds: float | None = None

    @contextmanager
    def limit_answers(self, seconds: float | None) -> Iterator[None]:
        """Another deadline for the statements of a block, or none."""
        before, self.answer_seconds = self.answer_seconds, seconds
        try:
            yield
        finally:
            self.answer_seconds = before

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        if self.answer_seconds is not None:
            gen = self._limit(gen, self.answer_seconds)
        return super().wait(gen, *args, **kwargs)

    def _limit(self, gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
        """The driver goes on with it several times a second while no answer comes."""
        until = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() > until:
                    self.pgconn.finish()  # whatever comes later would be taken for the answer to another statement
                    raise SilentServer(f"no answer in {seconds:g} seconds")
                wanted = gen.send(ready)
        except StopIteration as ended:
            return ended.value


class PostgreSql:
    """Where the database is and who logs in. Connects only when a session is wanted."""

    def __init__(self, url: str, password: SecretStr | None = None) -> None:
        """Raises ConfigError for a URL that libpq does not take."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            problem = "This is not a PostgreSQL URL that can be read."
            step = "Write postgresql://user@host:5432/database, with options such as ?sslmode=verify-full."
            raise ConfigError(problem, next_step=step) from None
        self._parameters = {**_DEFAULTS, **given}
        self._password = password

    def __repr__(self) -> str:
        return f"PostgreSql({self.name})"

    @property
    def name(self) -> str:
        return f"{self._parameters.get('host', 'localhost')}/{self._parameters.get('dbname', '')}"

    def connect(self, **settings: str) -> DeadlineConnection:
        """Open a session in autocommit with these server settings (times in PostgreSQL's form: ``30s``).

        Raises TransientError when the server cannot be reached, LoginRefused when it refuses the login.
        """
        password = {"password": self._password.get_secret_value()} if self._password else {}
        chosen = "; ".join(f"SET {name} = '{value}'" for name, value in {**_SESSION, **settings}.items())
        account = (self.name, self._parameters.get("user"), self._password)
        with trying_login(account), translate_errors(f"connecting to {self.name}"):
            # Statements are not prepared: a connection pooler may sit between.
            connection = DeadlineConnection.connect(
                **{**self._parameters, **password}, autocommit=True, prepare_threshold=None
            )
            try:
                with connection.limit_answers(_SETTING_SECONDS):
                    connection.execute(chosen)
            except psycopg.Error:
                connection.close()
                raise
        return connection


def is_alive(connection: DeadlineConnection) -> bool:
    try:
        with connection.limit_answers(_PING_SECONDS):
            connection.execute("")
    except psycopg.Error:
        return False
    return True


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what the driver raises into one of our errors; ``doing`` names the table, view or query."""
    try:
        yield
    except psycopg.Error as error:
        ours = translated(error, doing)
        # The driver's text about a value quotes it, and a traceback would show it.
        raise ours from (None if isinstance(ours, DataError) else error)


def translated(error: psycopg.Error, doing: str) -> ReplicateError:
    """Never holds a row's content: errors about values show only their kind and place."""
    name = type(error).__name__
    code = f"postgresql.{error.sqlstate or name}"
    kind = _find_kind(error)
    if kind is DataError:
        return DataError(f"{doing}: the database refused a value ({name}{_format_place(error)}).", code=code)
    next_step = _CHECK_LOGIN if kind is LoginRefused else ""
    first_line = (error.diag.message_primary or str(error)).strip().partition("\n")[0]
    return kind(f"{doing}: {first_line or name}", code=code, next_step=next_step)


def _find_kind(error: psycopg.Error) -> type[TransientError] | type[PermanentError]:
    state = error.sqlstate
    if _is_about_login(error):
        return LoginRefused
    # A connection that failed or broke. A result without a state is libpq's own: the connection broke in a COPY.
    if state is None and (isinstance(error, psycopg.OperationalError) or type(error) is psycopg.DatabaseError):
        return TransientError
    if state is None:  # the driver cannot send a value, or does not know what to do
        return DataError if isinstance(error, psycopg.DataError | psycopg.IntegrityError) else PermanentError
    if state in _PERMANENT_CODES:
        return PermanentError
    if state in _DATA_CODES or state[:2] in _DATA_CLASSES:
        return DataError
    if state in _TRANSIENT_CODES or state[:2] in _TRANSIENT_CLASSES:
        return TransientError
    return PermanentError


def _is_about_login(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError) and bool(_LOGIN_REFUSED.search(str(error)))
    return state[:2] in ("28", "3D")


def _format_place(error: psycopg.Error) -> str:
    """Which constraint, column and row, as far as the server names them."""
    copied = _COPIED_ROW.search(error.diag.context or "")
    column = error.diag.column_name or (copied[2] if copied else None)
    found = {"constraint": error.diag.constraint_name, "column": column, "row": copied[1] if copied else None}
    return "".join(f", {word} {value}" for word, value in found.items() if value)
