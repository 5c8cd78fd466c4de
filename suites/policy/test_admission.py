"""The cluster's own guard, ``stack/kubernetes/admission``: every expression refuses what it is for, and lets us in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

pytest_plugins = ["fixtures.policy.built"]

Object = dict[str, Any]
Built = Callable[[str], list[Object]]
Refused = Callable[..., list[str]]
Changed = Callable[..., Object]

OVERLAYS = ("development", "staging", "production")
LABEL = "abacus.example/admission"


@pytest.fixture
def ours(built: Built) -> Callable[[str, str], Object]:
    """One object of production."""
    objects = {(each["kind"], each["metadata"]["name"]): each for each in built("overlays/production")}
    return lambda kind, name: copy.deepcopy(objects[kind, name])


POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"
REFUSED: list[tuple[str, str, str, str, Any, str]] = [
    ("Deployment", "api", "replace", f"{CONTAINER}/image", "1.dkr.ecr.r.amazonaws.com/abacus-api:2", "by its digest"),
    ("Job", "migrate", "replace", f"{CONTAINER}/image", "abacus-api", "by its digest"),
    ("Deployment", "api", "replace", f"{CONTAINER}/image", f"docker.io/api@sha256:{'0' * 64}", "own registry"),
    ("Deployment", "api", "remove", f"{CONTAINER}/resources/requests/cpu", None, "must set requests.cpu"),
    ("Deployment", "frontend", "remove", f"{CONTAINER}/resources/limits", None, "must set requests.cpu"),
    ("Job", "migrate", "remove", f"{CONTAINER}/resources", None, "must set requests.cpu"),
    ("Deployment", "api", "replace", f"{CONTAINER}/securityContext/readOnlyRootFilesystem", False, "readOnlyRoot"),
    ("Job", "migrate", "remove", f"{CONTAINER}/securityContext", None, "readOnlyRoot"),
    ("Deployment", "api", "replace", f"{POD}/serviceAccountName", "default", "serviceAccountName of its own"),
    ("Deployment", "api", "replace", f"{POD}/automountServiceAccountToken", True, "serviceAccountName of its own"),
    ("Deployment", "api", "remove", f"{CONTAINER}/startupProbe", None, "must have a startupProbe"),
    ("Deployment", "frontend", "remove", f"{CONTAINER}/readinessProbe", None, "must have a startupProbe"),
    ("Deployment", "api", "replace", f"{CONTAINER}/livenessProbe/httpGet/path", "/api/ready", "must not ask what"),
    ("Deployment", "api", "remove", f"{POD}/topologySpreadConstraints/0", None, "spread its pods over zones"),
    (
        "Deployment",
        "api",
        "replace",
        f"{POD}/topologySpreadConstraints/0/whenUnsatisfiable",
        "ScheduleAnyway",
        "spread its pods over zones",
    ),
    ("HorizontalPodAutoscaler", "api", "replace", "/spec/minReplicas", 1, "minReplicas of 2"),
    ("HorizontalPodAutoscaler", "api", "remove", "/spec/minReplicas", None, "minReplicas of 2"),
    ("HorizontalPodAutoscaler", "api", "replace", "/spec/maxReplicas", 3, "minReplicas of 2"),
    ("PodDisruptionBudget", "api", "replace", "/spec/maxUnavailable", 0, "let nodes be drained"),
    ("PodDisruptionBudget", "api", "replace", "/spec/maxUnavailable", "0%", "let nodes be drained"),
    ("PodDisruptionBudget", "api", "add", "/spec/minAvailable", "100%", "let nodes be drained"),
]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_stack_itself_is_let_in(name: str, built: Built, refused: Refused) -> None:
    said = {f"{each['kind']} {each['metadata']['name']}": refused(each) for each in built(f"overlays/{name}")}
    assert {who: messages for who, messages in said.items() if messages} == {}


@pytest.mark.parametrize(("kind", "name", "op", "path", "put", "because"), REFUSED)
def test_a_change_for_the_worse_is_refused(
    kind: str,
    name: str,
    op: str,
    path: str,
    put: Any,
    because: str,
    ours: Callable[[str, str], Object],
    changed: Changed,
    refused: Refused,
) -> None:
    messages = refused(changed(ours(kind, name), op, path, put))
    assert [message for message in messages if because in message]


def test_lowering_to_one_replica_is_refused_but_not_starting_with_one(
    ours: Callable[[str, str], Object], refused: Refused
) -> None:
    three, one, parked = (ours("Deployment", "api") for _ in range(3))
    three["spec"]["replicas"], one["spec"]["replicas"], parked["spec"]["replicas"] = 3, 1, 0
    assert [message for message in refused(one, old=three) if "one replica" in message]
    assert not refused(one)
    assert not refused(one, old=one)
    assert not refused(parked, old=three)


def test_each_validation_was_seen_to_refuse(built: Built) -> None:
    fragments = {row[-1] for row in REFUSED} | {"one replica"}
    policies = [each for each in built("admission") if each["kind"] == "ValidatingAdmissionPolicy"]
    messages = [each["message"] for policy in policies for each in policy["spec"]["validations"]]
    assert len(messages) == 11
    assert [message for message in messages if not any(fragment in message for fragment in fragments)] == []


def test_a_cron_job_and_init_containers_are_looked_at(ours: Callable[[str, str], Object], refused: Refused) -> None:
    job = ours("Job", "migrate")
    cron: Object = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "clean"}}
    cron["spec"] = {"schedule": "@daily", "jobTemplate": {"spec": job["spec"]}}
    assert not refused(cron)
    pod = job["spec"]["template"]["spec"]
    pod["initContainers"] = [{**copy.deepcopy(pod["containers"][0]), "name": "wait", "image": "busybox"}]
    assert len(refused(cron)) == 2


def test_a_worker_without_ports_needs_no_probes(ours: Callable[[str, str], Object], refused: Refused) -> None:
    worker = ours("Deployment", "api")
    for field in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
        del worker["spec"]["template"]["spec"]["containers"][0][field]
    assert not refused(worker)


def test_each_policy_is_bound_both_ways_and_fails_closed(built: Built) -> None:
    guard = built("admission")
    policies = [each for each in guard if each["kind"] == "ValidatingAdmissionPolicy"]
    bindings = [each["spec"] for each in guard if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    bound = {
        (each["policyName"], each["matchResources"]["namespaceSelector"]["matchLabels"][LABEL]): "Deny"
        in each["validationActions"]
        for each in bindings
    }
    names = [each["metadata"]["name"] for each in policies]
    assert bound == {(name, how): how == "enforced" for name in names for how in ("enforced", "observed")}
    assert {each["spec"]["failurePolicy"] for each in policies} == {"Fail"}


@pytest.mark.parametrize(
    ("name", "how"), [("development", "observed"), ("staging", "enforced"), ("production", "enforced")]
)
def test_each_namespace_says_whether_it_is_refused_or_told(name: str, how: str, built: Built) -> None:
    (namespace,) = (each for each in built(f"overlays/{name}") if each["kind"] == "Namespace")
    assert namespace["metadata"]["labels"][LABEL] == how
