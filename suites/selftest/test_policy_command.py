"""``python -m fixtures.policy``: exit codes, the baseline, JSON, SARIF; and the linters as further sources."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.policy import linters
from fixtures.policy.__main__ import main
from fixtures.policy.baseline import Accepted, BadBaseline, read_baseline, sort
from fixtures.policy.finding import Finding, Severity
from fixtures.policy.judge import judge
from fixtures.policy.read import from_directory, read
from fixtures.policy.rule import read_rules
from fixtures.policy.sarif import sarif

COMPOSE = "services:\n  api:\n    image: registry.example/api:latest\n    privileged: true\n"
TODAY = datetime.date(2027, 1, 31)
FINDING = Finding("a-rule", Severity.high, "a/b.yaml", 3, "service api", "is bad")


def entry(**other: Any) -> Accepted:
    return replace(Accepted("a-rule", "a/*.yaml", "", "why", TODAY), **other)


def run(*arguments: str) -> int:
    return main([*arguments, "--no-linters"])


def test_clean_is_0_findings_are_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path)) == 0
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert run(str(tmp_path)) == 1
    said = capsys.readouterr().out
    assert "compose.yaml:4: high: service api: " in said or "compose.yaml:4: critical: service api: " in said
    assert "    why: " in said
    assert "    fix: " in said


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("accepted: 1\n", "accepted: expected a list"),
        ("other: []\n", "expected one mapping with the key 'accepted'"),
        ("accepted: [{rule: a, path: b, reason: c}]\n", "accepted.0.expires: expected text, got None"),
        ("accepted: [{rule: a, path: b, reason: '', expires: 2027-01-01}]\n", "accepted.0.reason: expected text"),
        ("accepted: [{rule: a, path: b, reason: c, expires: soon}]\n", "accepted.0.expires: expected a day"),
        ("accepted: [{rule: a, why: b}]\n", "accepted.0.why: unknown key"),
        ("accepted: [\n", "baseline.yaml:2:1: is not YAML"),
        (None, "cannot be read"),
    ],
)
def test_bad_input_is_4_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], baseline: str | None, said: str
) -> None:
    path = tmp_path / "baseline.yaml"
    if baseline is not None:
        path.write_text(baseline)
    assert run(str(tmp_path), "--baseline", str(path)) == 4
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1


def test_no_directory_no_rules_and_no_place_for_sarif_are_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "none")) == 4
    assert run(str(tmp_path), "--rules", str(tmp_path)) == 4
    assert run(str(tmp_path), "--sarif", str(tmp_path / "none" / "x.sarif")) == 4
    assert len(capsys.readouterr().err.strip().splitlines()) == 3
    with pytest.raises(SystemExit) as ended:
        run(str(tmp_path), "--nonsense")
    assert ended.value.code == 4


def test_what_is_accepted_is_hidden_until_its_day_is_over() -> None:
    assert sort([FINDING], [entry()], TODAY).accepted == ((FINDING, entry()),)
    over = sort([FINDING], [entry()], TODAY + datetime.timedelta(days=1))
    assert over.open == (FINDING,)
    assert "expired on 2027-01-31" in over.notes[0]


@pytest.mark.parametrize("other", [{"rule": "other"}, {"path": "b.yaml"}, {"resource": "service web"}])
def test_an_entry_that_matches_nothing_is_said(other: dict[str, str]) -> None:
    found = sort([FINDING], [entry(**other)], TODAY)
    assert found.open == (FINDING,)
    assert "matches no finding" in found.notes[0]


def test_a_baseline_is_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text("accepted:\n  - {rule: a-rule, path: a/*.yaml, reason: why, expires: 2027-01-31}\n")
    assert read_baseline(path) == (entry(),)
    path.write_text("# none\n")
    assert read_baseline(path) == ()
    with pytest.raises(BadBaseline):
        read_baseline(tmp_path)


def test_json_holds_why_and_how_to_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    assert run(str(tmp_path), "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)
    (privileged,) = [each for each in found["findings"] if each["rule"] == "compose-not-privileged"]
    assert privileged["line"] == 4
    assert {"reason", "fix", "controls", "severity", "unknown"} <= privileged.keys()
    assert found["resources"] == 2


def test_sarif_is_what_code_scanning_reads(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "compose.yaml").write_text(COMPOSE)
    rules = read_rules()
    log = sarif(judge(tmp_path, rules).findings, rules, ["a note"])
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    described = run_["tool"]["driver"]["rules"]
    assert run_["results"]
    for result in run_["results"]:
        rule = described[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert rule["help"]["markdown"]
        assert rule["shortDescription"]["text"]
        assert 0 < float(rule["properties"]["security-severity"]) <= 10
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%20b/compose.yaml"
        assert place["region"]["startLine"] >= 1
        assert result["level"] in ("note", "warning", "error")
        assert result["message"]["text"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run_["results"]]
    assert len(set(prints)) == len(prints)
    assert run_["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "a note"


def test_fingerprints_stay_where_lines_move() -> None:
    moved = Finding("a-rule", Severity.high, "a/b.yaml", 30, "service api", "is bad")
    first, second = (sarif([each], {})["runs"][0]["results"][0] for each in (FINDING, moved))
    assert first["partialFingerprints"] == second["partialFingerprints"]
    assert first["locations"] != second["locations"]


LINTED = {
    "template.yaml": "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties:\n      Nonsense: 1\n",
    "deployment.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - {port: no}\n",
    "Dockerfile": "FROM debian\n",
    ".github/workflows/a.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n",
}


def lint_tree(directory: Path) -> linters.Linted:
    for name, text in LINTED.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return linters.lint(directory, read(from_directory(directory)).resources)


def test_linters_are_asked_and_their_answers_read(tmp_path: Path) -> None:
    absent = [each.name for each in linters.LINTERS if not linters.program(each.name)]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    found = lint_tree(tmp_path)
    assert found.notes == ()
    assert {(each.rule, each.path, each.line) for each in found.findings} >= {
        ("cfn-lint:E3002", "template.yaml", 5),
        ("kubernetes-validate:schema", "deployment.yaml", 6),
        ("hadolint:DL3006", "Dockerfile", 1),
        ("zizmor:unpinned-uses", ".github/workflows/a.yml", 6),
    }


def test_a_linter_that_is_absent_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linters, "program", lambda name: "")  # noqa: ARG005
    found = lint_tree(tmp_path)
    assert [note.partition(" is not installed: 1 files")[0] for note in found.notes] == [
        each.name for each in linters.LINTERS
    ]


def test_a_linter_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linters, "program", lambda name: "/bin/false")  # noqa: ARG005
    assert all(" failed, so 1 files were not judged" in note for note in lint_tree(tmp_path).notes)
    assert lint_tree(tmp_path).findings == ()
