"""``provisions.yaml``: its models, and the checks that make modes and reports of them."""

from __future__ import annotations

import os.path
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from canvas_replicate.config.provisions import (
    EMPTY,
    KINDS,
    KINDS_BY_TERM,
    MODES,
    Mode,
    ModeName,
    Provisions,
    Report,
    Scope,
)
from canvas_replicate.config.yaml_file import YamlNode, read_yaml, together
from canvas_replicate.config.yaml_models import (
    InvalidValue,
    Keys,
    Maybe,
    NameSchema,
    Ratio,
    Switch,
    WholeNumber,
    object_name,
    or_nothing,
    read_model,
    scalar,
)
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

SWITCHES = ("include_deleted", "created_by_sis")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "enrollment_filter": tuple(f"{role}Enrollment" for role in ("Student", "Teacher", "Ta", "Designer", "Observer")),
    "enrollment_states": ("invited", "creation_pending", "active", "completed", "inactive", "deleted", "rejected"),
}
PARAMETERS = (*SWITCHES, *CHOICES)

# Parameters of Canvas that follow from the rest of the file, and from what.
_SET_ELSEWHERE = {
    "enrollment_term_id": "The term follows from scope and terms.",
    "enrollment_term": "The term follows from scope and terms.",
    "skip_message": "It is always sent.",
    **dict.fromkeys(KINDS, "The file follows from the report's own key."),
}
# Left out of the file unless include_deleted is on, also when the states name them.
_HIDDEN_STATES = {"completed", "deleted"}

_TERM = "[A-Za-z0-9]+|id:[0-9]{1,19}"
_ACCOUNT = r"self|default|site_admin|([0-9]+~)?[0-9]+|(sis_account_id|sis_integration_id|lti_context_id|uuid):\S(.*\S)?"


def _read_account(text: str) -> str:
    """As Canvas takes it in a path: fact sheet, section 3.2. Anything else would be a 404 at the first report."""
    account = text.strip()
    if not re.fullmatch(_ACCOUNT, account):
        raise InvalidValue(f"{{name}} must be like sis_account_id:ORGS, 42 or self, not {account!r}.")
    return account


def _read_term(text: str) -> str:
    word = text.strip()
    if not re.fullmatch(_TERM, word):
        step = "Write how its sis_term_id begins, in letters and digits, or its Canvas id as id:44."
        raise InvalidValue(f"{{name}}: {word!r} cannot name a term.", step)
    return word


def _split(value: Any) -> Any:
    """A list, or one text with commas."""
    if isinstance(value, str):
        value = value.split(",") if value.strip() else []
    if value == []:
        raise InvalidValue("{name} must not be empty.")
    return value


def _read_choice(known: Collection[str]) -> BeforeValidator:
    def read(text: str) -> str:
        word = text.strip()
        if word not in known:
            raise InvalidValue(f"{{name}}: Canvas does not know {word!r}.", did_you_mean(word, known))
        return word

    return scalar(read)


