"""Which reports are fetched from Canvas: ``provisions.yaml``, checked whole before anything runs.

What Canvas does with a report and its parameters: fact sheet on Canvas's API, sections 1.5 and 2.2.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from canvas_replicate.config.yaml_file import YamlNode, noting, optional, raise_problems, read_yaml
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

ModeName = Literal["regular", "historical", "orgs"]
Scope = Literal["account", "term"]

MODES: tuple[ModeName, ...] = ("regular", "historical", "orgs")
KINDS_BY_TERM = ("courses", "sections", "enrollments", "xlist")
KINDS = (
    *("users", "accounts", "terms", *KINDS_BY_TERM),
    *("groups", "group_categories", "group_membership", "user_observers", "admins"),
)
REQUIRED_REPORT_KEYS = ("scope", "cstable", "mvtable")
OPTIONAL_REPORT_KEYS = ("parameters", "max_shrink", "max_rejected", "toggle")
SWITCHES = ("include_deleted", "created_by_sis")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "enrollment_filter": tuple(f"{role}Enrollment" for role in ("Student", "Teacher", "Ta", "Designer", "Observer")),
    "enrollment_states": ("invited", "creation_pending", "active", "completed", "inactive", "deleted", "rejected"),
}
PARAMETERS = (*SWITCHES, *CHOICES)

# Parameters of Canvas that follow from the rest of the file, and from what.
_SAID_ELSEWHERE = {
    "enrollment_term_id": "The term follows from scope and terms.",
    "enrollment_term": "The term follows from scope and terms.",
    "skip_message": "It is always sent.",
    **dict.fromkeys(KINDS, "The file follows from the report's own key."),
}
# Left out of the file unless include_deleted is on, whatever states are asked for.
_HIDDEN_STATES = {"completed", "deleted"}

_TERM = re.compile("[A-Za-z0-9]+|id:[0-9]{1,19}")
_ACCOUNT = re.compile(
    r"self|default|site_admin|([0-9]+~)?[0-9]+|(sis_account_id|sis_integration_id|lti_context_id|uuid):\S(.*\S)?"
)


@dataclass(frozen=True)
class Report:
    """One kind of report in one mode.

    Attributes:
        table: the bare name of ``cstable``: it names the control file, the DDL and the data file.
        kind: which file of ``provisioning_csv``.
        scope: ``term``: one report per term of the mode; ``account``: one, for all terms.
        base_table: the ``cstable`` in lower case, with its schema if one is written.
        view: the ``mvtable``, likewise.
        parameters: what is sent along, as Canvas reads it; what is off is left out.
        max_shrink: the largest part (0 to 1) by which a load may be smaller than the last one.
        max_rejected: the most rejected rows of a good load.
        place: where the report's key is.
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
        terms: beginnings of ``sis_term_id``, and Canvas ids as ``id:44``; none for historical, which takes
            every term.
        term_places: where each of the terms is written.
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


def load_provisions(conf_dir: Path, *, taken: Collection[str] = ()) -> Provisions:
    """EMPTY if there is no ``provisions.yaml``. Raises one ConfigError that lists up to ten problems.

    ``taken`` are the base tables and views that belong to somebody else, with their schema or without.
    """
    path = conf_dir / "provisions.yaml"
    if not os.path.lexists(path):  # a link that leads nowhere is there, and an error
        return EMPTY
    problems: list[ConfigError] = []
    keys = _known(read_yaml(path), ("terms", *MODES), problems)
    terms: Mapping[str, Place] | None = None
    with noting(problems):
        terms = _term_words(keys["terms"]) if "terms" in keys else {}
    modes: dict[str, Mode] = {}
    for name in MODES:
        if name in keys:
            with noting(problems):
                modes[name] = _mode(name, keys[name], terms, problems)
    _note_shared_targets(modes.values(), taken, problems)
    raise_problems(sorted(problems, key=_file_order))
    return Provisions(modes)


