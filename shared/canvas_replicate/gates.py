"""Gates that stages share: a file that shrank too much (DESIGN 9), provisions too old to push from (DESIGN 5, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from canvas_replicate.errors import ExitCode, PermanentError
from canvas_replicate.ledger.records import SOME_REPORTS, Run, RunItem
from canvas_replicate.runtime import Runtime

DEFAULT_MAX_SHRINK = 0.5
DEFAULT_MAX_REJECTED = 0
_NEWEST = 100  # runs to look for good provisions in


class StaleProvisions(PermanentError):
    """The provisions are not good enough, or too old, for a push."""

    exit_code = ExitCode.HELD
    default_code = "gate4.provisions"


def check_shrink(
    rows: int, baseline: int | None, max_shrink: float | None, *, what: str = "the last load"
) -> str | None:
    """Return why a file must be held, or None. ``max_shrink`` is a fraction (0 to 1) of the ``baseline``'s rows.

    A file without rows is held if the baseline has some. ``what`` names the baseline in the message, which ends with
    what approving does.
    """
    if not baseline:
        return None
    allowed = DEFAULT_MAX_SHRINK if max_shrink is None else max_shrink
    lost = baseline - rows
    if rows and lost <= baseline * allowed:
        return None
    limit = f", {allowed:.0%} allowed" if rows else ""
    effect = f"Approving replaces {baseline:,} rows by {rows:,}."
    return f"{rows:,} rows, {baseline:,} in {what} ({lost / baseline:.0%} fewer{limit}). {effect}"


def check_provisions(runtime: Runtime, group: str, *, run: Run | None = None, after: str | None = None) -> None:
    """Raises StaleProvisions unless the run's own provisions were successful.

    For a run without provisions, those of the run ``after`` count, or else the latest of the group's mode. The latest
    must also be younger than the limit.
    """
    after = _find_relied_on(run, after)
    if after is not None and runtime.ledger.runs.get(after).limited_to == SOME_REPORTS:
        message = f"Run {after} fetched only some reports; the others may be old."
        raise StaleProvisions(message, next_step="Name a run of the whole mode, or leave --run out.")
    orgs = " --processorgs" if group == "orgs" else ""
    fetch = f"Fetch them: provisioner run{orgs}"
    found = runtime.ledger.provisions.find_status(group, after)
    if found is None:
        of = f" of run {after}" if after else ""
        raise StaleProvisions(f"There are no {group} provisions{of}.", next_step=fetch)
    if found.status != "successful":
        message = f"The {group} provisions of {found.run_id} {found.status}: {found.message or 'no reason is known.'}"
        raise StaleProvisions(message, next_step=fetch + _suggest_good_run(runtime, group, orgs))
    hours, most = found.age.total_seconds() / 3600, runtime.settings.push_max_age_hours
    if after is None and hours > most:
        message = f"The {group} provisions are {hours:,.1f} hours old, over the limit of {most:g} ({found.run_id})."
        step = f"{fetch}   or push with these: canvas-pusher run{orgs} --run {found.run_id}"
        raise StaleProvisions(message, next_step=step)


def check_reports(
    runtime: Runtime, group: str, loads: Sequence[RunItem], *, run: Run | None = None, after: str | None = None
) -> None:
    """Raises StaleProvisions, naming every report of the plan that is too old.

    A report must not be older than the run that the push relies on; without such a run, not older than the limit. A
    report can be replayed, or fail and keep its old rows.
    """
    after = _find_relied_on(run, after)
    if after is not None:
        since = runtime.ledger.runs.get(after).opened_at
    else:
        since = datetime.now(UTC) - timedelta(hours=runtime.settings.push_max_age_hours)
    limit = f"run {after}" if after else "is allowed"
    stale = [
        f"{load.view} shows a report of {load.extracted_at:%Y-%m-%d %H:%M} UTC, older than {limit}."
        for load in loads
        if load.extracted_at is not None and load.extracted_at < since
    ]
    if stale:
        again = "it" if len(stale) == 1 else "them"
        step = f"Fetch {again} again: provisioner run{' --processorgs' if group == 'orgs' else ''}"
        raise StaleProvisions(" ".join(stale), next_step=step)


def _find_relied_on(run: Run | None, after: str | None) -> str | None:
    """The run whose provisions a push relies on: its own, where it fetched all of the mode's reports."""
    return run.run_id if run is not None and run.provisions and run.limited_to != SOME_REPORTS else after


def _suggest_good_run(runtime: Runtime, group: str, orgs: str) -> str:
    """The newest run whose provisions were good, by name, as the next command."""
    for run in runtime.ledger.runs.list_newest(_NEWEST):
        if run.provisions == group and run.limited_to != SOME_REPORTS:
            found = runtime.ledger.provisions.find_status(group, run.run_id)
            if found and found.status == "successful":
                return f"   or push on the last good ones: canvas-pusher run{orgs} --run {run.run_id}"
    return ""
