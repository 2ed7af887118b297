"""The sources of the settings: REPLICATE_* in the environment, secret files, and ``appconf.yaml``.

Read once, in ``main``, and passed on. The environment wins over secret files, these over ``appconf.yaml``, field by
field. No message of this module ever shows a value.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, Field, RootModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from canvas_replicate.config.encryption import require_encryption
from canvas_replicate.config.settings import ALIAS, PREFIX, Settings, list_setting_fields, read_alias, target_alias
from canvas_replicate.config.yaml_file import YamlNode, raise_problems, read_yaml, together
from canvas_replicate.config.yaml_models import FilledText, InvalidValue, Keys, read_model
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

_DSN = re.compile(r"[\w.-]+(:\d+)?(/[\w.$-]+)?")
# Kubernetes announces services to every pod in variables like these (unless enableServiceLinks is false):
# a service named replicate-rabbitmq would otherwise look like a mistyped setting.
_SERVICE_LINK = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
# What a value must be, by pydantic's name of the mistake.
_LIMITS = {
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "greater than {gt}",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
}
_SERVICE_LINK_VALUE = re.compile("(tcp|udp|sctp)://.*")


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Merge environment, secret files and ``appconf.yaml``.

    Raises ConfigError, for a name under REPLICATE_ that no setting has as well: a typing error must not
    leave a default in place. An empty variable counts as not set.
    """
    outside = os.environ if environ is None else environ
    variables = {
        name.upper(): value
        for name, value in outside.items()
        if name.upper().startswith(PREFIX) and value and not _is_service_link(name.upper(), value)
    }
    files = _find_secret_files(variables.get(f"{PREFIX}SECRETS_DIR"))
    _refuse_unknown_names(variables, files)
    values = _merge(_nest(_read_secret_values(files)), _nest(variables))
    conf_dir = Path(values.get("conf_dir", Settings.model_fields["conf_dir"].default))
    places = {name: Place(path) for name, path in files.items() if name not in variables}
    try:
        settings = Settings(**_merge(_read_appconf(conf_dir / "appconf.yaml"), values))
    except ValidationError as error:
        problems = [_build_setting_error(problem, places) for problem in error.errors(include_input=False)]
        raise together(problems) from None
    if settings.target is not None:
        target_alias(settings)
    require_encryption(settings)
    return settings


def encode_password(text: str) -> str:
    """The form that ``appconf.yaml`` wants. It hides a password from a glance, nothing more."""
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def decode_password(text: str, *, place: Place | None = None) -> str:
    """Raises ConfigError, without the text, for a text that ``encode_password`` cannot have made."""
    try:
        password = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        password = ""
    if not password:
        step = "Make one with: replicate secret encode"
        raise ConfigError("the password is not base64 text.", place=place, next_step=step)
    return password


def _is_service_link(name: str, value: str) -> bool:
    by_value = name.endswith("_PORT") and _SERVICE_LINK_VALUE.fullmatch(value)
    return bool(by_value or _SERVICE_LINK.fullmatch(name))


def _find_secret_files(directory: str | None) -> dict[str, Path]:
    """Variable name -> file. Kubernetes' ``..data`` and other people's files are not ours to judge."""
    if directory is None:
        return {}
    try:
        found = sorted(Path(directory).iterdir())
        return {path.name.upper(): path for path in found if path.name.upper().startswith(PREFIX) and path.is_file()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"REPLICATE_SECRETS_DIR cannot be read: {error.strerror}.", place=Place(directory)) from None


def _read_secret_values(files: Mapping[str, Path]) -> dict[str, str]:
    values = {}
    for name, path in files.items():
        try:
            values[name] = path.read_bytes().decode("utf-8").rstrip("\r\n")
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}.", place=Place(path)) from None
        except UnicodeDecodeError:
            raise ConfigError("not UTF-8 text.", place=Place(path)) from None
    return values


