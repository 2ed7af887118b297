"""Mails that wait to be sent: recorded with their event, one per cause, and sent by any process."""

from __future__ import annotations

import logging
from datetime import timedelta

from canvas_replicate.config.settings import SmtpSettings
from canvas_replicate.databases.ports import DuplicateKey, LedgerDatabase, Session
from canvas_replicate.errors import PermanentError, ReplicateError
from canvas_replicate.notifications.texts import Notice

# Longer than a mail server may take for every one of its answers.
_CLAIM = timedelta(minutes=10)
# After so long a mail is no news any more; `replicate runs` and `held` have it.
_NEWS_FOR = timedelta(hours=24)
# Between two tries of one mail: doubled with each, up to the second.
_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
_AT_A_TIME = 5  # the sender has other work

log = logging.getLogger(__name__)


def record_notice(session: Session, notice: Notice) -> None:
    """Have it mailed once; a cause that was recorded before is not mailed again."""
    cause, now = notice.cause[:400], session.now()
    if session.query("SELECT 1 FROM replicate_notice WHERE cause = :cause", cause=cause):
        return
    try:
        session.execute(
            "INSERT INTO replicate_notice (cause, subject, body, next_step, noticed_at, attempts, claimed_until)"
            " VALUES (:cause, :subject, :body, :next_step, :now, 0, :now)",
            cause=cause,
            subject=notice.subject[:200],
            body=notice.body,
            now=now,
            next_step=notice.next_step[:1000],
        )
    except DuplicateKey:
        log.debug("noticed before", extra={"cause": notice.cause})


class Notices:
    """The mails of one ledger."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database
        self._sent_at_once: set[str] = set()

    def send_at_once(self, smtp: SmtpSettings, notice: Notice) -> bool:
        """Send a mail that the ledger cannot keep, once for its cause in this process; whether it was sent now.

        A mail that could not be sent is tried again at the next call.
        """
        if smtp.host is None or notice.cause in self._sent_at_once:
            return False
        from canvas_replicate.notifications.smtp import MailNotSent, send

        try:
            send(smtp, notice)
        except MailNotSent as error:
            log.warning("mail not sent", extra={"cause": notice.cause, "reason": error.message})
            return False
        self._sent_at_once.add(notice.cause)
        return True

    def send_waiting(self, smtp: SmtpSettings) -> int:
        """Send the waiting mails, and return how many were sent; without a mail server none.

        A mail that could not be sent now waits for the next call. A refused mail is dropped, and the ledger has the
        reason. Two processes never send the same mail, unless one needs longer than its claim.
        """
        if smtp.host is None:
            return 0
        from canvas_replicate.notifications.smtp import MailNotSent, send  # costly to import, and few mails are sent

        sent = 0
        for notice in self._list_waiting():
            if not self._claim(notice.cause):
                continue
            try:
                send(smtp, notice)
            except MailNotSent as error:
                log.warning("mail not sent", extra={"cause": notice.cause, "reason": error.message})
                self._record_failure(notice.cause, error)
                if not isinstance(error, PermanentError):
                    break  # the server is down: the others wait as well
            else:
                self._record_sent(notice.cause)
                sent += 1
        return sent

    def _list_waiting(self) -> list[Notice]:
        with self._database.transaction() as session:
            now = session.now()
            found = session.query(
                "SELECT cause, subject, body, next_step FROM replicate_notice WHERE sent_at IS NULL"
                " AND claimed_until <= :now AND noticed_at > :since ORDER BY noticed_at, cause"
                f" FETCH FIRST {_AT_A_TIME} ROWS ONLY",
                now=now,
                since=now - _NEWS_FOR,
            )
        return [Notice(*row) for row in found]

    def _claim(self, cause: str) -> bool:
        with self._database.transaction() as session:
            now = session.now()
            changed = session.execute(
                "UPDATE replicate_notice SET claimed_until = :until, attempts = attempts + 1 WHERE cause = :cause"
                " AND sent_at IS NULL AND claimed_until <= :now",
                until=now + _CLAIM,
                cause=cause,
                now=now,
            )
        return changed == 1

    def _record_sent(self, cause: str) -> None:
        with self._database.transaction() as session:
            sql = "UPDATE replicate_notice SET sent_at = :now, failure = NULL WHERE cause = :cause"
            session.execute(sql, now=session.now(), cause=cause)

    def _record_failure(self, cause: str, error: ReplicateError) -> None:
        """A refused mail is not tried again, another one after a pause that grows."""
        with self._database.transaction() as session:
            now = session.now()
            [(attempts,)] = session.query("SELECT attempts FROM replicate_notice WHERE cause = :cause", cause=cause)
            pause = min(_PAUSE * 2 ** min(int(attempts) - 1, 10), _LONGEST_PAUSE)
            session.execute(
                "UPDATE replicate_notice SET failure = :failure, claimed_until = :until WHERE cause = :cause",
                failure=error.message[:500],
                until=now + (_NEWS_FOR if isinstance(error, PermanentError) else pause),
                cause=cause,
            )
