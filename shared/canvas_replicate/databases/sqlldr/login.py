"""The login of SQL*Loader, which no other process can read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from canvas_replicate.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_.:/-]+")
_BARE_PASSWORD = re.compile(r"[A-Za-z]\w*", re.ASCII)
_ESCAPES_QUOTES = re.compile(r"""['"\\\x00-\x1f\x7f]""")
_SHORTEST_HINT = 3


@dataclass(frozen=True)
class Login:
    """Without user or password the wallet of the Oracle client holds the login for ``connect_string``.

    ``environ`` has the paths of that client's files; None: as in this process.
    """

    user: str | None
    password: SecretStr | None
    connect_string: str
    environ: Mapping[str, str] | None = field(default=None, repr=False)


def write_userid(login: Login) -> str:
    """The value of ``userid`` in a parameter file.

    A password that is no plain word is in double quotation marks, and the whole in single ones, which keep
    the parameter file's own special characters out. Raises ConfigError where that cannot be done.
    """
    if not login.user or login.password is None:
        whole = f"/@{login.connect_string}"
    else:
        password = login.password.get_secret_value()
        _refuse_quotes(password, "the password of the target database")
        quoted = password if _BARE_PASSWORD.fullmatch(password) else f'"{password}"'
        whole = f"{login.user}/{quoted}@{login.connect_string}"
        _refuse_quotes(login.user, "the user of the target database")
    _refuse_quotes(login.connect_string, "the connect string of the target database")
    # An @ is the only other character of a plain user/password@host:port/service.
    return whole if _BARE.fullmatch(whole.replace("@", "", 1)) else f"'{whole}'"


def hide_secret(login: Login, line: str) -> str:
    """The line, or only its code: messages about parameters (LRM) quote what they stumble over."""
    password = login.password.get_secret_value() if login.password else ""
    parts = [part for part in (password, *re.split(r"\W+", password)) if len(part) >= _SHORTEST_HINT]
    shows = any(part.lower() in line.lower() for part in parts)
    return line.partition(":")[0] if shows or line.startswith("LRM-") else line


def _refuse_quotes(text: str, what: str) -> None:
    if not text or _ESCAPES_QUOTES.search(text):
        raise ConfigError(
            f"SQL*Loader cannot be given {what}: it is empty, or holds a quotation mark, a backslash or a control"
            " character.",
            code="sqlldr.login",
            next_step="Change it, keep the login in a wallet, or load without SQL*Loader (`loader: direct`).",
        )
