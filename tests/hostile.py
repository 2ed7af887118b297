"""Deliveries that a mistaken or ill-meaning publisher can make, for hypothesis: every AMQP property, header and body.

Properties are drawn as bytes of the wire, so they may be what no client library writes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import hypothesis
import pika
import pika.data
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.repository import ROOT

from canvas_replicate.errors import PermanentError
from canvas_replicate.messaging import topology
from canvas_replicate.messaging.messages import Envelope, ProvisionsRequested, PushRequested, TableRequested, parse
from canvas_replicate.messaging.rabbitmq.message import build_envelope, count_lost_deliveries

FRAME_BYTES = 131_072  # RabbitMQ's limit; all properties together must fit into one frame
LARGE = FRAME_BYTES - 300
# In the order of their flags.
PROPERTIES = (
    *("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to"),
    *("expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id"),
)
GOLDEN = ROOT / "tests" / "contract" / "golden"

# A message's type and its JSON.
Template = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, repr=False)
class Hostile:
    """``properties`` as they are on the wire, flags first."""

    routing_key: bytes
    properties: bytes
    body: bytes

    def __repr__(self) -> str:
        parts = (self.routing_key, self.properties, self.body)
        return f"Hostile({', '.join(f'{part[:300]!r} ({len(part)} bytes)' for part in parts)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """As hypothesis shows a failing one."""
        printer.text(repr(self))

    def read(self) -> Envelope:
        """As the adapter reads it when a consumer gets it."""
        decoded = pika.BasicProperties()
        decoded.decode(self.properties)
        key, _ = pika.data.decode_short_string(write_short(self.routing_key), 0)
        return count_lost_deliveries(build_envelope(key, decoded, self.body), decoded)  # type: ignore[arg-type]


def stops_broker(hostile: Hostile) -> bool:
    """RabbitMQ 3.10 cannot dead-letter an expired message whose ``x-death`` its publisher wrote: its process for that
    ends, and no message comes back from the ladder (docs/rabbitmq.md)."""
    (flags,) = struct.unpack_from(">H", hostile.properties)
    has_expiration = flags & 1 << (15 - PROPERTIES.index("expiration"))
    return bool(has_expiration) and b"x-death" in hostile.properties


class RawProperties(pika.BasicProperties):
    """For pika to publish, as they are."""

    def __init__(self, encoded: bytes) -> None:
        super().__init__()
        self._encoded = encoded

    def encode(self) -> list[bytes]:
        return [self._encoded]


def read_golden() -> list[Template]:
    """One message of each type, of a run that no ledger has."""
    files = sorted(GOLDEN.glob("*.json"))
    return [(file.stem, json.loads(file.read_text("utf-8"))) for file in files]


# The wire


def write_short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def write_long(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def write_properties(values: Mapping[str, bytes]) -> bytes:
    flags = sum(1 << (15 - number) for number, name in enumerate(PROPERTIES) if name in values)
    return struct.pack(">H", flags) + b"".join(values[name] for name in PROPERTIES if name in values)


def write_text(text: str | bytes) -> bytes:
    """A header's value."""
    return b"S" + write_long(text if isinstance(text, bytes) else text.encode())


def write_table(values: Mapping[bytes, bytes]) -> bytes:
    return write_long(b"".join(write_short(name) + value for name, value in values.items()))


def nest_arrays(depth: int) -> bytes:
    return b"".join(b"A" + struct.pack(">I", 5 * left) for left in reversed(range(depth)))


def draw_number(kind: bytes, form: str) -> st.SearchStrategy[bytes]:
    size = struct.calcsize(form)
    edges = [b"\0" * size, b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), b"\x80" + b"\0" * (size - 1)]
    return st.one_of(st.sampled_from(edges), st.binary(min_size=size, max_size=size)).map(lambda raw: kind + raw)


def cut(text: str) -> bytes:
    """To what a short string carries."""
    return text.encode()[:255]


