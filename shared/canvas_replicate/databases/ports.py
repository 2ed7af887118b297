"""The database ports that an engine implements. Adapters translate their driver's errors into ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import DataError, PermanentError

if TYPE_CHECKING:
    import pyarrow as pa

    from canvas_replicate.control_file import ControlFile
    from canvas_replicate.datfile.digest import RowDigest
from canvas_replicate.datfile.statistics import Figures


@dataclass(frozen=True)
class Tag:
    """Whose work a session does; a DBA sees it in the database."""

    stage: str
    run_id: str
    table: str


@dataclass(frozen=True)
class OpenQuery:
    """A running query. ``batches`` streams Arrow record batches in bounded memory and may be read once.

    It is ``exact`` of each of the ``fetched`` pieces, in their order: a caller may fetch and convert in parallel.
    Values arrive exact: numbers as integers, decimals or plain decimal text (floats only for kind ``float``), text
    as strings, date as Arrow timestamps without zone, timestamp likewise or as ``YYYY-MM-DD HH:MM:SS.fffffffff``
    where it is finer than a microsecond, timestamp_tz as text with its offset, raw as upper-case hex text.

    ``notes`` has, after the last piece, what a file does not keep.

    ``cancel`` may be called from any thread, more than once: a reader that waits for the next batch gets an error soon.
    """

    columns: tuple[Column, ...]
    fetched: Iterator[Any]
    exact: Callable[[Any], pa.RecordBatch]
    cancel: Callable[[], None]
    notes: Callable[[], tuple[str, ...]] = tuple

    @property
    def batches(self) -> Iterator[pa.RecordBatch]:
        return map(self.exact, self.fetched)


def as_fetched(batch: pa.RecordBatch) -> pa.RecordBatch:
    """For sources whose database hands exact values over."""
    return batch


@dataclass(frozen=True)
class TableFacts:
    """A source table from its dictionary; ``key`` is the primary key's columns, in order."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]


class SnapshotUnavailable(PermanentError):
    """The database cannot read as of that moment (a privilege or the undo is missing, or it has no such thing)."""

    default_code = "snapshot.unavailable"


class WiderNumbers(DataError):
    """A number needs more digits than the quick way of reading keeps; ``open`` with ``wide_numbers`` reads all."""

    default_code = "query.wide_numbers"


class Source(Protocol):
    def reach(self) -> None:
        """Raises what ``open`` raises when the database cannot be reached."""

    def open(
        self, sql: str, *, batch_rows: int, as_of: int | None = None, wide_numbers: bool = False, tag: Tag | None = None
    ) -> AbstractContextManager[OpenQuery]:
        """Run Oracle SQL, where ``as_of`` is given as of that moment.

        Raises TransientError, PermanentError when the query itself is refused, and, also while batches are read,
        SnapshotUnavailable when only the moment is refused, WiderNumbers when ``wide_numbers`` is needed.
        """

    def moment(self) -> int:
        """The present, as a number that ``open`` takes as ``as_of`` (Oracle's SCN). Raises SnapshotUnavailable."""

    def describe(self, query: str) -> tuple[Column, ...]:
        """The columns of a query that is parsed and not run. Raises what ``open`` raises."""

    def table(self, name: str) -> TableFacts:
        """A table or view, ``name`` with its schema or without. Raises PermanentError when there is none."""


class Session(Protocol):
    """One transaction of the ledger. SQL is portable, parameters are written ``:name``.

    Times are aware UTC, in results and in parameters; a parameter without a zone is taken as UTC.
    """

    def execute(self, sql: str, **values: Any) -> int:
        """Returns how many rows were changed.

        An INSERT that meets a row with the same key raises DuplicateKey. Where processes can race for a key, it
        waits for the other's transaction to end first, and this transaction can go on afterwards.
        """

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The statement once for each of ``rows``, in few round trips. DuplicateKey may end the whole transaction."""

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]: ...

    def now(self) -> datetime:
        """The database's clock."""


# Raises when a worker must stop; with a session inside that transaction, so that no other takes over before the commit.
Check = Callable[[Session | None], None]


@dataclass(frozen=True)
class Reported:
    """The counts that a loader of the database reports."""

    read: int
    loaded: int
    rejected: int
    discarded: int


@dataclass(frozen=True)
class Loaded:
    """The content of the base table after a load, before it is verified.

    ``digest`` is that of the file's columns ``hashed``: of those that were asked for, the ones the engine can hash.
    ``fingerprint`` is the same for the same rows, of any table of one database and one version of it.
    """

    rows: int
    figures: Mapping[str, Figures]
    reported: Reported | None = None
    digest: RowDigest | None = None
    hashed: tuple[str, ...] = ()
    fingerprint: str | None = None


# Base columns and the columns of the file that they hold, in the file's order; empty: the rows are not hashed.
Digested = Sequence[tuple[str, Column]]


@dataclass(frozen=True)
class Showing:
    """What a view is compared with: the ``digest`` columns of the base ``table``, where it shows them as they are.

    ``columns`` are the base table's. ``verify`` gets the view's rows, with a fingerprint only where the view is a
    plain projection of the table.
    """

    table: str
    columns: Sequence[Column]
    digest: Digested
    verify: Callable[[Loaded], None]


