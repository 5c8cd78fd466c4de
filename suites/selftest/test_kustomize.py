"""The reader of kustomizations: what it builds is what kustomize builds, and what it does not know it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.policy.kustomize import KustomizeError, build, split_image
from fixtures.policy.merge import MergeError, apply_json_patch, merge

DIGEST = f"sha256:{'5e' * 32}"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, labels: &labels {app: api}}
spec:
  replicas: 2
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
        - {name: api, image: "registry.example:5000/api:1", env: [{name: A, value: a}, {name: B, value: b}]}
        - {name: log, image: log}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: somewhere}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: first}
value: 1
"""


def made(tmp_path: Path, kustomization: str, resources: str = DEPLOYMENT) -> dict[str, dict[str, Any]]:
    """What a kustomization of one file makes, by kind."""
    (tmp_path / "all.yaml").write_text(resources)
    (tmp_path / "kustomization.yaml").write_text(f"resources: [all.yaml]\n{kustomization}")
    return {each["kind"]: each for each in build(tmp_path)}


def containers(thing: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = thing["spec"]["template"]["spec"]["containers"]
    return found


def test_a_namespace_is_set_where_there_is_one(tmp_path: Path) -> None:
    things = made(tmp_path, "namespace: here")
    assert things["Deployment"]["metadata"]["namespace"] == things["Service"]["metadata"]["namespace"] == "here"
    assert things["Namespace"]["metadata"] == {"name": "here"}
    assert "namespace" not in things["PriorityClass"]["metadata"]


@pytest.mark.parametrize(
    ("said", "image"),
    [
        (f"digest: '{DIGEST}'", f"registry.example:5000/api@{DIGEST}"),
        ("newTag: '2'", "registry.example:5000/api:2"),
        ("newName: other/api", "other/api:1"),
        (f"newName: other/api, digest: '{DIGEST}'", f"other/api@{DIGEST}"),
    ],
)
def test_an_image_is_replaced_by_name(tmp_path: Path, said: str, image: str) -> None:
    things = made(tmp_path, f"images: [{{name: 'registry.example:5000/api', {said}}}]")
    assert [each["image"] for each in containers(things["Deployment"])] == [image, "log"]


def test_labels_reach_selectors_only_when_told(tmp_path: Path) -> None:
    plain = made(tmp_path, "labels: [{pairs: {team: a}}]")
    assert plain["Deployment"]["metadata"]["labels"] == {"app": "api", "team": "a"}
    assert plain["Deployment"]["spec"]["template"]["metadata"]["labels"] == {"app": "api"}
    assert plain["Service"]["spec"]["selector"] == {"app": "api"}
    told = made(tmp_path, "labels: [{pairs: {team: a}, includeSelectors: true}]")
    assert told["Deployment"]["spec"]["template"]["metadata"]["labels"] == {"app": "api", "team": "a"}
    assert told["Deployment"]["spec"]["selector"]["matchLabels"] == {"app": "api", "team": "a"}
    assert told["Service"]["spec"]["selector"] == {"app": "api", "team": "a"}


def test_replicas_are_set_by_name(tmp_path: Path) -> None:
    assert made(tmp_path, "replicas: [{name: api, count: 5}]")["Deployment"]["spec"]["replicas"] == 5


def test_a_merge_changes_one_container_and_removes_by_null(tmp_path: Path) -> None:
    things = made(
        tmp_path,
        """
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: api}
      spec:
        replicas: null
        template:
          spec:
            containers:
              - {name: log, image: log@2}
              - {name: api, env: [{name: B, value: c}]}
""",
    )
    api, log = containers(things["Deployment"])
    assert (api["env"], log["image"]) == ([{"name": "A", "value": "a"}, {"name": "B", "value": "c"}], "log@2")
    assert "replicas" not in things["Deployment"]["spec"]


def test_a_patch_from_a_file_hits_all_that_its_target_names(tmp_path: Path) -> None:
    (tmp_path / "patch.yaml").write_text("- {op: add, path: /metadata/annotations, value: {a~1b: c}}")
    things = made(tmp_path, "patches: [{path: patch.yaml, target: {name: 'a.i'}}]")
    assert {kind for kind, each in things.items() if "annotations" in each["metadata"]} == {"Deployment", "Service"}


def test_bases_are_built_from_the_inside_out(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    made(tmp_path / "base", "namespace: inner")
    (tmp_path / "kustomization.yaml").write_text("resources: [base]\nnamespace: outer")
    assert {each["metadata"].get("namespace") for each in build(tmp_path)} == {"outer", None}


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ("configMapGenerator: []", "configMapGenerator is not supported; expected one of"),
        ("patches: [{patch: '[]', target: {labelSelector: a}}]", "patches.target.labelSelector is not supported"),
        ("images: [{nam: a}]", "images.nam is not supported"),
        ("namespace: [a", "cannot be read as YAML"),
        ("patches: [{patch: '{kind: Job, metadata: {name: api}}'}]", "nothing is named Job api"),
        ("patches: [{target: {kind: Job}, path: none.yaml}]", "none.yaml does not exist"),
        ("patches: [{target: {kind: Service}}]", "expected either patch or path"),
        ("patches: [{patch: '- {op: add, path: /a, value: 1}'}]", "does not say what it changes"),
        ("patches: [{target: {kind: Service}, patch: '- {op: move, path: /a}'}]", "op move is not supported"),
        (
            "patches: [{target: {kind: Service}, patch: '- {op: replace, path: /spec/x, value: 1}'}]",
            "nothing to replace",
        ),
        ("patches: [{target: {kind: Service}, patch: '{$patch: delete}'}]", "$patch is not supported"),
        ("replicas: [{name: db, count: 2}]", "nothing that has replicas is named db"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, said: str, because: str) -> None:
    with pytest.raises(KustomizeError) as refused:
        made(tmp_path, said)
    assert because in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    ("resources", "because"),
    [
        ("[none.yaml]", "none.yaml does not exist"),
        ("['https://example.org/base']", "is remote"),
        ("['.']", "contains itself"),
        ("[all.yaml, all.yaml]", "defined twice"),
        ("all.yaml", "expected a list of paths"),
    ],
)
def test_resources_that_cannot_be_had_are_named(tmp_path: Path, resources: str, because: str) -> None:
    (tmp_path / "all.yaml").write_text(DEPLOYMENT)
    (tmp_path / "kustomization.yaml").write_text(f"resources: {resources}")
    with pytest.raises(KustomizeError, match=because):
        build(tmp_path)


def test_a_directory_without_a_kustomization_is_named(tmp_path: Path) -> None:
    with pytest.raises(KustomizeError, match=r"no kustomization\.yaml"):
        build(tmp_path)


def test_a_merge_changes_neither_side() -> None:
    base, patch = {"a": {"b": 1}, "containers": [{"name": "x"}]}, {"a": {"c": 2}, "containers": [{"name": "y"}]}
    assert merge(base, patch) == {"a": {"b": 1, "c": 2}, "containers": [{"name": "y"}, {"name": "x"}]}
    assert base == {"a": {"b": 1}, "containers": [{"name": "x"}]}
    with pytest.raises(MergeError, match="an item without name"):
        merge(base, {"containers": [{"image": "x"}]})


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "add", "path": "/list/-", "value": 3}, {"list": [1, 2, 3]}),
        ({"op": "add", "path": "/list/0", "value": 0}, {"list": [0, 1, 2]}),
        ({"op": "remove", "path": "/list/0"}, {"list": [2]}),
        ({"op": "replace", "path": "/list/1", "value": 9}, {"list": [1, 9]}),
        ({"op": "add", "path": "/a~1b", "value": 1}, {"list": [1, 2], "a/b": 1}),
    ],
)
def test_json_patches(operation: dict[str, Any], after: dict[str, Any]) -> None:
    thing: dict[str, Any] = {"list": [1, 2]}
    apply_json_patch(thing, [operation])
    assert thing == after


@pytest.mark.parametrize("path", ["/list/2", "/none/a", "/list/0/a", ""])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(MergeError):
        apply_json_patch({"list": [1, 2]}, [{"op": "replace", "path": path, "value": 1}])


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("api", ("api", "", "")),
        ("a:5000/api", ("a:5000/api", "", "")),
        ("a:5000/api:1@sha256:0", ("a:5000/api", "1", "sha256:0")),
    ],
)
def test_an_image_has_three_parts(image: str, parts: tuple[str, str, str]) -> None:
    assert split_image(image) == parts
