"""The database ports: four small promises that an engine keeps, and that handlers and the ledger rely on.

Adapters translate their driver's errors into ours; nothing behind these lines leaks a driver's exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from canvas_replicate.columns import Column
from canvas_replicate.errors import DataError
from canvas_replicate.figures import Figures

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class OpenQuery:
    """A running query. ``batches`` streams Arrow record batches in bounded memory and may be read once.

    Values arrive exact: numbers as integers or decimals (floats only for kind ``float``), text as
    strings, date and timestamp as Arrow timestamps without zone, timestamp_tz as text with its offset,
    raw as upper-case hex text.
    """

    columns: tuple[Column, ...]
    batches: Iterator[pa.RecordBatch]


class Source(Protocol):
    def reach(self) -> None:
        """Raises what ``open`` would raise when the database cannot be reached."""

    def open(self, query: str, *, batch_rows: int) -> AbstractContextManager[OpenQuery]:
        """Run Oracle SQL. Raises TransientError, or PermanentError when the query itself is refused."""


class Session(Protocol):
    """One transaction of the ledger. SQL is portable, parameters are written ``:name``."""

    def execute(self, sql: str, **values: Any) -> int:
        """Returns how many rows were changed.

        An INSERT that meets a row with the same key raises DuplicateKey. Where processes can race for a key, it
        waits for the other's transaction to end first, and this transaction can go on afterwards.
        """

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]: ...

    def now(self) -> datetime:
        """The database's clock, UTC without zone."""


# Whether a worker may go on. With a session it asks inside that transaction, so that nobody can take over between
# the answer and the commit.
Check = Callable[[Session | None], None]


@dataclass(frozen=True)
class Loaded:
    """What lies in the base table after a load, before anybody believes it."""

    rows: int
    figures: Mapping[str, Figures]


class BulkLoader(Protocol):
    def describe(self, table: str) -> tuple[Column, ...]:
        """The base table's columns in order. Raises PermanentError naming the table when there is none."""

    def replace(
        self,
        table: str,
        batches: Iterable[pa.Table],
        *,
        expressions: Mapping[str, str],
        measure: Mapping[str, Column | None],
        prove: Callable[[Loaded], None],
        check: Check,
    ) -> None:
        """Make ``batches`` the whole content of the table.

        Batches hold text only, one column per base column (and per field that an expression names): plain
        decimals, ``YYYY-MM-DD HH:MM:SS[.f][+HH:MM]``, hex for raw. ``expressions`` gives the Oracle SQL of
        columns that are not simply their own text; ``:name`` in it is a batch column.

        ``check`` runs before anything is emptied, and again as the last thing before the end, then inside the
        transaction that ends the load where the engine can do that; what it raises stops the load.
        ``prove`` is shown the row count and the figures of the columns in ``measure`` (measured as the
        file's column was; None: count values only); what it raises undoes the load where the engine can
        undo. Repeating the call with the same batches changes nothing.
        """


class ViewRefresher(Protocol):
    def refresh(self, view: str, *, check: Check) -> int:
        """Publish the base table's content through the view; returns the view's rows.

        Readers see the old or the new content, never less. ``check`` runs right before the change, and inside
        the transaction that makes it where the engine can do that.
        """


class Target(BulkLoader, ViewRefresher, Protocol):
    """The reporting database: base tables and views, and what makes them."""

    def missing(self, ddl: str, file: Path) -> list[str]:
        """The statements that make what an Oracle DDL text describes and this database lacks.

        Lines that start with ``--`` tell what is left out.
        """

    def apply(self, statements: Iterable[str], what: str) -> None:
        """Run what ``missing`` gave, all or nothing."""


class DuplicateKey(DataError):
    """A row with this key is there already."""

    default_code = "ledger.duplicate"


class LedgerDatabase(Protocol):
    # True where the engine lets one process in at a time: whoever is in knows that all others are gone.
    single_process: bool

    def transaction(self) -> AbstractContextManager[Session]:
        """Commits at the end, rolls back on any exception. Nested use is an error."""

    def is_ready(self) -> bool:
        """False until `replicate init-db` made the ledger's tables."""

    def missing(self, ddl: str) -> list[str]:
        """The statements that make the tables of an Oracle DDL text which are not there."""

    def apply(self, statements: Iterable[str]) -> None:
        """Run what ``missing`` gave, all or nothing."""
