"""A plan as people see it: how many changes of which kind, where, and whether a gate would hold it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from canvas_pusher.plan import summarize
from canvas_pusher.plan_file import PlanFile, to_fields
from canvas_replicate.cli import output

_COLUMNS = ("process", "term", "account", "addition", "removal", "change")
_NUMBERS = ("additions", "removals", "changes")


def show_plans(plans: Sequence[PlanFile], disabled: Sequence[str]) -> None:
    """``disabled``: the processes that are switched off."""
    out = output.console()
    counted = summarize([each.plan for each in plans])
    if counted.empty:
        out.print("Nothing to change: Canvas is as it should be.")
    else:
        rows = [list(row) for row in counted[list(_COLUMNS)].itertuples(index=False)]
        out.print(output.build_table([*_COLUMNS[:3], *_NUMBERS], rows, numbers=_NUMBERS))
    for each in plans:
        plan = each.plan
        left_out = f"{plan.already_applied:,} are so already, {plan.duplicates:,} repeated"
        if plan.unverifiable:
            left_out += f", {plan.unverifiable:,} removals are in no course or section of the reports"
        out.print(Text(f"{plan.process}: {plan.plan_id}, {len(plan.lines):,} changes by {plan.channel}; {left_out}."))
        for reason in each.over_budget:
            out.print(Text(f"{plan.process} would be held: {reason}", style="bold yellow"))
    for name in disabled:
        out.print(Text(f"{name}: switched off.", style="dim"))


def print_plans(plans: Sequence[PlanFile]) -> None:
    """Print the whole plans as JSON, each line with the row before it."""
    documents = []
    for plan, over in ((each.plan, each.over_budget) for each in plans):
        counts = summarize([plan]).to_dict("records")
        head = {"plan_id": plan.plan_id, "sha256": plan.sha256, "over_budget": over, "summary": counts}
        documents.append({**head, **to_fields(plan)})
    output.print_json(documents)
