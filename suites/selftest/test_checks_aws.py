"""What is lost in a recovery is found from the record alone; what cannot be judged is UNKNOWN."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import checks
from fixtures.aws.emulated import account
from fixtures.history import HistoryError, read_history, write_history
from fixtures.model import History, Outcome, Procedure, Recovered
from reports.verify import verify

from .local_servers import ROOT

KEPT = Recovered("port", 6432, 6432, "Port=6432", "kept")
LOST = Recovered("multi_az", True, False, "", "default", False)
ONLY_COPIED = Recovered("multi_az", True, True, "", "default", False)
LEFT_TO_CHANCE = Recovered("subnet_group", "a", "a", "", "unsaid")
BLIND = Recovered("network_type", "DUAL", "IPV4", "NetworkType=DUAL", "unsaid", blind="the emulator has it not")
PROMISE = Recovered("writers", ["b"], ["b"], "one writer")
NOT_REPORTED = Recovered("iops", None, None, "", "kept", absent_is="not provisioned")


def history(*rows: Recovered, environment: str = "emulated") -> History:
    return History(procedure=Procedure("restore", environment, {"restore": 1.5}, rows))


@pytest.mark.parametrize(
    ("rows", "environment", "expected", "said"),
    [
        ((KEPT, PROMISE), "emulated", Outcome.PASS, "emulated: all 2 that could be judged are as they were"),
        ((KEPT, KEPT, BLIND), "emulated", Outcome.PASS, "the emulator does not model them: network_type"),
        ((KEPT, BLIND), "production", Outcome.UNKNOWN, "network_type: the emulator has it not"),
        ((KEPT, LOST), "production", Outcome.FAIL, "multi_az: expected True, found False: no call asked for it"),
        ((KEPT, LOST, BLIND, LEFT_TO_CHANCE), "emulated", Outcome.FAIL, "emulated: multi_az: expected True"),
        ((KEPT, ONLY_COPIED), "emulated", Outcome.FAIL, "AWS makes it False; only the emulator copies"),
        ((KEPT, ONLY_COPIED), "production", Outcome.PASS, "all 2 that could be judged"),
        (
            (KEPT, LEFT_TO_CHANCE),
            "emulated",
            Outcome.UNKNOWN,
            "subnet_group: no call asked for it",
        ),
        ((KEPT, NOT_REPORTED), "emulated", Outcome.UNKNOWN, "iops: the original's was not reported"),
        ((KEPT, NOT_REPORTED), "production", Outcome.PASS, "all 2"),
        ((BLIND,), "emulated", Outcome.UNKNOWN, "only 0 were judged, expected at least 1"),
        ((), "emulated", Outcome.UNKNOWN, "nothing was compared"),
    ],
)
def test_each_outcome(rows: tuple[Recovered, ...], environment: str, expected: Outcome, said: str) -> None:
    found = checks.nothing_lost_in_recovery(history(*rows, environment=environment), judged_at_least=1)
    assert (found.outcome, said in found.sentence) == (expected, True), found.sentence


def test_no_recovery_is_unknown_and_times_are_measured() -> None:
    assert checks.nothing_lost_in_recovery(History(), judged_at_least=0).outcome is Outcome.UNKNOWN
    found = checks.nothing_lost_in_recovery(history(KEPT, BLIND), judged_at_least=1)
    assert found.measured == {"kept": 1, "lost": 0, "not_judged": 1, "restore_s": 1.5}
    few = checks.nothing_lost_in_recovery(history(KEPT), judged_at_least=2)
    assert (few.outcome, "expected at least 2" in few.sentence) == (Outcome.UNKNOWN, True)


def test_a_procedure_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_history(tmp_path, history(KEPT, LOST, BLIND, PROMISE))
    assert read_history(tmp_path).procedure == history(KEPT, LOST, BLIND, PROMISE).procedure
    (tmp_path / "aws.json").write_text('{"name": "restore", "properties": [{}]}')
    with pytest.raises(HistoryError, match=r"aws\.json: expected an object with name, environment"):
        read_history(tmp_path)


def test_the_plans_own_script_is_red_from_the_record_alone(tmp_path: Path) -> None:
    with account() as aws:
        write_history(tmp_path, History(procedure=aws.perform_naive().recorded()))
    found = checks.nothing_lost_in_recovery(read_history(tmp_path), judged_at_least=10)
    assert found.outcome is Outcome.FAIL
    assert found.measured["lost"] == 11
    assert "emulated: instance_class: expected db.r6g.large" in found.sentence


def test_a_drill_on_aws_leaves_a_record_that_is_judged_again_and_shown(tmp_path: Path) -> None:
    test = "suites/recovery/test_aws.py::test_restored_instance_is_what_the_original_was"
    command = [sys.executable, "-m", "pytest", "-q", "--stack", "none", test, "--report-dir", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    run = (tmp_path / "latest").resolve()
    problems, found = verify(run)
    assert not problems
    assert "1 verdicts computed again" in " ".join(found)
    page = (run / "report.html").read_text()
    assert "Emulated: it shows the calls, not AWS" in page
    assert "storage_throughput_mibps" in page

    (path,) = run.rglob("aws.json")
    content = json.loads(path.read_text())
    next(each for each in content["properties"] if each["property"] == "multi_az")["after"] = False
    path.write_text(json.dumps(content))
    problems, _ = verify(run)
    assert [each for each in problems if "aws.json: was changed" in each]
    assert [each for each in problems if 'outcome is recorded as "PASS", computed again it is "FAIL"' in each]