FLOATS = st.sampled_from([0.0, 1e308, -0.5, 1e-300, -1e30, 7.0, float("nan"), float("inf")])
CONTROL = "\0\x07\x1b[31m\r\nSubject: x\u202e\ufeff"
WORDS = st.one_of(
    st.text(max_size=40), st.sampled_from(["", CONTROL, "x" * 255, "é" * 127, "'; DROP TABLE replicate_run; --"])
)
SHORT = st.one_of(WORDS.map(cut), WORDS.map(cut), st.binary(max_size=255)).map(write_short)
SCALARS = st.one_of(
    *(draw_number(kind.encode(), form) for kind, form in zip("bBsuIilLUT", (*"bBhHiIqqhQ",), strict=True)),
    st.sampled_from([b"t\0", b"t\1", b"t\x02", b"V"]),
    FLOATS.map(lambda value: b"d" + struct.pack(">d", value)),
    FLOATS.map(lambda value: b"f" + struct.pack(">f", 1e38 if value == 1e308 else value)),
    draw_number(b"D", ">Bi"),
    WORDS.map(write_text),
    st.binary(max_size=40).map(write_text),
    st.binary(max_size=40).map(lambda raw: b"x" + write_long(raw)),
)
NAMES = st.one_of(
    WORDS.map(cut),
    st.binary(max_size=255),
    st.sampled_from(
        [
            *(b"attempts", b"first_failed_at", b"lost_deliveries", b"deliveries", b"code", b"reason", b"stage"),
            *(b"next_step", b"failed_at", b"x-death", b"x-delivery-count", b"x-undecoded", b"CC", b"BCC", b"priority"),
        ]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, max_size=3).map(lambda values: b"F" + write_table(values)),
        st.lists(inner, max_size=3).map(lambda values: b"A" + write_long(b"".join(values))),
    ),
    max_leaves=6,
)
COUNTS = st.one_of(
    st.sampled_from([0, 5, 6, 999_999_999, -1, 2**63 - 1]).map(lambda count: b"l" + struct.pack(">q", count)),
    st.just(b"d" + struct.pack(">d", 1e308)),
    st.sampled_from(["999999999", "1e3", "\u0663", "-1", "", "9" * 5000]).map(write_text),
    SCALARS,
)
MOMENTS = st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2030-01-01", "10000-01-01T00:00:00Z", "now", ""]
).map(write_text)
DEATHS = st.fixed_dictionaries(
    {},
    optional={
        b"reason": st.sampled_from(["delivery_limit", "expired", "rejected", "x"]).map(write_text),
        b"queue": st.sampled_from(["replicate.loader", "replicate.loader.retry.10s", CONTROL]).map(write_text),
        b"exchange": WORDS.map(write_text),
        b"routing-keys": st.lists(VALUES, max_size=2).map(lambda keys: b"A" + write_long(b"".join(keys))),
        b"count": COUNTS,
    },
).map(lambda death: b"F" + write_table(death))
OWN_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys([b"attempts", b"lost_deliveries", b"x-delivery-count", b"deliveries"], COUNTS),
        b"first_failed_at": MOMENTS,
        b"x-death": st.lists(DEATHS, max_size=3).map(lambda deaths: b"A" + write_long(b"".join(deaths))),
        **dict.fromkeys([b"code", b"reason", b"next_step", b"failed_at", b"stage"], WORDS.map(write_text)),
    },
)
HEADERS = st.one_of(
    *[st.dictionaries(NAMES, VALUES, max_size=4).map(write_table)] * 3,
    *[OWN_HEADERS.map(write_table)] * 3,
    st.integers(1, 300).map(lambda room: write_table({b"large": write_text(b"x" * (LARGE - room))})),
    st.integers(1, 3000).map(lambda depth: write_table({b"deep": nest_arrays(depth)})),
    st.binary(max_size=60).map(write_long),
)
STAMPS = st.one_of(
    st.sampled_from([0, 1, 253402300799, 253402300800, 1893456000000, 2**63 - 1, 2**63, 2**64 - 1]),
    st.integers(0, 2**64 - 1),
).map(lambda moment: struct.pack(">Q", moment))
OCTETS = st.integers(0, 255).map(lambda value: bytes([value]))
HOSTILE_PROPERTIES: Mapping[str, st.SearchStrategy[bytes]] = {
    **dict.fromkeys(PROPERTIES, SHORT),
    "headers": HEADERS,
    "delivery_mode": st.one_of(*[st.sampled_from([b"\1", b"\2"])] * 4, OCTETS),
    "priority": OCTETS,
    "expiration": st.sampled_from([*[b"0", b"1", b"60000"] * 4, b"-1", b"soon", b"9" * 30]).map(write_short),
    "timestamp": STAMPS,
    # The broker accepts no other user than the one that publishes.
    "user_id": st.just(write_short(b"guest")),
}

# Bodies

