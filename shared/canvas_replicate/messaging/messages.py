"""The messages that the stages exchange: commands ask, events report, neither ever carries rows.

The JSON of every type is kept as a golden example under ``tests/contract/golden``. A field is only ever
added; a change of meaning raises the version in the type. Consumers ignore fields they do not know.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, PrivateAttr, ValidationError

from canvas_replicate.config.provisions import ModeName
from canvas_replicate.errors import PermanentError
from canvas_replicate.names import RUN_ID_PATTERN, TABLE_PATTERN, RunId, TableName

Step = Literal["provisions", "push"]

# The headers that this project writes: the tries so far, and why a message is a dead letter.
COUNTING_HEADERS = ("attempts", "first_failed_at", "lost_deliveries", "deliveries")
HEADERS = (*COUNTING_HEADERS, "stage", "code", "reason", "next_step", "failed_at")
# Of a header's text, in characters. All properties together must fit into one frame of AMQP, which has 128 KiB.
_LONGEST_HEADER = 2000

# The id of a message whose publisher gave it none begins so; another message with the same content has the same id.
UNNAMED = "unnamed-"


class UnreadableMessage(PermanentError):
    default_code = "message.unreadable"


class MisroutedMessage(PermanentError):
    """A message of another stage: it changes nothing here."""

    default_code = "message.misrouted"


class Message(BaseModel):
    """Root of all messages; ``type`` is the routing key plus a version."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]
    run_id: RunId | None = None
    _message_id: str | None = PrivateAttr(None)

    @property
    def message_id(self) -> str | None:
        """Of a command without a run: the id that its publisher gave it. It is no part of the JSON."""
        return self._message_id

    @classmethod
    def routing_key(cls) -> str:
        return cls.type.rpartition(".v")[0]


class TableRequested(Message):
    """Extract this table. ``{"table": "x"}`` alone is a complete rerun by hand."""

    type: ClassVar[str] = "table.requested.v1"
    table: TableName
    schedule: str | None = None
    source: str | None = None
    requested_by: str | None = None


class TableReady(Message):
    """A verified file is on shared storage; load it."""

    type: ClassVar[str] = "table.ready.v1"
    run_id: RunId
    table: TableName
    schedule: str
    source: str
    manifest: str
    rows: int
    bytes: int
    sha256: str
    columns: tuple[str, ...]
    scn: int | None = None
    extracted_at: AwareDatetime
    approval: str | None = None


class TableOutcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    table: TableName
    status: Literal["successful", "failed", "skipped", "held", "superseded"]
    rows: int | None = None


class RunLoaded(Message):
    """Every table of one kind of a run is final. Recorded exactly once, delivered at least once."""

    type: ClassVar[str] = "run.loaded.v1"
    run_id: RunId
    kind: Literal["tables", "provisions"]
    schedule: str
    mode: str | None = None
    status: Literal["successful", "partial", "failed"]
    then: tuple[Step, ...] = ()
    tables: tuple[TableOutcome, ...]


class ProvisionsRequested(Message):
    type: ClassVar[str] = "provisions.requested.v1"
    mode: ModeName
    schedule: str | None = None
    then: tuple[Step, ...] = ()
    requested_by: str | None = None


class ReportOutcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    report: str
    status: Literal["successful", "failed", "held", "skipped", "superseded"]
    rows: int | None = None
    failure: str | None = None


class ProvisionsDone(Message):
    type: ClassVar[str] = "provisions.done.v1"
    run_id: RunId
    mode: ModeName
    status: Literal["successful", "failed"]
    then: tuple[Step, ...] = ()
    reports: tuple[ReportOutcome, ...] = ()
    failure: str | None = None


class PushRequested(Message):
    type: ClassVar[str] = "push.requested.v1"
    group: Literal["regular", "orgs"]
    process: str | None = None
    plan_id: str | None = None
    approval: str | None = None
    schedule: str | None = None
    requested_by: str | None = None


