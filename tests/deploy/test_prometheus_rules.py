"""Rules, alerts and dashboards, as they are shipped in deploy/.

What needs promtool is skipped without it, except in continuous integration (CI=true), where that is a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tests.repository import ROOT

from canvas_replicate import metrics as pipeline_metrics
from canvas_replicate.canvas import metrics as canvas_metrics
from canvas_replicate.config.alert_limits import build_limits_file
from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.config.freshness import max_age
from canvas_replicate.messaging import topology

PROMETHEUS = ROOT / "deploy/prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SAMPLE = load_catalogue(ROOT / "conf", ["student_system", "reports"])
CAMPUS = ZoneInfo("America/New_York")
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
EVERY_DASHBOARD = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)

Json = dict[str, Any]


def promtool(*arguments: str | Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    ran = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def rules() -> list[Json]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    return [rule for rule in rules() if "alert" in rule]


def dashboard(path: Path) -> Json:
    read: Json = json.loads(path.read_text())
    return read


def expressions() -> list[str]:
    panels = [panel for path in DASHBOARDS for panel in dashboard(path)["panels"]]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def runbook_anchors() -> set[str]:
    """As GitHub and GitLab make them from headings of plain words."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), flags=re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in headings}


def exported() -> set[str]:
    """The sample names of every metric of the shared library."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",), "gauge": ("",)}
    members = [*vars(pipeline_metrics).values(), *vars(canvas_metrics).values()]
    families = [family for member in members if isinstance(member, MetricWrapperBase) for family in member.collect()]
    return {family.name + ending for family in families for ending in endings[family.type]}


def named_metrics(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w:.\"-])replicate_\w+", text))


def alerts_tested(*, firing: bool) -> set[str]:
    return {
        expected["alertname"]
        for path in RULE_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for expected in test["alert_rule_test"]
        if bool(expected["exp_alerts"]) is firing
    }


def test_the_configuration_and_every_rule_are_valid() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_every_alert_fires_and_stays_silent_as_its_rule_test_says(tmp_path: Path) -> None:
    promtool("test", "rules", *(with_rules_needed(path, tmp_path) for path in RULE_TESTS))


def with_rules_needed(test: Path, folder: Path) -> Path:
    """A copy of a file of rule tests whose rules are those that record and the alerts that the file asks about.

    promtool evaluates every rule at every minute of every test: those that no test of the file asks about cost most.
    """
    read = yaml.safe_load(test.read_text())
    asked = {expected["alertname"] for each in read["tests"] for expected in each["alert_rule_test"]}
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if "record" in rule or rule["alert"] in asked]}
        for path in read["rule_files"]
        for group in yaml.safe_load((test.parent / path).read_text())["groups"]
    ]
    groups = [group for group in groups if group["rules"]]
    rule_file, copy = folder / f"rules-{test.name}", folder / test.name
    rule_file.write_text(yaml.safe_dump({"groups": groups}))
    names = {group["name"] for group in groups}
    order = [name for name in read["group_eval_order"] if name in names]
    copy.write_text(yaml.safe_dump({**read, "rule_files": [str(rule_file)], "group_eval_order": order}))
    return copy


def test_the_status_page_has_the_limits_of_the_alerts_at_every_hour_of_a_week(tmp_path: Path) -> None:
    """promtool's clock begins with 1970, a Thursday."""
    schedules = SAMPLE.schedules
    recorded = 'replicate:table_max_age:seconds{{schedule="{0}", table="of_{0}"}}'
    expected = 'replicate_table_expected_info{{schedule="{0}", table="of_{0}"}}'
    hours = [
        {
            "expr": "replicate:table_max_age:seconds",
            "eval_time": f"{hour}h",
            "exp_samples": [
                {"labels": recorded.format(name), "value": max_age(each, moment, CAMPUS).total_seconds()}
                for name, each in schedules.items()
            ],
        }
        for hour in range(168)
        for moment in [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)]
    ]
    series = [{"series": expected.format(name), "values": "1x167"} for name in schedules]
    tests = [{"interval": "1h", "input_series": series, "promql_expr_test": hours}]
    path = tmp_path / "week.yml"
    rule_files = [str(PROMETHEUS / "rules/limits.yml")]
    path.write_text(yaml.safe_dump({"rule_files": rule_files, "evaluation_interval": "1h", "tests": tests}))
    promtool("test", "rules", path)


