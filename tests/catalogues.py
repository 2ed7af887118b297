"""Configuration as data, without the files that it is read from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.provisions import Mode, ModeName, Provisions, Report
from canvas_replicate.config.tables import BusyTimes, Schedule, Table
from canvas_replicate.errors import Place

_PLACE = Place(Path("made by a test"))


def table(name: str, *, enabled: bool = True) -> Table:
    view = name.replace("tmp_", "campus_")
    return Table(name, "SELECT 1 FROM DUAL", name, view, None, enabled, None, None, None, None, None, _PLACE)


def report(name: str, *, enabled: bool = True) -> Report:
    view = name.replace("tmp_cnv_", "canvas_")
    return Report(name, "users", "account", name, view, {}, None, None, enabled, _PLACE)


def mode(name: ModeName, *reports: Report) -> Mode:
    return Mode(name, None, (), reports)


def catalogue(tables: Sequence[Table], schedules: Sequence[Schedule], modes: Sequence[Mode] = ()) -> Catalogue:
    return Catalogue(
        {table.name: table for table in tables},
        {schedule.name: schedule for schedule in schedules},
        {},
        Provisions({mode.name: mode for mode in modes}),
    )


def hourly(tables: Sequence[str] = (), **options: Any) -> Schedule:
    """A schedule with the limits of the sample's: strict from 6 to 22 o'clock on working days."""
    limits = {"max_age": timedelta(hours=6), "quiet_max_age": timedelta(days=3), "busy": BusyTimes(0, 4, 6, 22)}
    return Schedule("hourly", tuple(tables), **{**limits, **options})
