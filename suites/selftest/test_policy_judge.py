"""Rules are read with exact errors, and judge: what cannot be judged is said, never let pass."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fixtures.policy.finding import Severity
from fixtures.policy.judge import judge, judge_texts
from fixtures.policy.read.lines import documents
from fixtures.policy.resource import KINDS
from fixtures.policy.rule import RULES, BadRule, Rule, read_rule, read_rules
from reports.controls import unknown_control

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: api\nspec:\n  ports: [1]\n"
CEL: dict[str, Any] = {"kind": "kubernetes", "type": "Service", "at": "spec.ports", "cel": "has(r.spec.selector)"}
REGO = """\
package rule
import rego.v1
findings contains {"id": r.id, "at": "metadata.name", "message": "m"} if { some r in input.resources; %s }
"""


def written(directory: Path, check: dict[str, Any], **other: Any) -> Path:
    path = directory / "area" / "a-rule.yaml"
    path.parent.mkdir(exist_ok=True)
    content = {
        "title": "A rule",
        "severity": "high",
        "reason": "because",
        "fix": "mend it",
        "controls": ["NIST80053:CP-9"],
        "checks": [check],
        "examples": [{"good": {"a.yaml": "a"}, "bad": {"a.yaml": "b"}}],
    } | other
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def rule_of(directory: Path, check: dict[str, Any]) -> dict[str, Rule]:
    rule = read_rule(written(directory, check))
    return {rule.id: rule}


def test_a_finding_points_at_the_deepest_part_that_exists(tmp_path: Path) -> None:
    (finding,) = judge_texts({"a.yaml": SERVICE}, rule_of(tmp_path, CEL)).findings
    assert (finding.path, finding.line, finding.resource, finding.unknown) == ("a.yaml", 6, "Service api", False)
    (finding,) = judge_texts({"a.yaml": SERVICE}, rule_of(tmp_path, {**CEL, "at": "spec.selector.app"})).findings
    assert finding.line == 5


@pytest.mark.parametrize(
    ("other", "count"),
    [
        ({"cel": "has(r.spec.ports)"}, 0),
        ({"when": "r.metadata.name == 'web'"}, 0),
        ({"when": "r.metadata.name == 'api'"}, 1),
        ({"type": ["Deployment", "Service"]}, 1),
        ({"type": "Deployment"}, 0),
        ({"kind": "compose"}, 0),
    ],
)
def test_an_expression_is_asked_of_what_it_is_for(tmp_path: Path, other: dict[str, Any], count: int) -> None:
    assert len(judge_texts({"a.yaml": SERVICE}, rule_of(tmp_path, CEL | other)).findings) == count


@pytest.mark.parametrize(
    "other",
    [
        {"cel": "r.spec.missing == 1"},
        {"cel": "r.spec.ports > 1"},
        {"cel": "r.metadata.name.matches('(')"},
        {"cel": "r.metadata.name"},
        {"when": "r.spec.missing == 1", "cel": "true"},
    ],
)
def test_an_expression_that_fails_is_unknown_and_no_pass(tmp_path: Path, other: dict[str, Any]) -> None:
    (finding,) = judge_texts({"a.yaml": SERVICE}, rule_of(tmp_path, CEL | other)).findings
    assert finding.unknown
    assert finding.message.startswith("could not be judged: ")


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ('r.type == "Service"', [False]),
        ('r.type == "Other"', []),
        ("nowhere(r)", [True]),
        ("x := {1: z | some r2 in input.resources; some z in [r2.id, 2]}; x", [True]),
    ],
)
def test_a_module_that_fails_is_unknown_and_no_pass(tmp_path: Path, body: str, unknown: list[bool]) -> None:
    rules = rule_of(tmp_path, {"rego": REGO % body, "kinds": ["kubernetes"]})
    assert [each.unknown for each in judge_texts({"a.yaml": SERVICE}, rules).findings] == unknown


def test_a_module_that_names_no_resource_is_unknown(tmp_path: Path) -> None:
    rego = (REGO % "true").replace("r.id", '"none"')
    (finding,) = judge_texts({"a.yaml": SERVICE}, rule_of(tmp_path, {"rego": rego, "kinds": ["kubernetes"]})).findings
    assert finding.unknown


def test_modules_do_not_see_each_other(tmp_path: Path) -> None:
    first = rule_of(tmp_path, {"rego": REGO % 'r.type == "Service"', "kinds": ["kubernetes"]})["a-rule"]
    second = rule_of(tmp_path, {"rego": REGO % 'r.type == "Other"', "kinds": ["kubernetes"]})["a-rule"]
    found = judge_texts({"a.yaml": SERVICE}, {"first": first, "second": second}).findings
    assert len(found) == 1


@pytest.mark.parametrize(
    ("check", "other", "said"),
    [
        (CEL, {"title": None}, "title: is missing"),
        (CEL, {"severity": "bad"}, "severity: expected one of low, medium, high, critical, got 'bad'"),
        (CEL, {"controls": []}, "controls: expected a list of texts"),
        (CEL, {"typo": 1}, "typo: unknown key; known: title"),
        (CEL, {"examples": []}, "examples: expected a list of at least 1"),
        (CEL, {"examples": [{"good": {}, "bad": {"a": "b"}}]}, "examples.0.good: expected a mapping of path to text"),
        (CEL | {"kind": "helm"}, {}, "checks.0.kind: unknown kind 'helm'"),
        (CEL | {"cel": "r.a +"}, {}, "checks.0.cel: does not compile: line 1:6: Syntax error"),
        (CEL | {"cel": "other.a"}, {}, "checks.0.cel: does not compile: line 1:6: undeclared reference"),
        (CEL | {"cel": "1 + 1"}, {}, "checks.0.cel: does not compile: it gives INT"),
        (CEL | {"when": "("}, {}, "checks.0.when: does not compile"),
        (
            {"rego": "package rule\nfindings contains {", "kinds": ["iam"]},
            {},
            "checks.0.rego: does not compile: this is",
        ),
        ({"rego": "package other", "kinds": ["iam"]}, {}, "checks.0.rego: does not compile: it must begin with"),
        ({"rego": REGO % "true", "kinds": ["pods"]}, {}, "checks.0.kinds.0: unknown kind 'pods'"),
        ({"rego": REGO % "true"}, {}, "checks.0.kinds: is missing"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_file_and_key(
    tmp_path: Path, check: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    path = written(tmp_path, check, **other)
    with pytest.raises(BadRule) as refused:
        read_rule(path)
    assert str(refused.value).startswith(f"{path}: {said}")


def test_a_rule_that_is_no_yaml_is_said_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, CEL)
    path.write_text("title: [\n")
    with pytest.raises(BadRule, match=r"a-rule\.yaml:2:1: is not YAML"):
        read_rule(path)


def test_an_id_stands_once_and_a_directory_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRule, match="holds no rules"):
        read_rules(tmp_path)
    text = written(tmp_path, CEL).read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a-rule.yaml").write_text(text)
    with pytest.raises(BadRule, match="rename one"):
        read_rules(tmp_path)


def test_what_cannot_be_read_is_a_finding_beside_the_others(tmp_path: Path) -> None:
    rules = rule_of(tmp_path, CEL)
    target = tmp_path / "target"
    target.mkdir()
    (target / "a.yaml").write_text(SERVICE)
    (target / "b.yaml").write_text("a: [\n")
    (target / "c.tf").write_text(textwrap.dedent('resource "a" {\n'))
    report = judge(target, rules)
    assert [(each.rule, each.path) for each in report.findings] == [
        ("a-rule", "a.yaml"),
        ("unreadable", "b.yaml"),
        ("unreadable", "c.tf"),
    ]
    assert len(report.unreadable) == 2


def test_no_such_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="no such directory"):
        judge(tmp_path / "none", {})


def test_the_schema_for_editors_says_what_the_reader_says() -> None:
    schema = json.loads((RULES.parent / "schema.json").read_text())
    assert schema["$defs"]["kind"]["enum"] == list(KINDS)
    assert schema["properties"]["severity"]["enum"] == list(Severity.__members__)
    validator = jsonschema.Draft202012Validator(schema)
    for path in sorted(RULES.glob("*/*.yaml")):
        (document,) = documents(path.read_text())
        assert not [f"{path}: {error.json_path}: {error.message}" for error in validator.iter_errors(document.content)]


def test_cel_compiles_whatever_is_imported_first() -> None:
    program = "from fixtures.policy import rego; from fixtures.policy.rule import read_rules; read_rules()"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=RULES.parents[2])


def test_every_control_that_a_rule_names_is_in_the_catalogue() -> None:
    said = {name: unknown_control(rule.controls) for name, rule in read_rules().items()}
    assert len(said) > 100
    assert {name: problem for name, problem in said.items() if problem} == {}
    assert "AWSWA:SEC99-BP01" in unknown_control(["AWSWA:SEC09-BP02", "AWSWA:SEC99-BP01"])
