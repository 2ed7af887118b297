"""The reports that are fetched from Canvas, and their terms.

How Canvas treats a report and its parameters: fact sheet on Canvas's API, sections 1.5 and 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from canvas_replicate.config.yaml_file import raise_problems
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

ModeName = Literal["regular", "historical", "orgs"]
Scope = Literal["account", "term"]

MODES: tuple[ModeName, ...] = get_args(ModeName)
KINDS_BY_TERM = ("courses", "sections", "enrollments", "xlist")
KINDS = (
    *("users", "accounts", "terms", *KINDS_BY_TERM),
    *("groups", "group_categories", "group_membership", "user_observers", "admins"),
)


@dataclass(frozen=True)
class Report:
    """One kind of report in one mode.

    Attributes:
        table: the bare name of ``cstable``: it names the control file, the DDL and the data file.
        kind: which file of ``provisioning_csv``.
        scope: ``term``: one report per term of the mode; ``account``: one, for all terms.
        parameters: what is sent along, as Canvas reads it; what is off is left out.

    The other fields are those of ``tables.Table``.
    """

    table: str
    kind: str
    scope: Scope
    base_table: str
    view: str
    parameters: Mapping[str, str]
    max_shrink: float | None
    max_rejected: int | None
    enabled: bool
    place: Place


@dataclass(frozen=True)
class Mode:
    """What one run of the provisioner fetches.

    Attributes:
        account: the account whose reports these are; None: the one of the settings.
        terms: beginnings of ``sis_term_id``, and Canvas ids as ``id:44``; none for historical, which takes every term.
    """

    name: ModeName
    account: str | None
    terms: tuple[str, ...]
    reports: tuple[Report, ...]
    term_places: Mapping[str, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class Provisions:
    """Only the modes that the file has."""

    modes: Mapping[str, Mode]


@dataclass(frozen=True)
class CanvasTerm:
    """``sis_term_id`` is None for terms made by hand, and for a token that may not read SIS ids."""

    id: int
    sis_term_id: str | None
    name: str


EMPTY = Provisions({})


def find_terms(mode: Mode, canvas_terms: Sequence[CanvasTerm]) -> tuple[CanvasTerm, ...]:
    """The terms of the mode among Canvas's terms, each once, in the order of the mode's words. Raises ConfigError for
    every word without a term.
    """
    if mode.name == "historical":
        return tuple(canvas_terms)
    problems: list[ConfigError] = []
    found: dict[int, CanvasTerm] = {}
    for word in mode.terms:
        meant = [term for term in canvas_terms if _is_meant(term, word)]
        if not meant:
            problems.append(_build_term_error(word, mode.term_places.get(word), canvas_terms))
        found |= {term.id: term for term in meant if term.id not in found}
    raise_problems(problems)
    return tuple(found.values())


def _is_meant(term: CanvasTerm, word: str) -> bool:
    """A bare number is a beginning too: SIS ids of terms may be digits only."""
    if word.startswith("id:"):
        return term.id == int(word.removeprefix("id:"))
    return term.sis_term_id is not None and term.sis_term_id.startswith(word)


def _build_term_error(word: str, place: Place | None, canvas_terms: Sequence[CanvasTerm]) -> ConfigError:
    if word.startswith("id:"):
        known = [f"id:{term.id}" for term in canvas_terms]
        return ConfigError(f"Canvas has no term {word!r}.", place=place, next_step=did_you_mean(word, known))
    message = f"term {word!r}: no sis_term_id in Canvas starts with it."
    known = [term.sis_term_id for term in canvas_terms if term.sis_term_id is not None]
    step = did_you_mean(word, known) if known else "Canvas shows none at all: may its user read SIS data?"
    return ConfigError(message, place=place, next_step=step)
