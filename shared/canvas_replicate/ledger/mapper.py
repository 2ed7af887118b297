"""How rows of the ledger's tables become records. A column is named in `tables.sql`, here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar, get_type_hints

from canvas_replicate.databases.ports import Session
from canvas_replicate.ledger.records import (
    Artifact,
    CanvasReport,
    Push,
    PushItem,
    Reject,
    Run,
    RunItem,
    Snapshot,
    Status,
)

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


def _map(sql_table: str, record: type[Record], /, **columns: str) -> Mapper[Record]:
    """A column per field, of the field's name unless ``columns`` names another."""
    hints = get_type_hints(record)
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    converters = [_converter(hints[name]) for name in names]

    def build(*row: Any) -> Record:
        values = [None if value is None else convert(value) for convert, value in zip(converters, row, strict=True)]
        return record(*values)

    return Mapper(sql_table, tuple(columns.get(name, name) for name in names), build)


def _converter(hint: Any) -> Callable[[Any], Any]:
    """Engines give numbers as int, Decimal or float; the field's type decides."""
    wanted = {hint, *getattr(hint, "__args__", ())}
    return next((number for number in _NUMBERS if number in wanted), lambda value: value)


_RUN_FIELDS = {
    **{name: name for name in ("run_id", "schedule", "status", "rerun_of", "requested_by", "provisions")},
    **{name: name for name in ("opened_at", "deadline_at", "closed_at")},
    "limited_to": "run_mode",
}
_PUSH_COLUMNS = ("push_group", "push_process", "push_plan", "push_after")


def _build_run(*row: Any) -> Run:
    own, (then_steps, snapshot, *push) = row[: -len(_PUSH_COLUMNS) - 2], row[-len(_PUSH_COLUMNS) - 2 :]
    named = dict(zip(_RUN_FIELDS, own, strict=True))
    return Run(
        **named,
        then=tuple(then_steps.split(",")) if then_steps else (),
        snapshot=bool(snapshot),
        push=Push(*push) if push[0] else None,
    )


RUNS = Mapper("replicate_run", (*_RUN_FIELDS.values(), "then_steps", "snapshot", *_PUSH_COLUMNS), _build_run)
_ITEM_COLUMNS = {
    "table": "table_name",
    "view": "view_name",
    "rows": "row_count",
    "loaded": "loaded_count",
    "rejected": "rejected_count",
}
_RUN_ITEMS = _map("replicate_run_table", RunItem, **_ITEM_COLUMNS)
_PUSH_ITEMS = _map("replicate_run_table", PushItem, **_ITEM_COLUMNS)
_KIND = _RUN_ITEMS.columns.index("kind")
ITEMS: Mapper[RunItem] = Mapper(
    _RUN_ITEMS.table,
    _RUN_ITEMS.columns,
    lambda *row: (_PUSH_ITEMS if row[_KIND] == "pushes" else _RUN_ITEMS).build(*row),
)
ARTIFACTS = _map("replicate_artifact", Artifact, table="table_name")
REJECTS = _map("replicate_reject", Reject, column="column_name", code="error_code")
REPORTS = _map("replicate_report", CanvasReport, file="report_file")
SNAPSHOTS = _map("replicate_snapshot", Snapshot)
CURRENT_STATUS = _map(
    "replicate_current_status",
    Status,
    table="tablename",
    view="jobname",
    source="db",
    rows="row_count",
    rejected="rejected_count",
)
