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
        count = f"{len(plan.lines):,} changes by {plan.channel}"
        out.print(Text(f"{plan.process}: {plan.plan_id}, {count}; {plan.describe_left_out()}."))
        for refusal in plan.refused:
            out.print(Text(f"{plan.process} would not send: {refusal.reason}", style="dim"))
        for reason in each.hold_reasons:
            out.print(Text(f"{plan.process} would be held: {reason}", style="bold yellow"))
    for name in disabled:
        out.print(Text(f"{name}: switched off.", style="dim"))


def print_plans(plans: Sequence[PlanFile]) -> None:
    """Print the whole plans as JSON, each line with the row before it."""
    documents = []
    for each in plans:
        plan = each.plan
        counts = summarize([plan]).to_dict("records")
        held = {"over_budget": each.over_budget, "opposites": each.opposites}
        head = {"plan_id": plan.plan_id, "sha256": plan.sha256, **held, "summary": counts}
        documents.append({**head, **to_fields(plan)})
    output.print_json(documents)
