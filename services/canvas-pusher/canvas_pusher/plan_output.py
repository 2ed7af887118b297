"""A plan as people see it: how much of what, where, and whether a gate would hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.text import Text

from canvas_pusher.plan import summary
from canvas_pusher.plan_file import PlanFile
from canvas_replicate.cli import output

_COLUMNS = ("process", "term", "account", "addition", "removal", "change")
_NUMBERS = ("additions", "removals", "changes")


def show_plans(made: Sequence[PlanFile], off: Sequence[str]) -> None:
    """``off``: processes that are switched off."""
    out = output.console()
    counted = summary([each.plan for each in made])
    if counted.empty:
        out.print("Nothing to change: Canvas is as it should be.")
    else:
        rows = [list(row) for row in counted[list(_COLUMNS)].itertuples(index=False)]
        out.print(output.table([*_COLUMNS[:3], *_NUMBERS], rows, numbers=_NUMBERS))
    for each in made:
        plan = each.plan
        left_out = f"{plan.needless:,} are so already, {plan.repeated:,} repeated"
        if plan.unplaced:
            left_out += f", {plan.unplaced:,} removals lie in no course or section of the reports"
        out.print(Text(f"{plan.process}: {plan.plan_id}, {len(plan.lines):,} changes by {plan.channel}; {left_out}."))
        for reason in each.over_budget:
            out.print(Text(f"{plan.process} would be held: {reason}", style="bold yellow"))
    for name in off:
        out.print(Text(f"{name}: switched off.", style="dim"))


def print_plans(made: Sequence[PlanFile]) -> None:
    """The whole plans as JSON, each line with what was there before."""
    output.print_json([_as_dict(each) for each in made])


def _as_dict(content: PlanFile) -> dict[str, object]:
    plan = content.plan
    return {
        "plan_id": plan.plan_id,
        "sha256": plan.sha256,
        "over_budget": content.over_budget,
        "summary": summary([plan]).to_dict("records"),
        **asdict(plan),
    }