class ProcessOutcome(BaseModel):
    """Counts are changes of the plan, all of them in ``held`` when a gate stopped it; ``skipped`` is 1 or 0."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    process: str
    planned: int = 0
    applied: int = 0
    failed: int = 0
    held: int = 0
    skipped: int = 0
    status: Literal["successful", "failed", "held", "skipped"] = "successful"
    reason: str | None = None


class PushDone(Message):
    type: ClassVar[str] = "push.done.v1"
    run_id: RunId
    group: Literal["regular", "orgs"]
    processes: tuple[ProcessOutcome, ...]
    failure: str | None = None


COMMANDS: tuple[type[Message], ...] = (TableRequested, ProvisionsRequested, PushRequested)
EVENTS: tuple[type[Message], ...] = (TableReady, RunLoaded, ProvisionsDone, PushDone)
_BY_TYPE: Mapping[str, type[Message]] = {message.type: message for message in COMMANDS + EVENTS}


@dataclass(frozen=True)
class Envelope:
    """A message as it travels: body bytes plus the properties that every broker message carries.

    ``headers`` hold only what this project writes there itself (HEADERS). ``damage``: why it
    cannot be read, where its properties show that already.
    """

    type: str
    body: bytes
    message_id: str
    correlation_id: str | None
    timestamp: datetime
    app_id: str = "canvas-replicate"
    headers: Mapping[str, str | int] = field(default_factory=dict)
    damage: str = ""

    @property
    def routing_key(self) -> str:
        return self.type.rpartition(".v")[0]

    def with_headers(self, **headers: str | int) -> Envelope:
        """Set headers; long texts are cut."""
        fitting = {name: fit_header(value) for name, value in headers.items()}
        return replace(self, headers={**self.headers, **fitting})


def wrap(message: Message, *, app_id: str) -> Envelope:
    """Put a message into an envelope. Message ids sort by when they were made, so that an outbox keeps its order."""
    return Envelope(
        type=message.type,
        body=message.model_dump_json().encode(),
        message_id=f"{time.time_ns():016x}-{secrets.token_hex(6)}",
        correlation_id=message.run_id,
        timestamp=datetime.now(UTC),
        app_id=app_id,
    )


def parse(envelope: Envelope) -> Message:
    """Read an envelope's message. Raises UnreadableMessage, which no retry can cure."""
    identifier = envelope.message_id
    step = f"Look at it: replicate dead show {identifier}   then remove it: replicate dead drop {identifier}"
    if damage := envelope.damage or _find_wrong_header(envelope):
        raise UnreadableMessage(damage, next_step=step)
    model = _BY_TYPE.get(envelope.type)
    if model is None:
        known = ", ".join(sorted(_BY_TYPE))
        text = f"Message type {envelope.type!r} is not known here (known: {known})."
        raise UnreadableMessage(text, next_step=step)
    try:
        message = model.model_validate_json(envelope.body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise UnreadableMessage(f"{envelope.type}: {where}: {first['msg']}.", next_step=step) from None
    if message.run_id is None and not envelope.message_id.startswith(UNNAMED):
        message._message_id = envelope.message_id
    return message


def find_kind(envelope: Envelope) -> str:
    """The type as a label of metrics: a message from elsewhere may have any."""
    return envelope.type if envelope.type in _BY_TYPE else "unknown"


def fit_header(value: str | int) -> str | int:
    """As AMQP carries it in a small header: a text that is not too long, or a number of 64 bits, else its digits."""
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    return str(value)[:_LONGEST_HEADER]


def is_count(text: str) -> bool:
    """Whether the text is a number that counts attempts."""
    return re.fullmatch("[0-9]{1,9}", text) is not None


def _find_wrong_header(envelope: Envelope) -> str:
    """Why the headers that decide about the next try cannot be read; empty if they can."""
    headers = envelope.headers
    if not is_count(str(headers.get("attempts", 0))):
        return "The header attempts is not a number of attempts."
    try:
        is_moment = datetime.fromisoformat(str(headers.get("first_failed_at", envelope.timestamp.isoformat()))).tzinfo
    except ValueError:
        is_moment = None
    return "" if is_moment else "The header first_failed_at is not a moment with its zone."


def find_item(envelope: Envelope) -> tuple[str | None, str | None]:
    """The run and the table that a message names, as far as they can be read; also of one that ``parse`` refuses."""
    body = read_body(envelope)
    run_id, table = body.get("run_id") or envelope.correlation_id, body.get("table")
    is_run = isinstance(run_id, str) and re.match(RUN_ID_PATTERN, run_id)
    is_table = isinstance(table, str) and re.match(TABLE_PATTERN, table)
    return str(run_id) if is_run else None, str(table) if is_table else None


def read_body(envelope: Envelope) -> Mapping[str, object]:
    """The body's keys; none where it is no JSON object."""
    try:
        body = json.loads(envelope.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def new_run_id(schedule: str, opened_at: datetime) -> str:
    """``YYYYMMDDThhmmssZ-<schedule>-<6 hex>``; raises ValueError for a schedule that is not valid in a path."""
    run_id = f"{opened_at:%Y%m%dT%H%M%SZ}-{schedule}-{secrets.token_hex(3)}"
    if not re.match(RUN_ID_PATTERN, run_id):
        raise ValueError(f"schedule {schedule!r} cannot be part of a run id (letters, digits, _ and - only)")
    return run_id