def _build_choices_schema(known: Collection[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": ["array", "string"], "items": {"enum": [*known]}, "minItems": 1, "minLength": 1})


def _find_member_of_terms(value: Any) -> str | None:
    return "words" if isinstance(value, list) else "report" if isinstance(value, dict) else None


ObjectName = Annotated[str, object_name("tmp_cnv_users"), NameSchema]
Account = Annotated[str, scalar(_read_account), WithJsonSchema({"type": ["string", "integer"]})]
TermWord = Annotated[
    str, scalar(_read_term), WithJsonSchema({"type": ["string", "integer"], "pattern": f"^({_TERM})$"})
]
_ROLES, _STATES = CHOICES["enrollment_filter"], CHOICES["enrollment_states"]
_Roles = tuple[Annotated[str, _read_choice(_ROLES)], ...]
_States = tuple[Annotated[str, _read_choice(_STATES)], ...]
Roles = Annotated[_Roles, BeforeValidator(_split), _build_choices_schema(_ROLES)]
States = Annotated[_States, BeforeValidator(_split), _build_choices_schema(_STATES)]


class Parameters(Keys):
    not_here = _SET_ELSEWHERE

    include_deleted: Switch = Field(
        default=False,
        description="Also concluded courses and enrollments and, mostly if they came from the SIS, deleted ones.",
    )
    created_by_sis: Switch = Field(default=False, description="Only what came from the SIS. Not for `admins`.")
    enrollment_filter: Roles = Field(default=(), description="`enrollments` only: roles.")
    enrollment_states: States = Field(
        default=(), description="`enrollments` only. `completed`, `deleted` need `include_deleted`."
    )

    @model_validator(mode="after")
    def _check_states(self) -> Self:
        hidden = sorted(_HIDDEN_STATES.intersection(self.enrollment_states))
        if hidden and not self.include_deleted:
            message = f"without include_deleted Canvas leaves {' and '.join(hidden)} enrollments out, states or not."
            raise InvalidValue(f"{{name}}: {message}", "Add include_deleted: true.", below=("enrollment_states",))
        return self

    def format_for_canvas(self) -> dict[str, str]:
        """As Canvas reads them. To Canvas any text in ``created_by_sis`` switches it on, ``false`` as well."""
        return {key: "true" if value is True else ",".join(value) for key, value in self if value}


class ReportEntry(Keys):
    scope: Scope = Field(description="`term`: a report per term of the mode; `account`: one.")
    base_table: ObjectName = Field(
        alias="cstable",
        description="Base table that is loaded, as in `tablesconf.yaml`. Its name without the schema is that of "
        "`ctls/<table>.ctl`, whose columns are looked up in the report by name, and of `ddl/<table>.sql`.",
    )
    view: ObjectName = Field(alias="mvtable", description="Materialized view that is refreshed from it.")
    parameters: Parameters = Field(Parameters(), json_schema_extra=or_nothing, description="Report options; see below.")
    max_shrink: Maybe[Ratio] = Field(None, description="How many fewer rows are accepted: `50%` (default) or `0.5`.")
    max_rejected: Maybe[WholeNumber] = Field(None, description="The most rejected rows of a good load (0).")
    enabled: Switch = Field(True, alias="toggle", description="`on` (default), or `off`: the report is skipped.")


class AccountReportEntry(ReportEntry):
    """Of a report in which Canvas ignores the term; the check that needs its kind refuses the other scope."""

    scope: Annotated[Scope, WithJsonSchema({"const": "account"})] = Field(description="`account`: one report.")


class ModeEntry(Keys):
    account: Maybe[Account] = Field(
        None, description="`sis_account_id:ORGS`, a Canvas id or `self`; default: `REPLICATE_CANVAS__ACCOUNT`."
    )
    terms: Annotated[
        Annotated[tuple[TermWord, ...], Tag("words")] | Annotated[AccountReportEntry, Tag("report")],
        Discriminator(
            _find_member_of_terms,
            custom_error_type="terms",
            custom_error_message="{name} must be a list of terms, or the keys of the report terms.",
        ),
    ] = Field(
        default=(),
        description="A list: terms in the place of those at the top. A map is the report of that name, so a mode that "
        "fetches it has its terms at the top.",
    )
    users: AccountReportEntry | None = None
    accounts: AccountReportEntry | None = None
    courses: ReportEntry | None = None
    sections: ReportEntry | None = None
    enrollments: ReportEntry | None = None
    xlist: ReportEntry | None = None
    groups: AccountReportEntry | None = None
    group_categories: AccountReportEntry | None = None
    group_membership: AccountReportEntry | None = None
    user_observers: AccountReportEntry | None = None
    admins: AccountReportEntry | None = None


class ProvisionsFile(Keys):
    """``provisions.yaml``"""

    terms: tuple[TermWord, ...] = Field((), description="Terms of the modes without `terms`.")
    regular: ModeEntry | None = None
    historical: ModeEntry | None = None
    orgs: ModeEntry | None = None


def load_provisions(conf_dir: Path, *, taken: Collection[str] = ()) -> Provisions:
    """EMPTY if there is no ``provisions.yaml``. Raises one ConfigError that lists up to ten problems.

    ``taken`` are the base tables and views of other entries, with their schema or without.
    """
    path = conf_dir / "provisions.yaml"
    if not os.path.lexists(path):  # a link that leads nowhere is there, and an error
        return EMPTY
    problems: list[ConfigError] = []
    root = read_yaml(path)
    file = read_model(ProvisionsFile, root, problems)
    shared = root.below("terms")
    nodes: dict[ModeName, YamlNode] = {name: node for name in MODES if (node := root.below(name)) and not node.is_list}
    for name, node in nodes.items():
        problems += _find_mode_problems(name, node, shared)
    problems += _find_shared_targets(nodes, taken)
    if file is None or problems:
        raise together(problems)
    return Provisions({name: _build_mode(name, node, shared, getattr(file, name)) for name, node in nodes.items()})


def _build_mode(name: ModeName, node: YamlNode, shared: YamlNode | None, entry: ModeEntry) -> Mode:
    words: dict[str, Place] = {}
    for item in _list_term_nodes(name, node, shared):
        words.setdefault(item.text().strip(), item.place)
    kinds = [kind for kind in node.mapping() if kind in KINDS and not (kind == "terms" and _find_own_terms(node))]
    reports = tuple(_build_report(kind, node.mapping()[kind], getattr(entry, kind)) for kind in kinds)
    return Mode(name, entry.account, tuple(words), reports, words)


def _build_report(kind: str, node: YamlNode, entry: ReportEntry) -> Report:
    return Report(
        **entry.model_dump(exclude={"parameters"}),
        table=_strip_schema(entry.base_table),
        kind=kind,
        parameters=entry.parameters.format_for_canvas(),
        place=node.key_place,
    )


def _strip_schema(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _find_own_terms(node: YamlNode) -> YamlNode | None:
    """``terms`` is a kind of report as well: a map is the report, all else are words."""
    found = node.below("terms")
    return found if found and not found.is_map else None


def _list_term_nodes(name: ModeName, node: YamlNode, shared: YamlNode | None) -> Sequence[YamlNode]:
    """The words of a mode, or those of the whole file. None for historical, which takes every term."""
    found = _find_own_terms(node) or shared
    return found.items() if found and found.is_list and name != "historical" else ()


def _find_mode_problems(name: ModeName, node: YamlNode, shared: YamlNode | None) -> Iterator[ConfigError]:
    reports = {kind: found for kind in KINDS if (found := node.below(kind)) and found is not _find_own_terms(node)}
    if not reports:
        yield node.key_error(f"{name} lists no report.", f"List some, or take {name} out.")
    if name == "historical" and (own := _find_own_terms(node)):
        yield own.key_error("historical has every term that Canvas has.", "Take its terms out.")
    source = _find_own_terms(node) or shared
    has_terms = name == "historical" or (source is not None and (not source.is_list or source.items()))
    by_term = [kind for kind, report in reports.items() if report.word("scope") == "term"]
    if by_term and not has_terms:
        yield node.key_error(f"{name} has reports of scope term, but no terms.", "List some: terms: [fa19].")
    for kind, report in reports.items():
        scope, parameters = report.below("scope"), report.below("parameters")
        if scope and kind in by_term and kind not in KINDS_BY_TERM:
            yield scope.error(f"{scope.name}: in {kind} Canvas ignores the term.", "Write scope: account.")
        for key in PARAMETERS:
            if parameters and _is_ignored(key, kind) and (given := parameters.below(key)):
                yield given.key_error(f"{parameters.name}: in {kind} Canvas ignores {key}.", "Take it out.")


def _is_ignored(key: str, kind: str) -> bool:
    return (key in CHOICES and kind != "enrollments") or (key == "created_by_sis" and kind == "admins")


def _find_shared_targets(modes: Mapping[ModeName, YamlNode], taken: Collection[str]) -> Iterator[ConfigError]:
    """Two reports with one table would each undo the other's work. A table's bare name is also that of its files."""
    elsewhere = "a table in tablesconf.yaml"
    owners = {("cstable", _strip_schema(name)): elsewhere for name in taken}
    owners |= {("mvtable", name.lower()): elsewhere for name in taken}
    reports = {f"{mode}.{kind}": found for mode, node in modes.items() for kind, found in node.mapping().items()}
    for name, report in reports.items():
        for key in ("cstable", "mvtable"):
            target = report.word(key).lower()
            target = _strip_schema(target) if key == "cstable" else target
            owner = owners.setdefault((key, target), name) if target else name
            if owner != name:
                yield report.key_error(f"{name}: {key} {target!r} is the one of {owner} already.")
