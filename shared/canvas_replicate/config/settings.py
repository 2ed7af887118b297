"""What an installation sets once: REPLICATE_* in the environment, secret files, and ``appconf.yaml``.

Read once, in ``main``, and handed on. The environment wins over secret files, these over ``appconf.yaml``,
field by field. No message of this module ever shows a value.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from canvas_replicate.config.yaml_file import YamlNode, noting, raise_problems, read_yaml, together
from canvas_replicate.errors import ConfigError, Place
from canvas_replicate.suggest import did_you_mean

PREFIX = "REPLICATE_"
DEFAULT_REJECTS_KEPT = 100
APPCONF_KEYS = {
    "user": "Database user.",
    "password": "Base64 of the password, as `replicate secret encode` prints it. Not encryption.",
    "dsn": "Oracle connect string: `host:1521/service`, or a name from `tnsnames.ora`.",
}
_ALIAS = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")  # no double underscore: that one nests
_DSN = re.compile(r"[\w.-]+(:\d+)?(/[\w.$-]+)?")
_DATABASE_URL = re.compile("(duckdb:///|postgresql://|oracle://).+")
_BUS_URL = re.compile("memory://|amqps?://.+")
_MAIL_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+", re.ASCII)  # a name, or an address of IPv4 or IPv6
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_MAIL_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[\w-]+(\.[\w-]+)*", re.ASCII)  # dot-atom of RFC 5322, 3.4.1
# Kubernetes announces services to every pod in variables like these (unless enableServiceLinks is false):
# a service named replicate-rabbitmq would otherwise look like a mistyped setting.
_SERVICE_LINK = re.compile(r".*_SERVICE_(HOST|PORT)(_\w+)?|.*_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_SERVICE_LINK_VALUE = re.compile("(tcp|udp|sctp)://.*")


def _alias(text: str) -> str:
    if not _ALIAS.fullmatch(text.lower()):
        raise ValueError(f"{text!r} cannot name a database: use letters, digits and single underscores")
    return text.lower()


def _database_url(url: str) -> str:
    if not _DATABASE_URL.fullmatch(url):
        raise ValueError("a database URL starts with duckdb:///, postgresql:// or oracle://")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("this is not a URL") from None  # the original text would show the value
    if parts.password is not None or {"password", "passwd", "pwd"} & parse_qs(parts.query.lower()).keys():
        raise ValueError("a URL may not hold a password; set it apart, as ..__PASSWORD or in a secret file")
    return url


def _bus_url(url: str) -> str:
    if not _BUS_URL.fullmatch(url):
        raise ValueError("a bus URL is memory:// or begins with amqp:// or amqps://")
    return url


def _canvas_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^/@\s]+(/\S*)?", url) or url.rstrip("/").endswith("/api/v1"):
        raise ValueError("this must be like https://canvas.example.edu, without user and without /api/v1")
    return url.rstrip("/")


def _mail_host(host: str) -> str:
    if not _MAIL_HOST.fullmatch(host):
        raise ValueError("this must be a name or an address alone, like mail.example.edu; the port has its own setting")
    return host


def _mail_addresses(text: str) -> str:
    if not all(_MAIL_ADDRESS.fullmatch(address) for address in split_addresses(text)):
        raise ValueError("a mail address is like oncall@example.edu, without a name beside it")
    return text


def _one_mail_address(text: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(text):
        raise ValueError("this must be one mail address like replicate@example.edu, without a name beside it")
    return text


def _ascii(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii():
        raise ValueError("only ASCII can be told to a mail server")
    return secret


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Alias = Annotated[str, AfterValidator(_alias)]
SqlName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_$#]*$")]
ProcedureName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_$#]*(\.[A-Za-z][A-Za-z0-9_$#]*){0,2}$")]


class DatabaseSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(_database_url)] = Field(
        description="`duckdb:///path`, `postgresql://user@host/database` or `oracle://user@host:1521/service`; "
        "never with a password."
    )
    password: SecretStr | None = Field(default=None, description="The user's password; best given as a secret file.")
    max_parallel: int = Field(
        default=4, ge=1, description="The most tables read from it at a time, by all processes together."
    )
    timeout: int = Field(
        default=3600,
        ge=1,
        description="Seconds that one answer of an Oracle database may take: a query's first rows, a view refresh.",
    )
    wallet_password: SecretStr | None = Field(
        default=None, description="Password of the wallet that `?wallet_location=` in an Oracle URL names."
    )
    char_padding: Literal["keep", "trim"] = Field(
        default="keep", description="Whether the blanks that fill up Oracle's CHAR columns are kept when they are read."
    )
    dialect: Literal["oracle", "native"] = Field(
        default="oracle",
        description="`oracle`: SQL is Oracle's and translated for other engines where that is known to be right; "
        "`native`: SQL is the engine's own and sent as it is.",
    )


class CanvasSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: Annotated[str, AfterValidator(_canvas_url)] | None = Field(
        default=None, description="Where Canvas is: `https://canvas.example.edu`."
    )
    token: SecretStr | None = Field(default=None, description="Access token of the Canvas user that reads and imports.")
    poll_seconds: float = Field(
        default=30.0, gt=0, description="The longest pause between two looks at a report that Canvas is making."
    )
    account: str = Field(
        default="self", description="Account that reports and imports run in; `self` is the root account."
    )


class SmtpSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[str, AfterValidator(_mail_host)] | None = Field(
        default=None, description="Mail server that takes mails about failures; without it none is sent."
    )
    port: int = Field(default=25, ge=1, le=65535, description="Its port; often 587 where it wants a login.")
    username: Annotated[str, Field(pattern=r"^[ -~]+$")] | None = Field(
        default=None, description="User that logs in there; without one there is no login."
    )
    password: Annotated[SecretStr, AfterValidator(_ascii)] | None = Field(
        default=None, description="That user's password; best given as a secret file."
    )
    sender: Annotated[str, AfterValidator(_one_mail_address)] | None = Field(
        default=None, description="Address that the mails come from; needed with a host."
    )
    recipients: Annotated[str, AfterValidator(_mail_addresses)] | None = Field(
        default=None, description="Addresses that the mails go to, with commas between them; needed with a host."
    )
    starttls: bool = Field(
        default=True,
        description="Encrypt, and check the server's certificate, before anything is sent; off means that a password "
        "and the mail can be read on the way.",
    )
    timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="The longest wait for one answer of the mail server."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.host and not (self.sender and self.recipients):
            raise ValueError("a host needs a sender and recipients; set ..__SENDER and ..__RECIPIENTS")
        if (self.username is None) != (self.password is None):
            raise ValueError("a login needs both; set ..__USERNAME and ..__PASSWORD, or neither")
        return self


class Settings(BaseSettings):
    """All settings. ``load_settings`` reads them from outside; the class itself never looks there."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    bus_url: Annotated[str, AfterValidator(_bus_url)] = Field(
        default="memory://",
        repr=False,  # may hold the broker's password
        description="`memory://` for one process, else `amqp://user:password@host/vhost` or `amqps://...`.",
    )
    bus_declare: bool = Field(
        default=True, description="Declare exchange and queues at start; off where a policy does it."
    )
    conf_dir: Path = Field(default=Path("conf"), description="Folder of the YAML files.")
    ctl_dir: Path = Field(default=Path("ctls"), description="Folder of the SQL*Loader control files, one per table.")
    ddl_dir: Path = Field(default=Path("ddl"), description="Folder of the DDL files, one per table.")
    data_dir: Path = Field(
        default=Path("data"), description="Storage that all stages share: `.dat` files, logs, reports."
    )
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder of secret files, each named like a variable and holding its value; it may be missing. "
        "Only the environment sets this one.",
    )
    metrics_port: int = Field(
        default=9100, ge=0, le=65535, description="Port of the status page `/`, `/metrics`, `/healthz` and `/readyz`."
    )
    databases: dict[Alias, DatabaseSettings] = Field(
        default_factory=dict, description="The databases by alias; case does not matter in an alias."
    )
    target: Alias | None = Field(
        default=None, description="Alias of the reporting database; needed as soon as several databases are set."
    )
    base_schema: SqlName | None = Field(
        default=None, description="Schema of base tables named without one; default: the target user's own."
    )
    view_schema: SqlName | None = Field(
        default=None, description="Schema of views named without one; default: the target user's own."
    )
    refresh_procedure: ProcedureName | None = Field(
        default=None,
        description="Procedure called with a view's name instead of `DBMS_MVIEW.REFRESH`: `owner.package.name`.",
    )
    rejects_kept: int = Field(
        default=DEFAULT_REJECTS_KEPT,
        ge=0,
        description="Rejected records of a load that are told one by one in `replicate_reject`; the bad file has all.",
    )
    retention_days: int = Field(
        default=7, ge=1, description="Days that files of finished runs are kept; held ones stay."
    )
    push_max_age_hours: float = Field(
        default=24.0,
        gt=0,
        le=24 * 30,
        description="How old good provisions may be for a push that is started by hand; older ones push nothing.",
    )
    canvas: CanvasSettings = Field(default_factory=CanvasSettings, description="The Canvas instance.")
    smtp: SmtpSettings = Field(default_factory=SmtpSettings, description="The mail server for mails about failures.")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        default="INFO", description="Least severity that is logged."
    )

    @property
    def has_broker(self) -> bool:
        """False on the bus in memory, where one process does all the work."""
        return self.bus_url != "memory://"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


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
    files = _secret_files(variables.get(f"{PREFIX}SECRETS_DIR"))
    _refuse_unknown_names(variables, files)
    values = _merged(_nested(_secret_values(files)), _nested(variables))
    conf_dir = Path(values.get("conf_dir", Settings.model_fields["conf_dir"].default))
    places = {name: Place(path) for name, path in files.items() if name not in variables}
    try:
        settings = Settings(**_merged(_read_appconf(conf_dir / "appconf.yaml"), values))
    except ValidationError as error:
        problems = [_setting_error(problem, places) for problem in error.errors(include_input=False)]
        raise together(problems) from None
    if settings.target is not None:
        target_alias(settings)
    return settings


