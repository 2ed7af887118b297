"""YAML with the place of every key and value, so that errors can name it.

Scalars stay text: ``'2201'`` keeps its zeros and ``on`` is a boolean only where a model has a switch.
Anchors and aliases are refused; the configuration files never needed them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from canvas_replicate.errors import ConfigError, Place

MOST_PROBLEMS_SHOWN = 10
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML 1.1 counts as the end of a line
_CORE_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class YamlNode:
    """One value of a YAML file.

    Attributes:
        name: the keys that lead here: ``schedules.hourly.then[1]`` is the first item of a list.
        value: text for every scalar (an empty value is ``""``), else a list or a map of nodes.
        key_place: where its key starts; the same as ``place`` in lists and at the top.
        line_places: where each line of a text starts, if the file has it letter by letter; else empty.
    """

    name: str
    value: str | Sequence[YamlNode] | Mapping[str, YamlNode]
    place: Place
    key_place: Place
    line_places: Sequence[Place] = ()

    def error(self, message: str, next_step: str = "") -> ConfigError:
        return ConfigError(message, place=self.place, next_step=next_step)

    def key_error(self, message: str, next_step: str = "") -> ConfigError:
        return ConfigError(message, place=self.key_place, next_step=next_step)

    def place_at(self, line: int, column: int) -> Place:
        """The place in the file of a line and column (from 1) of this text; only the line where unknown."""
        if not 1 <= line <= len(self.line_places):
            return Place(self.place.file, self.place.line)
        start = self.line_places[line - 1]
        return Place(start.file, start.line, (start.column or 1) + column - 1)

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, Mapping)

    @property
    def is_list(self) -> bool:
        return not isinstance(self.value, str | Mapping)

    def build_kind_error(self, wanted: str) -> ConfigError:
        return self.error(f"{self.name} must be {wanted}, not {self._describe_kind()}.")

    def mapping(self) -> Mapping[str, YamlNode]:
        """An empty value counts as an empty map: all its lines may be commented out."""
        if isinstance(self.value, Mapping):
            return self.value
        if self.value == "":
            return {}
        raise self.build_kind_error("a map of keys")

    def items(self) -> Sequence[YamlNode]:
        if isinstance(self.value, str | Mapping):
            raise self.build_kind_error("a list")
        return self.value

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.build_kind_error("text")
        return self.value

    def below(self, key: str | int) -> YamlNode | None:
        """The value of a key of a map, or the item of a list with that index; None where there is none."""
        if isinstance(self.value, Mapping):
            return self.value.get(str(key))
        if isinstance(self.value, str) or not isinstance(key, int) or key >= len(self.value):
            return None
        return self.value[key]

    @property
    def stripped(self) -> str:
        """The text without the blanks around it; empty where it is none."""
        return self.value.strip() if isinstance(self.value, str) else ""

    def word(self, key: str) -> str:
        """The stripped text below a key; empty where there is none."""
        found = self.below(key)
        return found.stripped if found else ""

    def plain(self) -> Any:
        """The same as dicts, lists and texts."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value]

    def _describe_kind(self) -> str:
        if isinstance(self.value, str):
            return "text" if self.value else "empty"
        return "a map" if isinstance(self.value, Mapping) else "a list"


def read_yaml(path: Path) -> YamlNode:
    """An empty file is an empty map. Raises ConfigError unless the file is one YAML document with unique keys."""
    text = _read_text(path)
    lines = _LINE_END.split(text)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None or root.tag == _CORE_TAG + "null":
            return YamlNode("the file", {}, Place(path, 1, 1), Place(path, 1, 1))
        return _build_node(root, path, lines, name="the file", key_place=_build_place(path, root.start_mark))
    except yaml.reader.ReaderError as error:
        place = _find_place_of_offset(path, text, error.position)
        raise ConfigError("not valid YAML: a control character.", place=place) from None
    except yaml.MarkedYAMLError as error:
        raise _build_syntax_error(path, lines, error) from None
    except RecursionError:
        raise ConfigError("not valid YAML: nested too deeply.", place=Place(path)) from None


@contextmanager
def noting(problems: list[ConfigError]) -> Iterator[None]:
    """Keep a ConfigError for later, so that the rest of a file is checked as well."""
    try:
        yield
    except ConfigError as error:
        problems.append(error)


def raise_problems(problems: Sequence[ConfigError]) -> None:
    """Nothing if there are none."""
    if problems:
        raise together(problems)


def together(problems: Sequence[ConfigError]) -> ConfigError:
    """Several (at least one) as one error, one a line, in the order of the files, the first ten."""
    problems = sorted((each for problem in problems for each in problem.problems or (problem,)), key=_build_sort_key)
    lines = [str(problem) for problem in problems[:MOST_PROBLEMS_SHOWN]]
    if len(problems) > MOST_PROBLEMS_SHOWN:
        lines.append(f"... and {len(problems) - MOST_PROBLEMS_SHOWN} more.")
    error = ConfigError("\n".join(lines))
    error.place = problems[0].place
    error.problems = tuple(problems)
    return error


