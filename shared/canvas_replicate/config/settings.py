"""The settings of an installation, as models. ``settings_sources`` reads the values; no message here shows one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import SplitResult, parse_qs, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from canvas_replicate.errors import ConfigError
from canvas_replicate.suggest import did_you_mean

PREFIX = "REPLICATE_"
DEFAULT_REJECTS_KEPT = 100
ALIAS = re.compile("[a-z][a-z0-9]*(_[a-z0-9]+)*")  # no double underscore: that one nests
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_MAIL_ADDRESS = rf"{_ATOM}(\.{_ATOM})*@[\w-]+(\.[\w-]+)*"  # dot-atom of RFC 5322, 3.4.1


def read_alias(text: str) -> str:
    if not ALIAS.fullmatch(text.lower()):
        raise ValueError(f"{text!r} cannot name a database: use letters, digits and single underscores")
    return text.lower()


def _require_match(pattern: str, wrong: str) -> AfterValidator:
    """A validator that raises ``wrong`` for a text which the pattern (of ASCII) does not match."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(wrong)
        return text

    return AfterValidator(check)


def _check_database_url(url: str) -> str:
    if not re.fullmatch("(duckdb:///|postgresql://|oracle://).+", url):
        raise ValueError("a database URL starts with duckdb:///, postgresql:// or oracle://")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("this is not a URL") from None  # the original text would show the value
    if parts.password is not None or {"password", "passwd", "pwd"} & parse_qs(parts.query.lower()).keys():
        raise ValueError("a URL may not hold a password; set it apart, as ..__PASSWORD or in a secret file")
    _check_port(parts)
    return url


def _check_port(parts: SplitResult) -> None:
    try:
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("the port of a URL is a whole number from 1 to 65535") from None


def _read_canvas_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^/@\s]+(/\S*)?", url) or url.rstrip("/").endswith("/api/v1"):
        raise ValueError("this must be like https://canvas.example.edu, without user and without /api/v1")
    _check_port(urlsplit(url))
    return url.rstrip("/")


def _check_mail_addresses(text: str) -> str:
    if not all(re.fullmatch(_MAIL_ADDRESS, address, re.ASCII) for address in split_addresses(text)):
        raise ValueError("a mail address is like oncall@example.edu, without a name")
    return text


def _check_ascii(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isascii():
        raise ValueError("only ASCII can be sent to a mail server")
    return secret


def _check_ip_address(text: str) -> str:
    try:
        ip_address(text)
    except ValueError:
        raise ValueError("this must be an address of IPv4 or IPv6, like 127.0.0.1, 0.0.0.0 or ::1") from None
    return text


def _check_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r} is known. {did_you_mean(name, available_timezones())}") from None
    return name


