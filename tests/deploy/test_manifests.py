"""deploy/k8s: what kustomize builds is valid Kubernetes, and fits the settings, the commands, the schedules and itself.

kubectl, for its kustomize, and kubernetes-validate, for the schemas, come with `make setup`. Without them the tests are
skipped, except in continuous integration (CI=true), where that is a failure. No cluster is asked.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
import yaml
from tests.repository import ROOT

from canvas_replicate.cli.app import app
from canvas_replicate.cli.options import choose_mode
from canvas_replicate.config.catalogue import load_catalogue
from canvas_replicate.config.provisions_file import load_provisions
from canvas_replicate.config.settings import Settings, list_setting_fields
from canvas_replicate.config.settings_sources import load_settings
from canvas_replicate.messaging import topology

K8S = ROOT / "deploy" / "k8s"
PROMETHEUS = ROOT / "deploy" / "prometheus"
GUIDE = ROOT / "docs" / "deploy-kubernetes.md"
ALWAYS = "cronjobs"  # the component that every overlay has
COMPONENTS = sorted(path.name for path in (K8S / "components").iterdir() if path.name != ALWAYS)
VERSIONS = ("1.29", "1.37")  # the oldest that the guide names, and the newest whose schemas are at hand
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}  # kinds without a schema at hand
SECRETS = {
    "replicate-broker": {"REPLICATE_BUS_URL"},
    "replicate-databases": {"REPLICATE_DATABASES__DBPROD__PASSWORD", "REPLICATE_DATABASES__ODL_USR__PASSWORD"},
    "replicate-canvas": {"REPLICATE_CANVAS__TOKEN"},
    "replicate-mail": {"REPLICATE_SMTP__USERNAME", "REPLICATE_SMTP__PASSWORD"},
    "replicate-page": {"REPLICATE_METRICS_TOKEN"},
}
CANVAS_STAGES = {"provisioner", "canvas-pusher"}
Manifest = dict[str, Any]


def missing(tool: str) -> NoReturn:
    reason = f"{tool} is not installed; make setup brings it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def kustomize(folder: Path) -> list[Manifest]:
    beside_python = Path(sys.executable).with_name("kubectl")
    kubectl = beside_python if beside_python.is_file() else shutil.which("kubectl") or missing("kubectl")
    # Without flags: `kubectl apply -k` has none.
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="session", params=["dev", "prod", "prod with components"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """What kustomize makes of an overlay; components as an overlay would switch them on."""
    overlay, _, components = request.param.partition(" with ")
    folder = tmp_path_factory.mktemp(overlay)
    wanted = [os.path.relpath(K8S / "components" / name, folder) for name in COMPONENTS if components]
    told = {"resources": [os.path.relpath(K8S / "overlays" / overlay, folder)], "components": wanted}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(told), "utf-8")
    return kustomize(folder)


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def templates(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The pods of workers and CronJobs, by the name of their owner."""
    jobs = of_kind(manifests, "CronJob").items()
    workers = of_kind(manifests, "Deployment").items()
    pods = {name: job["spec"]["jobTemplate"]["spec"]["template"] for name, job in jobs}
    return pods | {name: worker["spec"]["template"] for name, worker in workers}


def container(template: Manifest) -> Manifest:
    [only] = template["spec"]["containers"]
    found: Manifest = only
    return found


def labels(template: Manifest) -> dict[str, str]:
    found: dict[str, str] = template["metadata"]["labels"]
    return found


def ports_of(template: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(template).get("ports", [])}


