"""What the ending of a handler means: ack, retry or dead letter. The only place that decides (DESIGN section 10).

    done                      ack
    lease held by another     wait on the ladder; not an attempt
    DuckDB file in use        the same
    TransientError            next rung of the ladder, until attempts or time are used up, then dead letter
    anything unexpected       the same with few attempts
    PermanentError            dead letter at once
    Interrupted               handed back: the shortest rung, not an attempt
    of another stage          dead letter that touches no row
    broker takes no message   this process keeps it and tries again; back to the queue only when it stops

A dead letter: the ledger row gets its final state, then the message is published to our dead letters, then acked.
What the broker gave up ends in the same way (``end_given_up``), and so does a message that it would have given up if it
had not rested on the ladder in between, because the lease of a dead worker was not yet over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Literal

from canvas_replicate import errors, metrics
from canvas_replicate.datfile.storage import translate_os_error
from canvas_replicate.errors import PermanentError, ReplicateError, TransientError
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.records import Outcome
from canvas_replicate.messaging import messages, topology
from canvas_replicate.messaging.bus import Bus, Delivery
from canvas_replicate.messaging.messages import Envelope, Message
from canvas_replicate.messaging.retry import LadderPolicy, count_attempts, get_lost_deliveries, record_attempt
from canvas_replicate.notifications import texts
from canvas_replicate.stages.stage import Stage, publish_outbox

log = logging.getLogger(__name__)

# How a delivery may end: the label of the counter of messages.
MessageOutcome = Literal["done", "waiting", "retry", "dead", "handed_back"]

_PROVISIONS = messages.ProvisionsRequested | messages.RunLoaded
_PUSHES = messages.PushRequested | messages.ProvisionsDone
_PROVISIONS_TYPES = {messages.ProvisionsRequested.type, messages.RunLoaded.type}
_LOOK_AT_WORKERS = "See why they died (memory, eviction, the log)."
_STEPS = {*_PROVISIONS_TYPES, messages.PushRequested.type, messages.ProvisionsDone.type}


# While neither the ladder nor the dead letters can be reached; the last pause repeats. A requeued message would be
# handed out again at once, until the broker gives it up.
HOLD_SECONDS = (5.0, 15.0, 60.0)
# Rounds of a worker's loop after which it looks at its dead letters although their number is the same.
LOOK_AGAIN = 20


class Dispatcher:
    """Dispatches one stage's deliveries. ``clock`` gives aware UTC; ``on_wait`` gets every wait with its rung.

    ``stop`` ends the waiting for a broker that takes no messages.
    """

    def __init__(
        self,
        stage: Stage,
        bus: Bus,
        ledger: Ledger,
        policy: LadderPolicy | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_wait: Callable[[Message | None, str, ReplicateError], None] = lambda message, rung, error: None,
        stop: threading.Event | None = None,
    ) -> None:
        self._stage = stage
        self._bus = bus
        self._ledger = ledger
        self._policy = policy or LadderPolicy()
        self._clock = clock
        self._on_wait = on_wait
        self._stop = stop or threading.Event()
        self._looked_at = 0  # dead letters at the last look
        self._looks_left = LOOK_AGAIN

    def dispatch(self, delivery: Delivery) -> None:
        name, envelope = self._stage.name, delivery.envelope
        started = time.monotonic()
        metrics.in_progress.labels(name).inc()
        metrics.in_progress_start.labels(name).set_to_current_time()
        try:
            outcome = self._handle(delivery)
        except TransientError as error:
            log.warning("kept: the broker takes no message", extra=self._describe(envelope) | {"reason": error.message})
            self._hold(delivery)
            outcome = "handed_back"
        finally:
            metrics.in_progress.labels(name).dec()
            metrics.in_progress_start.labels(name).set(0)
        try:
            self.publish_outbox()
        except TransientError as error:
            log.warning("outbox not published, it is tried again", extra={"stage": name, "reason": error.message})
        metrics.messages.labels(name, messages.find_kind(envelope), outcome).inc()
        metrics.handler_seconds.labels(name, outcome).observe(time.monotonic() - started)

    def publish_outbox(self, *, left_over: bool = False) -> None:
        """Publish what was recorded in the ledger, of the types that this stage publishes. Raises TransientError."""
        publish_outbox(self._bus, self._ledger, left_over=left_over, stage=self._stage.name)

    def end_given_up(self) -> None:
        """End the items whose messages the broker gave up, as those of our own dead letters. Safe to repeat.

        Their workers died or were killed with the message, one after another, or it expired. Raises TransientError.
        """
        queue = topology.dead_queue(self._stage.name)
        depth = self._bus.depth(queue)
        self._looks_left -= 1
        # The same number may be other letters: one was dropped and another one came.
        if depth and (depth != self._looked_at or self._looks_left <= 0):
            self._bus.remove(queue, self._end_if_given_up)
            self._looks_left = LOOK_AGAIN
        self._looked_at = self._bus.depth(queue) if depth else 0

    def _end_if_given_up(self, letter: Envelope) -> bool:
        if "code" in letter.headers:
            return False
        try:
            message = self._read(letter)
        except PermanentError as error:
            self._move_to_dead(letter, None, error)
            return True
        self._move_to_dead(letter, message, _build_expired() if _is_expired(letter) else _build_given_up())
        return True

    def _hold(self, delivery: Delivery) -> None:
        """Keep a message until the shortest rung takes it. Heartbeats go on meanwhile."""
        for pause in chain(HOLD_SECONDS, repeat(HOLD_SECONDS[-1])):
            if self._stop.wait(pause):
                delivery.requeue()
                return
            try:
                self._put_on_rung(delivery.envelope, self._policy.rungs[0])
            except TransientError:
                continue
            delivery.ack()
            return

    def _handle(self, delivery: Delivery) -> MessageOutcome:
        envelope = delivery.envelope
        message: Message | None = None
        outcome: MessageOutcome
        try:
            message = self._read(envelope)
            if get_lost_deliveries(envelope) > topology.DELIVERY_LIMIT:
                raise _build_given_up()
            if self._is_repeated(message):
                delivery.ack()
                return "done"
            self._stage.handlers[type(message)](message)
        except errors.Interrupted:
            self._put_on_rung(envelope, self._policy.rungs[0])
            outcome = "handed_back"
        except (errors.LeaseBusy, errors.LeaseLost, errors.FileInUse) as error:
            self._retry(envelope, message, error, rung=self._policy.rungs[0], counts=False)
            outcome = "waiting"
        except (TransientError, errors.AlreadyRunning) as error:
            worth = getattr(error, "tries", None)
            retries = len(self._policy.rungs) if worth is None else worth - 1
            outcome = self._retry_or_give_up(envelope, message, error, retries)
        except ReplicateError as error:
            outcome = self._give_up(envelope, message, error)
        except OSError as error:
            # A full disk, a storage that is away: the shared storage fails with OSError.
            storage = translate_os_error(error)
            retries = len(self._policy.rungs) if isinstance(storage, TransientError) else 0
            outcome = self._retry_or_give_up(envelope, message, storage, retries)
        except Exception as error:  # the one place that decides between retry and dead letter
            log.exception("unexpected error", extra=self._describe(envelope))
            unexpected = PermanentError(f"{type(error).__name__} (see the log).", code="unexpected")
            outcome = self._retry_or_give_up(envelope, message, unexpected, self._policy.unexpected)
        else:
            outcome = "done"
        delivery.ack()
        return outcome

    def _is_repeated(self, message: Message) -> bool:
        """Whether a command without a run was delivered before and has opened its run."""
        opened = message.message_id and self._ledger.runs.find_opened_by(message.message_id)
        if opened:
            log.info("delivered again", extra={"message_id": message.message_id, "run_id": opened.run_id})
        return bool(opened)

    def _read(self, envelope: Envelope) -> Message:
        """Raises UnreadableMessage, and MisroutedMessage for a type that this stage does not work on."""
        message = messages.parse(envelope)
        if type(message) not in self._stage.handlers:
            raise messages.MisroutedMessage(
                f"The {self._stage.name} does not work on {message.type}; no run was touched.",
                next_step=f"Remove it, and see who may publish (docs/rabbitmq.md): {_write_drop(envelope)}",
            )
        return message

    def _retry_or_give_up(
        self, envelope: Envelope, message: Message | None, error: ReplicateError, retries: int
    ) -> MessageOutcome:
        rung = self._policy.find_next_rung(envelope, retries, self._clock())
        if rung is None:
            return self._give_up(envelope, message, error)
        self._retry(envelope, message, error, rung=rung, counts=True)
        return "retry"

    def _retry(
        self, envelope: Envelope, message: Message | None, error: ReplicateError, *, rung: str, counts: bool
    ) -> None:
        extra = {**self._describe(envelope), "rung": rung, "reason": error.message}
        log.warning("waiting before the next try", extra=extra)
        self._on_wait(message, rung, error)
        if counts:
            envelope = record_attempt(envelope, self._clock())
        self._put_on_rung(envelope, rung)

    def _put_on_rung(self, envelope: Envelope, rung: str) -> None:
        self._bus.publish(envelope, queue=topology.retry_queue(self._stage.name, rung))

    def _give_up(self, envelope: Envelope, message: Message | None, error: ReplicateError) -> MessageOutcome:
        try:
            return self._move_to_dead(envelope, message, error)
        except TransientError as ledger_down:
            # Without its final state in the ledger the table must not become a dead letter.
            self._retry(envelope, message, ledger_down, rung="1m", counts=False)
            return "waiting"
        except errors.LoginRefused as refused:
            self._retry(envelope, message, refused, rung="60m", counts=False)
            return "waiting"

    def _move_to_dead(self, envelope: Envelope, message: Message | None, error: ReplicateError) -> MessageOutcome:
        table = getattr(message, "table", None)
        next_step = error.next_for(table) if table else error.next_step
        log.warning("dead letter", extra={**self._describe(envelope), "code": error.code, "reason": error.message})
        try:
            if not error.is_recorded and not isinstance(error, messages.MisroutedMessage):
                end_in_ledger(self._ledger, self._stage.name, envelope, message, error, next_step)
            if not _is_mailed_by_ledger(message):
                self._ledger.notify(self._build_notice(envelope, message, error, next_step))
        except (TransientError, errors.LoginRefused):
            raise
        except ReplicateError as refused:  # the sweep ends the run then; the dead letter must not be lost as well
            log.error("not ended in the ledger", extra={**self._describe(envelope), "reason": refused.message})
        letter = envelope.with_headers(
            stage=self._stage.name,
            code=error.code,
            reason=error.message,
            attempts=count_attempts(envelope) + 1,
            next_step=next_step,
            failed_at=self._clock().isoformat(),
        )
        self._bus.publish(letter, queue=topology.dead_queue(self._stage.name))
        return "dead"

    def _build_notice(
        self, envelope: Envelope, message: Message | None, error: ReplicateError, next_step: str
    ) -> texts.Notice:
        about = getattr(message, "table", None) or getattr(message, "process", None) or envelope.type
        letter = texts.DeadLetter(
            stage=self._stage.name,
            message_id=envelope.message_id,
            run_id=getattr(message, "run_id", None),
            about=str(about),
            code=error.code,
            reason=error.message,
            attempts=count_attempts(envelope) + 1,
            since=self._clock(),
            next_step=next_step or f"replicate dead show {envelope.message_id}",
        )
        return texts.describe_dead_letter(letter)

    def _describe(self, envelope: Envelope) -> dict[str, str | None]:
        about = {"type": envelope.type, "message_id": envelope.message_id, "run_id": envelope.correlation_id}
        return {"stage": self._stage.name, **about}


def _build_given_up() -> PermanentError:
    tried = topology.DELIVERY_LIMIT + 1
    text = f"The message was given up: {tried} workers were killed or died while they worked on it."
    return PermanentError(text, code="bus.delivery_limit", next_step=_LOOK_AT_WORKERS)


def _is_expired(letter: Envelope) -> bool:
    return letter.headers.get("reason") == "expired"


def _build_expired() -> PermanentError:
    text = "The message was published with an expiration, and no worker took it in time."
    return PermanentError(text, code="bus.expired", next_step="Publish it without an expiration.")


def _write_drop(envelope: Envelope) -> str:
    return f"replicate dead drop {envelope.message_id}"


def _is_mailed_by_ledger(message: Message | None) -> bool:
    """Provisions and pushes of a run that failed are mailed by the ledger: their dead letter is the same cause."""
    return isinstance(message, _PROVISIONS | _PUSHES) and message.run_id is not None


def end_in_ledger(
    ledger: Ledger, stage: str, envelope: Envelope, message: Message | None, error: ReplicateError, next_step: str
) -> None:
    """Fail what a dead letter names. A message that cannot be read ends it as well, because no other message would."""
    run_id, table = getattr(message, "run_id", None), getattr(message, "table", None)
    if message is None:
        run_id, table = messages.find_item(envelope)
    failed = Outcome("failed", stage, message=error.message, error_code=error.code, next_step=next_step)
    if run_id and table:
        again = next_step if message else f"replicate rerun {table}"
        ledger.items.finish(run_id, table, replace(failed, next_step=again))
    elif run_id and envelope.type in _STEPS:
        step = ledger.provisions if envelope.type in _PROVISIONS_TYPES else ledger.pushes
        again = next_step if message and next_step else f"replicate rerun --failed {run_id}"
        step.fail(run_id, replace(failed, next_step=again))