Alias = Annotated[str, AfterValidator(read_alias)]
_WORD = "[A-Za-z][A-Za-z0-9_$#]*"
SqlName = Annotated[str, _require_match(_WORD, "a name is a letter, then letters, digits, _, $ and #")]
ProcedureName = Annotated[
    str, _require_match(rf"{_WORD}(\.{_WORD}){{0,2}}", "a procedure is like refresh_view or owner.package.refresh_view")
]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
BusUrl = Annotated[
    str, _require_match("memory://|amqps?://.+", "a bus URL is memory:// or begins with amqp:// or amqps://")
]
CanvasUrl = Annotated[str, AfterValidator(_read_canvas_url)]
MailHost = Annotated[
    str,
    _require_match(
        r"[\w.-]+|[0-9a-fA-F:.]+",  # a name, or an address of IPv4 or IPv6
        "this must be a name or an address alone, like mail.example.edu; the port has its own setting",
    ),
]
MailAddress = Annotated[
    str,
    _require_match(_MAIL_ADDRESS, "this must be one mail address like replicate@example.edu, without a name"),
]
MailAddresses = Annotated[str, AfterValidator(_check_mail_addresses)]
LoginName = Annotated[str, Field(pattern=r"^[ -~]+$")]
AsciiSecret = Annotated[SecretStr, AfterValidator(_check_ascii)]
TimeZone = Annotated[str, AfterValidator(_check_timezone)]
IpAddress = Annotated[str, AfterValidator(_check_ip_address)]
FilledSecret = Annotated[SecretStr, Field(min_length=1)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class DatabaseSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: DatabaseUrl = Field(
        description="`duckdb:///path`, `postgresql://user@host/db` or `oracle://user@host:1521/service`, no password."
    )
    password: SecretStr | None = Field(None, description="The user's password; best given as a secret file.")
    allow_insecure: bool = Field(False, description="Connect to PostgreSQL on another machine without `sslmode`.")
    max_parallel: int = Field(4, ge=1, description="The most tables read from it at a time by all processes together.")
    timeout: int = Field(
        3600, ge=1, description="Seconds for one answer of Oracle: a query's first rows, a view refresh."
    )
    wallet_password: SecretStr | None = Field(None, description="Password of the wallet that an Oracle URL names.")
    char_padding: Literal["keep", "trim"] = Field("keep", description="Whether CHAR columns keep their padding.")
    dialect: Literal["oracle", "native"] = Field(
        "oracle",
        description="`oracle`: Oracle's SQL, translated for other engines; `native`: the engine's own, sent as it is.",
    )


class CanvasSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: CanvasUrl | None = Field(default=None, description="Where Canvas is: `https://canvas.example.edu`.")
    allow_insecure: bool = Field(default=False, description="Connect to another machine by `http://`.")
    token: SecretStr | None = Field(default=None, description="Access token of the Canvas user that reads and imports.")
    poll_seconds: float = Field(default=30.0, gt=0, description="The longest pause between two looks at a report.")
    account: str = Field(
        default="self", description="Account that reports and imports run in; `self` is the root account."
    )


class SmtpSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: MailHost | None = Field(default=None, description="Mail server; without it no mail about failures is sent.")
    port: int = Field(default=25, ge=1, le=65535, description="Its port; often 587 where it wants a login.")
    username: LoginName | None = Field(
        default=None, description="User that logs in there; without one there is no login."
    )
    password: AsciiSecret | None = Field(default=None, description="That user's password; best given as a secret file.")
    sender: MailAddress | None = Field(
        default=None, description="Address that the mails come from; needed with a host."
    )
    recipients: MailAddresses | None = Field(
        default=None, description="Receivers, separated by commas; needed with a host."
    )
    starttls: bool = Field(
        default=True,
        description="Encrypt and check the certificate before sending; off: others can read password and mail.",
    )
    timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="The longest wait for an answer of the mail server."
    )

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
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

    bus_url: BusUrl = Field(
        default="memory://",
        repr=False,  # may hold the broker's password
        description="`memory://` for one process, else `amqp://user:password@host/vhost` or `amqps://...`.",
    )
    bus_allow_insecure: bool = Field(False, description="Connect to a broker on another machine by `amqp://`.")
    bus_declare: bool = Field(True, description="Declare exchange and queues at start; off where a policy does it.")
    conf_dir: Path = Field(Path("conf"), description="Folder of the YAML files.")
    ctl_dir: Path = Field(Path("ctls"), description="Folder of the SQL*Loader control files, one per table.")
    ddl_dir: Path = Field(Path("ddl"), description="Folder of the DDL files, one per table.")
    data_dir: Path = Field(Path("data"), description="Storage that all stages share: `.dat` files, logs, reports.")
    secrets_dir: Path | None = Field(
        None,
        description="Folder of secret files named like variables; it may be missing. Only the environment sets it.",
    )
    metrics_port: int = Field(9100, ge=0, le=65535, description="Port of `/`, `/metrics`, `/healthz` and `/readyz`.")
    metrics_address: IpAddress = Field(
        "127.0.0.1", description="Address that they are served at; `0.0.0.0` or `::` for other machines."
    )
    metrics_token: FilledSecret | None = Field(
        None, description="Token that `/` and `/metrics` need; best given as a secret file. Probes need none."
    )
    databases: dict[Alias, DatabaseSettings] = Field(
        default_factory=dict, description="Databases by alias, in any case."
    )
    target: Alias | None = Field(None, description="Alias of the reporting database; needed if several are set.")
    base_schema: SqlName | None = Field(
        None, description="Schema of base tables named without one (target user's own)."
    )
    view_schema: SqlName | None = Field(None, description="Schema of views named without one (target user's own).")
    refresh_procedure: ProcedureName | None = Field(
        None, description="Procedure called with a view's name instead of `DBMS_MVIEW.REFRESH`: `owner.package.name`."
    )
    rejects_kept: int = Field(
        DEFAULT_REJECTS_KEPT, ge=0, description="Rejects of a load that `replicate_reject` lists; the bad file has all."
    )
    retention_days: int = Field(7, ge=1, description="Days that files of finished runs are kept; held ones stay.")
    push_max_age_hours: float = Field(24.0, gt=0, le=24 * 30, description="Age limit of provisions for a push by hand.")
    timezone: TimeZone = Field("UTC", description="Time zone of the campus (`America/New_York`), the clock of `busy`.")
    canvas: CanvasSettings = Field(default_factory=CanvasSettings, description="The Canvas instance.")
    smtp: SmtpSettings = Field(default_factory=SmtpSettings, description="The mail server for mails about failures.")
    log_level: LogLevel = Field("INFO", description="Least severity that is logged.")

    @property
    def has_broker(self) -> bool:
        """False on the bus in memory, where one process does all the work."""
        return self.bus_url != "memory://"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

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


