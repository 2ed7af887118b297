"""What the plans of one group are made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from canvas_pusher import STAGE, gates, report_frames
from canvas_pusher.rivals import Rivals
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.databases.ports import Source, Tag
from canvas_replicate.ledger.records import Run
from canvas_replicate.runtime import Runtime


@dataclass(frozen=True)
class PlanSources:
    """What plans of one group are made from. ``list_roles`` asks Canvas for the names of the account's roles."""

    runtime: Runtime
    target: Source
    group: str
    rivals: Rivals
    list_roles: Callable[[], Collection[str]]


def open_sources(
    runtime: Runtime,
    target: Source,
    group: str,
    processes: Sequence[PushProcess],
    list_roles: Callable[[], Collection[str]],
    run: Run | None = None,
) -> PlanSources:
    """``processes``: those of the run. One that is switched off or will be skipped asks for nothing."""
    asking = [each for each in processes if each.enabled and gates.check_loaded(each, run, runtime) is None]

    def fetch(process: PushProcess) -> pd.DataFrame:
        return report_frames.fetch_rows(target, process.query, Tag(STAGE, run.run_id if run else "plan", process.name))

    return PlanSources(runtime, target, group, Rivals(asking, fetch), list_roles)
