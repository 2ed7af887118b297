"""Mails handed to a real mail server on loopback, and what becomes of the ways that can fail."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import time
import traceback
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.mail_fixtures import ONCALL, PASSWORD, SECOND, Post, Start, settings

from canvas_replicate.config.settings import SmtpSettings
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.errors import ConfigError, ExitCode, PermanentError, TransientError
from canvas_replicate.notifications.smtp import MailNotSent, MailRefused, MailUnavailable, compose, send
from canvas_replicate.notifications.texts import (
    DeadLetter,
    Notice,
    describe_dead_letter,
    describe_failed_provisions,
    describe_failed_push,
    describe_held_push,
)

RUN = "20300101T000000Z-hourly-abc123"
SINCE = datetime(2030, 1, 1, 6, 30, tzinfo=timezone(timedelta(hours=-5)))
NOTICE = Notice(f"provisions:{RUN}", "regular provisions failed", "Grüße.\nSince: now", f"replicate runs {RUN}")


@pytest.fixture
def start(mail_server: Start) -> Start:
    return mail_server


def but(smtp: SmtpSettings, **others: Any) -> SmtpSettings:
    return smtp.model_copy(update=others)


def logged_in(smtp: SmtpSettings, password: str = PASSWORD) -> SmtpSettings:
    return but(smtp, username="replicate", password=SecretStr(password))


def failure(smtp: SmtpSettings) -> MailNotSent:
    with pytest.raises(MailNotSent) as caught:
        send(smtp, NOTICE)
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PASSWORD not in whole
    assert f"{smtp.host}:{smtp.port}" in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, which is its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail server of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def start_with_tls(start: Start, certificate: Path) -> SmtpSettings:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return but(start(tls_context=context, require_starttls=True), starttls=True)


def test_a_mail_arrives_whole_at_every_recipient(start: Start, post: Post) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    send(start(), NOTICE)
    [(recipients, mail)] = post.taken
    assert recipients == [ONCALL, SECOND]
    assert (mail["From"], mail["To"]) == ("replicate@example.edu", f"{ONCALL}, {SECOND}")
    assert mail["Subject"] == "regular provisions failed"
    assert before <= mail["Date"].datetime <= datetime.now(UTC)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_charset() == "utf-8"
    assert mail.get_content().splitlines() == ["Grüße.", "Since: now", "", f"Next: replicate runs {RUN}"]


def test_one_cause_has_one_message_id_and_another_has_another(start: Start, post: Post) -> None:
    smtp = start()
    send(smtp, NOTICE)
    send(smtp, Notice(NOTICE.cause, "told in other words", "", ""))
    send(smtp, Notice("provisions:another", NOTICE.subject, NOTICE.body, NOTICE.next_step))
    first, again, other = (mail["Message-ID"] for _, mail in post.taken)
    assert first == again != other
    assert first.endswith("@example.edu>")


def test_without_a_mail_server_nothing_happens(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)) as listener:
        listener.settimeout(0)
        send(SmtpSettings(port=free_port), NOTICE)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_password_is_used_and_logged_nowhere(
    start: Start, post: Post, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    send(logged_in(start(auth_require_tls=False)), NOTICE)
    assert post.logins == [(b"replicate", PASSWORD.encode())]
    assert len(post.taken) == 1
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.")]  # the server's
    assert [line for line in ours if PASSWORD in line] == []
    assert PASSWORD not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("reply", "kind"), [("535 5.7.8", MailRefused), ("454 4.7.0", MailUnavailable)])
def test_a_refused_login_names_the_settings_even_where_the_server_repeats_the_password(
    start: Start, post: Post, reply: str, kind: type[MailNotSent]
) -> None:
    post.refused_login = f"{reply} not {PASSWORD}-mistyped"
    error = failure(logged_in(start(auth_require_tls=False), f"{PASSWORD}-mistyped"))
    assert type(error) is kind
    assert f"refused the login with code {reply[:3]}. Look at REPLICATE_SMTP__USERNAME" in str(error)
    assert post.taken == []


def test_starttls_encrypts_before_the_login(
    start_with_tls: SmtpSettings, post: Post, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send(logged_in(start_with_tls), NOTICE)
    assert post.encrypted == [True]
    assert post.logins == [(b"replicate", PASSWORD.encode())]


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_login(
    start_with_tls: SmtpSettings, post: Post
) -> None:
    error = failure(logged_in(start_with_tls))
    assert isinstance(error, PermanentError)
    assert "has no valid certificate: self-signed certificate" in str(error)
    assert "SSL_CERT_FILE" in error.next_step
    assert (post.logins, post.taken) == ([], [])


def test_a_certificate_for_another_name_is_refused(
    start_with_tls: SmtpSettings, post: Post, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    error = failure(but(start_with_tls, host="localhost"))
    assert "has no valid certificate: Hostname mismatch" in str(error)
    assert post.taken == []


def test_a_server_without_encryption_gets_neither_password_nor_mail(start: Start, post: Post) -> None:
    error = failure(logged_in(but(start(auth_require_tls=False), starttls=True)))
    assert isinstance(error, MailRefused)
    assert "STARTTLS extension not supported" in str(error)
    assert (post.logins, post.taken) == ([], [])


def test_a_refused_recipient_is_named_and_the_others_are_told_once(start: Start, post: Post) -> None:
    post.replies[SECOND] = "450 4.2.0 later, perhaps"
    error = failure(start())
    assert isinstance(error, MailRefused)
    assert f"refused recipients (the others got the mail): {SECOND}: 450 4.2.0 later, perhaps." in str(error)
    assert [recipients for recipients, _ in post.taken] == [[ONCALL]]


@pytest.mark.parametrize(
    ("replies", "kind"),
    [
        ({ONCALL: "450 4.2.0 greylisted", SECOND: "450 4.2.0 greylisted"}, MailUnavailable),
        ({ONCALL: "550 5.7.1 no relaying", SECOND: "450 4.2.0 greylisted"}, MailRefused),
        ({"DATA": "451 4.3.0 disk full"}, MailUnavailable),
        ({"DATA": "554 5.7.1 looks like spam"}, MailRefused),
    ],
)
def test_only_what_may_pass_later_is_worth_another_try(
    start: Start, post: Post, replies: dict[str, str], kind: type[MailNotSent]
) -> None:
    post.replies |= replies
    error = failure(start())
    assert type(error) is kind
    assert all(reply in str(error) for reply in replies.values())
    assert post.taken == []


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_rude_parting_does_not_make_a_sent_mail_unsent(start: Start, post: Post, hangs_up: bool) -> None:
    post.replies["QUIT"] = "554 5.0.0 go away"
    post.hangs_up = hangs_up
    send(start(), NOTICE)
    assert len(post.taken) == 1


def test_a_server_that_is_away_is_worth_another_try(free_port: int) -> None:
    error = failure(settings(free_port))
    assert isinstance(error, TransientError)
    assert error.exit_code is ExitCode.DEPENDENCY_DOWN
    assert str(error) == f"The mail server 127.0.0.1:{free_port} cannot be reached: Connection refused."


def test_a_server_that_says_nothing_is_left_after_the_timeout(free_port: int) -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", free_port)):
        error = failure(settings(free_port, timeout_seconds=0.2))
    assert time.monotonic() - began < 10
    assert isinstance(error, MailUnavailable)
    assert "did not answer in time" in str(error)


def test_a_host_that_is_no_name_is_one_clear_error() -> None:
    assert isinstance(failure(settings(25, host="a..b")), MailRefused)


@given(subject=st.text(), body=st.text(), cause=st.text(st.characters(exclude_categories=[])))
def test_no_text_makes_another_header_or_a_line_too_long(subject: str, body: str, cause: str) -> None:
    smtp = settings(25)
    plain = compose(smtp, NOTICE)
    hostile = compose(smtp, Notice(cause, f"{subject}\r\nBcc: thief@example.com", f"{body}\udcff", "x\r\n" * 99))
    sent = hostile.as_bytes()
    assert message_from_bytes(sent, policy=default).keys() == plain.keys()
    assert max(len(line) for line in sent.split(b"\r\n")) <= 998  # RFC 5321, 4.5.3.1.6
    assert sent.isascii()


def test_each_notice_tells_what_since_when_what_is_affected_and_the_next_command() -> None:
    notices = [
        describe_failed_provisions(
            run_id=RUN, mode="regular", since=SINCE, failure="users: HTTP 500.", next_step="replicate x"
        ),
        describe_failed_push(
            run_id=RUN, process="canvas_users", since=SINCE, failure="HTTP 500.", next_step="replicate x"
        ),
        describe_held_push(artifact_id="a1b2", run_id=RUN, process="canvas_users", since=SINCE, reason="501 removals."),
        letter(),
    ]
    assert [notice.cause for notice in notices] == [
        f"provisions:{RUN}",
        f"push:{RUN}:canvas_users",
        "held:a1b2",
        f"dead:{RUN}:loader:ORA-00942",
    ]
    for notice in notices:
        assert RUN in notice.body
        assert "Since: 2030-01-01 11:30 UTC" in notice.body
        assert "\nAffected: " in notice.body
        assert "replicate " in notice.next_step
    assert "replicate approve a1b2" in notices[2].next_step


def letter(message_id: str = "m1", run_id: str | None = RUN, code: str = "ORA-00942", about: str = "tmp_x") -> Notice:
    given_up = DeadLetter(
        stage="loader",
        message_id=message_id,
        run_id=run_id,
        about=about,
        code=code,
        reason="No such table.",
        attempts=3,
        since=SINCE,
        next_step="replicate rerun tmp_x",
    )
    return describe_dead_letter(given_up)


def test_dead_letters_of_a_run_with_one_code_are_one_cause() -> None:
    assert letter("m1").cause == letter("m2", about="tmp_y").cause
    assert letter(code="ORA-01017").cause != letter().cause
    assert letter("m1", run_id=None).cause == letter("m2", run_id=None).cause
    assert letter(run_id=None).cause != letter(run_id=None, about="tmp_y").cause


def test_a_thousand_messages_that_cannot_be_read_are_one_mail_a_day() -> None:
    causes = {
        letter(f"m{number}", run_id=f"forged-{number}", code="message.unreadable", about=f"type {number}").cause
        for number in range(1000)
    }
    assert causes == {"dead:2030-01-01:loader:message.unreadable"}


def smtp_environment(**values: str) -> dict[str, str]:
    whole = {"HOST": "mail.example.edu", "SENDER": "a@example.edu", "RECIPIENTS": ONCALL, **values}
    return {"REPLICATE_CONF_DIR": "nowhere", **{f"REPLICATE_SMTP__{name}": value for name, value in whole.items()}}


def test_the_mail_server_is_set_by_the_environment() -> None:
    smtp = load_settings(smtp_environment(RECIPIENTS=f"{ONCALL},{SECOND}", USERNAME="12", PASSWORD="34")).smtp
    assert (smtp.host, smtp.port, smtp.starttls, smtp.timeout_seconds) == ("mail.example.edu", 25, True, 30)
    assert compose(smtp, NOTICE)["To"] == f"{ONCALL}, {SECOND}"
    assert smtp.password is not None
    assert (smtp.username, smtp.password.get_secret_value()) == ("12", "34")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"HOST": "smtp://mail.example.edu"}, "REPLICATE_SMTP__HOST: this must be a name or an address alone"),
        ({"HOST": "mail.example.edu:587"}, "REPLICATE_SMTP__HOST: this must be a name or an address alone"),
        ({"SENDER": "a@b\r\nBcc: c@d"}, "REPLICATE_SMTP__SENDER: this must be one mail address"),
        ({"RECIPIENTS": f"{ONCALL},"}, "REPLICATE_SMTP__RECIPIENTS: a mail address is like"),
        ({"RECIPIENTS": f"On call <{ONCALL}>"}, "REPLICATE_SMTP__RECIPIENTS: a mail address is like"),
        ({"RECIPIENTS": ""}, "REPLICATE_SMTP: a host needs a sender and recipients"),
        ({"USERNAME": "joe"}, "REPLICATE_SMTP: a login needs both"),
        ({"USERNAME": "joe", "PASSWORD": f"{PASSWORD}ü"}, "REPLICATE_SMTP__PASSWORD: only ASCII"),
        ({"TIMEOUT_SECONDS": "inf"}, "REPLICATE_SMTP__TIMEOUT_SECONDS must be at most 600"),
    ],
)
def test_a_mistake_in_the_mail_settings_is_told_at_start(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(smtp_environment(**values))
    assert str(caught.value).startswith(message)
    assert PASSWORD not in str(caught.value)
