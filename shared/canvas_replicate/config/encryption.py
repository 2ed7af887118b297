"""Which configured connections to other machines are not encrypted, and whether a setting allows each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from canvas_replicate.config.settings import PREFIX, Settings
from canvas_replicate.config.yaml_file import raise_problems
from canvas_replicate.errors import ConfigError

_ENCRYPTED = ("require", "verify-ca", "verify-full")  # values of PostgreSQL's sslmode


@dataclass(frozen=True)
class PlainConnection:
    """One that everyone on the network path can read and change.

    Attributes:
        setting: where its address is.
        what: the connection in words, with its host.
        secure_form: what to write instead.
        switch: the setting that allows it as it is.
    """

    setting: str
    what: str
    secure_form: str
    switch: str
    is_allowed: bool


def require_encryption(settings: Settings) -> None:
    """Raises ConfigError for every connection that is not encrypted and not allowed to be so."""
    raise_problems(
        [
            ConfigError(
                f"{plain.setting}: {plain.what} is not encrypted.",
                code="config.plain",
                next_step=f"Write {plain.secure_form}. Where the network is private: {plain.switch}=true",
            )
            for plain in find_plain_connections(settings)
            if not plain.is_allowed
        ]
    )


def find_plain_connections(settings: Settings) -> Iterator[PlainConnection]:
    """Broker, Canvas, PostgreSQL and mail server; one on this machine does not count."""
    bus = urlsplit(settings.bus_url)
    if bus.scheme == "amqp" and not _is_here(bus.hostname or ""):
        what, switch = f"the broker's connection to {bus.hostname}", f"{PREFIX}BUS_ALLOW_INSECURE"
        yield PlainConnection(f"{PREFIX}BUS_URL", what, "amqps://", switch, settings.bus_allow_insecure)
    canvas = urlsplit(settings.canvas.base_url or "")
    if canvas.scheme == "http" and not _is_here(canvas.hostname or ""):
        what, switch = f"the connection to Canvas at {canvas.hostname}", f"{PREFIX}CANVAS__ALLOW_INSECURE"
        yield PlainConnection(f"{PREFIX}CANVAS__BASE_URL", what, "https://", switch, settings.canvas.allow_insecure)
    for alias, database in settings.databases.items():
        if hosts := _find_plain_hosts(database.url):
            group, secure = f"{PREFIX}DATABASES__{alias.upper()}", "?sslmode=verify-full (or require) at its end"
            what, switch = f"the connection to PostgreSQL on {', '.join(hosts)}", f"{group}__ALLOW_INSECURE"
            yield PlainConnection(f"{group}__URL", what, secure, switch, database.allow_insecure)
    mail = settings.smtp
    if mail.host and not mail.starttls and not _is_here(mail.host):
        what, switch = f"the connection to the mail server {mail.host}", f"{PREFIX}SMTP__STARTTLS"
        # Who switches STARTTLS off allows it.
        yield PlainConnection(switch, what, "true", switch, is_allowed=True)


def _find_plain_hosts(url: str) -> list[str]:
    """The other machines that a PostgreSQL URL names, if it does not make libpq encrypt; a URL may name several."""
    if not url.startswith("postgresql://"):
        return []
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if options.get("sslmode") in _ENCRYPTED:
        return []
    named = [parts.netloc.rpartition("@")[2], options.get("host", ""), options.get("hostaddr", "")]
    hosts = [_cut_port(unquote(host)) for name in named for host in name.split(",")]
    return [host for host in hosts if not _is_here(host)]


def _cut_port(host: str) -> str:
    """Without the port, and without the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def _is_here(host: str) -> bool:
    """This machine by name or address, or a socket: its folder, or nothing."""
    if host.lower() in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
