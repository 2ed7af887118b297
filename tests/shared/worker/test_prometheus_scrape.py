"""Prometheus itself scrapes workers and broker after a run, and finds whatever rules and dashboards ask for.

Without the program the test is skipped, except in continuous integration (CI=true), where that is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chain import Chain
from tests.pushing import PROVISIONS, SQL, TOKEN, Pushing
from tests.rabbitmq_server import free_ports
from tests.repository import ROOT
from tests.workplace import STUDENTS_CTL, STUDENTS_DDL, STUDENTS_SQL

from canvas_replicate.messaging import topology
from replicate_demo.canvas import CanvasSimulator, Options

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARDS = ROOT / "deploy/grafana/dashboards"

# A metric's name and its matchers; what stands in quotes is never a name.
SELECTOR = re.compile(
    r'"(?:[^"\\]|\\.)*"|\b((?:replicate[_:]|rabbitmq_)[\w:]+|up\b)(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?'
)
PUSHES = [
    {"process": "adds", "kind": "enrollments", "sql": SQL, "channel": "rest"},
    {"process": "too_many", "kind": "enrollments", "sql": SQL, "budget": {"additions": 0}},
]
# What let_everything_happen leaves behind, pending or firing. The one about tables is there because of tmp_bad and of the
# organisations' reports.
TROUBLE = {
    "ReplicateDeadLetters",
    "ReplicateHeldArtifact",
    "ReplicateProvisionsFailed",
    "ReplicatePushFailed",
    "ReplicateRunFailed",
    "ReplicateRunPartial",
    "ReplicateTableNeverPublished",
}


def test_quoted_words_are_no_selectors_and_braces_in_quotes_end_none() -> None:
    found = selectors_of(
        'label_replace(max(up{job=~"a{2}", x="$y"}) > 0, "stage", "$1", "replicate_x", "up") + rabbitmq_b'
    )
    assert found == {'up{job=~"a{2}", x=~".*"}', "rabbitmq_b"}


def test_prometheus_finds_whatever_rules_and_dashboards_ask_for(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = prometheus_program()
    monkeypatch.setenv("NO_PROXY", "*")
    ports = dict(zip(topology.STAGES, free_ports(len(topology.STAGES)), strict=True))
    with CanvasSimulator(options=Options(token=TOKEN, report_seconds=0.05)) as canvas:
        configure(chain, canvas, monkeypatch)
        for stage, port in ports.items():
            chain.start(stage, quick=True, REPLICATE_METRICS_PORT=str(port))
        targets = {f"replicate-{stage}": f"127.0.0.1:{port}" for stage, port in ports.items()}
        # RabbitMQ counts its queues every five seconds: Prometheus runs meanwhile.
        with prometheus(program, tmp_path, targets, chain.rabbit.server.metrics_at) as url:
            let_everything_happen(chain, canvas)
            missing = selectors()
            assert len(missing) > 50

            def all_found() -> bool:
                missing.difference_update([selector for selector in missing if not is_empty(url, selector)])
                return not missing

            try:
                chain.wait(all_found, "every selector non-empty")
            finally:
                print("empty:", *sorted(missing), sep="\n  ")
            chain.wait(lambda: alerts(url, chain.rabbit.name) == TROUBLE, f"exactly these alerts: {TROUBLE}")


# What is asked


def selectors() -> set[str]:
    rules = [
        rule["expr"]
        for path in PROMETHEUS.glob("rules/*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    dashboards = [json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")]
    panels = [target["expr"] for made in dashboards for panel in made["panels"] for target in panel["targets"]]
    variables = [
        variable["query"]["query"]
        for made in dashboards
        for variable in made["templating"]["list"]
        if variable["type"] == "query"
    ]
    return {selector for text in [*rules, *panels, *variables] for selector in selectors_of(text)}


def selectors_of(expression: str) -> set[str]:
    """A variable of Grafana becomes what its choice *All* is."""
    found = {f"{name}{matchers}" for name, matchers in SELECTOR.findall(expression) if name}
    return {re.sub(r'=~?"\$\w+"', '=~".*"', selector) for selector in found}


def is_empty(url: str, selector: str) -> bool:
    return not asked(url, f"query?{urllib.parse.urlencode({'query': selector})}").get("result")


def alerts(url: str, vhost: str) -> set[str]:
    """Pending or firing; about queues only those of this virtual host, as others may use the same broker."""
    found = [alert["labels"] for alert in asked(url, "alerts").get("alerts", ())]
    return {labels["alertname"] for labels in found if labels.get("vhost", vhost) == vhost}


def asked(url: str, path: str) -> dict[str, Any]:
    """What Prometheus's HTTP API answers; nothing while it does not serve yet."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=10) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data
    except urllib.error.HTTPError as refused:
        if refused.code == 503:
            return {}
        pytest.fail(f"{path}: {refused.read().decode()}")
    except urllib.error.URLError:
        return {}


