"""The stack's Kubernetes overlays, judged as they are built: schemas, rules, and what the plan says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped, unused-ignore]
import pytest
import yaml

pytest_plugins = ["fixtures.policy.built"]

Objects = list[dict[str, Any]]
Built = Callable[[str], Objects]

OVERLAYS = ("development", "staging", "production")
NETWORKS = {"development": "10.10", "staging": "10.20", "production": "10.30"}
BUILT = ("ingress", "admission", *(f"overlays/{name}" for name in OVERLAYS))
CUSTOM = {"ExternalSecret", "SecretStore", "TargetGroupBinding"}
"""Kinds that an operator defines: there is no schema for them here."""


def by_name(objects: Objects) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def images(objects: Objects) -> set[str]:
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "Job"}]
    return {container["image"] for pod in pods for container in pod["containers"]}


@pytest.mark.parametrize("name", BUILT)
def test_no_rule_is_broken_as_built(name: str, built: Built, broken_rules: Callable[..., set[str]]) -> None:
    assert broken_rules(built(name)) == set()


WORSE: list[tuple[str, str, str, str, Any, str]] = [
    ("Service", "api", "replace", "/spec/selector", {"app": "api"}, "service-selects-pods"),
    ("Service", "api", "replace", "/spec/ports/0/targetPort", "web", "service-target-port"),
    ("HorizontalPodAutoscaler", "api", "replace", "/spec/scaleTargetRef/name", "apis", "hpa-target-exists"),
    ("PodDisruptionBudget", "api", "add", "/spec/minAvailable", 3, "disruption-budget-allows-drain"),
    (
        "PodDisruptionBudget",
        "api",
        "replace",
        "/spec/selector",
        {"matchLabels": {"a": "b"}},
        "disruption-budget-exists",
    ),
    ("PriorityClass", "abacus-serving", "replace", "/metadata/name", "serving", "priority-class-exists"),
    ("ExternalSecret", "database", "replace", "/spec/target/name", "db", "config-defined"),
    (
        "NetworkPolicy",
        "api",
        "replace",
        "/spec/podSelector",
        {"matchLabels": {"a": "b"}},
        "network-policy-covers-workload",
    ),
]


@pytest.mark.parametrize(("kind", "name", "op", "path", "put", "broken"), WORSE)
def test_one_change_in_one_file_is_seen_in_another(
    kind: str,
    name: str,
    op: str,
    path: str,
    put: Any,
    broken: str,
    built: Built,
    changed: Callable[..., dict[str, Any]],
    broken_rules: Callable[..., set[str]],
) -> None:
    # What selects every pod would hide that one workload's own policy is gone.
    objects = by_name(built("overlays/production"))
    del objects["NetworkPolicy", "names"], objects["NetworkPolicy", "default-deny"]
    assert broken_rules(list(objects.values()), broken) == set()
    objects[kind, name] = changed(objects[kind, name], op, path, put)
    assert broken_rules(list(objects.values()), broken) == {broken}


@pytest.fixture(scope="module")
def validate() -> Iterator[Callable[..., str]]:
    """kubernetes-validate, which would read 1.5 MB of definitions anew for every object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield kubernetes_validate.validate


@pytest.mark.parametrize(
    ("name", "version"), [*((name, "1.34") for name in BUILT), ("admission", "1.37"), ("overlays/production", "1.37")]
)
def test_everything_built_fits_the_schemas(name: str, version: str, built: Built, validate: Callable[..., str]) -> None:
    known = [each for each in built(name) if each["kind"] not in CUSTOM]
    assert known
    for each in known:
        validate(each, version, strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_says_what_the_base_leaves_open(name: str, built: Built) -> None:
    things = by_name(built(f"overlays/{name}"))
    inside = [each for (kind, _), each in things.items() if kind not in {"Namespace", "PriorityClass"}]
    assert {each["metadata"]["namespace"] for each in inside} == {"abacus"}
    pulled = images(list(things.values()))
    assert len(pulled) == 2
    assert all(image.split("/")[0].endswith(".amazonaws.com") and "@sha256:" in image for image in pulled)
    targets = {owner: things["TargetGroupBinding", owner]["spec"] for owner in ("api", "frontend")}
    assert {owner: spec["targetGroupName"] for owner, spec in targets.items()} == {
        "api": f"abacus-{name}-api",
        "frontend": f"abacus-{name}-frontend",
    }
    assert {owner for owner, spec in targets.items() if ("Service", spec["serviceRef"]["name"]) in things} == set(
        targets
    )
    blocks = set(re.findall(r"cidr: (\d+\.\d+)", yaml.safe_dump_all(things.values())))
    assert blocks == {NETWORKS[name]}
    secret = things["ExternalSecret", "database"]["spec"]["dataFrom"][0]["extract"]["key"]
    assert secret == f"abacus/{name}/database"
    role = things["ServiceAccount", "secrets-reader"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.endswith(f"role/abacus-{name}-secrets-reader")


def test_an_ingress_of_its_own_leads_to_both_services(
    built: Built, changed: Callable[..., dict[str, Any]], broken_rules: Callable[..., set[str]]
) -> None:
    objects = by_name(built("ingress"))
    path = "/spec/rules/0/http/paths/0/backend/service/name"
    objects["Ingress", "abacus"] = changed(objects["Ingress", "abacus"], "replace", path, "ap")
    assert broken_rules(list(objects.values()), "ingress-backend-exists") == {"ingress-backend-exists"}


def test_production_scales_as_planned(built: Built) -> None:
    (scaler,) = (
        each["spec"]
        for each in built("overlays/production")
        if each["kind"] == "HorizontalPodAutoscaler" and each["metadata"]["name"] == "api"
    )
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    targets = {each["resource"]["name"]: each["resource"]["target"]["averageUtilization"] for each in scaler["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert scaler["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 60


def test_no_environment_shares_an_address_or_a_secret(built: Built) -> None:
    texts = {name: yaml.safe_dump_all(built(f"overlays/{name}")) for name in OVERLAYS}
    marks = {"development": "111111111111", "staging": "222222222222", "production": "333333333333"}
    for name, text in texts.items():
        assert {other for other, mark in marks.items() if mark in text} == {name}


def test_the_maintenance_page_fits_the_load_balancer(built: Built) -> None:
    (page,) = (
        each["metadata"]["annotations"]["alb.ingress.kubernetes.io/actions.maintenance"]
        for each in built("ingress")
        if each["kind"] == "Ingress" and each["metadata"]["name"] == "maintenance"
    )
    action = yaml.safe_load(page)
    assert action["fixedResponseConfig"]["statusCode"] == "503"
    assert len(action["fixedResponseConfig"]["messageBody"]) <= 1024
