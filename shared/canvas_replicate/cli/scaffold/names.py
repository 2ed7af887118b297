"""The names of a new table and its view, and the names that Oracle does not accept without quotation marks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from canvas_replicate.config.catalogue import Catalogue
from canvas_replicate.config.tables import Table
from canvas_replicate.datfile.columns import Column
from canvas_replicate.errors import ConfigError

DEFAULT_PREFIXES = ("tmp_", "campus_")
# The longest that every Oracle release takes; 12.2 and later take 128.
LONGEST_EVERYWHERE = 30
LONGEST = 128

_NAME = r"[a-z][a-z0-9_$#]*"
# Oracle SQL Language Reference, "Oracle SQL Reserved Words".
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """access add all alter and any as asc audit between by char check cluster column comment compress connect
    create current date decimal default delete desc distinct drop else exclusive exists file float for from grant group
    having identified immediate in increment index initial insert integer intersect into is level like lock long
    maxextents minus mlslabel mode modify noaudit nocompress not nowait null number of offline on online option or
    order pctfree prior public raw rename resource revoke row rowid rownum rows select session set share size smallint
    start successful synonym sysdate table then to trigger uid union unique update user validate values varchar
    varchar2 view whenever where with""",
    )
)


@dataclass(frozen=True)
class Names:
    """``entry`` is the key in tablesconf.yaml and the name of the files; tables and views may carry their schema."""

    entry: str
    source_table: str
    base_table: str
    view: str

    @property
    def key_constraint(self) -> str:
        return f"{strip_schema(self.base_table)}_pk"

    @property
    def view_index(self) -> str:
        """In the view's schema: an unqualified index would be created in the schema of the user."""
        return f"{self.view}_key"


def choose_names(source_table: str, catalogue: Catalogue, base_table: str | None, view: str | None) -> Names:
    """Names that are not given get the prefixes of the existing tables. Raises ConfigError for a name in use."""
    source_table = parse_object_name(source_table, "SCHEMA.TABLE")
    base_prefix, view_prefix = _find_prefixes(catalogue.tables.values())
    base_table = parse_object_name(base_table or base_prefix + strip_schema(source_table), "--name")
    view = parse_object_name(view or view_prefix + strip_schema(source_table), "--view")
    names = Names(strip_schema(base_table), source_table, base_table, view)
    _refuse_names_in_use(names, catalogue)
    _refuse_long_names(names)
    return names


def strip_schema(name: str) -> str:
    """``schema_a.tmp_x`` without its schema."""
    return name.rpartition(".")[2]


def parse_object_name(text: str, option: str) -> str:
    """The name in lower case. Raises ConfigError, beginning with ``option``."""
    name = text.lower()
    if not re.fullmatch(rf"({_NAME}\.)?{_NAME}", name):
        raise ConfigError(f"{option}: {text!r} is not a name like tmp_students or schema_a.tmp_students.")
    if reserved := [part for part in name.split(".") if part in _RESERVED]:
        raise ConfigError(f"{option}: {reserved[0]!r} is a word of Oracle's SQL.", next_step="Take another name.")
    return name


def refuse_columns(columns: Sequence[Column], what: str) -> None:
    """Raises ConfigError for a column that needs quotation marks, or exists twice."""
    for name, times in Counter(column.name for column in columns).items():
        step = "Write the query yourself, with an alias for it (SELECT expression AS name): --query FILE"
        if times > 1:
            raise ConfigError(f"{what} has {times} columns {name!r}.", next_step=step)
        if not re.fullmatch(_NAME, name) or name in _RESERVED:
            raise ConfigError(f"{what}: column {name!r} is no name without quotation marks in Oracle.", next_step=step)


def find_long_names(names: Names, columns: Collection[Column]) -> list[str]:
    """The names that only Oracle 12.2 and later accept."""
    made = [strip_schema(names.base_table), strip_schema(names.view)]
    made += [names.key_constraint, strip_schema(names.view_index)]
    return [name for name in (*made, *(column.name for column in columns)) if len(name) > LONGEST_EVERYWHERE]


def _find_prefixes(tables: Collection[Table]) -> tuple[str, str]:
    """The prefixes before the common part of a base table and its view, if most tables agree on them."""
    found: Counter[tuple[str, str]] = Counter()
    for table in tables:
        base_prefix, stem = _split_prefix(table.base_table)
        view_prefix, view_stem = _split_prefix(table.view)
        if stem and stem == view_stem:
            found[base_prefix, view_prefix] += 1
    for prefixes, times in found.most_common(1):
        if times * 2 > len(tables):
            return prefixes
    return DEFAULT_PREFIXES


def _split_prefix(name: str) -> tuple[str, str]:
    """``schema_a.tmp_student_names`` -> ``schema_a.tmp_`` and ``student_names``."""
    stem = strip_schema(name).partition("_")[2]
    return name.removesuffix(stem), stem


def _refuse_names_in_use(names: Names, catalogue: Catalogue) -> None:
    there = catalogue.tables.get(names.entry)
    if there is not None:
        diff = f"replicate table diff {names.entry} (or give the new one another name: --name)"
        step = f"See what changed in its source: {diff}."
        raise ConfigError(f"there is a table {names.entry} already.", place=there.place, next_step=step)
    for table in catalogue.tables.values():
        for wanted, taken, option in ((names.base_table, table.base_table, "name"), (names.view, table.view, "view")):
            if wanted == taken:
                step = f"Give another one: --{option}"
                raise ConfigError(f"table {table.name} has {taken} already.", place=table.place, next_step=step)


def _refuse_long_names(names: Names) -> None:
    for name in (names.key_constraint, strip_schema(names.view_index)):
        if len(name) > LONGEST:
            step = "Give shorter ones: --name, --view"
            raise ConfigError(f"{name} has {len(name)} letters; Oracle takes {LONGEST}.", next_step=step)
