"""Plans on the shared storage: written once, and read back only if the content has the plan's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from canvas_pusher.plan import Plan, PlanLine, Refusal
from canvas_replicate.datfile.storage import written_aside
from canvas_replicate.errors import DataError

_AGAIN = "Plan again: replicate push"
# Attributes whose key in the file differs. Plans of earlier releases are read as well, so the keys stay.
_KEYS = {"duplicates": "repeated", "already_applied": "needless", "unverifiable": "unplaced"}
_ATTRIBUTES = {key: attribute for attribute, key in _KEYS.items()}


@dataclass(frozen=True)
class PlanFile:
    """A plan and what was found when it was made.

    Attributes:
        over_budget, opposites: why the plan has to be held: its size, and processes that ask otherwise.
        undoes: the plan that it takes back.
    """

    plan: Plan
    over_budget: tuple[str, ...] = ()
    undoes: str | None = None
    opposites: tuple[str, ...] = ()

    @property
    def hold_reasons(self) -> tuple[str, ...]:
        return (*self.opposites, *self.over_budget)


def write_plan(path: Path, content: PlanFile, token: int | str) -> None:
    plan = content.plan
    head: dict[str, object] = {"plan_id": plan.plan_id, "sha256": plan.sha256, "undoes": content.undoes}
    held = {"over_budget": list(content.over_budget), "opposites": list(content.opposites)}
    document = {**head, **held, "plan": to_fields(plan)}
    with written_aside(path, token) as part:
        part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_plan(path: Path, sha256: str) -> PlanFile:
    """Raises DataError unless the file holds the plan of this hash."""
    try:
        document = json.loads(path.read_text("utf-8"))
        plan = _read_fields(document["plan"])
        over, undoes = tuple(map(str, document["over_budget"])), document["undoes"]
        opposites = tuple(map(str, document.get("opposites", ())))
    except FileNotFoundError:
        raise DataError(f"The plan {path.name} is gone.", code="plan.missing", next_step=_AGAIN) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"The plan {path.name} cannot be read.", code="plan.unreadable", next_step=_AGAIN) from None
    if plan.sha256 != sha256:
        text = f"{path.name} is not the plan that was made (sha256 differs)."
        raise DataError(text, code="plan.sha256", next_step=_AGAIN)
    return PlanFile(plan, over, undoes, opposites)


def to_fields(plan: Plan) -> dict[str, object]:
    """The plan under the keys of its file."""
    return {_KEYS.get(name, name): value for name, value in asdict(plan).items()}


def _read_fields(fields: Mapping[str, object]) -> Plan:
    values = {_ATTRIBUTES.get(key, key): value for key, value in fields.items()}
    lines, refused = values.pop("lines"), values.pop("refused", ())
    if not isinstance(lines, Sequence) or not isinstance(refused, Sequence):
        raise TypeError("lines and refused must be lists")
    made = {"lines": tuple(PlanLine(**line) for line in lines), "refused": tuple(Refusal(**each) for each in refused)}
    return Plan(**made, **values)  # type: ignore[arg-type]  # checked by hash
