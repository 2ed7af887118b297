"""``amqp://`` and ``amqps://`` URLs. They hold a password, so nothing here ever repeats one."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import pika

from canvas_replicate.errors import ConfigError
from canvas_replicate.suggest import did_you_mean

_VARIABLE = "REPLICATE_BUS_URL"
_ENCODE = "In a password, write / as %2F, @ as %40, : as %3A, # as %23, ? as %3F and % as %25."

# Options of the URL's query, all in seconds, and what holds without them. `heartbeat` is agreed with the broker.
_SECONDS = {"heartbeat": 60, "blocked_connection_timeout": 60, "socket_timeout": 10, "stack_timeout": 15}
# As RabbitMQ's own clients name them: PEM files of the CA, and of the client's certificate and its key.
_TLS_FILES = ("cacertfile", "certfile", "keyfile")


def parameters(url: str) -> pika.ConnectionParameters:
    """Where and how to connect; one attempt, bounded in time. Raises ConfigError, without the URL.

    ``amqps`` verifies certificate and host name, against ``cacertfile`` or else the system's authorities
    (OpenSSL's SSL_CERT_FILE counts). A missing virtual host is ``/``, a missing user ``guest``.
    """
    parts = _split(url)
    options = _read_options(parts)
    made = pika.ConnectionParameters(
        host=parts.hostname or "",
        port=parts.port or (5671 if parts.scheme == "amqps" else 5672),
        virtual_host=unquote(parts.path[1:]) or "/",
        credentials=pika.PlainCredentials(
            unquote("guest" if parts.username is None else parts.username),
            unquote("guest" if parts.password is None else parts.password),
        ),
        client_properties={"connection_name": f"canvas-replicate {socket.gethostname()} {os.getpid()}"},
        **{name: _read_seconds(name, options) for name in _SECONDS},
    )
    if parts.scheme == "amqps":
        made.ssl_options = _build_tls(parts, options)
    return made


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.fragment and "/" not in parts.path[1:]
    except ValueError:
        usable = False
    if re.fullmatch(r"amqps?://([^/?#]*@)?[^/?#@:]+:[0-9]+([/?].*)?", url) and not usable:
        raise ConfigError(f"{_VARIABLE}: the port must be a whole number from 1 to 65535.")
    if not usable or parts.scheme not in ("amqp", "amqps"):
        raise ConfigError(f"{_VARIABLE}: not like amqp://user:password@host:5672/vhost.", next_step=_ENCODE) from None
    return parts


def _read_options(parts: SplitResult) -> Mapping[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = (*_SECONDS, *_TLS_FILES)
    for name in options:
        if name not in known:
            # A password with a bare ? ends up here, so an unknown option is named only if it looks like one.
            word = name if "@" not in parts.query and len(name) < 30 else "..."
            raise ConfigError(f"{_VARIABLE}: no option {word!r}.", next_step=did_you_mean(word, known))
        if name in _TLS_FILES and parts.scheme != "amqps":
            raise ConfigError(f"{_VARIABLE}: {name} is for amqps:// only.")
    return options


def _read_seconds(name: str, options: Mapping[str, str]) -> int:
    value = options.get(name, str(_SECONDS[name]))
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise ConfigError(f"{_VARIABLE}: {name} must be whole seconds, at least 1.")
    return int(value)


def _build_tls(parts: SplitResult, options: Mapping[str, str]) -> pika.SSLOptions:
    try:
        context = ssl.create_default_context(cafile=options.get("cacertfile"))
        if "certfile" in options:
            context.load_cert_chain(options["certfile"], options.get("keyfile"))
    except OSError as error:
        files = ", ".join(f"{name}={options[name]}" for name in _TLS_FILES if name in options)
        raise ConfigError(f"{_VARIABLE}: {files}: {error.strerror or 'not readable as PEM'}.") from None
    return pika.SSLOptions(context, server_hostname=parts.hostname)
