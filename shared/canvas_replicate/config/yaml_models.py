"""From a YAML file to a pydantic model: the types of values, and every error with its file, line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticKnownError

from canvas_replicate.config.yaml_file import YamlNode
from canvas_replicate.errors import ConfigError
from canvas_replicate.suggest import did_you_mean

_SWITCH = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = "([0-9]{1,6})([smhd])"
_RATIO = r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)"
_OBJECT = r"([A-Za-z][A-Za-z0-9_$#]{0,127}\.)?[A-Za-z][A-Za-z0-9_$#]{0,127}"
# What pydantic calls a value of another kind, and what we call the kind that it wants.
_KINDS = {
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map of keys",
    "model_type": "a map of keys",
}

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


class InvalidValue(ValueError):
    """What a validator raises. ``{name}`` in the message becomes the value's name: ``schedules.hourly.then[1]``.

    ``below``: the keys from the validated value to the wrong one; ``at_key``: the place is the key's, not the value's.
    """

    def __init__(self, message: str, next_step: str = "", *, below: Sequence[str] = (), at_key: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.below = below
        self.at_key = at_key


class Keys(BaseModel):
    """A map with these keys and no others. An empty value counts as an empty map."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    not_here: ClassVar[Mapping[str, str]] = {}  # keys that a person may expect, and what to do instead

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any, info: ValidationInfo) -> Any:
        if info.context:
            info.context["models"][id(data)] = cls
        return {} if data == "" else data


def read_model(model: type[Model], node: YamlNode, problems: list[ConfigError], **context: Any) -> Model | None:
    """The node as a model, or None with every problem noted. Validators find ``context`` in their info."""
    data, models = node.plain(), {}  # type: ignore[var-annotated]
    try:
        return model.model_validate(data, context={**context, "models": models})
    except ValidationError as error:
        for each in error.errors(include_url=False):
            parent = _find_data(data, each["loc"][:-1])
            problems.append(_build_problem(node, each, models.get(id(parent))))
        return None


def _find_data(data: Any, keys: Sequence[Any]) -> Any:
    for key in keys:
        if key in data if isinstance(data, dict) else isinstance(key, int):
            data = data[key]
    return data


def _find_node(node: YamlNode, keys: Sequence[str | int]) -> YamlNode:
    """A key that the file does not have (pydantic names the members of unions as well) is passed over."""
    for key in keys:
        node = node.below(key) or node
    return node


def _build_problem(root: YamlNode, error: ErrorDetails, model: type[Keys] | None) -> ConfigError:
    """``model`` is the one whose key is concerned."""
    kind, key, parent = (
        error["type"],
        str(error["loc"][-1]) if error["loc"] else "",
        _find_node(root, error["loc"][:-1]),
    )
    if kind == "missing":
        return parent.key_error(f"{parent.name} has no key {key!r}, which it needs.")
    node = _find_node(root, error["loc"])
    if kind == "extra_forbidden":
        if model and key in model.not_here:
            return node.key_error(f"{parent.name}: {key} is not set here.", model.not_here[key])
        known = [field.alias or name for name, field in model.model_fields.items()] if model else []
        return node.key_error(f"{parent.name} has a key {key!r} that is not known.", did_you_mean(key, known))
    if kind in _KINDS or (not isinstance(node.value, str) and kind == "literal_error"):
        return node.build_kind_error(_KINDS.get(kind, "text"))
    if kind == "literal_error":
        known = re.findall("'([^']*)'", str(error["ctx"]["expected"]))
        return node.error(f"{node.name} cannot be {node.value!r}.", did_you_mean(str(node.value), known))
    found = error.get("ctx", {}).get("error")
    if not isinstance(found, InvalidValue):
        message = error["msg"] if "{name}" in error["msg"] else f"{{name}}: {error['msg']}."
        return node.error(message.replace("{name}", node.name, 1))
    message = found.message.replace("{name}", node.name, 1)
    node = _find_node(node, found.below)
    return (node.key_error if found.at_key else node.error)(message, found.next_step)


def scalar(read: Callable[[str], Any]) -> BeforeValidator:
    """Read the text of a value; any other value is returned unchanged."""

    def check(value: Any) -> Any:
        if isinstance(value, dict | list):
            raise PydanticKnownError("string_type")
        return read(value) if isinstance(value, str) else value

    return BeforeValidator(check)


def parse_duration(text: str) -> timedelta:
    """``45s``, ``90m``, ``6h`` or ``1d``; raises ValueError for anything else, zero included."""
    match = re.fullmatch(_DURATION, text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a duration such as 45s, 90m, 6h or 1d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def object_name(like: str) -> BeforeValidator:
    """The name of a table or view in lower case, with its schema if one is written; ``like`` is an example."""

    def read(text: str) -> str:
        name = _read_filled(text).lower()
        if not re.fullmatch(_OBJECT, name):
            raise InvalidValue(f"{{name}}: {name!r} is not a name like {like} or schema_a.{like}.")
        return name

    return scalar(read)


def empty_as(value: Any) -> BeforeValidator:
    return BeforeValidator(lambda given: value if given == "" else given)


def or_nothing(schema: dict[str, Any]) -> None:
    """For ``json_schema_extra`` of a key whose value may be empty."""
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    else:
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "null"}]


def _read_filled(text: str) -> str:
    if not text.strip():
        raise InvalidValue("{name} must not be empty.")
    return text.strip()


def _read_switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise InvalidValue(f"{{name}} must be on or off, not {text!r}.")
    return _SWITCH[text.lower()]


def _read_whole_number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise InvalidValue(f"{{name}} must be a whole number, 0 or more, not {text!r}.")
    return int(text)


def _read_duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidValue(f"{{name}}: {error}.") from None


def _read_ratio(text: str) -> float:
    match = re.fullmatch(_RATIO, text)
    ratio = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= ratio <= 1:
        raise InvalidValue(f"{{name}} must be like 50% or 0.5, not {text!r}.")
    return ratio


def _find_database(alias: str, info: ValidationInfo) -> str:
    known = (info.context or {})["databases"]
    if alias.lower() not in known:
        raise InvalidValue(f"{{name}}: no database {alias!r} is configured.", did_you_mean(alias, known))
    return alias.lower()


_SPELLINGS = [spelling for word in _SWITCH for spelling in (word, word.upper(), word.capitalize())]

# Each with the schema of what an editor may take the text for: YAML reads 2201 as a number and on as a switch.
Maybe = Annotated[T | None, empty_as(None)]
Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
FilledText = Annotated[str, scalar(_read_filled), WithJsonSchema({"type": ["string", "number"], "minLength": 1})]
Switch = Annotated[bool, scalar(_read_switch), WithJsonSchema({"enum": [True, False, *_SPELLINGS]})]
WholeNumber = Annotated[
    int,
    scalar(_read_whole_number),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,18}$"}),
]
Duration = Annotated[
    timedelta, scalar(_read_duration), WithJsonSchema({"type": "string", "pattern": f"^\\s*{_DURATION}\\s*$"})
]
Ratio = Annotated[
    float,
    scalar(_read_ratio),
    WithJsonSchema({"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": f"^{_RATIO}$"}),
]
DatabaseAlias = Annotated[FilledText, AfterValidator(_find_database)]
NameSchema = WithJsonSchema({"type": "string", "pattern": f"^{_OBJECT}$"})
