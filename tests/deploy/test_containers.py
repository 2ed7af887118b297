"""Dockerfiles, requirements, compose files and the broker's definitions, as they are shipped. No Docker is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.repository import ROOT

from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.config.pushes import load_pushes
from canvas_replicate.config.settings import list_setting_fields
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.config.tables import DEFAULT_DEADLINE
from canvas_replicate.messaging import messages, topology
from canvas_replicate.messaging.rabbitmq.declaration import arguments
from canvas_replicate.sql.translate import translate_query

DOCKERFILES = {stage: ROOT / "services" / stage / "Dockerfile" for stage in topology.STAGES} | {
    "demo": ROOT / "demo/Dockerfile"
}
EVERY_DOCKERFILE = pytest.mark.parametrize("name", DOCKERFILES)
EVERY_STAGE = pytest.mark.parametrize("stage", topology.STAGES)
REQUIREMENTS = sorted((ROOT / "deploy/requirements").glob("*.txt"))
COMPOSE, ORACLE = ROOT / "docker-compose.yml", ROOT / "docker-compose.oracle.yml"
LOADER_ALONE = re.compile(r"oracle|client|apt-get|^ *fi$|^ENV PATH=", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")

Json = dict[str, Any]


def dockerfile(name: str) -> str:
    return DOCKERFILES[name].read_text()


def instructions(name: str, word: str) -> list[str]:
    return re.findall(rf"^{word} (.*)$", dockerfile(name).replace("\\\n", ""), re.MULTILINE)


def pins(path: Path) -> dict[str, str]:
    return {canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)}


def services(path: Path = COMPOSE) -> dict[str, Json]:
    read: dict[str, Json] = yaml.safe_load(path.read_text())["services"]
    return read


def merged(name: str, *, oracle: bool) -> dict[str, str]:
    """A service's environment, as compose makes it when nothing is set outside."""
    both = services()[name].get("environment", {})
    if oracle:
        both = both | services(ORACLE).get(name, {}).get("environment", {})
    return {key: VARIABLE.sub(r"\2", str(value)) for key, value in both.items()}


def test_generated_files_are_what_the_script_writes(tmp_path: Path) -> None:
    """Run .venv/bin/python scripts/generate after their sources have changed."""
    subprocess.run([sys.executable, ROOT / "scripts/generate", tmp_path], timeout=60, check=True)
    # Not the cluster's archive: another xz may pack the same files into other bytes.
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".xz"]
    written = {file.relative_to(tmp_path): file.read_text() for file in files}
    assert {ROOT / path for path in written} >= set(DOCKERFILES.values())
    assert written == {path: (ROOT / path).read_text() for path in written}