COUNT_ONLY = Showing("", (), (), lambda found: None)

# The column of a batch that holds each row's record number in the file, from 1. No base column has such a name.
RECORD = "#record"


@dataclass(frozen=True)
class Rejection:
    """A record that the database refused. ``code`` is the database's own; ``reason`` quotes no value."""

    record: int
    column: str | None
    code: str
    reason: str


@dataclass(frozen=True)
class Load:
    """What is to become the whole content of a base table, in the two forms that engines load from.

    Attributes:
        control: how the file is read, and whether TRUNCATE or REPLACE empties the table.
        file: the records, as the control file describes them.
        batches: the same records read and checked, to be taken once: text only, one column per base column (and
            per field that an expression names) in the form of plain decimals, ``YYYY-MM-DD HH:MM:SS[.f][+HH:MM]``
            and hex for raw, and ``RECORD``. What is no column of the table is left out.
        expressions: the Oracle SQL of columns that are not simply their own text; ``:name`` is a batch column.
        measure: the columns to verify, each measured as the file's column was (None: count only).
        is_proved: whether the digest shows that the rows are right; then no column need be measured.
        digest: the base columns whose rows are hashed, each with its column of the file, in the file's order.
        rejected: the numbers of the records that ``batches`` has left out so far; it grows while they are taken.
        max_rejected: the most records that may be refused; an engine may stop beyond it, and then calls
            ``verify`` with what it has.
        reject: gets each record that the database refuses.
        work_prefix: where an engine's own loader may leave its files: a path to which suffixes are added.
        method: which of an engine's ways to load: ``auto``, or ``sqlldr``, ``direct``, ``insert``.
        delete: the keys of the rows that are deleted before, as text columns of the base table; None: all rows. Then
            ``batches`` are only the rows that take their place, and the load is one transaction on every engine.
    """

    table: str
    control: ControlFile
    file: Path
    batches: Iterable[pa.Table]
    expressions: Mapping[str, str]
    measure: Mapping[str, Column | None]
    rejected: Collection[int]
    max_rejected: int
    reject: Callable[[Rejection], None]
    work_prefix: Path
    method: str = "auto"
    tag: Tag | None = None
    digest: Digested = ()
    delete: pa.Table | None = None
    is_proved: Callable[[Loaded], bool] = lambda loaded: False


class BulkLoader(Protocol):
    def describe(self, table: str) -> tuple[Column, ...]:
        """The base table's columns in order. Raises PermanentError naming the table when there is none."""

    def measure(self, table: str, digest: Digested, *, quickly: bool = False) -> Loaded:
        """Count and hash the rows of the base table, and change nothing. ``quickly``: only the fingerprint, where that
        is quicker.
        """

    def replace(self, load: Load, *, verify: Callable[[Loaded], None], check: Check) -> None:
        """Make the load the whole content of its table. Repeating it changes nothing.

        ``check`` runs before the table is emptied, and again last before the commit, inside the committing transaction
        where the engine supports it; an error of it stops the load.
        ``verify`` gets the row count and the column statistics; an error of it undoes the load where the engine can.
        Engines that cannot reject single records fail the whole load.
        """


class ViewRefresher(Protocol):
    def require_view(self, view: str) -> None:
        """Raises PermanentError for a missing view, and for one that would show unverified rows."""

    def count_rows(self, view: str) -> int:
        """The rows that readers see. Raises PermanentError for a missing view."""

    def refresh(self, view: str, *, check: Check, showing: Showing = COUNT_ONLY, tag: Tag | None = None) -> int:
        """Publish the base table's content through the view; returns the view's rows.

        Readers see the old or the new content, never less. ``check`` runs right before the change, and it and
        ``showing.verify`` inside the transaction that makes it where the engine can do that.
        """


class Target(BulkLoader, ViewRefresher, Protocol):
    """The reporting database. ``made_by_dba``: `replicate init-db` makes neither base tables nor views."""

    made_by_dba: bool

    def missing(self, ddl: str, file: Path) -> list[str]:
        """The statements that make what an Oracle DDL text describes and this database lacks.

        Lines that start with ``--`` name what is left out.
        """

    def apply(self, statements: Iterable[str], what: str) -> None:
        """Run what ``missing`` gave, all or nothing."""


class DuplicateKey(DataError):
    """A row with this key exists already."""

    default_code = "ledger.duplicate"


class LedgerDatabase(Protocol):
    # True where the engine lets one process in at a time: that process knows that all others are gone.
    single_process: bool

    def transaction(self) -> AbstractContextManager[Session]:
        """Commits at the end, rolls back on any exception. Nested use is an error."""

    def has_table(self, name: str) -> bool:
        """Whether the ledger has this table."""

    def missing(self, ddl: str) -> list[str]:
        """The statements that add the tables and columns of an Oracle DDL text which this database lacks.

        A column that is added to a table with rows may be NULL.
        """

    def apply(self, statements: Iterable[str]) -> None:
        """Run statements that ``missing`` gave, or CREATE INDEX, all or nothing. Repeatable."""
