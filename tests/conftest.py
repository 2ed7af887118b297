from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from types import SimpleNamespace

import hypothesis
import pytest
from tests.given import hide
from tests.real_oracle.real_oracle import why_there_is_none
from tests.repository import ROOT
from tests.workplace import Workplace

from canvas_replicate.databases import logins
from canvas_replicate.databases.duckdb.connecting import DuckDb
from canvas_replicate.databases.duckdb.ledger import DuckDbLedger
from canvas_replicate.ledger.leases import Leases
from canvas_replicate.ledger.ledger import Ledger
from canvas_replicate.ledger.migrations import upgrade
from canvas_replicate.messaging.messages import TableReady

pytest_plugins = (
    *("tests.rabbitmq_fixtures", "tests.postgresql_fixtures", "tests.oracle_fixtures"),
    *("tests.chain", "tests.pushing", "tests.mail_fixtures"),
)


# A busy machine makes no example wrong: time is measured in bench/, never here.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


# Files that take longest, in this order; the tests of the other files come after them. So no processor waits at the end
# while the other one works on a long file.
SLOW_FILES = (
    *("test_chaos.py", "test_promises.py", "test_hostile.py"),
    *("test_crashes.py", "test_faults.py", "test_chain.py", "test_push_chain.py", "test_ledger_oracle.py"),
    *("test_oracle_outages.py", "test_oracle_pipeline.py", "test_provisions.py", "test_status_page_served.py"),
    *("test_prometheus_rules.py", "test_bus_rabbitmq.py", "test_provisions_chain.py", "test_resources.py"),
    *("test_right_person.py", "test_push.py", "test_startup.py", "test_pipeline.py", "test_harm.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    hide(config)
    gc.disable()  # until thousands of tests are collected, which stay to the end


def pytest_collection_finish() -> None:
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not collected, and why, in the last line beside the counts."""
    if reason := why_there_is_none():
        files = [SimpleNamespace(path=path) for path in (ROOT / "tests" / "real_oracle").glob("test_*.py")]
        terminalreporter.stats[f"files not run ({reason})"] = files


@pytest.fixture(autouse=True)
def _each_test_is_a_process_of_its_own() -> Iterator[None]:
    """In what a command changes for its whole process: refused logins that it remembers, and the umask."""
    logins.forget()
    umask = os.umask(0)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture
def ready() -> TableReady:
    return TableReady(
        run_id="20300101T000000Z-hourly-abc123",
        table="tmp_x",
        schedule="hourly",
        source="odl_usr",
        manifest="dat/20300101T000000Z-hourly-abc123/tmp_x.manifest.json",
        rows=1,
        bytes=10,
        sha256="0" * 64,
        columns=("id",),
        extracted_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with a ledger and nothing in it, made once."""
    file = tmp_path_factory.mktemp("ledger") / "empty.duckdb"
    made = DuckDb.open(file, create=True)
    upgrade(DuckDbLedger(made))
    made.close()
    return file


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckDb]:
    """An empty file; one with a ledger for tests that use ``ledger_database``."""
    file = tmp_path / "target.duckdb"
    if "ledger_database" in request.fixturenames:
        copyfile(request.getfixturevalue("empty_ledger"), file)
    opened = DuckDb.open(file, create=True)
    yield opened
    opened.close()


@pytest.fixture
def ledger_database(database: DuckDb) -> DuckDbLedger:
    return DuckDbLedger(database)


@pytest.fixture
def ledger(ledger_database: DuckDbLedger) -> Ledger:
    return Ledger(ledger_database)


@pytest.fixture
def leases(ledger_database: DuckDbLedger) -> Leases:
    return Leases(ledger_database, "test worker")


@pytest.fixture
def free_port() -> int:
    """Free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads take turns as often as Python can: what one reads while another writes it is then soon seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    made = Workplace(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@pytest.fixture(scope="session")
def copied_once(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """An installation with 100 students, copied once. Its databases are closed."""
    made = Workplace(tmp_path_factory.mktemp("copied"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        made.add_students()
        made.students(100)
        made.init_db()
        assert made.run("replicate", "run", "hourly").code == 0
        made.close()
    return made


@pytest.fixture
def copied_students(workplace: Workplace, copied_once: Workplace) -> Workplace:
    """The test's own installation with 100 students, copied once."""
    workplace.copy_from(copied_once)
    return workplace
