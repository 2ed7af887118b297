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
from typing import Literal, cast

from canvas_replicate.config.terms import query_with_term
from canvas_replicate.config.yaml_file import YamlNode, noting, raise_problems, read_yaml
from canvas_replicate.errors import ConfigError, Place

Group = Literal["regular", "orgs"]
Channel = Literal["sis_import", "rest"]

GROUPS: tuple[Group, ...] = ("regular", "orgs")
# In the order in which one needs the other.
KINDS = ("users", "courses", "sections", "xlists", "enrollments")
CHANNELS: tuple[Channel, ...] = ("sis_import", "rest")
REQUIRED_KEYS = ("process", "kind", "sql")
OPTIONAL_KEYS = ("varbl1", "toggle", "channel", "budget", "needs")
BUDGET_KEYS = ("additions", "removals", "removals_percent")

_PROCESS = re.compile("[a-z][a-z0-9_]{0,63}")  # part of file names
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?")


@dataclass(frozen=True)
class Budget:
    """How much may change per term before a person has to look; the percentage is of the active rows."""

    additions: int = 5000
    removals: int = 500
    removals_percent: float = 5.0


@dataclass(frozen=True)
class PushProcess:
    """One entry of ``pushes.yaml``.

    Attributes:
        query: the ``sql`` with the term in the place of ``$varbl1``; it runs on the target database.
        needs: tables and views, in lower case, beside those that the SQL names: the process is skipped when one of
            them was not successful in the run.
        place: where the entry starts.
    """

    name: str
    kind: str
    query: str
    needs: tuple[str, ...]
    enabled: bool
    channel: Channel
    budget: Budget
    place: Place


NO_PUSHES: Mapping[str, tuple[PushProcess, ...]] = MappingProxyType(dict.fromkeys(GROUPS, ()))


def load_pushes(
    conf_dir: Path, terms: Mapping[str, str], *, oracle_sql: bool = True
) -> Mapping[str, tuple[PushProcess, ...]]:
    """The processes of each group in their order; none of any without a ``pushes.yaml``.

    ``terms`` are those of tablesconf.yaml. Raises one ConfigError that lists up to ten problems.
    """
    path = conf_dir / "pushes.yaml"
    if not os.path.lexists(path):  # a link that leads nowhere is there, and an error
        return NO_PUSHES
    problems: list[ConfigError] = []
    groups = read_yaml(path).fields(required=(), optional=GROUPS)
    found: dict[str, tuple[PushProcess, ...]] = dict(NO_PUSHES)
    owners: dict[str, YamlNode] = {}
    for group, node in groups.items():
        processes = []
        for item in node.items() if node.value != "" else ():
            with noting(problems):
                process = _process(item, terms, oracle_sql=oracle_sql)
                _check_once(process, item, owners)
                processes.append(process)
        found[group] = tuple(processes)
    raise_problems(problems)
    return found


def _check_once(process: PushProcess, node: YamlNode, owners: dict[str, YamlNode]) -> None:
    """A name tells whose plan and whose status row it is, so no two processes share one, in either group."""
    owner = owners.setdefault(process.name, node)
    if owner is not node:
        message = f"process {process.name} is here twice, first in line {owner.place.line}."
        raise ConfigError(message, place=node.place, next_step="Give each its own name.")


def _process(node: YamlNode, terms: Mapping[str, str], *, oracle_sql: bool) -> PushProcess:
    keys = node.fields(required=REQUIRED_KEYS, optional=OPTIONAL_KEYS)
    name = keys["process"].filled_text()
    if not _PROCESS.fullmatch(name):
        raise keys["process"].error(f"{name!r} cannot name a process: a lower-case letter, then letters, digits and _.")
    return PushProcess(
        name=name,
        kind=keys["kind"].choice(KINDS),
        query=query_with_term(f"process {name}", keys, terms, oracle_sql=oracle_sql),
        needs=tuple(item.object_name("campus_enrollments") for item in keys["needs"].items())
        if "needs" in keys
        else (),
        enabled="toggle" not in keys or keys["toggle"].switch(),
        channel=cast(Channel, keys["channel"].choice(CHANNELS)) if "channel" in keys else "sis_import",
        budget=_budget(keys["budget"]) if "budget" in keys else Budget(),
        place=node.place,
    )


def _budget(node: YamlNode) -> Budget:
    keys = node.fields(required=(), optional=BUDGET_KEYS)
    usual = Budget()
    return Budget(
        keys["additions"].whole_number() if "additions" in keys else usual.additions,
        keys["removals"].whole_number() if "removals" in keys else usual.removals,
        _percent(keys["removals_percent"]) if "removals_percent" in keys else usual.removals_percent,
    )


def _percent(node: YamlNode) -> float:
    match = _PERCENT.fullmatch(node.text())
    if not match or float(match[1]) > 100:
        raise node.error(f"{node.name} must be a percentage from 0 to 100, not {node.text()!r}.")
    return float(match[1])
