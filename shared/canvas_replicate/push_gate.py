"""Nothing is pushed to Canvas on stale data: what a push needs to know of Canvas first (DESIGN sections 5 and 7)."""

from __future__ import annotations

from canvas_replicate.context import Context
from canvas_replicate.errors import ExitCode, PermanentError
from canvas_replicate.ledger import SOME_REPORTS, Run


class StaleProvisions(PermanentError):
    """What is known of Canvas is not good enough, or too old, to push from."""

    exit_code = ExitCode.HELD
    default_code = "gate4.provisions"


def check_provisions(context: Context, group: str, *, run: Run | None = None, after: str | None = None) -> None:
    """Raises StaleProvisions unless the run's own provisions were good; for a run without any: those of the run
    ``after``, or else the latest of the group's mode, and these must be young as well."""
    if run is not None and run.provisions and run.mode != SOME_REPORTS:
        after = run.run_id
    orgs = " --processorgs" if group == "orgs" else ""
    fetch = f"Fetch them: provisioner run{orgs}"
    found = context.ledger.provisions_of(group, after)
    if found is None:
        of = f" of run {after}" if after else ""
        raise StaleProvisions(f"There are no {group} provisions{of}.", next_step=fetch)
    if found.status != "successful":
        raise StaleProvisions(
            f"The {group} provisions of {found.run_id} {found.status}: {found.message or 'no reason is known.'}",
            next_step=f"{fetch}   or push on those of a good run: canvas-pusher run{orgs} --run ID",
        )
    hours, most = found.age.total_seconds() / 3600, context.settings.push_max_age_hours
    if after is None and hours > most:
        raise StaleProvisions(
            f"The {group} provisions are {hours:,.1f} hours old, of {most:g} that are allowed ({found.run_id}).",
            next_step=f"{fetch}   or push on them all the same: canvas-pusher run{orgs} --run {found.run_id}",
        )