def test_the_shipped_limits_are_those_of_the_sample() -> None:
    assert (PROMETHEUS / "rules/limits.yml").read_text() == build_limits_file(SAMPLE, CAMPUS), (
        "run scripts/prometheus-rule"
    )
    limits = {name: (each.max_age, each.quiet_max_age) for name, each in SAMPLE.schedules.items()}
    week = (timedelta(days=8), None)
    assert limits == {
        "hourly": (timedelta(hours=6), timedelta(days=3)),
        "daily": (timedelta(hours=26), None),
        **dict.fromkeys(("all", "qna", "weekly"), week),
    }


def test_every_alert_is_tested_firing_and_silent() -> None:
    named = {rule["alert"] for rule in alerts()}
    assert alerts_tested(firing=True) == named
    assert alerts_tested(firing=False) == named


def test_every_expression_of_a_dashboard_is_promql(tmp_path: Path) -> None:
    # Grafana fills its own variables in before it asks; those within label matchers are text to Prometheus as well.
    asked = [expression.replace("$__rate_interval", "5m") for expression in expressions()]
    recorded = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool("check", "rules", path)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_happened_where_to_read_and_what_to_type(alert: Json) -> None:
    said = alert["annotations"]
    assert set(said) == {"summary", "description", "runbook_url", "next_command"}
    assert all(said.values())
    assert alert["labels"]["severity"] in {"critical", "warning"}
    page, _, anchor = said["runbook_url"].partition("#")
    assert page == "docs/runbook.md"
    assert anchor in runbook_anchors()


def test_every_metric_that_rules_and_dashboards_name_is_exported() -> None:
    asked = {name for text in [*expressions(), *(rule["expr"] for rule in rules())] for name in named_metrics(text)}
    assert asked - exported() == set()


def test_every_recorded_series_that_is_used_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    texts = [*expressions(), *(rule["expr"] for rule in rules())]
    assert {name for text in texts for name in re.findall(r"replicate:[\w:]+", text)} == recorded


def test_every_stage_is_scraped_and_missed() -> None:
    jobs = {job["job_name"] for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]}
    [down] = [alert["expr"] for alert in alerts() if alert["alert"] == "ReplicateStageDown"]
    for stage in topology.STAGES:
        assert f"replicate-{stage}" in jobs
        assert f'absent(up{{job="replicate-{stage}"}})' in down


def test_every_alert_that_alertmanager_names_exists() -> None:
    text = (PROMETHEUS / "alertmanager.yml").read_text()
    assert yaml.safe_load(text)["route"]["receiver"] == "team"
    named = set(re.findall(r"Replicate\w+", text))
    assert named
    assert named <= {rule["alert"] for rule in alerts()}


def test_dashboards_have_names_and_addresses_of_their_own() -> None:
    read = [dashboard(path) for path in DASHBOARDS]
    assert {made["title"] for made in read} == {"Pipeline", "Table", "Canvas", "RabbitMQ"}
    assert {made["uid"] for made in read} == {f"replicate-{path.stem}" for path in DASHBOARDS}


@EVERY_DASHBOARD
def test_a_dashboard_is_provisioned_as_it_is(path: Path) -> None:
    made = dashboard(path)
    assert made["id"] is None
    assert made["editable"] is False
    assert made["schemaVersion"] >= 39
    variables = {variable["name"]: variable for variable in made["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(made["panels"])))
    assert used <= set(variables)


@EVERY_DASHBOARD
def test_every_panel_is_complete(path: Path) -> None:
    for panel in dashboard(path)["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        for asked in [panel, *panel["targets"]]:
            assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


@EVERY_DASHBOARD
def test_every_link_to_the_runbook_leads_to_a_section(path: Path) -> None:
    links = [link["url"] for panel in dashboard(path)["panels"] for link in panel.get("links", [])]
    assert links
    assert {link.removeprefix("${runbook}#") for link in links} <= runbook_anchors()


@EVERY_DASHBOARD
def test_no_panel_lies_on_another(path: Path) -> None:
    panels = dashboard(path)["panels"]
    assert max(Counter(panel["id"] for panel in panels).values()) == 1
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    for one, other in combinations(panels, 2):
        assert not set(_cells(one["gridPos"])) & set(_cells(other["gridPos"])), (one["title"], other["title"])


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y
