"""Hands one mail to the mail server. The class of the error decides whether another try makes sense."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

from canvas_replicate.config.settings import SmtpSettings, split_addresses
from canvas_replicate.errors import PermanentError, ReplicateError, TransientError
from canvas_replicate.notifications.texts import LONGEST_REASON, Notice, format_line

_Replies = Mapping[str, tuple[int, bytes]]


class MailNotSent(ReplicateError):
    """Always raised as one of the two below; its text has the mail server and the reason, never the password."""


class MailUnavailable(MailNotSent, TransientError):
    default_code = "mail.unavailable"


class MailRefused(MailNotSent, PermanentError):
    default_code = "mail.refused"


def send(smtp: SmtpSettings, notice: Notice) -> None:
    """Hand the mail over; nothing happens where no mail server is configured.

    Raises MailUnavailable when another try may succeed, else MailRefused; this one also when only some
    recipients were refused, as another try would reach the others twice. A server that took the mail and could
    not confirm it counts as unavailable: then the mail comes twice, under one Message-ID.
    """
    if smtp.host is None:
        return
    mail = compose(smtp, notice)
    server = f"mail server {smtp.host}:{smtp.port}"
    try:
        refused = _hand_over(smtp.host, smtp, mail)
    except smtplib.SMTPRecipientsRefused as error:
        raise _describe_refusal(server, error.recipients, everyone=True) from None
    except (OSError, ValueError) as error:  # smtplib's own are OSErrors; ValueError: no host name, no base64
        raise _describe_failure(server, error) from None
    if refused:
        raise _describe_refusal(server, refused, everyone=False)


def compose(smtp: SmtpSettings, notice: Notice) -> EmailMessage:
    """One cause has one Message-ID, so that mail programs recognise a mail that came twice."""
    sender = smtp.sender or ""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(split_addresses(smtp.recipients or ""))
    mail["Subject"] = format_line(notice.subject)
    mail["Date"] = datetime.now(UTC)
    digest = hashlib.sha256(notice.cause.encode("utf-8", "replace")).hexdigest()
    mail["Message-ID"] = f"<{digest[:32]}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps absence notes from answering
    text = f"{notice.body.rstrip()}\n\nNext: {notice.next_step}\n"
    # Quoted-printable passes every server and has no long lines, for any error text.
    mail.set_content(text.encode("utf-8", "replace").decode("utf-8"), cte="quoted-printable")
    return mail


def _hand_over(host: str, smtp: SmtpSettings, mail: EmailMessage) -> _Replies:
    """The recipients who were refused while others were not."""
    server = smtplib.SMTP(host, smtp.port, timeout=smtp.timeout_seconds)
    try:
        if smtp.starttls:
            server.starttls(context=ssl.create_default_context())
        if smtp.username is not None and smtp.password is not None:
            server.login(smtp.username, smtp.password.get_secret_value())
        refused: _Replies = server.send_message(mail)
        # The mail is theirs now: an error while parting must not cause another try.
        with suppress(OSError):
            server.quit()
    finally:
        server.close()
    return refused


def _describe_failure(server: str, error: OSError | ValueError) -> MailNotSent:
    if isinstance(error, smtplib.SMTPAuthenticationError):  # without the reply: it may repeat what it was sent
        step = "Look at REPLICATE_SMTP__USERNAME and REPLICATE_SMTP__PASSWORD."
        return _choose_error(error.smtp_code)(
            f"The {server} refused the login with code {error.smtp_code}.", next_step=step
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return _choose_error(error.smtp_code)(
            f"The {server} answered {_format_reply(error.smtp_code, error.smtp_error)}."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        step = "Give REPLICATE_SMTP__HOST as the certificate has it; a CA of your own goes into SSL_CERT_FILE."
        return MailRefused(
            f"The {server} has no valid certificate: {format_line(error.verify_message)}.", next_step=step
        )
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return MailUnavailable(f"The {server} broke off or did not answer in time.")
    if isinstance(error, smtplib.SMTPException):
        step = "Look at REPLICATE_SMTP__STARTTLS, REPLICATE_SMTP__USERNAME and REPLICATE_SMTP__PORT."
        return MailRefused(f"The {server} cannot do what is configured: {format_line(str(error))}", next_step=step)
    if isinstance(error, OSError):
        reason = format_line(error.strerror or str(error))
        return MailUnavailable(f"The {server} cannot be reached: {reason}.")
    return MailRefused(f"The {server} could not be understood or named.", next_step="Look at REPLICATE_SMTP__HOST.")


def _choose_error(code: int) -> type[MailUnavailable] | type[MailRefused]:
    """RFC 5321, 4.2.1: from 500 on a reply is for good."""
    return MailUnavailable if code < 500 else MailRefused


def _describe_refusal(server: str, replies: _Replies, *, everyone: bool) -> MailNotSent:
    said = "; ".join(f"{address}: {_format_reply(*reply)}" for address, reply in sorted(replies.items()))
    step = "Look at REPLICATE_SMTP__RECIPIENTS and at what the server accepts."
    if everyone and all(_choose_error(code) is MailUnavailable for code, _ in replies.values()):
        return MailUnavailable(f"The {server} takes no mail now for {said}.", next_step=step)
    rest = "no mail was sent" if everyone else "the others got the mail"
    return MailRefused(f"The {server} refused recipients ({rest}): {said}.", next_step=step)


def _format_reply(code: int, text: bytes | str) -> str:
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return f"{code} {format_line(words)[:LONGEST_REASON]}".rstrip(" .")