def terms_wanted(mode: Mode, canvas_terms: Sequence[CanvasTerm]) -> tuple[CanvasTerm, ...]:
    """The terms of the mode among those that Canvas has, each once, in the order of the mode's words.

    Raises ConfigError for every word that means none of them.
    """
    if mode.name == "historical":
        return tuple(canvas_terms)
    problems: list[ConfigError] = []
    found: dict[int, CanvasTerm] = {}
    for word in mode.terms:
        meant = [term for term in canvas_terms if _is_meant(term, word)]
        if not meant:
            problems.append(_no_such_term(word, mode.term_places.get(word), canvas_terms))
        found |= {term.id: term for term in meant if term.id not in found}
    raise_problems(problems)
    return tuple(found.values())


def _is_meant(term: CanvasTerm, word: str) -> bool:
    """A bare number is a beginning too: SIS ids of terms may be digits only."""
    if word.startswith("id:"):
        return term.id == int(word.removeprefix("id:"))
    return term.sis_term_id is not None and term.sis_term_id.startswith(word)


def _no_such_term(word: str, place: Place | None, canvas_terms: Sequence[CanvasTerm]) -> ConfigError:
    if word.startswith("id:"):
        known = [f"id:{term.id}" for term in canvas_terms]
        return ConfigError(f"Canvas has no term {word!r}.", place=place, next_step=did_you_mean(word, known))
    message = f"term {word!r}: no sis_term_id in Canvas starts with it."
    known = [term.sis_term_id for term in canvas_terms if term.sis_term_id is not None]
    step = did_you_mean(word, known) if known else "Canvas shows none at all: may its user read SIS data?"
    return ConfigError(message, place=place, next_step=step)


def _file_order(problem: ConfigError) -> tuple[int, int]:
    return (problem.place.line or 0, problem.place.column or 0) if problem.place else (0, 0)


def _known(node: YamlNode, known: Sequence[str], problems: list[ConfigError]) -> dict[str, YamlNode]:
    """The keys that are known, the other ones noted."""
    keys = node.mapping()
    for key, value in keys.items():
        if key not in known:
            message = f"{node.name} has a key {key!r} that is not known."
            problems.append(value.key_error(message, did_you_mean(key, known)))
    return {key: value for key, value in keys.items() if key in known}


def _term_words(node: YamlNode) -> dict[str, Place]:
    words: dict[str, Place] = {}
    for item in node.items():
        word = item.filled_text()
        if not _TERM.fullmatch(word):
            step = "Write how its sis_term_id begins, in letters and digits, or its Canvas id as id:44."
            raise item.error(f"{item.name}: {word!r} cannot name a term.", step)
        words.setdefault(word, item.place)
    return words


# --- Modes and their reports --------------------------------------------------------------------------------------


def _mode(name: ModeName, node: YamlNode, terms: Mapping[str, Place] | None, problems: list[ConfigError]) -> Mode:
    """``terms`` are those of the whole file, for a mode without its own; None if they cannot be read."""
    keys = _known(node, ("account", *KINDS), problems)
    account = None
    with noting(problems):
        account = optional(keys, "account", _account)
    words = None
    with noting(problems):
        words = _terms_of(name, keys, terms)
    reports: list[Report] = []
    kinds = [kind for kind in keys if kind in KINDS]
    for kind in kinds:
        with noting(problems):
            reports.append(_report(kind, keys[kind]))
    if not kinds:
        raise node.key_error(f"{name} lists no report.", f"List some, or take {name} out.")
    if words == {} and name != "historical" and any(report.scope == "term" for report in reports):
        raise node.key_error(f"{name} has reports of scope term, but no terms.", "List some: terms: [fa19].")
    return Mode(name, account, tuple(words or ()), tuple(reports), words or {})


def _terms_of(
    name: ModeName, keys: dict[str, YamlNode], shared: Mapping[str, Place] | None
) -> Mapping[str, Place] | None:
    """``terms`` is a kind of report as well: a map is the report; a list holds words, and is taken out of the keys."""
    own = None
    if "terms" in keys and not isinstance(keys["terms"].value, Mapping):
        own = keys.pop("terms")
    if name == "historical":
        if own is not None:
            raise own.key_error("historical has every term that Canvas has.", "Take its terms out.")
        return {}
    if own is None:
        return shared
    if isinstance(own.value, str):
        raise own.error(f"{own.name} must be a list of terms, or the keys of the report terms.")
    return _term_words(own)


