"""One mail per cause to the people on call, with the next command, whatever becomes of the mail server."""

from __future__ import annotations

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from tests.mail_fixtures import ONCALL, Post, Start
from tests.pushing import Pushing

from canvas_replicate.config.settings import Settings, SmtpSettings
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.errors import LoginRefused
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.messaging.bus import Delivery
from canvas_replicate.messaging.memory import MemoryBus
from canvas_replicate.messaging.messages import Envelope, TableRequested, wrap
from canvas_replicate.messaging.retry import LadderPolicy
from canvas_replicate.notifications.outbox import Notices
from canvas_replicate.notifications.texts import Notice
from canvas_replicate.runtime import Runtime
from canvas_replicate.stages.dispatcher import Dispatcher
from canvas_replicate.stages.stage import Stage
from canvas_replicate.worker.consume import run_maintenance
from canvas_replicate.worker.health import Health

NOTICE = Notice("provisions:x", "regular provisions failed", "why", "replicate rerun --failed x")
NOBODY_THERE = SmtpSettings(
    host="127.0.0.1", port=1, sender="r@example.edu", recipients=ONCALL, starttls=False, timeout_seconds=2
)


@pytest.fixture
def notices(ledger_database: DuckDbLedger) -> Notices:
    return Notices(ledger_database)


def subjects(post: Post) -> list[str]:
    return [str(mail["Subject"]) for _, mail in post.taken]


def body(post: Post, number: int = 0) -> str:
    return str(post.taken[number][1].get_content())


def test_a_cause_is_told_once(ledger: Ledger, notices: Notices, mail_server: Start, post: Post) -> None:
    smtp = mail_server()
    for _ in range(3):
        ledger.notify(NOTICE)
        notices.send_waiting(smtp)
    assert subjects(post) == ["regular provisions failed"]
    assert "Next: replicate rerun --failed x" in body(post)


def test_a_refused_login_to_the_ledger_is_mailed_once_although_the_ledger_cannot_keep_it(
    notices: Notices, mail_server: Start, post: Post
) -> None:
    refused = LoginRefused("logging in to db/reporting as replicate: wrong password", next_step="Correct the password.")

    class Refusing:
        def close_overdue(self) -> None:
            raise refused

    settings = Settings.model_construct(smtp=mail_server())
    runtime = cast(Runtime, SimpleNamespace(ledger=Refusing(), notices=notices, settings=settings))
    health = Health(MemoryBus())
    for _ in range(3):
        run_maintenance(runtime, cast(Dispatcher, None), health)
    assert subjects(post) == ["the login to the run ledger is refused"]
    assert "wrong password" in body(post)
    assert "Next: Correct the password." in body(post)
    assert "wrong password" in (health.find_readiness_error() or "")


def test_a_mail_that_could_not_be_sent_at_once_is_sent_by_the_next_call(
    notices: Notices, mail_server: Start, post: Post
) -> None:
    assert not notices.send_at_once(NOBODY_THERE, NOTICE)
    smtp = mail_server()
    assert [notices.send_at_once(smtp, NOTICE) for _ in range(2)] == [True, False]
    assert len(post.taken) == 1


def test_two_processes_never_send_the_same_mail(
    ledger: Ledger, ledger_database: DuckDbLedger, mail_server: Start, post: Post
) -> None:
    smtp = mail_server()
    ledger.notify(NOTICE)
    one, other = Notices(ledger_database), Notices(ledger_database)
    assert one._claim(NOTICE.cause)
    assert other.send_waiting(smtp) == 0
    assert post.taken == []


def test_a_mail_waits_for_a_server_that_is_down_however_often_it_was_tried(
    ledger: Ledger, ledger_database: DuckDbLedger, notices: Notices, mail_server: Start, post: Post
) -> None:
    ledger.notify(NOTICE)
    for _ in range(30):
        assert notices.send_waiting(NOBODY_THERE) == 0
        pass_time(ledger_database)
    assert notices.send_waiting(mail_server()) == 1
    assert len(post.taken) == 1


