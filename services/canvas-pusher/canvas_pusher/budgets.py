"""Gate 4 (DESIGN section 9): how much a push may change in a term before a person has to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from canvas_pusher.planning import Plan
from canvas_replicate.pushes import Budget


def over_budget(plan: Plan, budget: Budget, active: Mapping[str, int]) -> list[str]:
    """Why the plan has to be held, a sentence per term and limit; empty when it may go.

    ``active``: how many active rows of the plan's kind the last good report has, by term. A term that it does not
    know has no percentage: of what is not there, nothing can be told.
    """
    counts = Counter((line.term, line.change) for line in plan.lines)
    reasons = []
    for term in sorted({line.term for line in plan.lines}):
        additions, removals, there = counts[term, "addition"], counts[term, "removal"], active.get(term, 0)
        if additions > budget.additions:
            reasons.append(f"term {term}: {additions:,} additions, of {budget.additions:,} that are allowed.")
        if removals > budget.removals:
            reasons.append(f"term {term}: {removals:,} removals, of {budget.removals:,} that are allowed.")
        if there and removals * 100 > budget.removals_percent * there:
            share = removals * 100 / there
            reasons.append(
                f"term {term}: {removals:,} removals are {share:.1f} % of its {there:,} active {plan.kind}, of"
                f" {budget.removals_percent:g} % that are allowed."
            )
    return reasons