def secrets_of(template: Manifest) -> set[str]:
    return {
        source["secret"]["name"]
        for volume in template["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    }


def generated(manifests: list[Manifest], name: str) -> dict[str, str]:
    """The content of a ConfigMap whose name kustomize ends in a hash."""
    [found] = [m["data"] for full, m in of_kind(manifests, "ConfigMap").items() if full.rpartition("-")[0] == name]
    content: dict[str, str] = found
    return content


def archive_of(manifests: list[Manifest]) -> bytes:
    [found] = [m for full, m in of_kind(manifests, "ConfigMap").items() if full.rpartition("-")[0] == "replicate-site"]
    return base64.b64decode(found["binaryData"]["site.tar.xz"])


def unpack_as_the_pod_does(archive: bytes, template: Manifest, folder: Path) -> Path:
    """Run the command of the pod's init container below ``folder``. Returns where the site's files are then."""
    [unpacking] = template["spec"]["initContainers"]
    program, *arguments, source, wanted = unpacking["command"]
    assert program == "python"
    mounted = {mount["mountPath"]: mount for mount in unpacking["volumeMounts"]}
    assert mounted[str(Path(source).parent)]["name"] == "archive"
    assert not mounted[wanted].get("readOnly")
    (folder / "site.tar.xz").write_bytes(archive)
    target = folder / "site"
    subprocess.run([sys.executable, *arguments, folder / "site.tar.xz", target], check=True, timeout=60)
    return target


def selected(selector: Manifest, manifests: list[Manifest]) -> set[str]:
    """The owners of the pods that a selector of labels finds."""
    return {name for name, template in templates(manifests).items() if _selects(selector, labels(template))}


def _selects(selector: Manifest, of_pod: dict[str, str]) -> bool:
    rules = selector.get("matchExpressions", [])
    assert {rule["operator"] for rule in rules} <= {"In", "NotIn"}
    return selector.get("matchLabels", {}).items() <= of_pod.items() and all(
        (of_pod.get(rule["key"]) in rule["values"]) == (rule["operator"] == "In") for rule in rules
    )


def refusal(manifest: Manifest, version: str) -> str | None:
    """What a Kubernetes of this version would say against it; custom resources are not judged."""
    try:
        from kubernetes_validate import SchemaNotFoundError, ValidationError, validate
    except ModuleNotFoundError:
        missing("kubernetes-validate")
    if manifest["kind"] in CUSTOM:
        return None
    try:
        validate(manifest, version, strict=True)
    except (SchemaNotFoundError, ValidationError) as error:
        return f"{manifest['kind']} {manifest['metadata']['name']}: {error.message}"
    return None


def settings_of(template: Manifest, manifests: list[Manifest], folder: Path) -> Settings:
    """What a pod would read, with some value in each of its Secrets."""
    variables = generated(manifests, "replicate-settings")
    databases = [name.replace("__URL", "__PASSWORD") for name in variables if name.startswith("REPLICATE_DATABASES__")]
    keys = {**SECRETS, "replicate-databases": databases}
    for secret in secrets_of(template):
        for name in keys[secret]:
            (folder / name).write_text("amqps://user:secret@broker/vhost" if name.endswith("BUS_URL") else "secret")
    return load_settings({**variables, "REPLICATE_CONF_DIR": str(ROOT / "conf"), "REPLICATE_SECRETS_DIR": str(folder)})


def named_files() -> Iterator[Path]:
    for kustomization in K8S.rglob("kustomization.yaml"):
        told = yaml.safe_load(kustomization.read_text("utf-8"))
        patches = [patch["path"] for patch in told.get("patches", []) if "path" in patch]
        for name in told.get("resources", []) + patches:
            yield (kustomization.parent / name).resolve()


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_kind_and_every_field(built: list[Manifest], version: str) -> None:
    assert [fault for manifest in built if (fault := refusal(manifest, version))] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_misspelt_field_and_an_unknown_kind_are_found(built: list[Manifest], version: str) -> None:
    hourly = of_kind(built, "CronJob")["replicate-hourly"]
    assert "timezone" in str(refusal({**hourly, "spec": {**hourly["spec"], "timezone": "Etc/UTC"}}, version))
    assert "Couldn't find schema" in str(refusal({**hourly, "apiVersion": "batch/v1beta1"}, version))


def test_every_manifest_is_named_by_a_kustomization() -> None:
    manifests = {path for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert manifests == {path for path in named_files() if path.is_file()}


def test_a_pod_unpacks_the_campus_files_whole_and_never_the_file_of_passwords(
    built: list[Manifest], tmp_path: Path
) -> None:
    [*_, template] = templates(built).values()
    site = unpack_as_the_pod_does(archive_of(built), template, tmp_path)
    unpacked = {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    samples = [*ROOT.glob("conf/*.yaml"), *ROOT.glob("ctls/*.ctl"), *ROOT.glob("ddl/*.sql")]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in samples}
    files.pop("conf/appconf.yaml", None)
    assert unpacked == files, "run scripts/generate"


def test_every_pod_unpacks_with_the_image_that_it_has_anyway(built: list[Manifest]) -> None:
    for template in templates(built).values():
        [unpacking] = template["spec"]["initContainers"]
        assert unpacking["image"] == container(template)["image"]


def test_a_site_and_its_overlays_are_built_outside_of_this_repository(tmp_path: Path) -> None:
    for name in ("site", "overlays/prod"):
        shutil.copytree(K8S / name, tmp_path / name)
    overlay = tmp_path / "overlays/prod/kustomization.yaml"
    text = overlay.read_text("utf-8")
    for part in ("base", "components"):
        text = text.replace(f"../../{part}", os.path.relpath(K8S / part, overlay.parent))
    overlay.write_text(text, "utf-8")
    assert kustomize(overlay.parent) == kustomize(K8S / "overlays/prod")


def test_no_secret_has_its_value_here(built: list[Manifest]) -> None:
    assert of_kind(built, "Secret") == {}
    secret = re.compile(r"PASSWORD|TOKEN|BUS_URL|USERNAME")
    assert [name for name in generated(built, "replicate-settings") if secret.search(name)] == []
    for template in templates(built).values():
        assert [variable["name"] for variable in container(template)["env"]] == ["HOME"]


def test_a_cronjob_runs_a_command_that_exists_for_something_that_exists(built: list[Manifest]) -> None:
    known: Any = typer.main.get_command(app)
    schedules = load_catalogue(ROOT / "conf", ["odl_usr", "dbprod"])
    reports = load_provisions(ROOT / "conf")
    for cronjob in of_kind(built, "CronJob"):
        program, command, *arguments = container(templates(built)[cronjob])["command"]
        assert program == "replicate"
        parsed = known.commands[command].make_context(command, list(arguments)).params  # refuses an unknown option
        if command == "trigger":
            assert schedules.schedule_tables(parsed["schedule"])
            assert parsed["skip_if_running"]
        if command == "provision":
            assert choose_mode(parsed["historical"], parsed["processorgs"]) in reports.modes


def test_the_clock_starts_seven_things_and_only_in_the_real_installation(built: list[Manifest]) -> None:
    cronjobs = of_kind(built, "CronJob")
    wanted = ("hourly", "daily", "weekly", "all", "orgs", "historical", "sweep")
    assert cronjobs.keys() == {f"replicate-{name}" for name in wanted}
    assert cronjobs["replicate-hourly"]["spec"]["schedule"] == "0 4,6,8,12,14,16,18,20 * * 1-5"
    [namespace] = of_kind(built, "Namespace")
    for cronjob in cronjobs.values():
        spec, job = cronjob["spec"], cronjob["spec"]["jobTemplate"]["spec"]
        assert spec["suspend"] is namespace.endswith("-dev")
        assert spec["timeZone"] == ("Etc/UTC" if namespace.endswith("-dev") else "America/New_York")
        assert spec["concurrencyPolicy"] == "Forbid"
        assert 10 <= spec["startingDeadlineSeconds"] <= 3600  # below 10 a job may never start
        assert job["backoffLimit"] <= 2
        assert job["podReplacementPolicy"] == "Failed"  # no second pod beside one that is ending
        assert job["activeDeadlineSeconds"] > 0


def test_every_pod_has_the_settings_that_its_stage_needs(built: list[Manifest], tmp_path: Path) -> None:
    for name, template in templates(built).items():
        folder = tmp_path / name
        folder.mkdir()
        settings = settings_of(template, built, folder)
        assert settings.has_broker
        assert settings.target in settings.databases
        assert len(settings.databases) == 2, "a source and a target"
        assert all(database.password for database in settings.databases.values())
        assert settings.canvas.base_url
        assert (settings.canvas.token is not None) is (name in CANVAS_STAGES)
        assert set(ports_of(template).values()) <= {settings.metrics_port}
        assert settings.metrics_address == "0.0.0.0", "probes and Prometheus ask from outside the pod"


def test_every_folder_of_the_settings_is_mounted_and_only_three_can_be_written(built: list[Manifest]) -> None:
    folders = {value for name, value in generated(built, "replicate-settings").items() if name.endswith("_DIR")}
    known = {name for name in list_setting_fields() if name.endswith("_DIR")}
    assert {name for name in generated(built, "replicate-settings") if name.endswith("_DIR")} == known
    for template in templates(built).values():
        mounted = {mount["mountPath"]: mount.get("readOnly", False) for mount in container(template)["volumeMounts"]}
        assert [name for name in folders if not {name, str(Path(name).parent)} & mounted.keys()] == []
        assert "/tmp" in mounted
        writable = {path for path, read_only in mounted.items() if not read_only}
        assert writable <= {"/tmp", "/dev/shm", "/var/lib/replicate"}


def test_whatever_a_pod_refers_to_is_there(built: list[Manifest]) -> None:
    maps, claims = of_kind(built, "ConfigMap").keys(), of_kind(built, "PersistentVolumeClaim").keys()
    for template in templates(built).values():
        pod = template["spec"]
        assert pod["serviceAccountName"] in of_kind(built, "ServiceAccount")
        assert {source["configMapRef"]["name"] for source in container(template)["envFrom"]} <= maps
        assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= maps
        named = {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
        assert named == set(claims)
        assert secrets_of(template) <= SECRETS.keys()
        mounts = [
            mount["name"] for each in (*pod["initContainers"], container(template)) for mount in each["volumeMounts"]
        ]
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}


def test_every_pod_keeps_to_the_restricted_standard(built: list[Manifest]) -> None:
    for template in templates(built).values():
        pod, security = template["spec"], template["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert {security[who] for who in ("runAsUser", "runAsGroup", "fsGroup")} == {10001}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for each in (*pod["initContainers"], container(template)):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["requests"]["memory"] == each["resources"]["limits"]["memory"]


def test_images_are_those_of_the_stages_in_one_version(built: list[Manifest]) -> None:
    images = {name: container(template)["image"] for name, template in templates(built).items()}
    assert len({image.rpartition(":")[2] for image in images.values()}) == 1
    for owner, image in images.items():
        stage = owner if owner in topology.STAGES else "extractor"
        assert re.fullmatch(rf"images\.campus\.example\.edu/canvas-replicate/{stage}:\d[\w.-]*", image)


def test_every_stage_has_workers_with_time_to_finish(built: list[Manifest]) -> None:
    workers = {name: worker["spec"] for name, worker in of_kind(built, "Deployment").items()}
    assert workers.keys() == set(topology.STAGES)
    for stage, worker in workers.items():
        only = container(worker["template"])
        assert only["command"] == [stage, "consume"]
        assert worker["template"]["spec"]["terminationGracePeriodSeconds"] > 600  # ten minutes after SIGTERM
        assert worker["strategy"]["rollingUpdate"]["maxSurge"] == 0
        probes = {probe: only[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert {probe["port"] for probe in probes.values()} == ports_of(worker["template"]).keys()
        assert [probe["path"] for probe in probes.values()] == ["/healthz", "/healthz", "/readyz"]
    assert workers["canvas-pusher"]["replicas"] == 1
    assert workers["provisioner"].get("replicas", 2) >= 2


def test_selectors_find_exactly_their_own_pods(built: list[Manifest]) -> None:
    for stage, worker in of_kind(built, "Deployment").items():
        assert selected(worker["spec"]["selector"], built) == {stage}
    budgets = of_kind(built, "PodDisruptionBudget")
    assert budgets.keys() == set(topology.STAGES)
    for stage, budget in budgets.items():
        assert selected(budget["spec"]["selector"], built) == {stage}
    owners = of_kind(built, "Deployment") | of_kind(built, "CronJob")
    for name, template in templates(built).items():
        assert owners[name]["metadata"]["labels"].items() <= labels(template).items()


def test_nothing_gets_in_or_out_but_what_is_needed(built: list[Manifest]) -> None:
    policies = {name: policy["spec"] for name, policy in of_kind(built, "NetworkPolicy").items()}
    assert policies.pop("replicate-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    allowed: dict[str, set[int | str]] = {}
    for name, policy in policies.items():
        [rule] = policy.get("egress", []) + policy.get("ingress", [])
        allowed[name] = {port["port"] for port in rule["ports"]}
        assert rule.get("to") or rule.get("from"), f"{name} names no peer"
        stages = CANVAS_STAGES if name == "replicate-canvas" else templates(built).keys()
        assert selected(policy["podSelector"], built) == stages
    assert allowed == {
        "replicate-dns": {53},
        "replicate-broker": {5671, 5672},
        "replicate-databases": {1521, 2484, 5432},
        "replicate-canvas": {443},
        "replicate-mail": {25, 587},
        "replicate-metrics": {"metrics"},
    }


def test_scaling_counts_the_messages_in_work_and_never_ends_the_last_worker(built: list[Manifest]) -> None:
    scalers = of_kind(built, "ScaledObject")
    unsized = {name for name, worker in of_kind(built, "Deployment").items() if "replicas" not in worker["spec"]}
    assert scalers.keys() == unsized
    assert scalers.keys() in (set(), set(topology.STAGES) - {"canvas-pusher"})
    for stage, scaler in scalers.items():
        spec, [trigger] = scaler["spec"], scaler["spec"]["triggers"]
        assert spec["scaleTargetRef"] == {"name": stage}
        assert spec["minReplicaCount"] >= (2 if stage == "provisioner" else 1)
        assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]["policies"]
        assert trigger["metadata"]["queueName"] == topology.work_queue(stage)
        assert (trigger["metadata"]["protocol"], trigger["metadata"]["excludeUnacknowledged"]) == ("http", "false")
        assert trigger["authenticationRef"]["name"] in of_kind(built, "TriggerAuthentication")


def test_a_volume_of_one_node_keeps_all_pods_there_and_does_not_block_its_drain(built: list[Manifest]) -> None:
    claim = of_kind(built, "PersistentVolumeClaim")["replicate-data"]
    single = claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    budgets = {budget["spec"]["maxUnavailable"] for budget in of_kind(built, "PodDisruptionBudget").values()}
    assert budgets == ({"100%"} if single else {1})
    for template in templates(built).values():
        affinity = template["spec"].get("affinity", {}).get("podAffinity", {})
        terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        assert len(terms) == int(single)
        for term in terms:
            assert selected(term["labelSelector"], built) == set(templates(built))


def test_the_prometheus_operator_gets_the_same_rules_and_jobs() -> None:
    component = K8S / "components" / "prometheus-operator"
    [rule] = yaml.safe_load_all((component / "rules.yaml").read_text("utf-8"))
    files = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((PROMETHEUS / "rules").glob("*.yml"))]
    assert rule["spec"]["groups"] == [group for file in files for group in file["groups"]], (
        "run scripts/prometheus-rule"
    )
    monitors = list(yaml.safe_load_all((component / "pod-monitors.yaml").read_text("utf-8")))
    endpoints = [endpoint for monitor in monitors for endpoint in monitor["spec"]["podMetricsEndpoints"]]
    jobs = {endpoint["relabelings"][0]["replacement"] for endpoint in endpoints}
    told = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    [per_stage] = [job for job in jobs if job.endswith("-$1")]
    by_stage = {per_stage.replace("$1", stage) for stage in topology.STAGES}
    assert {config["job_name"] for config in told["scrape_configs"]} == jobs - {per_stage} | by_stage


def test_metrics_are_taken_from_every_worker_by_the_name_of_its_port(built: list[Manifest]) -> None:
    assert {manifest["kind"] for manifest in built} & CUSTOM in (set(), CUSTOM)  # none, or all components
    for spec in (monitor["spec"] for name, monitor in of_kind(built, "PodMonitor").items() if name == "replicate"):
        [endpoint] = spec["podMetricsEndpoints"]
        scraped = {name for name, pod in templates(built).items() if endpoint["port"] in ports_of(pod)}
        assert selected(spec["selector"], built) == scraped == set(topology.STAGES)


def test_the_guide_tells_every_cronjob_policy_secret_and_only_settings_that_exist(built: list[Manifest]) -> None:
    guide = GUIDE.read_text("utf-8")
    for name, cronjob in of_kind(built, "CronJob").items():
        line = f"| `{name}` | `{cronjob['spec']['schedule']}` | `{' '.join(container(templates(built)[name])['command'])}` |"
        assert line in guide
    policies = of_kind(built, "NetworkPolicy").keys() - {"replicate-deny"}
    keys = {key for names in SECRETS.values() for key in names}
    assert [name for name in {*SECRETS, "replicate-keda", *keys, *policies} if f"`{name}`" not in guide] == []
    known = [name.replace("<ALIAS>", "[A-Z0-9_]+") for name in list_setting_fields()]
    told = set(re.findall(r"REPLICATE_[A-Z_]*[A-Z]", guide))
    assert [name for name in told if not any(re.fullmatch(pattern, name) for pattern in known)] == []
