"""How each kind of fault is caused, and how it ends: a function of the campus and the fault, which returns what ends it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tests.chaos.campus import ROLE_PASSWORD, Campus
from tests.chaos.schedule import Fault
from tests.rabbitmq_server import RabbitServer

Undo = Callable[[], None]
WAIT_FOR_FILE_SECONDS = 5
CANVAS_OPTIONS: Mapping[str, dict[str, Any]] = {
    "server_error": {"count": 3, "status": 503},
    "throttle": {"count": 3},
    "aborted_import": {"rows": 1},
}


def nothing() -> None:
    """The fault is over at once."""


def kill_worker(campus: Campus, fault: Fault) -> Undo:
    worker = campus.workers[fault.target]
    worker.kill()
    worker.wait(10)
    return nothing


def terminate_worker(campus: Campus, fault: Fault) -> Undo:
    """The next worker starts while this one still ends its work."""
    campus.workers.pop(fault.target).terminate()
    return nothing


def freeze_worker(campus: Campus, fault: Fault) -> Undo:
    """Longer than its lease, while another worker takes its place."""
    worker = campus.workers.pop(fault.target)
    worker.send_signal(signal.SIGSTOP)

    def wake() -> None:
        worker.send_signal(signal.SIGCONT)
        worker.terminate()

    return wake


def stop_broker(campus: Campus, fault: Fault) -> Undo:
    server = campus.rabbit.server
    assert isinstance(server, RabbitServer)
    server.halt()
    return server.restart


def kill_broker(campus: Campus, fault: Fault) -> Undo:
    campus.rabbit.server.kill()
    return campus.rabbit.server.restart


def memory_alarm(campus: Campus, fault: Fault) -> Undo:
    server = campus.rabbit.server
    assert isinstance(server, RabbitServer)
    server.control("set_vm_memory_high_watermark", "absolute", "1MB")
    return lambda: server.control("set_vm_memory_high_watermark", "absolute", "1GB")


def close_connections(campus: Campus, fault: Fault) -> Undo:
    management = campus.rabbit.management
    for name in management.connections(campus.rabbit.name):
        with suppress(OSError):  # it is closed already
            management.close_connection(name)
    return nothing


def restart_database(campus: Campus, fault: Fault) -> Undo:
    process = campus.target.server.process
    assert process is not None
    process.stop()
    return process.start


def end_sessions(campus: Campus, fault: Fault) -> Undo:
    campus.target.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{campus.role}' AND pid <> pg_backend_pid()"
    )
    return nothing


def hang_database(campus: Campus, fault: Fault) -> Undo:
    process = campus.target.server.process
    assert process is not None
    process.signal(signal.SIGSTOP)
    return lambda: process.signal(signal.SIGCONT)


def rotate_password(campus: Campus, fault: Fault) -> Undo:
    campus.target.sql(f"ALTER ROLE {campus.role} PASSWORD 'another'")
    end_sessions(campus, fault)
    return lambda: void(campus.target.sql(f"ALTER ROLE {campus.role} PASSWORD '{ROLE_PASSWORD}'"))


def fill_disk(campus: Campus, fault: Fault) -> Undo:
    ballast = campus.place.data / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    return ballast.unlink


def drop_source(campus: Campus, fault: Fault) -> Undo:
    name = fault.target
    if name in campus.missing:
        return nothing
    campus.place.source_sql(f"ALTER TABLE sis.{name} RENAME TO {name}_away")
    campus.missing.add(name)

    def bring_back() -> None:
        campus.place.source_sql(f"ALTER TABLE sis.{name}_away RENAME TO {name}")
        campus.missing.discard(name)

    return bring_back


def remove_file(campus: Campus, fault: Fault) -> Undo:
    """The newest data file of the table, or the one that is written within some seconds."""
    deadline = time.monotonic() + WAIT_FOR_FILE_SECONDS
    pattern = f"dat/*/{fault.target}.dat"
    while time.monotonic() < deadline:
        found = sorted(campus.place.data.glob(pattern), key=lambda path: path.parent.name)
        open_runs = set(campus.open_runs())
        for path in reversed(found):
            if path.parent.name in open_runs:
                path.unlink(missing_ok=True)
                return nothing
        time.sleep(0.05)
    return nothing


def hostile_message(campus: Campus, fault: Fault) -> Undo:
    run_id = next(iter(campus.open_runs()), "20300101T000000Z-hourly-abcdef")
    routing_key, body = list_hostile(run_id)[int(fault.target)]
    text = body if isinstance(body, str) else json.dumps(body)
    campus.rabbit.management.publish(campus.rabbit.name, routing_key, text)
    return nothing


def list_hostile(run_id: str) -> list[tuple[str, Any]]:
    """What a mistaken or ill-meaning person may publish: routing key and body."""
    ready = {"run_id": run_id, "table": "tmp_a", "schedule": "hourly", "source": "campus", "rows": 1, "bytes": 1}
    ready |= {"manifest": "../../../etc/passwd", "sha256": "0" * 64, "columns": ["id"], "scn": None}
    loaded = {"run_id": run_id, "kind": "tables", "schedule": "hourly", "mode": "regular", "status": "successful"}
    done = {"run_id": run_id, "mode": "regular", "status": "successful", "then": ["push"], "reports": []}
    return [
        ("table.requested", "not json"),
        ("table.requested", {"table": "../../etc/passwd"}),
        ("table.requested", {"table": "tmp_unknown"}),
        ("table.requested", {"table": "tmp_a", "run_id": "20300101T000000Z-hourly-ffffff"}),
        ("table.requested", {"table": "tmp_b"}),
        ("table.ready", {**ready, "extracted_at": "2030-01-01T00:00:00Z"}),
        ("table.ready", "[" * 5000),
        ("run.loaded", {**loaded, "then": ["provisions", "push"], "tables": []}),
        ("provisions.requested", {"mode": "sideways"}),
        ("provisions.done", done),
        ("push.requested", {"group": "regular", "process": "'; DROP TABLE replicate_run; --"}),
        ("nothing.known", {"run_id": run_id}),
    ]


def canvas_fault(campus: Campus, fault: Fault) -> Undo:
    options = dict(CANVAS_OPTIONS.get(fault.target, {}))
    campus.canvas.faults.arm(fault.target, options.pop("count", 1), **options)
    return nothing


def void(_: object) -> None:
    return None


ACTORS: Mapping[str, Callable[[Campus, Fault], Undo]] = {
    "kill_worker": kill_worker,
    "terminate_worker": terminate_worker,
    "freeze_worker": freeze_worker,
    "stop_broker": stop_broker,
    "kill_broker": kill_broker,
    "memory_alarm": memory_alarm,
    "close_connections": close_connections,
    "restart_database": restart_database,
    "end_sessions": end_sessions,
    "hang_database": hang_database,
    "rotate_password": rotate_password,
    "fill_disk": fill_disk,
    "drop_source": drop_source,
    "remove_file": remove_file,
    "hostile_message": hostile_message,
    "canvas_refuses": canvas_fault,
    "canvas_loses_answer": canvas_fault,
    "canvas_download": canvas_fault,
    "canvas_report": canvas_fault,
    "canvas_import": canvas_fault,
}


def list_possible(campus: Campus) -> list[str]:
    """The kinds that can be caused here: of servers that are not ours, and without the rights of root, fewer."""
    left_out = set()
    if not isinstance(campus.rabbit.server, RabbitServer):
        left_out |= {"stop_broker", "memory_alarm"}
    if not campus.rabbit.server.can_be_killed:
        left_out.add("kill_broker")
    if campus.target.server.process is None:
        left_out |= {"restart_database", "hang_database"}
    if not os.path.ismount(campus.place.data):
        left_out.add("fill_disk")
    return [name for name in ACTORS if name not in left_out]
