"""New entries in YAML files that people keep by hand: new lines between existing ones, which stay byte for byte.

A file in which that is not possible is an error with its place; nothing is rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from canvas_replicate.cli.scaffold.names import Names
from canvas_replicate.config.yaml_file import YamlNode
from canvas_replicate.errors import ConfigError
from canvas_replicate.suggest import did_you_mean

_LINE = re.compile("[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])|[^\r\n\x85\u2028\u2029]+$")
_RESERVED = ("terms", "schedules")


@dataclass(frozen=True)
class Insertion:
    """``lines``, without line ends, come before the line with the number ``before``, which counts from 0; with
    ``replaced`` in the place of so many lines from there on.
    """

    before: int
    lines: tuple[str, ...]
    replaced: int = 0


def insert_lines(text: str, insertions: Iterable[Insertion]) -> str:
    """Insert lines with the line end of the file's first line."""
    lines = split_lines(text)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for insertion in sorted(insertions, key=lambda insertion: insertion.before, reverse=True):
        at = insertion.before
        if at and at == len(lines) and not _is_ended(lines[-1]):
            lines[-1] += end
        lines[at : at + insertion.replaced] = [line + end for line in insertion.lines]
    return "".join(lines)


def split_lines(text: str) -> list[str]:
    """Lines with their ends, cut where YAML cuts."""
    return _LINE.findall(text)


def format_table_entry(names: Names, sql: str, term: str | None = None, source: str | None = None) -> tuple[str, ...]:
    """The lines of a table in tablesconf.yaml."""
    return (
        f"{format_scalar(names.entry)}:",
        f"  cstable: {format_scalar(names.base_table)}",
        f"  mvtable: {format_scalar(names.view)}",
        f"  dctable: {format_scalar(names.source_table)}",
        *([f"  source: {format_scalar(source)}"] if source else []),
        f"  varbl1: {format_scalar(term)}" if term else "  varbl1:",
        "  sql: |",
        *(f"    {line}" if line else "" for line in sql.strip().split("\n")),
        '  toggle: "on"',
    )


def find_table_place(text: str, root: YamlNode, name: str, entry: Sequence[str]) -> Insertion:
    """At its alphabetical place: before the first table that comes after it, with the comment above that one."""
    lines = split_lines(text)
    document = lines[: _find_document_end(lines)]
    keys = root.mapping()
    for node in keys.values():
        if node.key_place.column != 1:
            raise node.key_error("the keys of this file do not start their lines.", "Add the table by hand.")
    starts = {key: _find_start(lines, (node.key_place.line or 1) - 1) for key, node in keys.items()}
    tables = [key for key in keys if key not in _RESERVED]
    at = next((starts[key] for key in tables if key.lower() > name), _find_end(document, starts, tables))
    if at < len(document):
        blank_above = at > 0 and not lines[at - 1].strip()
        return Insertion(at, (*entry, "") if blank_above else tuple(entry))
    apart = any(starts[key] and not lines[starts[key] - 1].strip() for key in tables) or not tables
    needs_blank = apart and document and document[-1].strip()
    return Insertion(at, ("", *entry) if needs_blank else tuple(entry))


def find_schedule_place(text: str, root: YamlNode, schedule: str, name: str) -> Insertion:
    """In the list of that schedule, before the first table that comes after it. Raises ConfigError for none such."""
    lines = split_lines(text)
    node = _find_schedule(root.mapping(), schedule)
    if isinstance(node.value, str):
        return _place_first_item(lines, root, node, name)
    items = node.items()
    if not items:
        return _place_first_item(lines, root, node, name)
    dashes = [re.match(r"( *)- *", lines[(item.place.line or 1) - 1]) for item in items]
    for item, dash in zip(items, dashes, strict=True):
        if dash is None or dash.end() + 1 != item.place.column:
            raise item.error(f"schedule {schedule} is not a list with one '- table' a line.", _advise_by_hand(name))
    if dashes[0] is None:
        raise node.error(f"schedule {schedule} is not a list with one '- table' a line.", _advise_by_hand(name))
    indent = dashes[0][1]
    new = (f"{indent}- {format_scalar(name)}",)
    for item in items:
        if item.text().lower() > name:
            return Insertion(_find_start(lines, (item.place.line or 1) - 1, indent), new)
    return Insertion(items[-1].place.line or 1, new)


def format_scalar(text: str) -> str:
    """The text, in quotation marks where YAML would read anything else than this text."""
    if re.fullmatch(r"[A-Za-z][\w$#.-]*", text) and yaml.safe_load(text) == text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _advise_by_hand(name: str) -> str:
    return f"Add {name} by hand, and leave out --schedule."


def _find_schedule(keys: Mapping[str, YamlNode], schedule: str) -> YamlNode:
    for key, node in keys.items():
        if key.lower() == schedule.lower():
            return node
    step = did_you_mean(schedule, keys)
    raise ConfigError(f"--schedule: no schedule {schedule!r} in tablelist.yaml.", next_step=step)


def _place_first_item(lines: Sequence[str], root: YamlNode, node: YamlNode, name: str) -> Insertion:
    """The place in a schedule without tables: below its key, indented as the lists of the others."""
    line = node.key_place.line or 1
    written = re.fullmatch(r"([^#\s]+:)(\s*\[\s*\])?\s*(#.*)?", lines[line - 1].strip())
    if not written:
        raise node.error("this is not a list of tables.", _advise_by_hand(name))
    others = [other.items() for other in root.mapping().values() if not isinstance(other.value, str)]
    first = next((items[0] for items in others if items), None)
    indent = re.match(" *", lines[(first.place.line or 1) - 1]) if first else None
    item = f"{indent[0] if indent else '  '}- {format_scalar(name)}"
    if not written[2]:
        return Insertion(line, (item,))
    return Insertion(line - 1, (written[1] + (f"   {written[3]}" if written[3] else ""), item), replaced=1)


def _find_start(lines: Sequence[str], line: int, indent: str = "") -> int:
    """The start of the comment directly above the line, unless that comment is at the head of the file."""
    start = line
    while start and lines[start - 1].startswith(f"{indent}#"):
        start -= 1
    return start if start else line


def _find_end(lines: Sequence[str], starts: Mapping[str, int], tables: Sequence[str]) -> int:
    """The line behind the last table: at the reserved key that follows it, or at the end of the file."""
    last = starts[tables[-1]] if tables else len(lines)
    return next((start for start in sorted(starts.values()) if start > last), len(lines))


def _find_document_end(lines: Sequence[str]) -> int:
    """The line of the marker ``...``, or the end of the file."""
    return next((number for number, line in enumerate(lines) if re.match(r"\.\.\.\s|\.\.\.$", line)), len(lines))


def _is_ended(line: str) -> bool:
    return line[-1:] in ("\n", "\r", "\x85", "\u2028", "\u2029")
