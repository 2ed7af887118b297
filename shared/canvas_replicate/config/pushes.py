"""What is pushed to Canvas: ``pushes.yaml``, checked whole before anything runs.

The kinds are those of SIS import CSV files; what REST can do: fact sheet on Canvas's API, sections 4.1 to 4.13.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, WithJsonSchema

from canvas_replicate.config.terms import SqlCheck, build_query, has_query
from canvas_replicate.config.yaml_file import YamlNode, noting, read_yaml, together
from canvas_replicate.config.yaml_models import (
    FilledText,
    InvalidValue,
    Keys,
    Maybe,
    NameSchema,
    Switch,
    Text,
    WholeNumber,
    empty_as,
    object_name,
    or_nothing,
    read_model,
    scalar,
)
from canvas_replicate.errors import ConfigError, Place

Group = Literal["regular", "orgs"]
Channel = Literal["sis_import", "rest"]
Kind = Literal["users", "courses", "sections", "xlists", "enrollments"]  # in the order in which one needs the other

GROUPS: tuple[Group, ...] = get_args(Group)
KINDS: tuple[Kind, ...] = get_args(Kind)

_PROCESS = "[a-z][a-z0-9_]{0,63}"  # part of file names
_PERCENT = r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?"


def _read_process(text: str) -> str:
    name = text.strip()
    if not re.fullmatch(_PROCESS, name):
        raise InvalidValue(f"{name!r} cannot name a process: a lower-case letter, then letters, digits and _.")
    return name


def _read_percent(text: str) -> float:
    match = re.fullmatch(_PERCENT, text)
    if not match or float(match[1]) > 100:
        raise InvalidValue(f"{{name}} must be a percentage from 0 to 100, not {text!r}.")
    return float(match[1])


ProcessName = Annotated[str, scalar(_read_process), WithJsonSchema({"type": "string", "pattern": f"^{_PROCESS}$"})]
ObjectName = Annotated[str, object_name("campus_enrollments"), NameSchema]
Percent = Annotated[
    float,
    scalar(_read_percent),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 100, "pattern": f"^{_PERCENT}$"}),
]


class Budget(Keys):
    """How much may change per term before a person has to look; the percentage is of the active rows."""

    additions: WholeNumber = Field(default=5000, description="The most additions and changes of a term.")
    removals: WholeNumber = Field(default=500, description="The most removals of a term.")
    removals_percent: Percent = Field(
        default=5.0, description="The most removals, in percent of the term's active rows."
    )


@dataclass(frozen=True)
class PushProcess:
    """One entry of ``pushes.yaml``.

    Attributes:
        query: the ``sql`` with the term in the place of ``$varbl1``; it runs on the target database.
        needs: further tables and views, in lower case; one that was not successful in the run skips the process.
        override_stickiness: whether an import changes fields that somebody edited in Canvas's UI (4.13).
    """

    name: str
    kind: str
    query: str
    needs: tuple[str, ...]
    enabled: bool
    channel: Channel
    budget: Budget
    place: Place
    override_stickiness: bool = False


NO_PUSHES: Mapping[str, tuple[PushProcess, ...]] = MappingProxyType(dict.fromkeys(GROUPS, ()))


class ProcessEntry(Keys):
    name: ProcessName = Field(
        alias="process", description="Unique name: a lower-case letter, then letters, digits, `_`."
    )
    kind: Kind = Field(description="`users`, `courses`, `sections`, `xlists` or `enrollments`.")
    sql: Text = Field(description="What shall be so in Canvas.")
    varbl1: Maybe[FilledText] = Field(None, description="The term of `tablesconf.yaml` that replaces `$varbl1`.")
    needs: tuple[ObjectName, ...] = Field((), description="Further tables and views without which it is skipped.")
    channel: Channel = Field("sis_import", description="`sis_import` (default) or `rest`, not both for the same rows.")
    override_stickiness: Switch = Field(
        False, description="`on`: an import also changes what somebody edited in Canvas; `off` (default)."
    )
    budget: Budget = Field(
        Budget(),
        json_schema_extra=or_nothing,
        description="Per term: `additions` (5000), `removals` (500), `removals_percent` of the active rows (5).",
    )
    enabled: Switch = Field(True, alias="toggle", description="`on` (default) or `off`.")


Processes = Annotated[tuple[ProcessEntry, ...], empty_as(())]


class PushesFile(Keys):
    """``pushes.yaml``"""

    regular: Processes = Field((), json_schema_extra=or_nothing, description="After the regular provisions.")
    orgs: Processes = Field((), json_schema_extra=or_nothing, description="After the organisations' provisions.")


def load_pushes(
    conf_dir: Path, terms: Mapping[str, str], *, check: SqlCheck = "query"
) -> Mapping[str, tuple[PushProcess, ...]]:
    """The processes of each group in their order; none of any without a ``pushes.yaml``.

    ``terms`` are those of tablesconf.yaml. Raises one ConfigError that lists up to ten problems.
    """
    path = conf_dir / "pushes.yaml"
    if not os.path.lexists(path):  # a link that leads nowhere is there, and an error
        return NO_PUSHES
    problems: list[ConfigError] = []
    root = read_yaml(path)
    file = read_model(PushesFile, root, problems)
    nodes = {group: found.items() if (found := root.below(group)) and found.is_list else () for group in GROUPS}
    queries = [_read_query(node, terms, problems, check=check) for found in nodes.values() for node in found]
    owners: dict[str, YamlNode] = {}
    for node in (node for found in nodes.values() for node in found):
        _note_repeated(node, owners, problems)
    if file is None or problems:
        raise together(problems)
    rest = iter(queries)
    return {
        group: tuple(
            PushProcess(**_list_fields(entry), query=next(rest), place=node.place)
            for entry, node in zip(getattr(file, group), found, strict=True)
        )
        for group, found in nodes.items()
    }


def _list_fields(entry: ProcessEntry) -> dict[str, Any]:
    return {key: value for key, value in entry if key not in ("sql", "varbl1")}


def _note_repeated(node: YamlNode, owners: dict[str, YamlNode], problems: list[ConfigError]) -> None:
    """Plans and status rows are known by the process, so no two share a name, in either group."""
    name = node.word("process")
    owner = owners.setdefault(name, node) if name else node
    if owner is not node:
        message = f"process {name} is here twice, first in line {owner.place.line}."
        problems.append(node.error(message, "Give each its own name."))


def _read_query(node: YamlNode, terms: Mapping[str, str], problems: list[ConfigError], *, check: SqlCheck) -> str:
    """Empty where the entry has none that can be read."""
    with noting(problems):
        if node.is_map and has_query(node.mapping()):
            return build_query(f"process {node.word('process')}", node.mapping(), terms, check=check)
    return ""