def _account(node: YamlNode) -> str:
    """As Canvas takes it in a path: fact sheet, section 3.2. Anything else would be a 404 at the first report."""
    account = node.filled_text()
    if not _ACCOUNT.fullmatch(account):
        raise node.error(f"{node.name} must be like sis_account_id:ORGS, 42 or self, not {account!r}.")
    return account


def _report(kind: str, node: YamlNode) -> Report:
    keys = node.fields(required=REQUIRED_REPORT_KEYS, optional=OPTIONAL_REPORT_KEYS)
    base_table = keys["cstable"].object_name("tmp_cnv_users")
    return Report(
        table=_bare(base_table),
        kind=kind,
        scope=_scope(kind, keys["scope"]),
        base_table=base_table,
        view=keys["mvtable"].object_name("tmp_cnv_users"),
        parameters=_parameters(kind, keys["parameters"]) if "parameters" in keys else {},
        max_shrink=optional(keys, "max_shrink", YamlNode.ratio),
        max_rejected=optional(keys, "max_rejected", YamlNode.whole_number),
        enabled="toggle" not in keys or keys["toggle"].switch(),
        place=node.key_place,
    )


def _scope(kind: str, node: YamlNode) -> Scope:
    if node.choice(("account", "term")) == "account":
        return "account"
    if kind not in KINDS_BY_TERM:
        raise node.error(f"{node.name}: in {kind} Canvas ignores the term.", "Write scope: account.")
    return "term"


def _bare(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _note_shared_targets(modes: Collection[Mode], taken: Collection[str], problems: list[ConfigError]) -> None:
    """Two reports with one table would each undo the other's work. A table's bare name is also that of its files."""
    elsewhere = "a table in tablesconf.yaml"
    owners = {("cstable", _bare(name)): elsewhere for name in taken}
    owners |= {("mvtable", name.lower()): elsewhere for name in taken}
    for mode in modes:
        for report in mode.reports:
            name = f"{mode.name}.{report.kind}"
            for key, target in (("cstable", report.table), ("mvtable", report.view)):
                owner = owners.setdefault((key, target), name)
                if owner != name:
                    message = f"{name}: {key} {target!r} is the one of {owner} already."
                    problems.append(ConfigError(message, place=report.place))


# --- Parameters ---------------------------------------------------------------------------------------------------


def _parameters(kind: str, node: YamlNode) -> dict[str, str]:
    """Canvas passes silently over what it does not know, so nothing is sent that it does not."""
    for key, value in node.mapping().items():
        if key in _SAID_ELSEWHERE:
            raise value.key_error(f"{node.name}: {key} is not set here.", _SAID_ELSEWHERE[key])
    keys = node.fields(required=(), optional=PARAMETERS)
    for key, value in keys.items():
        if _is_ignored(key, kind):
            raise value.key_error(f"{node.name}: in {kind} Canvas ignores {key}.", "Take it out.")
    given = {key: _parameter(key, value) for key, value in keys.items()}
    hidden = _HIDDEN_STATES.intersection((given.get("enrollment_states") or "").split(","))
    if hidden and not given.get("include_deleted"):
        lost = " and ".join(sorted(hidden))
        message = f"{node.name}: without include_deleted Canvas leaves {lost} enrollments out, states or not."
        raise keys["enrollment_states"].error(message, "Add include_deleted: true.")
    return {key: text for key, text in given.items() if text is not None}


def _is_ignored(key: str, kind: str) -> bool:
    return (key in CHOICES and kind != "enrollments") or (key == "created_by_sis" and kind == "admins")


def _parameter(key: str, node: YamlNode) -> str | None:
    """None: leave it out. To Canvas any text in ``created_by_sis`` switches it on, ``false`` as well."""
    if key in SWITCHES:
        return "true" if node.switch() else None
    return ",".join(_chosen(node, CHOICES[key]))


def _chosen(node: YamlNode, known: Collection[str]) -> list[str]:
    """A list, or one text with commas."""
    if isinstance(node.value, str):
        words = [(word.strip(), node) for word in node.filled_text().split(",")]
    else:
        words = [(item.filled_text(), item) for item in node.items()]
    if not words:
        raise node.error(f"{node.name} must not be empty.")
    for word, where in words:
        if word not in known:
            raise where.error(f"{where.name}: Canvas does not know {word!r}.", did_you_mean(word, known))
    return [word for word, _ in words]
