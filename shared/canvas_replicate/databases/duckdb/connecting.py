"""One DuckDB file per process and path, and the meaning of the driver's errors."""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from canvas_replicate.errors import (
    ConfigError,
    DataError,
    FileInUse,
    PermanentError,
    ReplicateError,
    TransientError,
)

_TRANSIENT = (
    duckdb.TransactionException,
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.HTTPException,
    duckdb.InterruptException,
    duckdb.SerializationException,
    duckdb.ResourceInUseException,
)
_BAD_DATA = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException)
# DuckDB would keep all that it has read, up to 80 % of the machine's memory. Sorts and joins beyond the limit go to
# disk; what cannot go there grows with threads and columns, and gets more room when it fails for lack of it.
_MEMORY_MB, _MOST_MB, _MB_PER_COLUMN = 64, 1024, 3
_THREADS = 2
OUT_OF_MEMORY = "duckdb.OutOfMemoryException"
# What the system may give in a moment; everything else about a file needs a person.
_PASSES = ("No space left", "Too many open files", "Input/output error", "Stale file handle", "Cannot allocate memory")
_STEP = "Name the file of a DuckDB database there, one that this user may write."
_OTHER_PROCESS = re.compile(r"Could not set lock on file .*?PID (\d+)", re.DOTALL)


def translated(error: duckdb.Error, doing: str) -> ReplicateError:
    """A driver's error as one of ours; ``doing`` names the table or the query. First line only: no row content."""
    first_line = str(error).partition("\n")[0]
    code = f"duckdb.{type(error).__name__}"
    if isinstance(error, _BAD_DATA):
        # The text quotes the offending value, which must not reach logs and messages.
        return DataError(f"{doing}: the database refused a value ({type(error).__name__}).", code=code)
    kind = TransientError if isinstance(error, _TRANSIENT) else PermanentError
    return kind(f"{doing}: {first_line}", code=code)


@contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn what the driver raises into one of our errors."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, doing) from error


class DuckDb:
    """One database file, opened once per process; each user takes a cursor."""

    _opened: dict[Path, DuckDb] = {}  # noqa: RUF012  # one registry for the process, which is what DuckDB demands
    _opening = threading.Lock()

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        # Concurrent updates of a row fail instead of waiting, so the ledger writes one at a time.
        self.ledger_lock = threading.Lock()
        self._memory_mb = _MEMORY_MB

    @classmethod
    def open(cls, path: Path, *, create: bool) -> DuckDb:
        """Raises FileInUse while another process has the file, TransientError when it is not there."""
        path = path.resolve()
        with cls._opening:
            if path not in cls._opened:
                cls._opened[path] = cls(path, _connect(path, create=create))
            return cls._opened[path]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()

    @contextmanager
    def session(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for the length of a block. An uncommitted transaction ends with it.

        What fails for lack of memory is a TransientError, and has more memory when it is done again.
        """
        try:
            with closing(self.cursor()) as cursor, translate_errors(doing):
                yield cursor
        except TransientError as error:
            if error.code == OUT_OF_MEMORY:
                self.give_most()
            raise

    @classmethod
    def close_all(cls) -> None:
        """At the end of the process, so that the next process that opens the file has nothing to replay."""
        for opened in list(cls._opened.values()):
            opened.close()

    def make_room(self, columns: int) -> None:
        """Let DuckDB have the memory that reading or writing so many columns needs."""
        self._set_memory(columns * _MB_PER_COLUMN)

    def give_most(self) -> None:
        """For what failed for lack of memory."""
        self._set_memory(_MOST_MB)

    def _set_memory(self, megabytes: int) -> None:
        with self._opening:
            if megabytes > self._memory_mb:
                with self._connection.cursor() as cursor:
                    cursor.execute(f"SET memory_limit = '{megabytes}MB'")
                self._memory_mb = megabytes

    def close(self) -> None:
        with self._opening:
            self._opened.pop(self.path, None)
            self._connection.close()


atexit.register(DuckDb.close_all)


def _connect(path: Path, *, create: bool) -> duckdb.DuckDBPyConnection:
    _require_file(path, create=create)
    # A query must never find a Python variable where it names a table.
    config: Any = {"python_enable_replacements": False, "memory_limit": f"{_MEMORY_MB}MB", "threads": _THREADS}
    try:
        connection = duckdb.connect(str(path), config=config)
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # for every cursor that is taken later
        return connection
    except duckdb.Error as error:
        other = _OTHER_PROCESS.search(str(error))
        if other:
            problem = f"{path} is in use by process {other[1]}, and a DuckDB file belongs to one process at a time."
            step = "Wait for it, or keep the target in PostgreSQL or Oracle (docs/configuration.md)."
            raise FileInUse(problem, next_step=step) from error
        if isinstance(error, duckdb.OutOfMemoryException) or any(word in str(error) for word in _PASSES):
            raise translated(error, f"opening {path}") from error
        problem = f"{path} cannot be opened as a DuckDB database: {_describe(error)}"
        raise ConfigError(problem, code="duckdb.path", next_step=_STEP) from error


def _require_file(path: Path, *, create: bool) -> None:
    """Raises TransientError for a file that is not there, ConfigError where none can be."""
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder.", code="duckdb.path", next_step=_STEP)
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            path.stat()
    except FileNotFoundError:
        raise TransientError(f"The database file {path} is not there.", code="duckdb.missing") from None
    except OSError as error:
        problem = f"{path} cannot be opened: {error.strerror or type(error).__name__}."
        raise ConfigError(problem, code="duckdb.path", next_step=_STEP) from error


def _describe(error: duckdb.Error) -> str:
    """The first line, without the driver's advice to look into its documentation."""
    return str(error).partition("\n")[0].removeprefix("IO Error: ")