def target_alias(settings: Settings) -> str:
    """The reporting database: REPLICATE_TARGET, or the only one there is; else ConfigError."""
    if settings.target is not None:
        return known_alias(settings.target, settings, "REPLICATE_TARGET")
    if len(settings.databases) == 1:
        return next(iter(settings.databases))
    if not settings.databases:
        raise ConfigError(
            "no database is configured.",
            next_step="Set REPLICATE_DATABASES__<ALIAS>__URL, or list it in appconf.yaml in REPLICATE_CONF_DIR.",
        )
    raise ConfigError(
        f"{len(settings.databases)} databases are configured and REPLICATE_TARGET names none of them.",
        next_step="Set REPLICATE_TARGET to the alias of the reporting database.",
    )


def known_alias(alias: str, settings: Settings, said_by: str) -> str:
    """The alias in lower case; ConfigError, beginning with ``said_by``, if no such database is configured."""
    if alias.lower() not in settings.databases:
        raise ConfigError(
            f"{said_by}: no database {alias!r} is configured.", next_step=did_you_mean(alias, settings.databases)
        )
    return alias.lower()


def split_addresses(text: str) -> tuple[str, ...]:
    """The addresses of a comma list; a comma too many gives an empty one."""
    return tuple(address.strip() for address in text.split(","))


