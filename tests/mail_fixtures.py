"""A real mail server on loopback, and what it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from canvas_replicate.config.settings import SmtpSettings

PASSWORD = "a-word-that-is-secret"
ONCALL, SECOND = "oncall@example.edu", "second@example.edu"


class Post:
    """What a server took, and the replies by which it refuses: a recipient's, and those to DATA and QUIT."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.encrypted: list[bool] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.replies: dict[str, str] = {}
        self.refused_login = "535 5.7.8 no"
        self.hangs_up = False

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.replies:
            return self.replies["DATA"]
        self.taken.append((list(envelope.rcpt_tos), parsed(envelope.content)))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.hangs_up and server.transport:
            server.transport.close()
        return self.replies.get("QUIT", "221 Bye")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        if data.password == PASSWORD.encode():
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=self.refused_login)


def parsed(content: Any) -> EmailMessage:
    made = message_from_bytes(content, policy=default)
    assert isinstance(made, EmailMessage)
    return made


Start = Callable[..., SmtpSettings]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def mail_server(post: Post, free_port: int) -> Iterator[Start]:
    """Starts a server and gives the settings that lead to it."""
    with ExitStack() as servers:

        def started(**options: Any) -> SmtpSettings:
            server = Controller(post, hostname="127.0.0.1", port=free_port, authenticator=post.authenticate, **options)
            server.start()
            servers.callback(server.stop)
            return settings(free_port)

        yield started


def settings(port: int, **others: Any) -> SmtpSettings:
    values = {"host": "127.0.0.1", "port": port, "sender": "replicate@example.edu", "recipients": f"{ONCALL}, {SECOND}"}
    return SmtpSettings.model_validate({**values, "starttls": False, "timeout_seconds": 10, **others})
