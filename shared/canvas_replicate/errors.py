"""Errors, grouped by what to do next; drivers' errors are translated into these at the edge.

ReplicateError
├── TransientError        the same work may succeed later: retry
│   └── LeaseBusy         another process works on the same key: wait, and do not count it as an attempt
├── PermanentError        retrying cannot help: dead letter, a person must act
│   ├── ConfigError       a configuration file, an SQL text or an option is wrong: exit 2, nothing started
│   │   └── LoginRefused  user or password is wrong: not tried again soon, so that the account is not locked
│   └── DataError         a file, a record or a copy is not what it must be
├── AlreadyRunning        another process or an open run holds what we need: exit 6
│   └── FileInUse         another process has the database's file: a worker waits, and does not count it as an attempt
├── LeaseLost             our lease was taken over: stop, write nothing, discard
└── Interrupted           asked to stop: requeue the work, it resumes later
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    HELD = 4
    DEPENDENCY_DOWN = 5
    ALREADY_RUNNING = 6


class ReplicateError(Exception):
    """Root of all errors that this project raises on purpose.

    Args:
        message: one sentence for the person on call, without secrets and without a row's content.
        code: short stable identifier such as ``gate2.rows`` or ``ORA-00942``, kept in the ledger.
        next_step: what to type or change next, as one sentence; may be empty.

    A handler sets ``is_recorded`` once the ledger holds the failure.
    """

    exit_code = ExitCode.FAILED
    default_code = "error"

    def __init__(self, message: str, *, code: str | None = None, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.next_step = next_step
        self.is_recorded = False

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".rstrip()

    def next_for(self, table: str) -> str:
        """The next step for a table that failed with this error, with the command to type."""
        again = f"replicate rerun {table}"
        if "replicate " in self.next_step:
            return self.next_step
        remedy = self.next_step or ("Correct that." if isinstance(self, ConfigError) else "")
        return f"{remedy} Then: {again}" if remedy else again


class TransientError(ReplicateError):
    """``tries``: how many tries it is worth, where that is fewer than the retry policy gives."""

    exit_code = ExitCode.DEPENDENCY_DOWN
    default_code = "transient"

    def __init__(self, message: str, *, code: str | None = None, next_step: str = "", tries: int | None = None) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.tries = tries


class LeaseBusy(TransientError):
    """``key`` is the lease's key."""

    default_code = "lease.busy"

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class PermanentError(ReplicateError):
    default_code = "permanent"


@dataclass(frozen=True)
class Place:
    """Where in a text file something is wrong; line and column count from 1."""

    file: Path | str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        numbers = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.file}{numbers}"


class ConfigError(PermanentError):
    """Wrong configuration. The text starts with the place, as compilers print it: ``file:line:column``.

    ``problems`` are the mistakes that this one error lists, where those are several.
    """

    exit_code = ExitCode.USAGE
    default_code = "config"

    def __init__(
        self, message: str, *, place: Place | None = None, code: str | None = None, next_step: str = ""
    ) -> None:
        super().__init__(f"{place}: {message}" if place else message, code=code, next_step=next_step)
        self.place = place
        self.problems: tuple[ConfigError, ...] = ()


class LoginRefused(ConfigError):
    default_code = "login.refused"


class DataError(PermanentError):
    default_code = "data"


class AlreadyRunning(ReplicateError):
    exit_code = ExitCode.ALREADY_RUNNING
    default_code = "already_running"


class FileInUse(AlreadyRunning):
    default_code = "duckdb.locked"


class LeaseLost(ReplicateError):
    default_code = "lease.lost"


class Interrupted(ReplicateError):
    default_code = "interrupted"