def pass_time(database: DuckDbLedger) -> None:
    """As if the pause between two tries were over."""
    with database.transaction() as session:
        session.execute("UPDATE replicate_notice SET claimed_until = :now WHERE sent_at IS NULL", now=session.now())


def test_a_mail_that_is_refused_is_given_up_and_the_others_go_on(
    ledger: Ledger, ledger_database: DuckDbLedger, notices: Notices, mail_server: Start, post: Post
) -> None:
    smtp = mail_server()
    ledger.notify(NOTICE)
    post.replies["DATA"] = "550 no"
    assert notices.send_waiting(smtp) == 0
    del post.replies["DATA"]
    ledger.notify(Notice("held:1", "push x is held", "why", "replicate held"))
    assert notices.send_waiting(smtp) == 1
    assert subjects(post) == ["push x is held"]
    with ledger_database.transaction() as session:
        [(failure,)] = session.query("SELECT failure FROM replicate_notice WHERE cause = :c", c=NOTICE.cause)
    assert "550" in failure


def test_what_is_a_day_old_is_no_news(
    ledger: Ledger, ledger_database: DuckDbLedger, notices: Notices, mail_server: Start, post: Post
) -> None:
    smtp = mail_server()
    ledger.notify(NOTICE)
    with ledger_database.transaction() as session:
        session.execute("UPDATE replicate_notice SET noticed_at = :then", then=session.now() - timedelta(hours=25))
    assert notices.send_waiting(smtp) == 0
    assert post.taken == []


def test_without_a_mail_server_nothing_is_tried(ledger: Ledger, notices: Notices) -> None:
    ledger.notify(NOTICE)
    assert notices.send_waiting(SmtpSettings()) == 0


def test_a_dead_letter_is_told_with_its_reason(
    ledger: Ledger, notices: Notices, mail_server: Start, post: Post
) -> None:
    smtp = mail_server()
    bus = MemoryBus()

    def fails(_: TableRequested) -> None:
        raise RuntimeError("nobody foresaw this")

    dispatcher = Dispatcher(Stage("extractor", {TableRequested: fails}), bus, ledger, policy=LadderPolicy(unexpected=0))
    envelope: Envelope = wrap(TableRequested(table="tmp_students"), app_id="test")
    bus.publish(envelope)
    stop = threading.Event()

    def once(delivery: Delivery) -> None:
        stop.set()
        dispatcher.dispatch(delivery)

    bus.consume("replicate.extractor", once, stop)
    assert notices.send_waiting(smtp) == 1
    assert subjects(post) == ["extractor failed for tmp_students"]
    assert "unexpected: RuntimeError" in body(post)


def configured(pushing: Pushing, smtp: SmtpSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(smtp.port),
        "SENDER": "replicate@example.edu",
        "RECIPIENTS": ONCALL,
        "STARTTLS": "false",
    }.items():
        monkeypatch.setenv(f"REPLICATE_SMTP__{name}", value)


def test_failed_provisions_and_pushes_that_failed_or_are_held_are_mailed_once_each(
    pushing: Pushing, mail_server: Start, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(pushing, mail_server(), monkeypatch)
    pushing.canvas.faults.arm("report_error")
    assert pushing.place.run("provisioner", "run").code == 3
    assert subjects(post) == ["regular provisions failed"]
    pushing.provision()
    pushing.configure(budget={"additions": 1})
    pushing.want(*((*pair, "active") for pair in pushing.newcomers(2)))
    assert pushing.push().code == 4
    [held] = pushing.place.run("replicate", "held", "--json").json
    pushing.configure()
    pushing.want(("2199-none", "000000001", "active"))
    assert pushing.push().code == 1
    assert subjects(post) == ["regular provisions failed", "push enrollments is held", "push enrollments failed"]
    assert f"replicate approve {held['artifact_id']}" in body(post, 1)
    assert "1 of 1 rows" in body(post, 2)
    assert "replicate rejects push:enrollments" in body(post, 2)
