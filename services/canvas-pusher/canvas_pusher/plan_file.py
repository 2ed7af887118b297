"""Plans on the shared storage: written once, and read back only if the content has the plan's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from canvas_pusher.plan import Plan, PlanLine
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import DataError

_AGAIN = "Plan anew: replicate push"
# Attributes whose key in the file differs. Plans of earlier releases are read as well, so the keys stay.
_KEYS = {"duplicates": "repeated", "already_applied": "needless", "unverifiable": "unplaced"}
_ATTRIBUTES = {key: attribute for attribute, key in _KEYS.items()}


@dataclass(frozen=True)
class PlanFile:
    """``over_budget``: why the plan has to be held, as found when it was made. ``undoes``: the plan it takes back."""

    plan: Plan
    over_budget: tuple[str, ...] = ()
    undoes: str | None = None


def write_plan(path: Path, content: PlanFile, token: int | str) -> None:
    plan, over = content.plan, list(content.over_budget)
    head: dict[str, object] = {"plan_id": plan.plan_id, "sha256": plan.sha256, "undoes": content.undoes}
    document = {**head, "over_budget": over, "plan": to_fields(plan)}
    with written_aside(path, token) as part:
        part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_plan(path: Path, sha256: str) -> PlanFile:
    """Raises DataError unless the file holds the plan of this hash."""
    try:
        document = json.loads(path.read_text("utf-8"))
        plan = _read_fields(document["plan"])
        over, undoes = tuple(map(str, document["over_budget"])), document["undoes"]
    except FileNotFoundError:
        raise DataError(f"The plan {path.name} is gone.", code="plan.missing", next_step=_AGAIN) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"The plan {path.name} cannot be read.", code="plan.unreadable", next_step=_AGAIN) from None
    if plan.sha256 != sha256:
        text = f"{path.name} is not the plan that was made (sha256 differs)."
        raise DataError(text, code="plan.sha256", next_step=_AGAIN)
    return PlanFile(plan, over, undoes)


def to_fields(plan: Plan) -> dict[str, object]:
    """The plan under the keys of its file."""
    return {_KEYS.get(name, name): value for name, value in asdict(plan).items()}


def _read_fields(fields: Mapping[str, object]) -> Plan:
    values = {_ATTRIBUTES.get(key, key): value for key, value in fields.items()}
    lines = values.pop("lines")
    if not isinstance(lines, Sequence):
        raise TypeError("lines must be a list")
    return Plan(lines=tuple(PlanLine(**line) for line in lines), **values)  # type: ignore[arg-type]  # checked by hash
