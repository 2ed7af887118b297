"""What a resource is: how the REST channel finds, changes and compares objects of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from canvas_replicate.canvas import CanvasClient

# A row as a SIS import CSV has it.
ImportRow = Mapping[str, str]


@dataclass(frozen=True)
class CanvasObject:
    """An object as Canvas has it: its Canvas id, its state in Canvas's words, and the fields that a row can set."""

    canvas_id: int
    state: str
    fields: Mapping[str, str] = field(default_factory=dict)


class Resource(Protocol):
    """One kind of object over REST; each is a module of this package.

    ``find`` returns the object of a row, None where Canvas has none. ``apply`` changes Canvas as the row asks and
    returns the object as Canvas answered it. ``matches`` compares an object with the row. None of them repeats a call
    whose outcome is unknown: they raise CanvasOutcomeUnknown.
    """

    def find(self, client: CanvasClient, row: ImportRow) -> CanvasObject | None: ...

    def apply(self, client: CanvasClient, row: ImportRow, current: CanvasObject | None) -> CanvasObject | None: ...

    def matches(self, row: ImportRow, current: CanvasObject | None) -> bool: ...
