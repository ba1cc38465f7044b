"""The Helm chart: real Helm renders it, and Kubernetes' schemas accept every object."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as schemas

from scripts.fetch_helm import fetch
from stepiq import __version__
from stepiq.core.settings.model import Settings, variable_name
from stepiq.server.process import DRAIN
from tests.deploy.test_files import SETTINGS
from tests.docs.pages import blocks, read, section
from tests.support.containers import ROOT, image

CHART = ROOT / "deploy" / "helm" / "stepiq"
KUBERNETES = ("1.27", "1.36")
"""The oldest version that the chart supports, and a new one."""
GIVEN: dict[str, Any] = {"publicUrl": "https://stepiq.example.com", "existingSecret": "keys"}
ALL: dict[str, Any] = {
    "settings": {"STEPIQ_REGISTRATION": "invite", "STEPIQ_RUN_RETENTION_DAYS": 7},
    "config": '[plans.small]\nmax_active_runs = 2 # a "comment"\n',
    "imagePullSecrets": [{"name": "registry"}],
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"team": "ai"},
    "service": {"annotations": {"example.com/a": "b"}},
    "serviceAccount": {"annotations": {"example.com/a": "b"}},
    "ingress": {"enabled": True, "className": "nginx", "host": "stepiq.example.com", "tlsSecret": "tls", "annotations": {"example.com/a": "b"}},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}], "metricsFrom": [{"podSelector": {}}]},
    **{
        name: {
            "autoscaling": {"enabled": True},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "ai", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        }
        for name in ("api", "worker")
    },
}  # fmt: skip
COMBINATIONS: dict[str, dict[str, Any]] = {
    "least": {},
    "all": ALL,
    "sqlite": {"database": "sqlite", "persistence": {"storageClassName": "local"}},
    "all with sqlite": {**ALL, "database": "sqlite", "persistence": {"existingClaim": "old"}},
    "without extras": {
        "podDisruptionBudget": {"enabled": False},
        "migration": {"enabled": False},
        "serviceAccount": {"create": False},
        "networkPolicy": {"enabled": True},
    },
}
OBJECTS = {
    "least": {"Deployment/x-stepiq-api", "Deployment/x-stepiq-worker", "Job/x-stepiq-migration", "Service/x-stepiq", "ServiceAccount/x-stepiq", "PodDisruptionBudget/x-stepiq-api", "PodDisruptionBudget/x-stepiq-worker"},
    "sqlite": {"Deployment/x-stepiq-api", "Service/x-stepiq", "ServiceAccount/x-stepiq", "PersistentVolumeClaim/x-stepiq"},
    "without extras": {"Deployment/x-stepiq-api", "Deployment/x-stepiq-worker", "Service/x-stepiq", "NetworkPolicy/x-stepiq-api", "NetworkPolicy/x-stepiq-worker"},
}  # fmt: skip


def helm(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [fetch(), *arguments, "--values", "-"],
        input=json.dumps({} if values is None else values),
        capture_output=True,
        text=True,
        check=False,
    )


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    done = helm("template", "x", str(CHART), "--namespace", "ai", values={**GIVEN, **values})
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["spec"]["template"]["spec"] for each in objects if each["kind"] in ("Deployment", "Job")]  # fmt: skip


def named(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in objects}


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[dict[str, Any]]]:
    """The objects of each combination."""
    return {name: render(values) for name, values in COMBINATIONS.items()}


Rendered = dict[str, list[dict[str, Any]]]


@pytest.mark.slow
class TestObjects:
    def test_helm_finds_nothing(self):
        for values in COMBINATIONS.values():
            done = helm("lint", "--strict", str(CHART), values={**GIVEN, **values})

            assert done.returncode == 0, done.stdout

    def test_kubernetes_accepts_each(self, rendered: Rendered, monkeypatch: pytest.MonkeyPatch):
        # The library would read megabytes of definitions for each object.
        monkeypatch.setattr(schemas, "schema_contents", cache(schemas.schema_contents))

        for objects in rendered.values():
            for each in objects:
                for version in KUBERNETES:
                    kubernetes_validate.validate(each, version, strict=True)

    def test_there_are_those_that_the_values_ask_for(self, rendered: Rendered):
        for name, wanted in OBJECTS.items():
            assert set(named(rendered[name])) == wanted

    def test_selectors_find_the_pods(self, rendered: Rendered):
        for objects in rendered.values():
            labels = [each["spec"]["template"]["metadata"]["labels"].items() for each in objects if each["kind"] == "Deployment"]  # fmt: skip
            for each in objects:
                spec = each.get("spec", {})
                wanted = spec.get("podSelector") or spec.get("selector")
                if wanted is None:
                    continue
                selected = wanted.get("matchLabels", wanted).items()
                assert sum(selected <= found for found in labels) == 1, each["kind"]

    def test_everything_is_in_the_namespace_of_the_release(self, rendered: Rendered):
        for objects in rendered.values():
            assert {each["metadata"]["namespace"] for each in objects} == {"ai"}


@pytest.mark.slow
class TestPods:
    def test_they_meet_the_restricted_pod_security_standard(self, rendered: Rendered):
        for objects in rendered.values():
            for pod in pods(objects):
                assert pod["securityContext"]["runAsNonRoot"] is True
                assert pod["securityContext"]["runAsUser"] == int(image().user)
                assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
                assert pod["automountServiceAccountToken"] is False
                assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
                assert {kind for volume in pod["volumes"] for kind in set(volume) - {"name"}} <= {"emptyDir", "configMap", "persistentVolumeClaim"}  # fmt: skip
                for container in pod["containers"]:
                    assert container["securityContext"] == {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    }
                    assert container["resources"]["requests"]
                    assert container["resources"]["limits"]["memory"]

    def test_they_can_write_where_the_image_stores_data(self, rendered: Rendered):
        volume = image().environment["STEPIQ_DATA_DIR"]
        for objects in rendered.values():
            for pod in pods(objects):
                (container,) = pod["containers"]
                # All users can read an emptyDir, so stepIQ needs a folder of its own in it.
                assert {"name": "STEPIQ_DATA_DIR", "value": f"{volume}/data"} in container["env"]
                assert {volume, "/tmp"} <= {each["mountPath"] for each in container["volumeMounts"]}  # noqa: S108
                assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}  # fmt: skip

    def test_their_settings_exist(self, rendered: Rendered):
        for objects in rendered.values():
            for pod in pods(objects):
                (container,) = pod["containers"]
                assert {each["name"] for each in container["env"]} <= SETTINGS
                assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]

    def test_their_commands_and_probes_are_those_of_the_image(self, rendered: Rendered):
        objects = named(rendered["least"])
        api = objects["Deployment/x-stepiq-api"]["spec"]["template"]["spec"]["containers"][0]
        worker = objects["Deployment/x-stepiq-worker"]["spec"]["template"]["spec"]["containers"][0]
        job = objects["Job/x-stepiq-migration"]["spec"]["template"]["spec"]["containers"][0]
        alone = named(rendered["sqlite"])["Deployment/x-stepiq-api"]["spec"]

        assert [each["args"] for each in (api, worker, job)] == [["serve", "--no-worker"], ["worker"], ["migrate"]]  # fmt: skip
        assert alone["template"]["spec"]["containers"][0]["args"] == ["serve"]
        assert (alone["replicas"], alone["strategy"]) == (1, {"type": "Recreate"})
        for container in (api, worker):
            assert container["image"] == f"stepiq:{__version__}"
            assert container["livenessProbe"]["httpGet"]["path"] == "/health"
            assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
        assert api["ports"] == [{"name": "http", "containerPort": Settings.model_fields["port"].default}]  # fmt: skip
        assert {"name": variable_name("worker_port"), "value": "9090"} in worker["env"]
        assert worker["ports"] == [{"name": "http", "containerPort": 9090}]

    def test_they_have_longer_to_stop_than_a_worker_takes(self, rendered: Rendered):
        for pod in pods(rendered["least"]):
            if pod.get("restartPolicy") != "Never":
                # The API waits for five seconds before it stops.
                assert pod["terminationGracePeriodSeconds"] >= DRAIN.total_seconds() + 10

    def test_a_new_configuration_starts_new_pods(self):
        first, second = render({"config": "a = 1"}), render({"config": "a = 2"})

        templates = [named(each)["Deployment/x-stepiq-api"]["spec"]["template"] for each in (first, second)]  # fmt: skip
        assert templates[0]["metadata"]["annotations"] != templates[1]["metadata"]["annotations"]

    def test_apis_can_keep_their_version_during_an_upgrade(self):
        objects = named(render({"image": {"tag": "2.0.0"}, "api": {"tag": "1.0.0"}}))

        tags = {name: each["spec"]["template"]["spec"]["containers"][0]["image"] for name, each in objects.items() if name.startswith(("Dep", "Job"))}  # fmt: skip
        assert tags == {
            "Deployment/x-stepiq-api": "stepiq:1.0.0",
            "Deployment/x-stepiq-worker": "stepiq:2.0.0",
            "Job/x-stepiq-migration": "stepiq:2.0.0",
        }

    def test_a_new_version_of_the_chart_alone_does_not_replace_pods(self, rendered: Rendered):
        for item in rendered["all"]:
            if item["kind"] == "Deployment":
                assert set(item["spec"]["template"]["metadata"]["labels"]) == {
                    "app.kubernetes.io/name",
                    "app.kubernetes.io/instance",
                    "app.kubernetes.io/component",
                    "team",
                }


def test_each_secret_setting_is_refused_as_a_value():
    schema = json.loads((CHART / "values.schema.json").read_text())
    refused = {each["required"][0] for each in schema["properties"]["settings"]["not"]["anyOf"]}

    secret = {
        variable_name(name)
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation) and variable_name(name).startswith("STEPIQ_")
    }

    assert secret - refused == set()


@pytest.mark.slow
class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"publicUrl": ""}, "Set publicUrl"),
            ({"publicUrl": "https://example.com/path"}, "publicUrl"),
            ({"existingSecret": ""}, "Set existingSecret"),
            ({"ingress": {"enabled": True}}, "Set ingress.host"),
            ({"settings": {"STEPIQ_MASTER_KEY": "k"}}, "settings"),
            ({"settings": {"registration": "open"}}, "registration"),
            ({"replicas": 3}, "replicas"),
            ({"database": "mysql"}, "database"),
        ],
    )
    def test_wrong_values_are_refused(self, values: dict[str, Any], said: str):
        done = helm("template", "x", str(CHART), values={**GIVEN, **values})

        assert done.returncode != 0
        assert said in done.stderr


class TestChart:
    def test_it_has_the_version_of_stepiq(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

        assert (chart["version"], chart["appVersion"]) == (__version__, __version__)

    def test_every_value_is_in_the_schema(self):
        def paths(values: Any, schema: Any, prefix: str = "") -> set[str]:
            if not isinstance(values, dict) or "properties" not in schema:
                return set()
            missing = {f"{prefix}{name}" for name in set(values) - set(schema["properties"])}
            for name in set(values) & set(schema["properties"]):
                missing |= paths(values[name], schema["properties"][name], f"{prefix}{name}.")
            return missing

        values = yaml.safe_load((CHART / "values.yaml").read_text())
        assert paths(values, json.loads((CHART / "values.schema.json").read_text())) == set()

    @pytest.mark.slow
    def test_the_values_of_the_guide_work(self, tmp_path: Path):
        (values,) = blocks(section(read("docs/kubernetes.md"), "## Install"), "yaml")

        objects = named(render(yaml.safe_load(values)))

        (rule,) = objects["Ingress/x-stepiq"]["spec"]["rules"]
        assert rule["host"] == "stepiq.example.com"