def _refuse_unknown_names(variables: Mapping[str, str], files: Mapping[str, Path]) -> None:
    places: dict[str, Place | None] = {name: Place(path) for name, path in files.items()}
    places |= dict.fromkeys(variables)
    unknown = [(name, place) for name, place in sorted(places.items()) if not _is_setting(name)]
    raise_problems([ConfigError(f"{n} is not a setting.", place=p, next_step=_suggest_setting(n)) for n, p in unknown])


def _is_setting(name: str) -> bool:
    return any(re.fullmatch(known.replace("<ALIAS>", ALIAS.pattern.upper()), name) for known in list_setting_fields())


def _suggest_setting(name: str) -> str:
    """The alias, if there is one, is kept as it was written."""
    parts = name.split("__")
    alias = parts[1] if len(parts) == 3 else "<ALIAS>"
    return did_you_mean(name, [known.replace("<ALIAS>", alias) for known in list_setting_fields()])


def _build_setting_error(problem: ErrorDetails, places: Mapping[str, Place]) -> ConfigError:
    name = PREFIX + "__".join(str(part) for part in problem["loc"]).upper()
    if problem["type"] == "missing":
        return ConfigError(f"{name} is not set.", next_step="It is needed because another setting of its group is set.")
    context = problem.get("ctx", {})
    if problem["type"] in _LIMITS:
        return ConfigError(f"{name} must be {_LIMITS[problem['type']].format(**context)}.", place=places.get(name))
    text = str(context.get("error") or problem["msg"])
    return ConfigError(f"{name}: {text}{'' if text.endswith('?') else '.'}", place=places.get(name))


def _nest(variables: Mapping[str, str]) -> dict[str, Any]:
    """``{"REPLICATE_CANVAS__TOKEN": "x"}`` -> ``{"canvas": {"token": "x"}}``"""
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return source()


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = _merge(below[key], above[key])
    return both


def _read_dsn(dsn: str) -> str:
    if not _DSN.fullmatch(dsn):
        step = "Put a longer descriptor into tnsnames.ora and give its name."
        raise InvalidValue("{name} must be like host:1521/service.", step)
    return dsn


def _read_password(text: str) -> str:
    try:
        return decode_password(text)
    except ConfigError as error:
        raise InvalidValue(error.message, error.next_step) from None


class AppconfDatabase(Keys):
    user: FilledText = Field(description="Database user.")
    password: Annotated[FilledText, AfterValidator(_read_password)] | None = Field(
        None, description="Base64 of the password, as `replicate secret encode` prints it. Not encryption."
    )
    dsn: Annotated[FilledText, AfterValidator(_read_dsn)] = Field(
        description="Oracle connect string: `host:1521/service`, or a name from `tnsnames.ora`."
    )


class AppconfFile(RootModel[dict[str, AppconfDatabase]]):
    """``appconf.yaml``: databases by alias."""


def _read_appconf(path: Path) -> dict[str, Any]:
    if _is_missing(path):
        return {}
    problems: list[ConfigError] = []
    root = read_yaml(path)
    if root.value == "":
        return {"databases": {}}
    file = read_model(AppconfFile, root, problems)
    aliases = _read_aliases(root, problems)
    if file is None or problems:
        raise together(problems)
    return {"databases": {aliases[name]: _build_database(entry) for name, entry in file.root.items()}}


def _read_aliases(root: YamlNode, problems: list[ConfigError]) -> dict[str, str]:
    """The alias of each name in the file."""
    found: dict[str, str] = {}
    for name, node in root.mapping().items() if root.is_map else ():
        try:
            alias = read_alias(name)
        except ValueError as error:
            problems.append(node.key_error(f"{error}."))
            continue
        if alias in found.values():
            problems.append(node.key_error(f"the database {alias!r} is here twice; case does not matter in its name."))
        found[name] = alias
    return found


def _build_database(entry: AppconfDatabase) -> dict[str, str]:
    password = {"password": entry.password} if entry.password else {}
    return {"url": f"oracle://{quote(entry.user, safe='')}@{entry.dsn}", **password}


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it may be there; reading it raises the error
    return False
