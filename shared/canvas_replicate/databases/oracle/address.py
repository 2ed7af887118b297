"""``oracle://`` URLs: where a database is, and how its client is to behave."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from canvas_replicate.errors import ConfigError

_FORM = (
    "Write oracle://user@host:1521/service, or oracle://user@NAME?config_dir=/path/of/tnsnames; with a wallet that"
    " holds the login, without the user."
)
_OWN = ("mode", "lib_dir", "config_dir", "wallet_location", "protocol")


@dataclass(frozen=True)
class Address:
    """Attributes:
    user: None where a wallet holds the login.
    dsn: an EZConnect string, whose parameters the driver knows, or a name of ``tnsnames.ora``.
    thick: through Oracle's client libraries, found in ``lib_dir`` or by the system.
    config_dir: folder of ``tnsnames.ora`` (and, for SQL*Loader, ``sqlnet.ora``).
    """

    user: str | None
    dsn: str
    thick: bool = False
    lib_dir: str | None = None
    config_dir: str | None = None
    wallet_location: str | None = None

    @property
    def name(self) -> str:
        """For messages; without parameters."""
        return self.dsn.partition("?")[0].rpartition("//")[2]


def read_address(url: str) -> Address:
    """Raises ConfigError without the URL's own text, in case it holds a secret after all."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket without the other
        raise ConfigError("This is not an Oracle URL that can be read.", next_step=_FORM) from None
    user, at, place = parts.netloc.rpartition("@")
    options = dict(parse_qsl(parts.query))
    own = {name: options.pop(name) for name in _OWN if name in options}
    service = parts.path.strip("/")
    if not place or ":" in user or own.get("mode", "thin") not in ("thin", "thick") or (":" in place and not service):
        raise ConfigError("This is not an Oracle URL that can be read.", next_step=_FORM)
    if own.get("protocol", "tcp") not in ("tcp", "tcps"):
        raise ConfigError("protocol in an Oracle URL is tcp or tcps.", next_step=_FORM)
    if not service and (options or "protocol" in own):
        names = ", ".join(sorted({*options, *({"protocol"} & own.keys())}))
        problem = f"{names} in an Oracle URL belongs to host:port/service."
        raise ConfigError(problem, next_step="For a name of tnsnames.ora, write it there.")
    dsn = place  # a name of tnsnames.ora
    if service:
        dsn = f"{own['protocol']}://" if "protocol" in own else ""
        dsn += f"{place}/{service}" + (f"?{urlencode(options)}" if options else "")
    return Address(
        user=unquote(user) or None if at else None,
        dsn=dsn,
        thick=own.get("mode") == "thick",
        lib_dir=own.get("lib_dir"),
        config_dir=own.get("config_dir"),
        wallet_location=own.get("wallet_location"),
    )