UNKNOWN_RUNS = (
    *(None, "20300101T000000Z-hourly-ffffff", "20300101T000000Z-hourly-ffffff\n", "../../etc", "", CONTROL),
    *("\u0662\u0660300101T000000Z-hourly-abcdef", "20300101T000000Z-" + "x" * 64 + "-abcdef"),
)
ODD_TEXTS = (
    *("", CONTROL, "x" * 300, "x" * 200_000, "\ud800", "'; DROP TABLE replicate_run; --", "{0.__class__}", "%s%n"),
    *("../../../etc/passwd", "/dev/zero", "tmp_unknown", "a" * 129, "tmp_unknown\n"),
)
ODD_NUMBERS = (-1, 0, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), -0.5)
ODD_MOMENTS = ("10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2030-01-01T00:00:00", 1e300)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from([*ODD_TEXTS, *ODD_NUMBERS, *ODD_MOMENTS])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)
# Fields that some type of message has, or that one might hope to have.
FIELDS = (
    *("run_id", "table", "schedule", "source", "requested_by", "manifest", "rows", "bytes", "sha256", "columns"),
    *("scn", "extracted_at", "approval", "kind", "mode", "status", "then", "tables", "reports", "failure", "group"),
    *("process", "plan_id", "processes", "force", "replay", "type"),
)


@st.composite
def draw_json(draw: st.DrawFn, message: Mapping[str, Any]) -> bytes:
    """A message with one field that is not right, and perhaps a text that is not quite JSON."""
    field = draw(st.sampled_from(FIELDS))
    value = draw(st.sampled_from(UNKNOWN_RUNS) if field == "run_id" else JSON_VALUES)
    changed = dict(message) if draw(st.integers(0, 9)) == 0 else {**message, field: value}
    if draw(st.integers(0, 9)) == 0:
        changed.pop(field, None)
    text = json.dumps(changed)
    encoded = text.encode()
    ways = [
        *[encoded] * 12,
        json.dumps(changed, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        f'{text[:-1]}, "{field}": {json.dumps(value)}}}'.encode(),
        f'{text[:-1]}, "deep": {"[" * 2000}{"]" * 2000}}}'.encode(),
        f'{text[:-1]}, "large": "{"x" * 1_000_000}"}}'.encode(),
        encoded[: draw(st.integers(0, len(encoded)))],
        b"\xef\xbb\xbf" + encoded,
        text.encode("utf-16"),
        encoded + b"\0",
    ]
    return draw(st.sampled_from(ways))


RUBBISH = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"null", b"[]", b"[" * 100_000, b'{"a":' * 2000, b"NaN", b'"\\ud800"', b"1" * 5000]),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
)


@st.composite
def draw_any(draw: st.DrawFn, templates: Sequence[Template], kinds: Set[str]) -> Hostile:
    mine = [template for template in templates if template[0] in kinds]
    kind, message = draw(st.sampled_from([*mine * 4, *templates]))
    body = draw(st.one_of(draw_json(message), draw_json(message), draw_json(message), RUBBISH))
    some = st.sets(st.sampled_from(PROPERTIES), min_size=1, max_size=2)
    chosen = draw(st.one_of(st.just(()), st.just(()), st.just(("headers",)), some, some, st.just(PROPERTIES)))
    values = {name: draw(HOSTILE_PROPERTIES[name]) for name in PROPERTIES if name in chosen}
    if draw(st.integers(0, 4)):
        values = {"type": write_short(kind.encode())} | values
    own_key = st.just(kind.rpartition(".v")[0].encode())
    key = draw(st.one_of(own_key, own_key, WORDS.map(cut), st.binary(max_size=255)))
    return Hostile(key, write_properties(values), body)


def draw_hostile(stage: str, templates: Sequence[Template], known: Set[str]) -> st.SearchStrategy[Hostile]:
    """Deliveries to a stage, made from ``templates`` of any kind.

    ``known``: tables, sources and processes that are configured. A command for one of them is no attack: whoever may publish may
    ask for it. So it is not drawn.
    """
    return draw_any(templates, find_kinds(stage)).filter(lambda hostile: not _is_in_order(hostile.read(), known))


def find_kinds(stage: str) -> set[str]:
    """The types of the messages that it works on."""
    return {message.type for message in topology.CONSUMES[stage]}


def draw_list(strategy: st.SearchStrategy[Hostile], tries: int, seed: int) -> list[Hostile]:
    """The same ones for the same seed, each once. Hypothesis begins with simple ones and repeats some: they come last."""
    found: list[Hostile] = []

    @hypothesis.seed(seed)
    @settings(max_examples=tries, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(hostile: Hostile) -> None:
        found.append(hostile)

    collect()
    return list(dict.fromkeys(reversed(found)))


def _is_in_order(envelope: Envelope, known: Set[str]) -> bool:
    """Whether it is a command that opens a run."""
    try:
        message = parse(envelope)
    except PermanentError:
        return False
    if message.run_id is not None:
        return False
    match message:
        case TableRequested():
            return message.table in known and (not message.source or message.source in known)
        case PushRequested():
            return not message.process or message.process in known
    return isinstance(message, ProvisionsRequested)