# What happens before


def configure(chain: Chain, canvas: CanvasSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """``hourly`` ends with pushes; ``broken`` has one table whose only record is too long for its base table."""
    place = chain.place
    place.add_table(
        "tmp_bad",
        sql=STUDENTS_SQL.replace("id,", "'0123456789' AS id,") + " WHERE id = '000000007'",
        ctl=STUDENTS_CTL.replace("tmp_students", "tmp_bad"),
        ddl=STUDENTS_DDL.replace("_students", "_bad"),
        schedule="broken",
    )
    place.add_canvas(canvas.url, canvas.token, PROVISIONS)
    conf = place.folder / "conf"
    tables = conf / "tablesconf.yaml"
    tables.write_text(tables.read_text() + "schedules: {hourly: {then: [provisions, push]}}\n", "utf-8")
    (conf / "pushes.yaml").write_text(yaml.safe_dump({"regular": PUSHES}), "utf-8")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    assert place.run("replicate", "init-db").code == 0
    one, two = Pushing(place, canvas).newcomers(2)
    values = [f"('{section}', '{user}', 'student', 'active')" for section, user in (one, two, ("no-section", one[1]))]
    chain.target.sql(
        "CREATE TABLE wanted (section_id VARCHAR(50), user_id VARCHAR(50), role VARCHAR(50), status VARCHAR(50))",
        f"INSERT INTO wanted VALUES {', '.join(values)}",
    )


def let_everything_happen(chain: Chain, canvas: CanvasSimulator) -> None:
    """A run to its end with a refused change and a held plan, a rejected record, failed reports, a failed push by hand,
    a dead letter, a throttled call."""
    canvas.faults.arm("throttle")
    chain.wait_closed(chain.trigger())
    states = "SELECT table_name, state FROM replicate_run_table WHERE kind = 'pushes'"
    assert set(chain.target.sql(states)) == {("push:adds", "failed"), ("push:too_many", "held")}
    broken = chain.place.run("replicate", "trigger", "broken", "--json")
    chain.wait_closed(broken.json[0]["run_id"])
    assert chain.target.sql("SELECT rejected_count FROM replicate_run_table WHERE table_name = 'tmp_bad'") == [(1,)]
    assert chain.place.run("replicate", "push", "--json").code == 0
    canvas.faults.arm("report_error")
    for key, body in (("provisions.requested", '{"mode": "orgs"}'), ("table.requested", "not json")):
        assert chain.rabbit.management.publish(chain.rabbit.name, key, body)
    ends = "SELECT DISTINCT schedule FROM replicate_run WHERE closed_at IS NOT NULL ORDER BY schedule"
    chain.wait(
        lambda: chain.target.sql(ends) == [("broken",), ("hourly",), ("orgs",), ("push",)], "the end of every schedule"
    )


# Prometheus


def prometheus_program() -> str:
    program = shutil.which("prometheus")
    if program is None:
        reason = "prometheus is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


@contextmanager
def prometheus(program: str, folder: Path, targets: dict[str, str], broker: str) -> Iterator[str]:
    """Its address, while it scrapes what our prometheus.yml scrapes, every second and on loopback only."""
    [port] = free_ports(1)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(targets, broker)), "utf-8")
    with (folder / "prometheus.log").open("w") as log:
        server = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


def configuration(targets: dict[str, str], broker: str) -> dict[str, Any]:
    shipped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    for job in shipped["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [targets.get(job["job_name"], broker)]}]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(PROMETHEUS / "rules/*.yml")],
        "scrape_configs": shipped["scrape_configs"],
    }
