"""How an edit, by hand or over REST, changes a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from replicate_demo.canvas.answers import build_invalid
from replicate_demo.canvas.model import STICKY_FIELDS, Record, WithSisId, parse_utc
from replicate_demo.canvas.parameters import is_true
from replicate_demo.canvas.site import Call

S = TypeVar("S", bound=WithSisId)


def edit_by_hand(record: Record, **fields: Any) -> None:
    """Set fields as Canvas's pages do: later SIS imports leave the changed ones alone (fact sheet 4.13)."""
    changed = {name for name, value in fields.items() if getattr(record, name) != value}
    for name, value in fields.items():
        setattr(record, name, value)
    record.sticky = sorted({*record.sticky, *(changed & STICKY_FIELDS.get(type(record), frozenset()))})


def set_fields(call: Call, record: Record, fields: Mapping[str, Any]) -> None:
    """An edit over REST is as sticky as one by hand."""
    edit_by_hand(record, **fields)
    record.updated_at = call.stamp


def make_sticky(record: Record, fields: Iterable[str]) -> None:
    """For a record that was just made with these fields."""
    record.sticky = sorted({*record.sticky, *(set(fields) & STICKY_FIELDS[type(record)])})


def read_dates(given: Mapping[str, Any]) -> dict[str, str | None]:
    """``start_at`` and ``end_at`` as far as they were sent. Raises Refused (400) for what is no date."""
    return {name: read_date(name, given[name]) for name in ("start_at", "end_at") if name in given}


def read_date(name: str, value: object) -> str | None:
    if value in (None, ""):
        return None
    try:
        return parse_utc(str(value))
    except ValueError:
        raise build_invalid(name, "is not a valid date") from None


def read_text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def read_integration_id(given: Mapping[str, Any]) -> dict[str, str | None]:
    """As far as it was sent."""
    return {"integration_id": read_text(given["integration_id"])} if "integration_id" in given else {}


def find_revivable(call: Call, table: Mapping[int, S], sis_id: str | None) -> S | None:
    """The deleted record that still holds the SIS id, if ``enable_sis_reactivation`` asks for it."""
    if not is_true(call.parameters.get("enable_sis_reactivation")):
        return None
    deleted = (each for each in table.values() if each.workflow_state == "deleted")
    return next((each for each in deleted if sis_id is not None and each.sis_id == sis_id), None)


def check_sis_id_free(table: Mapping[int, WithSisId], sis_id: str | None, own_id: int | None = None) -> None:
    """A deleted record still holds its SIS id (fact sheet 4.6). Raises Refused (400)."""
    if sis_id is None:
        return
    if any(each.sis_id == sis_id and each.id != own_id for each in table.values()):
        raise build_invalid("sis_source_id", f'SIS ID "{sis_id}" is already in use')
