"""How rows of the ledger's tables become records. A column is named in `tables.sql`, here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar, get_type_hints

from canvas_replicate.databases.ports import LedgerDatabase, Session
from canvas_replicate.ledger import records
from canvas_replicate.ledger.records import Push, PushItem, Run, RunItem

Record = TypeVar("Record")


@dataclass(frozen=True)
class Mapper(Generic[Record]):
    """``build`` gets one value per column, in order."""

    table: str
    columns: tuple[str, ...]
    build: Callable[..., Record]

    def select(self, session: Session, rest: str = "", **values: Any) -> list[Record]:
        """``rest`` is what follows the table's name: WHERE, ORDER BY, FETCH."""
        found = session.query(f"SELECT {', '.join(self.columns)} FROM {self.table} {rest}", **values)
        return [self.build(*row) for row in found]

    def first(self, session: Session, rest: str = "", **values: Any) -> Record | None:
        return next(iter(self.select(session, rest, **values)), None)

    def read(self, database: LedgerDatabase, rest: str = "", **values: Any) -> list[Record]:
        """As ``select``, in its own transaction."""
        with database.transaction() as session:
            return self.select(session, rest, **values)

    def read_first(self, database: LedgerDatabase, rest: str, **values: Any) -> Record | None:
        return next(iter(self.read(database, rest, **values)), None)

    def list_values(self, record: Record) -> dict[str, Any]:
        """The record's values by column, as ``insert`` takes them."""
        names = [field.name for field in fields(record)]  # type: ignore[arg-type]
        return {column: getattr(record, name) for column, name in zip(self.columns, names, strict=True)}


def read(database: LedgerDatabase, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Query in its own transaction."""
    with database.transaction() as session:
        return session.query(sql, **values)


def insert(session: Session, table: str, values: Mapping[str, Any]) -> None:
    """Raises DuplicateKey."""
    names, binds = ", ".join(values), ", ".join(f":{name}" for name in values)
    session.execute(f"INSERT INTO {table} ({names}) VALUES ({binds})", **values)


def update(session: Session, table: str, values: Mapping[str, Any], where: str, **keys: Any) -> int:
    """Returns how many rows were changed. The names of ``keys`` must differ from the columns in ``values``."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    return session.execute(f"UPDATE {table} SET {assignments} WHERE {where}", **values, **keys)


def upsert(
    session: Session,
    table: str,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    on_insert: Mapping[str, Any] | None = None,
) -> None:
    """UPDATE, then INSERT (with ``on_insert`` as well) where there was no row: MERGE differs between engines."""
    where = " AND ".join(f"{name} = :{name}" for name in key)
    if not update(session, table, values, where, **key):
        insert(session, table, {**key, **values, **(on_insert or {})})


_NUMBERS: Sequence[type] = (bool, int, float)


def map_record(sql_table: str, record: type[Record], /, **columns: str) -> Mapper[Record]:
    """A column per field, of the field's name unless ``columns`` names another."""
    hints = get_type_hints(record)
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    converters = [_choose_converter(hints[name]) for name in names]

    def build(*row: Any) -> Record:
        values = [None if value is None else convert(value) for convert, value in zip(converters, row, strict=True)]
        return record(*values)

    return Mapper(sql_table, tuple(columns.get(name, name) for name in names), build)


def _choose_converter(hint: Any) -> Callable[[Any], Any]:
    """Engines give numbers as int, Decimal or float; the field's type decides."""
    wanted = {hint, *getattr(hint, "__args__", ())}
    return next((number for number in _NUMBERS if number in wanted), lambda value: value)


_RUN_FIELDS = {
    **{name: name for name in ("run_id", "schedule", "status", "rerun_of", "requested_by", "provisions")},
    **{name: name for name in ("opened_at", "deadline_at", "closed_at")},
    "limited_to": "run_mode",
}
PUSH_COLUMNS = ("push_group", "push_process", "push_plan", "push_after")


def _build_run(*row: Any) -> Run:
    own, (then_steps, snapshot, forced, *push) = row[: -len(PUSH_COLUMNS) - 3], row[-len(PUSH_COLUMNS) - 3 :]
    named = dict(zip(_RUN_FIELDS, own, strict=True))
    return Run(
        **named,
        then=tuple(then_steps.split(",")) if then_steps else (),
        snapshot=bool(snapshot),
        forced=bool(forced),
        push=Push(*push) if push[0] else None,
    )


RUNS = Mapper("replicate_run", (*_RUN_FIELDS.values(), "then_steps", "snapshot", "forced", *PUSH_COLUMNS), _build_run)
_ITEM_COLUMNS = {"table": "table_name", "view": "view_name"}
_ITEM_COLUMNS |= {"rows": "row_count", "loaded": "loaded_count", "rejected": "rejected_count"}
_RUN_ITEMS = map_record("replicate_run_table", RunItem, **_ITEM_COLUMNS)
_PUSH_ITEMS = map_record("replicate_run_table", PushItem, **_ITEM_COLUMNS)
_KIND = _RUN_ITEMS.columns.index("kind")
ITEMS: Mapper[RunItem] = Mapper(
    _RUN_ITEMS.table,
    _RUN_ITEMS.columns,
    lambda *row: (_PUSH_ITEMS if row[_KIND] == "pushes" else _RUN_ITEMS).build(*row),
)
ARTIFACTS = map_record("replicate_artifact", records.Artifact, table="table_name")
REJECTS = map_record("replicate_reject", records.Reject, column="column_name", code="error_code")
REPORTS = map_record("replicate_report", records.CanvasReport, file="report_file")
SNAPSHOTS = map_record("replicate_snapshot", records.Snapshot)
_STATUS_COLUMNS = {"table": "tablename", "view": "jobname", "source": "db"}
_STATUS_COUNTS = {"rows": "row_count", "rejected": "rejected_count"}
CURRENT_STATUS = map_record("replicate_current_status", records.Status, **_STATUS_COLUMNS, **_STATUS_COUNTS)