@EVERY_DOCKERFILE
def test_an_image_is_built_in_two_stages_from_one_pinned_base(name: str) -> None:
    [argument] = [line for line in instructions(name, "ARG") if line.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", argument)
    assert instructions(name, "FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


@EVERY_DOCKERFILE
def test_an_image_runs_as_a_numbered_user_who_is_not_root(name: str) -> None:
    assert instructions(name, "USER") == ["10001:10001"]


@EVERY_DOCKERFILE
def test_an_image_builds_with_the_old_builder_and_with_buildkit(name: str) -> None:
    assert not re.search(r"^# *syntax=|<<|--link|--mount", dockerfile(name), re.MULTILINE)


@EVERY_DOCKERFILE
def test_an_image_installs_what_has_a_hash_and_nothing_else(name: str) -> None:
    commands = [command for run in instructions(name, "RUN") for command in run.split("&&")]
    installs = [command for command in commands if re.search(r"\bpip .*(install|wheel) ", command)]
    assert len(installs) == 4
    for words in installs:
        assert "--no-deps" in words
        assert "--require-hashes" in words or "--no-index" in words
    assert "://" not in "".join(instructions(name, "RUN"))


@EVERY_DOCKERFILE
def test_an_image_says_when_it_is_healthy_how_it_is_stopped_and_what_it_is(name: str) -> None:
    assert instructions(name, "STOPSIGNAL") == ["SIGTERM"]
    assert len(instructions(name, "HEALTHCHECK")) == 1
    assert "org.opencontainers.image.version" in dockerfile(name)


@EVERY_DOCKERFILE
def test_no_image_holds_the_configuration_of_an_installation(name: str) -> None:
    copied = [line.split()[0] for line in instructions(name, "COPY") if not line.startswith("--from=build")]
    allowed = ("shared", "services/", "demo", "deploy/requirements/", "deploy/oracle-client")
    assert [source for source in copied if not source.startswith(allowed)] == []


@EVERY_DOCKERFILE
def test_the_build_context_has_what_an_image_copies(name: str) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in instructions(name, "COPY"):
        for source in [] if line.startswith("--from=build") else line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(Path(source).is_relative_to(folder) for folder in let_in), source


@EVERY_STAGE
def test_the_services_images_are_alike(stage: str) -> None:
    """Apart from the stage's name and, in the loader, Oracle's client."""

    def shape(name: str) -> list[str]:
        lines = dockerfile(name).replace(name, "STAGE").splitlines()[1:]
        return [line for line in lines if line and not LOADER_ALONE.search(line) and "image.description" not in line]

    assert shape(stage) == shape("extractor")


@EVERY_STAGE
def test_a_services_image_starts_a_command_that_its_package_has(stage: str) -> None:
    scripts = tomllib.loads((ROOT / "services" / stage / "pyproject.toml").read_text())["project"]["scripts"]
    assert instructions(stage, "ENTRYPOINT") == [f'["{stage}"]']
    assert stage in scripts


@EVERY_STAGE
def test_what_an_image_sets_is_a_setting(stage: str) -> None:
    names = re.findall(r"\b(REPLICATE_\w+)=", dockerfile(stage))
    folders = {f"REPLICATE_{name}_DIR" for name in ("CONF", "CTL", "DDL", "DATA", "SECRETS")}
    assert set(names) == {*folders, "REPLICATE_METRICS_ADDRESS"}
    assert "REPLICATE_METRICS_ADDRESS=0.0.0.0" in dockerfile(stage)
    assert set(names) <= list_setting_fields().keys()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_requirements_are_the_versions_of_the_constraints_with_hashes_and_no_address(path: Path) -> None:
    text, constraints = path.read_text(), pins(ROOT / "constraints.txt")
    assert "://" not in text
    assert "--index" not in text
    found = pins(path)
    assert found
    assert {name: constraints.get(name) for name in found} == found
    entries = re.split(r"^(?=\S)", text.partition("\n")[2], flags=re.MULTILINE)
    assert [entry for entry in entries if entry and "--hash=sha256:" not in entry] == []


def test_the_guide_for_a_host_installs_what_every_stage_needs_by_hash() -> None:
    guide = (ROOT / "docs/deploy.md").read_text("utf-8")
    installed = re.findall(r"install --require-hashes .*-r (\S+)", guide)
    given = set().union(*(pins(ROOT / path).items() for path in installed))
    for stage in topology.STAGES:
        assert pins(ROOT / f"deploy/requirements/{stage}.txt").items() <= given
    assert [line for line in guide.splitlines() if "pip install" in line and "--no-deps" not in line] == [
        line for line in guide.splitlines() if "pip install" in line and "--require-hashes" in line
    ]


def test_a_bill_of_materials_lists_what_the_requirements_pin(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts/sbom", tmp_path], check=True, timeout=60)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.cdx.json" for name in DOCKERFILES}
    for name in DOCKERFILES:
        bill = json.loads((tmp_path / f"{name}.cdx.json").read_text("utf-8"))
        pinned, shared = pins(ROOT / f"deploy/requirements/{name}.txt"), name in topology.STAGES
        own = {f"canvas-replicate-{name}", *(["canvas-replicate"] if shared else [])}
        found = {each["name"]: each for each in bill["components"]}
        assert found.keys() == {*pinned, *own}
        for package, version in pinned.items():
            assert found[package]["purl"] == f"pkg:pypi/{package}@{version}"
            [reference] = found[package]["externalReferences"]
            text = (ROOT / f"deploy/requirements/{name}.txt").read_text("utf-8")
            assert all(each["content"] in text for each in reference["hashes"])


@EVERY_DOCKERFILE
def test_an_image_tells_its_base_which_every_build_can_replace(name: str) -> None:
    assert instructions(name, "ARG")[0] == "PYTHON_IMAGE=python:3.11-slim-bookworm"
    assert 'org.opencontainers.image.base.name="${PYTHON_IMAGE}"' in instructions(name, "LABEL")[0]
    builds = [service["build"] for service in services().values() if "build" in service]
    assert {build["args"]["PYTHON_IMAGE"] for build in builds} == {"${PYTHON_IMAGE:-python:3.11-slim-bookworm}"}


@EVERY_DOCKERFILE
def test_requirements_hold_all_that_the_installed_packages_need(name: str) -> None:
    """Run scripts/requirements after a pyproject.toml or constraints.txt has changed."""
    own = [f"canvas-replicate-{name}"]
    if name in topology.STAGES:
        own.append("canvas-replicate[canvas,duckdb,oracle,postgresql,rabbitmq]")
    assert needed(own) - pins(ROOT / f"deploy/requirements/{name}.txt").keys() == set()


def needed(wanted: list[str]) -> set[str]:
    """Names of all that must be installed on Linux with Python 3.11, our own packages aside."""
    linux = default_environment() | {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}
    seen: set[tuple[str, str]] = set()
    todo = [Requirement(text) for text in wanted]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in metadata.requires(name) or []:
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate({**linux, "extra": extra}):
                    todo.append(further)
    return {name for name, _ in seen if not name.startswith("canvas-replicate")}


@pytest.mark.parametrize("oracle", [False, True], ids=["postgresql", "oracle"])
@pytest.mark.parametrize("name", [*topology.STAGES, "replicate", "init"])
def test_the_settings_of_a_composed_service_are_accepted(name: str, oracle: bool) -> None:
    given = merged(name, oracle=oracle)
    assert given
    settings = load_settings(given)  # refuses a name that is no setting
    assert settings.has_broker
    assert settings.target == "reporting"
    assert {database.url.partition(":")[0] for database in settings.databases.values()} == {
        "oracle" if oracle else "postgresql"
    }


def test_every_stage_logs_in_to_the_broker_as_itself() -> None:
    for name in (*topology.STAGES, "replicate"):
        user = {"replicate": "operator"}.get(name, name)
        assert merged(name, oracle=False)["REPLICATE_BUS_URL"] == f"amqp://{user}:demo-only@rabbitmq/replicate"


def test_our_own_containers_may_write_nothing_but_their_data_and_have_no_privileges() -> None:
    for name in (*topology.STAGES, "replicate", "init", "campus", "canvas"):
        service = services()[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        for volume in service.get("volumes", []):
            assert volume == "data:/var/lib/replicate" or volume.endswith(":ro"), name


def test_a_worker_is_given_ten_minutes_to_end_its_table() -> None:
    assert {services()[stage]["stop_grace_period"] for stage in topology.STAGES} == {"10m"}


@pytest.mark.parametrize("path", [COMPOSE, ORACLE], ids=lambda path: path.name)
def test_compose_publishes_on_this_machine_alone_and_names_versions(path: Path) -> None:
    assert "version" not in yaml.safe_load(path.read_text())
    for name, service in services(path).items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        image = VARIABLE.sub(r"\2", service.get("image", ""))
        assert image.startswith("canvas-replicate-") or not image or re.search(r":[\w.-]*\d", image), name


@pytest.mark.parametrize("path", [COMPOSE, ORACLE], ids=lambda path: path.name)
def test_what_compose_mounts_is_in_the_repository(path: Path) -> None:
    for service in services(path).values():
        for source in (volume.partition(":")[0] for volume in service.get("volumes", [])):
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_what_the_demo_pushes_runs_on_its_database() -> None:
    terms = load_catalogue(ROOT / "conf", ["campus", "reporting"]).terms
    [process] = load_pushes(ROOT / "conf", terms)["regular"]
    assert translate_query(process.query, "postgresql")


def test_the_simulated_canvas_has_the_campus_of_the_demos_database() -> None:
    for name in ("campus", "canvas"):
        command = services()[name]["command"]
        assert command[command.index("--scale") + 1] == "${CAMPUS_SCALE:-1}", name


def test_all_that_compose_takes_from_outside_is_told_with_its_default() -> None:
    taken = dict(VARIABLE.findall(COMPOSE.read_text() + ORACLE.read_text()))
    told = dict(re.findall(r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert taken == told


def definitions() -> Json:
    read: Json = json.loads((ROOT / "deploy/rabbitmq/definitions.json").read_text())
    return read


def test_the_brokers_definitions_are_the_topology() -> None:
    found = definitions()
    assert {q["name"]: q["arguments"] for q in found["queues"]} == {q.name: arguments(q) for q in topology.queues()}
    assert all(queue["durable"] and queue["vhost"] == "replicate" for queue in found["queues"])
    bound = {(b["source"], b["routing_key"], b["destination"]) for b in found["bindings"]}
    own = {(each, q.name, q.name) for q in topology.queues() if (each := topology.find_exchange(q.name))}
    events = {(topology.EXCHANGE, key, queue) for key, queue in topology.bindings()}
    assert bound == events | own | {(topology.UNROUTED,) * 3}
    assert {e["name"]: (e["type"], e["arguments"]) for e in found["exchanges"]} == {
        topology.EXCHANGE: ("topic", {"alternate-exchange": topology.UNROUTED}),
        topology.UNROUTED: ("fanout", {}),
        **{topology.work_queue(stage): ("direct", {}) for stage in topology.STAGES},
    }


def test_the_brokers_definitions_are_what_the_script_prints() -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts/rabbitmq-definitions"], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == (ROOT / "deploy/rabbitmq/definitions.json").read_text()


@EVERY_STAGE
def test_a_stages_user_reads_its_own_queues_and_declares_nothing(stage: str) -> None:
    [rights] = [each for each in definitions()["permissions"] if each["user"] == stage]
    readable = {queue.name for queue in topology.queues() if re.search(rights["read"], queue.name)}
    own = {queue.name for queue in topology.queues() if queue.name.startswith(f"replicate.{stage}")}
    assert readable == own
    names = [queue.name for queue in topology.queues()] + ["replicate", "amq.default", "amq.topic"]
    assert {name for name in names if re.search(rights["write"], name)} == {"replicate", f"replicate.{stage}"}
    assert [name for name in names if re.search(rights["configure"], name)] == []


@EVERY_STAGE
def test_a_stages_user_publishes_only_the_messages_of_its_stage(stage: str) -> None:
    [rights] = [each for each in definitions()["topic_permissions"] if each["user"] == stage]
    types = messages.COMMANDS + messages.EVENTS
    allowed = {each for each in types if re.search(rights["write"], each.routing_key())}
    assert (rights["exchange"], allowed) == (topology.EXCHANGE, set(topology.PUBLISHES[stage]))


def test_the_operators_user_reads_dead_letters_and_what_was_not_routed_alone() -> None:
    [rights] = [each for each in definitions()["permissions"] if each["user"] == "operator"]
    readable = {queue.name for queue in topology.queues() if re.search(rights["read"], queue.name)}
    assert readable == {queue.name for queue in topology.queues() if queue.kind in ("dead", "unrouted")}


def test_no_password_is_in_the_definitions_and_the_start_script_fills_in_each() -> None:
    start = (ROOT / "deploy/rabbitmq/start").read_text()
    [listed] = re.findall(r"^for user in (.*); do$", start, re.MULTILINE)
    assert [user["password"] for user in definitions()["users"]] == [f"@{name}@" for name in listed.split()]
    assert services()["rabbitmq"]["environment"].keys() == {f"RABBITMQ_{name}_PASSWORD" for name in listed.split()}


def test_the_broker_leaves_a_delivery_with_its_worker_longer_than_a_run_may_last() -> None:
    [milliseconds] = re.findall(
        r"^consumer_timeout = (\d+)$", (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text(), re.MULTILINE
    )
    assert int(milliseconds) / 1000 > DEFAULT_DEADLINE.total_seconds()
