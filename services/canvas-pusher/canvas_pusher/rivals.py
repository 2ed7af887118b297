"""Processes of one run that ask opposite things of one object: Canvas would do what the last of them asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from canvas_pusher.comparison import find_differing
from canvas_pusher.import_schemas import IMPORT_SCHEMAS, ImportSchema
from canvas_pusher.reported import CanvasReports
from canvas_pusher.wanted import WantedRow, read_wanted
from canvas_replicate.config.pushes import PushProcess
from canvas_replicate.errors import PermanentError


@dataclass
class Rivals:
    """The processes of one run. ``fetch`` returns the result of a process's SQL; each is fetched once."""

    processes: Sequence[PushProcess]
    fetch: Callable[[PushProcess], pd.DataFrame]
    _wanted: dict[str, Mapping[str, WantedRow]] = field(default_factory=dict)

    def find_opposites(self, process: PushProcess, reports: CanvasReports) -> tuple[str, ...]:
        """What other processes of the same kind ask otherwise, a sentence per process.

        A process whose SQL fails asks for nothing; it fails alone.
        """
        rivals = [each for each in self.processes if each.kind == process.kind and each.name != process.name]
        if not rivals:
            return ()
        schema, own = IMPORT_SCHEMAS[process.kind], self._list_wanted(process, reports)
        found = []
        for rival in rivals:
            theirs = self._list_wanted(rival, reports)
            both = [
                (one, theirs[each])
                for each, one in own.items()
                if each in theirs and _are_opposite(schema, one, theirs[each])
            ]
            if both:
                one, other = both[0]
                text = f"{rival.name} asks otherwise for {len(both):,} of its rows, first row {one.number} of"
                found.append(f"{text} {process.name} and row {other.number} of {rival.name}.")
        return tuple(found)

    def _list_wanted(self, process: PushProcess, reports: CanvasReports) -> Mapping[str, WantedRow]:
        if process.name not in self._wanted:
            try:
                schema = IMPORT_SCHEMAS[process.kind]
                rows = read_wanted(process.name, process.channel, schema, self.fetch(process), reports)
            except PermanentError:
                rows = []
            self._wanted[process.name] = {each.object: each for each in rows if not each.refusal}
        return self._wanted[process.name]


def _are_opposite(schema: ImportSchema, one: WantedRow, other: WantedRow) -> bool:
    """An empty value asks for nothing, except of a date."""
    names = one.row.keys() & other.row.keys() - {*schema.key, *schema.places}
    differing = find_differing({name: one.row[name] for name in names}, other.row, ())
    return bool(differing & find_differing({name: other.row[name] for name in names}, one.row, ()))