def setting_fields() -> dict[str, FieldInfo]:
    """Every name that may be set, with its default and description; ``<ALIAS>`` stands for a database's alias."""
    return dict(_fields_of(Settings, PREFIX))


def config_schema() -> dict[str, Any]:
    """JSON schema of the settings."""
    return Settings.model_json_schema()


def masked_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON can hold them, without a secret."""
    values = settings.model_dump(mode="json")
    values["bus_url"] = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:**********@", settings.bus_url)
    return values


def encode_password(text: str) -> str:
    """The form that ``appconf.yaml`` wants. It hides a password from a glance, nothing more."""
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def decode_password(text: str, *, place: Place | None = None) -> str:
    """Raises ConfigError, without the text, for what ``encode_password`` cannot have made."""
    try:
        password = base64.b64decode(text.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        password = ""
    if not password:
        step = "Make one with: replicate secret encode"
        raise ConfigError("the password is not base64 text.", place=place, next_step=step)
    return password


def _fields_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for field, info in model.model_fields.items():
        name, kind = prefix + field.upper(), info.annotation
        if get_origin(kind) is dict:
            yield from _fields_of(get_args(kind)[1], f"{name}__<ALIAS>__")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields_of(kind, f"{name}__")
        else:
            yield name, info


def _is_service_link(name: str, value: str) -> bool:
    by_value = name.endswith("_PORT") and _SERVICE_LINK_VALUE.fullmatch(value)
    return bool(by_value or _SERVICE_LINK.fullmatch(name))


def _secret_files(directory: str | None) -> dict[str, Path]:
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


def _secret_values(files: Mapping[str, Path]) -> dict[str, str]:
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
    raise_problems(
        [
            ConfigError(f"{name} is not a setting.", place=place, next_step=_nearest_setting(name))
            for name, place in sorted(places.items())
            if not _is_setting(name)
        ]
    )


def _is_setting(name: str) -> bool:
    return any(re.fullmatch(known.replace("<ALIAS>", _ALIAS.pattern.upper()), name) for known in setting_fields())


def _nearest_setting(name: str) -> str:
    """The alias, if there is one, is kept as it was written."""
    parts = name.split("__")
    alias = parts[1] if len(parts) == 3 else "<ALIAS>"
    return did_you_mean(name, [known.replace("<ALIAS>", alias) for known in setting_fields()])


def _setting_error(problem: ErrorDetails, places: Mapping[str, Place]) -> ConfigError:
    name = PREFIX + "__".join(str(part) for part in problem["loc"]).upper()
    if problem["type"] == "missing":
        return ConfigError(f"{name} is not set.", next_step="It is needed because a sibling of it is set.")
    ours = problem.get("ctx", {}).get("error")
    return ConfigError(f"{name}: {ours or problem['msg']}.", place=places.get(name))


def _nested(variables: Mapping[str, str]) -> dict[str, Any]:
    """``{"REPLICATE_CANVAS__TOKEN": "x"}`` -> ``{"canvas": {"token": "x"}}``"""
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return source()


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = _merged(below[key], above[key])
    return both


def _read_appconf(path: Path) -> dict[str, Any]:
    if _is_missing(path):
        return {}
    databases: dict[str, dict[str, str]] = {}
    problems: list[ConfigError] = []
    for name, node in read_yaml(path).mapping().items():
        with noting(problems):
            alias = _appconf_alias(name, node)
            if alias in databases:
                raise node.key_error(f"the database {alias!r} is here twice; case does not matter in its name.")
            databases[alias] = _appconf_database(node)
    raise_problems(problems)
    return {"databases": databases}


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it may be there; reading it will say what is wrong
    return False


def _appconf_alias(name: str, node: YamlNode) -> str:
    try:
        return _alias(name)
    except ValueError as error:
        raise node.key_error(f"{error}.") from None


def _appconf_database(node: YamlNode) -> dict[str, str]:
    keys = node.fields(required=("user", "dsn"), optional=("password",))
    user, dsn = keys["user"].filled_text(), keys["dsn"].filled_text()
    if not _DSN.fullmatch(dsn):
        step = "Put a longer descriptor into tnsnames.ora and give its name."
        raise keys["dsn"].error(f"{node.name}.dsn must be like host:1521/service.", step)
    database = {"url": f"oracle://{quote(user, safe='')}@{dsn}"}
    if "password" in keys:
        database["password"] = decode_password(keys["password"].filled_text(), place=keys["password"].place)
    return database