def target_alias(settings: Settings) -> str:
    """The reporting database: REPLICATE_TARGET, or the only one there is; else ConfigError."""
    if settings.target is not None:
        return require_alias(settings.target, settings, "REPLICATE_TARGET")
    if len(settings.databases) == 1:
        return next(iter(settings.databases))
    if not settings.databases:
        step = "Set REPLICATE_DATABASES__<ALIAS>__URL, or list it in appconf.yaml in REPLICATE_CONF_DIR."
        raise ConfigError("no database is configured.", next_step=step)
    message = f"{len(settings.databases)} databases are configured and REPLICATE_TARGET names none of them."
    raise ConfigError(message, next_step="Set REPLICATE_TARGET to the alias of the reporting database.")


def require_canvas(settings: Settings, what: str) -> None:
    """Raises ConfigError, naming the settings, where Canvas is not configured. ``what`` needs it."""
    given = {"BASE_URL": settings.canvas.base_url, "TOKEN": settings.canvas.token}
    missing = [f"REPLICATE_CANVAS__{name}" for name, value in given.items() if value is None]
    if missing:
        step = f"Set {' and '.join(missing)}."
        raise ConfigError(f"Canvas is not configured, and {what} needs it.", code="canvas.settings", next_step=step)


def require_alias(alias: str, settings: Settings, named_by: str) -> str:
    """The alias in lower case; ConfigError, beginning with ``named_by``, if no such database is configured."""
    if alias.lower() not in settings.databases:
        step = did_you_mean(alias, settings.databases)
        raise ConfigError(f"{named_by}: no database {alias!r} is configured.", next_step=step)
    return alias.lower()


def require_source(alias: str, settings: Settings, named_by: str) -> str:
    """As ``require_alias``, for a database that tables are read from: ConfigError for the target itself."""
    alias, target = require_alias(alias, settings, named_by), target_alias(settings)
    if alias == target:
        others = sorted(settings.databases.keys() - {target})
        step = f"Name another: {', '.join(others)}." if others else f"Set {PREFIX}DATABASES__<ALIAS>__URL of a source."
        text = f"{named_by}: {alias} is the target ({PREFIX}TARGET), and no table is copied from there."
        raise ConfigError(text, code="config.source", next_step=step)
    files = {_find_file(settings.databases[name].url) for name in (alias, target)}
    if len(files) == 1 and None not in files:  # a server may have both, in schemas of their own
        text = f"{PREFIX}DATABASES__{alias.upper()}__URL and {PREFIX}DATABASES__{target.upper()}__URL are one database."
        raise ConfigError(text, code="config.source", next_step="Give source and target a database each.")
    return alias


def _find_file(url: str) -> Path | None:
    """The file of a DuckDB database, the same for every spelling; None for a server."""
    return Path(url.removeprefix("duckdb:///")).resolve() if url.startswith("duckdb:///") else None


def split_addresses(text: str) -> tuple[str, ...]:
    """The addresses of a comma list; a comma too many gives an empty one."""
    return tuple(address.strip() for address in text.split(","))


def list_setting_fields() -> dict[str, FieldInfo]:
    """Every name that may be set, with its default and description; ``<ALIAS>`` is the place of a database's alias."""
    return dict(_list_fields(Settings, PREFIX))


def mask_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON can hold them, without a secret."""
    values = settings.model_dump(mode="json")
    values["bus_url"] = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:**********@", settings.bus_url)
    return values


def _list_fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for field, info in model.model_fields.items():
        name, kind = prefix + field.upper(), info.annotation
        if get_origin(kind) is dict:
            yield from _list_fields(get_args(kind)[1], f"{name}__<ALIAS>__")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _list_fields(kind, f"{name}__")
        else:
            yield name, info
