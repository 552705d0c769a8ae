"""infra/kuberay: what KubeRay's documentation asks for, and what must not be forgotten.

KubeRay's schemas are in no package of PyPI. With KUBERAY_CRDS, a folder with ray.io_rayclusters.yaml and ray.io_rayjobs.yaml
(helm-chart/kuberay-operator/crds of its repository), the files are held against them too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ssgan.config import Config
from tests.infra.conftest import AWS
from tests.support.closure import ROOT
from tests.support.cloud import read_template
from tests.support.dockerfile import environment, of

FOLDER = ROOT / "infra" / "kuberay"
ACCOUNT, CLUSTER = yaml.safe_load_all((FOLDER / "raycluster.yaml").read_text())
JOB_ACCOUNT, JOB = yaml.safe_load_all((FOLDER / "rayjob.yaml").read_text())
SPECS: dict[str, dict[str, Any]] = {"raycluster": CLUSTER["spec"], "rayjob": JOB["spec"]["rayClusterSpec"]}


def templates(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield spec["headGroupSpec"]["template"]["spec"]
    for group in spec["workerGroupSpecs"]:
        yield group["template"]["spec"]


PODS = [pod for spec in SPECS.values() for pod in templates(spec)]
WORKERS = [group["template"]["spec"] for spec in SPECS.values() for group in spec["workerGroupSpecs"]]
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


@pytest.mark.skipif("KUBERAY_CRDS" not in os.environ, reason="KUBERAY_CRDS names no folder with KubeRay's schemas")
@pytest.mark.parametrize(("document", "kind"), [(CLUSTER, "rayclusters"), (JOB, "rayjobs")], ids=["raycluster", "rayjob"])
def test_kuberay_accepts_it(document: dict[str, Any], kind: str) -> None:
    crd = yaml.safe_load((Path(os.environ["KUBERAY_CRDS"]) / f"ray.io_{kind}.yaml").read_text())
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in crd["spec"]["versions"] if v["name"] == "v1"]
    _refuse_unknown_keys(schema["properties"]["spec"])
    jsonschema.validate(document, schema)


def _refuse_unknown_keys(schema: Any) -> None:
    """As `kubectl apply --validate=strict` does; a schema of Kubernetes itself lets them pass."""
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _refuse_unknown_keys(part)
    elif isinstance(schema, list):
        for part in schema:
            _refuse_unknown_keys(part)


def test_cluster_and_job_run_the_same_pods() -> None:
    assert list(templates(SPECS["raycluster"])) == list(templates(SPECS["rayjob"]))
    assert ACCOUNT == JOB_ACCOUNT


@each_spec
def test_nobody_gets_in_without_the_token_of_the_secret(spec: dict[str, Any]) -> None:
    assert spec["authOptions"] == {"mode": "token", "secretName": "ssgan-ray-token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    names = [variable["name"] for pod in templates(spec) for c in pod["containers"] for variable in c["env"]]
    assert not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"} & set(names), "KubeRay sets both, unless they are set already"


@each_spec
def test_rays_version_is_that_of_the_lock(spec: dict[str, Any]) -> None:
    """KubeRay refuses authentication, or checks health in another way, for versions that it takes for older ones."""
    assert f"\nray=={spec['rayVersion']} " in (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("pod", PODS)
def test_no_container_is_root_or_can_become_it(pod: dict[str, Any]) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == of("USER")[-1]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("pod", PODS)
def test_health_is_asked_without_a_shell_and_with_patience(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert all(probe["httpGet"] == {"path": "/api/healthz", "port": 52365} for probe in probes)
    startup, readiness, liveness = (probe["periodSeconds"] * probe["failureThreshold"] for probe in probes)
    assert startup >= 300
    assert liveness > readiness, "taken out of service first, restarted only then"


@pytest.mark.parametrize("pod", PODS)
def test_requests_are_limits(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()


@pytest.mark.parametrize("pod", WORKERS)
def test_workers_have_a_gpu_and_may_run_where_others_must_not(pod: dict[str, Any]) -> None:
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["containers"][0]["image"].endswith("-cuda")
    assert {toleration["key"] for toleration in pod["tolerations"]} == {"nvidia.com/gpu", "spot"}
    assert pod["automountServiceAccountToken"] is False


@each_spec
def test_the_head_stays_off_spot_machines_and_is_kept_free(spec: dict[str, Any]) -> None:
    pod = spec["headGroupSpec"]["template"]["spec"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {(e["key"], e["operator"]) for term in terms for e in term["matchExpressions"]} == {
        ("eks.amazonaws.com/capacityType", "NotIn"),
        ("karpenter.sh/capacity-type", "NotIn"),
    }
    assert "tolerations" not in pod
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("pod", PODS)
def test_s3_comes_by_role_and_no_key_is_written_down(pod: dict[str, Any]) -> None:
    namespace, name = read_template(AWS / "bucket.yaml")["Parameters"]["ServiceAccount"]["Default"].split(":")
    assert (ACCOUNT["metadata"]["namespace"], ACCOUNT["metadata"]["name"]) == (namespace, name)
    assert pod["serviceAccountName"] == name
    assert ACCOUNT["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith("/BUCKET-trainer-pod")
    for container in pod["containers"]:
        assert {variable["name"] for variable in container["env"]} == {"RAY_USAGE_STATS_ENABLED", "AWS_REGION"}


@pytest.mark.parametrize("pod", PODS)
def test_the_project_lies_where_the_job_starts(pod: dict[str, Any]) -> None:
    """A job of Ray starts in the folder in which `ray start` was called: the image's WORKDIR."""
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    home = of("WORKDIR")[-1]
    assert home == environment()["HOME"]
    assert mounts[f"{home}/params.yaml"]["subPath"] == "params.yaml"
    assert {mount["name"] for mount in mounts.values()} == {volume["name"] for volume in pod["volumes"]}


def test_the_job_trains_and_ends() -> None:
    spec = JOB["spec"]
    assert spec["entrypoint"] == "python -m ssgan.runs.job"
    assert (ROOT / "pipelines" / "train.py").is_file()
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["preRunningDeadlineSeconds"] > 0
    assert "runtimeEnvYAML" not in spec, "an environment made per job is made on every node, and its variables are public"


def test_workers_are_there_when_training_looks_for_them() -> None:
    (always,) = SPECS["rayjob"]["workerGroupSpecs"]
    assert always["replicas"] == always["minReplicas"] == always["maxReplicas"] == Config().train.num_workers
    (scaled,) = SPECS["raycluster"]["workerGroupSpecs"]
    assert SPECS["raycluster"]["enableInTreeAutoscaling"] is True
    assert 0 < scaled["minReplicas"] < scaled["maxReplicas"]


@pytest.mark.parametrize("name", ["raycluster", "rayjob"])
def test_what_has_to_be_changed_is_marked(name: str) -> None:
    for line in (FOLDER / f"{name}.yaml").read_text().splitlines():
        if re.search(r"123456789012|eu-central-1|BUCKET", line):
            assert "EDIT" in line, line