def _build_sort_key(problem: ConfigError) -> tuple[str, int, int]:
    place = problem.place
    return (str(place.file), place.line or 0, place.column or 0) if place else ("", 0, 0)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias (*name) is not supported, write it out", mark)
        return super().compose_node(parent, index)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        step = f"REPLICATE_CONF_DIR names the folder of the configuration files, now {str(path.parent)!r}."
        raise ConfigError("the file does not exist.", place=Place(path), next_step=step) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", place=Place(path)) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        place = _find_place_of_offset(path, before, len(before))
        raise ConfigError("not UTF-8 text.", place=place, next_step="Save the file as UTF-8.") from None


def _build_node(node: yaml.Node, path: Path, lines: Sequence[str], *, name: str, key_place: Place) -> YamlNode:
    place = _build_place(path, node.start_mark)
    if not node.tag.startswith(_CORE_TAG):
        raise ConfigError(f"the tag {node.tag!r} is not supported.", place=place)
    if isinstance(node, yaml.MappingNode):
        return YamlNode(name, _build_map(node, path, lines, name), place, key_place)
    if isinstance(node, yaml.SequenceNode):
        places = [_build_place(path, item.start_mark) for item in node.value]
        items = [
            _build_node(item, path, lines, name=f"{name}[{number}]", key_place=start)
            for number, (item, start) in enumerate(zip(node.value, places, strict=True), start=1)
        ]
        return YamlNode(name, items, place, key_place)
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError("neither a map, a list nor text.", place=place)
    text = "" if node.tag == _CORE_TAG + "null" else str(node.value)
    return YamlNode(name, text, place, key_place, _list_line_places(node, path, lines))


def _build_map(node: yaml.MappingNode, path: Path, lines: Sequence[str], name: str) -> Mapping[str, YamlNode]:
    found: dict[str, YamlNode] = {}
    for key_node, value_node in node.value:
        place = _build_place(path, key_node.start_mark)
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError("a key must be text.", place=place)
        key = str(key_node.value)
        if key in found:
            raise ConfigError(f"the key {key!r} is here twice, first in line {found[key].key_place.line}.", place=place)
        below = key if name == "the file" else f"{name}.{key}"
        found[key] = _build_node(value_node, path, lines, name=below, key_place=place)
    return found


def _list_line_places(node: yaml.ScalarNode, path: Path, lines: Sequence[str]) -> Sequence[Place]:
    """A block scalar (``|``) is in the file as it is, less its indentation; so is most text on one line."""
    line, column, text = node.start_mark.line, node.start_mark.column, str(node.value)
    if node.style == "|":
        pairs = zip(text.split("\n"), lines[line + 1 :], strict=False)
        return [Place(path, line + 2 + number, len(raw) - len(shown) + 1) for number, (shown, raw) in enumerate(pairs)]
    start = column + (1 if node.style else 0)
    as_written = node.end_mark.line == line and lines[line][start:].startswith(text)
    return [Place(path, line + 1, start + 1)] if as_written else []


def _build_syntax_error(path: Path, lines: Sequence[str], error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ConfigError(f"not valid YAML: {error.problem}.", place=Place(path))
    line = lines[mark.line] if mark.line < len(lines) else ""
    before, here = line[: mark.column], line[mark.column :]
    message, next_step = str(error.problem), ""
    if here.startswith("\t") and not before.strip():
        message, next_step = "a tab is used for indentation", "Use spaces."
    elif error.context == "while scanning a quoted scalar" and error.context_mark:
        mark, message = error.context_mark, "the quote that opens here is never closed"
    elif before.rstrip().endswith(('"', "'")):
        message = "the quote before this place ends the text, and more follows"
        next_step = "For SQL that holds quotes use a block scalar: sql: |"
    elif error.problem == "mapping values are not allowed here":
        next_step = "Text that holds a colon and a blank needs quotes, SQL a block scalar: sql: |"
    elif error.context_mark:
        message = f"{error.problem} ({error.context} that starts in line {error.context_mark.line + 1})"
    return ConfigError(f"not valid YAML: {message}.", place=_build_place(path, mark), next_step=next_step)


def _build_place(path: Path, mark: yaml.Mark) -> Place:
    return Place(path, mark.line + 1, mark.column + 1)


def _find_place_of_offset(path: Path, text: str, offset: int) -> Place:
    before = _LINE_END.split(text[:offset])
    return Place(path, len(before), len(before[-1]) + 1)
