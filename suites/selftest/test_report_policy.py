"""Code and drills beside each other: whichever of the two is wrong is named; nothing is said where neither tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.judged import read
from fixtures.model import Outcome
from fixtures.policy.__main__ import main
from fixtures.policy.rule import read_rules
from reports.crosscheck import Compared, crosscheck, promises
from reports.markdown import markdown
from reports.policy_section import policy_section
from reports.record import Record
from reports.render import html
from reports.summary import summary
from suites.selftest import fabricated_run

RPO = "No acknowledged write is lost (RPO 0)"
SCHEMA = json.loads((Path(crosscheck.__code__.co_filename).parent / "summary.schema.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fabricated_run.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def record(run: Path) -> Record:
    from reports.record import read_record

    return read_record(run)


def policy(**rules: dict[str, int]) -> dict[str, Any]:
    plain = {"title": "t", "severity": "high", "looked_at": 1, "found": 0, "accepted": 0}
    named: dict[str, dict[str, Any]] = {name.replace("_", "-"): {**plain, **given} for name, given in rules.items()}
    found = {
        "rule": "patroni-synchronous",
        "severity": "critical",
        "path": "stack/<b>.yaml",
        "line": 7,
        "resource": "patroni abacus",
        "message": "not so: <script>",
        "reason": "because",
        "fix": "mend it",
    }
    total = sum(rule["found"] for rule in named.values())
    return {
        "sha256": "0" * 64,
        "files": 3,
        "resources": 9,
        "notes": [],
        "findings_total": total,
        "findings": [found] * total,
        "accepted_total": 0,
        "rules": named,
    }


def compared(record: Record, verdict: str, synchronous: str | None, **rules: dict[str, int]) -> Compared:
    """What is said of RPO 0, where all drills ended so and the stack ran so."""
    record.started["policy"] = policy(**rules)
    record.stack["facts"] = {} if synchronous is None else {"settings": {"synchronous": synchronous}}
    for drill in record.drills.values():
        plain = {"sentence": "s", "measured": {}, "parameters": {}}
        drill.verdicts = [
            {"check": "fault_was_felt", "outcome": "PASS", **plain},
            {"check": "no_lost_writes", "outcome": verdict, **plain},
        ]
    (found,) = [each for each in crosscheck(record) if each.promise == RPO]
    return found


KEPT, BROKEN, ABSENT = {"looked_at": 2}, {"looked_at": 2, "found": 1}, {"looked_at": 0}


@pytest.mark.parametrize(
    ("verdict", "ran", "rule", "wrong", "words"),
    [
        ("PASS", "strict", KEPT, "neither", "bear it out"),
        ("FAIL", "strict", KEPT, "code", "the code is wrong: it says so, and what ran was set up so"),
        ("FAIL", None, KEPT, "code", "not enough, or is not what ran"),
        ("FAIL", "off", KEPT, "elsewhere", "what ran was set up otherwise"),
        ("PASS", None, BROKEN, "drill", "the drill is wrong"),
        ("PASS", "off", BROKEN, "drill", "nor was what ran set up so"),
        ("PASS", "on", BROKEN, "elsewhere", "Mend the code"),
        ("FAIL", "off", BROKEN, "both", "mend the code"),
        ("UNKNOWN", "strict", KEPT, "", "could not be judged"),
        ("PASS", "strict", ABSENT, "", "holds nothing"),
    ],
)
def test_which_of_both_is_wrong_is_said(
    verdict: str, ran: str | None, rule: dict[str, int], wrong: str, words: str, record: Record
) -> None:
    found = compared(record, verdict, ran, patroni_synchronous=rule)
    assert (found.wrong, words in found.sentence) == (wrong, True), found
    assert found.differs == (wrong in ("code", "drill", "elsewhere"))


def test_a_drill_whose_fault_was_not_felt_says_nothing(record: Record) -> None:
    compared(record, "PASS", None, patroni_synchronous=BROKEN)
    for drill in record.drills.values():
        drill.verdicts[0]["outcome"] = "UNKNOWN"
    (found,) = [each for each in crosscheck(record) if each.promise == RPO]
    assert (found.wrong, found.shown) == ("", None)


def test_drills_that_only_kill_bear_nothing_out(record: Record) -> None:
    for name in [name for name in record.drills if name not in ("api_kill", "database_primary_kill")]:
        del record.drills[name]
    found = compared(record, "PASS", "strict", patroni_synchronous=KEPT)
    assert (found.shown, found.wrong) == (Outcome.PASS, "")
    assert "would not have shown it" in found.sentence
    assert compared(record, "FAIL", "strict", patroni_synchronous=KEPT).wrong == "code"


def test_a_zone_is_spoken_of_by_drills_that_take_one(record: Record) -> None:
    record.started["policy"] = policy(deployment_spread_over_zones=BROKEN)
    found = {each.promise: each for each in crosscheck(record)}
    zone = found["The loss of a zone is survived in time"]
    assert zone.code == "broken"
    assert zone.shown is not None
    assert not any("api-kill" in name for name in zone.drills)
    assert found["A secret is changed without an outage"].shown is None


def test_the_page_shows_it_and_escapes_what_it_is_given(record: Record) -> None:
    compared(record, "PASS", "off", patroni_synchronous=BROKEN)
    page, text = html(record), markdown(record)
    assert "the drill is wrong" in page
    assert "stack/&lt;b&gt;.yaml:7" in page
    assert "<script>" not in page
    assert "Code and drills differ" in text
    said = summary(record)
    jsonschema.validate(said, SCHEMA)
    assert said["policy"]["contradictions"] >= 1


def test_without_code_nothing_is_said_of_it(record: Record) -> None:
    assert policy_section(record) is None
    assert "policy" not in summary(record)
    assert 'id="policy"' not in html(record)


def test_every_rule_of_the_table_is_one() -> None:
    known = read_rules()
    assert {name for each in promises() for name in each.rules} <= set(known)
    assert len(promises()) == len({each.promise for each in promises()})


def test_a_rule_in_rego_without_a_subject_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("Resources: {A: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}\n")
    main([str(tmp_path), "--format", "json", "--no-linters"])
    said = json.loads(capsys.readouterr().out)["judged"]
    assert said["secret-rotates"]["looked_at"] == 0
    (tmp_path / "a.yaml").write_text("Resources: {A: {Type: AWS::SecretsManager::Secret}}\n")
    main([str(tmp_path), "--format", "json", "--no-linters"])
    assert json.loads(capsys.readouterr().out)["judged"]["secret-rotates"]["looked_at"] == 1


def test_what_the_command_prints_is_what_the_record_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "patroni.yaml").write_text("scope: a\nbootstrap:\n  dcs:\n    synchronous_mode: false\n")
    assert main([str(tmp_path), "--format", "json", "--no-linters"]) == 1
    file = tmp_path / "policy.json"
    file.write_text(capsys.readouterr().out)
    said = read(file)
    rule = said["rules"]["patroni-synchronous"]
    assert (rule["looked_at"], rule["found"], rule["accepted"]) == (1, 1, 0)
    assert said["rules"]["database-multi-az"]["looked_at"] == 0
    assert said["findings_total"] == len(said["findings"]) >= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "findings: is missing"),
        (
            '{"findings": [], "accepted": [], "notes": [], "judged": [], "files": 1, "resources": 1}',
            "judged: is missing",
        ),
        ('{"findings": [1], "accepted": [], "notes": [], "judged": {}, "files": 1, "resources": 1}', "no rule, path"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(pytest.UsageError, match=words):
        read(file)


def test_outcomes_that_are_none_of_both_are_not_compared(record: Record) -> None:
    assert compared(record, Outcome.NOT_EXERCISED.value, None, patroni_synchronous=KEPT).wrong == ""
