"""The plugin that keeps the record, run on made-up tests: what is written, what is red, what ends with code 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import fixtures.evidence
import reports.plugin

if TYPE_CHECKING:
    pass

from .evidence_runs import SCENARIO, outcomes, plain_environment, record_of, run

__all__ = ["plain_environment"]

pytest_plugins = ["pytester"]


def test_sessions_of_this_repository_keep_evidence_and_report(pytestconfig: pytest.Config) -> None:
    for plugin in (fixtures.evidence, reports.plugin):
        assert pytestconfig.pluginmanager.is_registered(plugin), plugin.__name__


def test_green_run_leaves_a_whole_record(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_a(evidence): evidence.verify(verdict(Outcome.PASS, rto_s=1.5))", "--seed", "7")
    assert result.ret == pytest.ExitCode.OK
    latest = pytester.path / "runs" / "latest"
    assert latest.is_symlink()
    assert not latest.readlink().is_absolute()
    names = {path.name for path in latest.iterdir()}
    assert {"evidence.jsonl", "summary.json", "report.html", "report.md", "junit.xml", "SHA256SUMS"} <= names
    record = record_of(pytester)
    assert (record.outcome.value, record.problems, record.finished) == ("PASS", [], True)
    assert record.started["seed"] == 7
    assert [line.kind for line in record.lines] == [
        "run_started", "drill_started", "verdict", "drill_finished", "run_finished",
    ]  # fmt: skip
    junit = (latest / "junit.xml").read_text()
    assert '<property name="rto_s" value="1.5"' in junit
    result.stdout.fnmatch_lines(["*✓ PASS*test_a*1.50 s*", "*PASS: The drill kept its promises", "report: *"])


def test_session_without_drills_leaves_nothing(pytester: pytest.Pytester) -> None:
    assert run(pytester, "def test_a(): pass\ndef test_b(evidence): pass", "-k", "test_a").ret == pytest.ExitCode.OK
    assert run(pytester, "def test_b(evidence): pass", "--collect-only").ret == pytest.ExitCode.OK
    assert not (pytester.path / "runs").exists()


def test_stand_in_for_evidence_is_no_drill(pytester: pytest.Pytester) -> None:
    body = "@pytest.fixture\ndef evidence(): return 1\ndef test_a(evidence): assert evidence == 1"
    assert run(pytester, body).ret == pytest.ExitCode.OK
    assert not (pytester.path / "runs").exists()


ENDINGS = {
    "failed": ("evidence.verify(verdict(Outcome.FAIL))", "FAIL", "no_lost_writes: ended FAIL"),
    "unknown": ("evidence.verify(verdict(Outcome.UNKNOWN))", "UNKNOWN", "no_lost_writes: ended UNKNOWN"),
    "both": (
        "evidence.verify(verdict(Outcome.UNKNOWN), verdict(Outcome.FAIL))",
        "FAIL",
        "no_lost_writes: ended UNKNOWN; no_lost_writes: ended FAIL",
    ),
    "silent": ("pass", "UNKNOWN", "nothing was judged: the test never called evidence.verify"),
    "skipped": ("pytest.skip('too hot today')", "UNKNOWN", "skipped: too hot today"),
    "idle": ("pytest.skip('not exercised: no namespaces here')", "NOT EXERCISED", "no namespaces here"),
    "crashed": ("evidence.verify(verdict(Outcome.PASS)); raise KeyError('x')", "UNKNOWN", "KeyError: 'x'"),
    "asserted": ("evidence.verify(verdict(Outcome.PASS)); assert False, 'not back'", "FAIL", "not back"),
    "told": ("raise type('E', (Exception,), {'outcome': Outcome.FAIL})('did not heal')", "FAIL", "did not heal"),
}
"""By drill: what its test does, the outcome, the reason."""


def test_endings_are_told_apart(pytester: pytest.Pytester) -> None:
    body = "".join(f"\ndef test_{name}(evidence):\n    {code}\n" for name, (code, _, _) in ENDINGS.items())
    result = run(pytester, body)
    drills = record_of(pytester).drills
    for name, (_, outcome, reason) in ENDINGS.items():
        drill = drills[f"test_{name}"]
        assert (drill.outcome.value, drill.reason.partition("\n")[0]) == (outcome, reason), name
        assert f"{outcome} test_{name}: {reason}" in result.stdout.str()


@pytest.mark.parametrize("ending", ["unknown", "silent", "skipped", "idle"])
def test_only_pass_is_green(pytester: pytest.Pytester, ending: str) -> None:
    assert run(pytester, f"def test_a(evidence):\n    {ENDINGS[ending][0]}").ret == pytest.ExitCode.TESTS_FAILED


def test_one_pass_beside_what_was_not_exercised_is_green(pytester: pytest.Pytester) -> None:
    body = """
def test_a(evidence): evidence.verify(verdict(Outcome.PASS))
def test_b(evidence): pytest.skip("not exercised: no")
"""
    assert run(pytester, body).ret == pytest.ExitCode.OK
    assert outcomes(pytester) == {"test_a": "PASS", "test_b": "NOT EXERCISED"}


def test_failure_message_names_each_verdict_that_is_not_pass(pytester: pytest.Pytester) -> None:
    body = (
        "def test_a(evidence): evidence.verify(verdict(Outcome.PASS), verdict(Outcome.FAIL, rpo_writes=3, rpo_s=.25))"
    )
    result = run(pytester, body)
    result.stdout.fnmatch_lines(["FAIL no_lost_writes: ended FAIL (measured rpo_writes 3, rpo_s 0.25)"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_trouble_in_setup_and_teardown_is_told(pytester: pytest.Pytester) -> None:
    body = """
@pytest.fixture
def broken():
    raise RuntimeError("the stack did not start")

@pytest.fixture
def unhealed():
    yield
    raise AssertionError("the stack did not heal")

def test_a(broken, evidence): pass
def test_b(unhealed, evidence): evidence.verify(verdict(Outcome.PASS))
"""
    assert run(pytester, body).ret == pytest.ExitCode.TESTS_FAILED
    drills = record_of(pytester).drills
    assert drills["test_a"].outcome.value == "UNKNOWN"
    assert drills["test_a"].reason == "in setup: RuntimeError: the stack did not start"
    assert drills["test_b"].outcome.value == "FAIL"
    assert drills["test_b"].reason == "in teardown: the stack did not heal"


@pytest.mark.parametrize(
    ("event", "said"),
    [("raise KeyboardInterrupt", "interrupted by Ctrl-C"), ("pytest.exit('the stack did not heal')", "the stack did")],
)
def test_stopped_run_shows_what_did_not_get_to_run(pytester: pytest.Pytester, event: str, said: str) -> None:
    body = f"""
def test_a(evidence): evidence.verify(verdict(Outcome.PASS))
def test_b(evidence): {event}
def test_c(evidence): pass
"""
    run(pytester, body)
    record = record_of(pytester)
    assert outcomes(pytester) == {"test_a": "PASS", "test_b": "UNKNOWN", "test_c": "UNKNOWN"}
    assert f"the run was stopped before this drill ended ({said}" in record.drills["test_b"].reason
    assert f"the run was stopped before this drill began ({said}" in record.drills["test_c"].reason
    assert record.finished
    assert record.stopped.startswith(said)


def test_first_failure_with_x_leaves_the_rest_unknown(pytester: pytest.Pytester) -> None:
    body = "def test_a(evidence): evidence.verify(verdict(Outcome.FAIL))\ndef test_b(evidence): pass"
    run(pytester, body, "-x")
    assert outcomes(pytester) == {"test_a": "FAIL", "test_b": "UNKNOWN"}
    assert "stopping after 1 failures" in record_of(pytester).drills["test_b"].reason


def test_success_criteria_stand_before_anything_runs(pytester: pytest.Pytester) -> None:
    body = (
        SCENARIO
        + """
@pytest.fixture
def stack(record):
    record("stack_started", stack="made up", environment="embedded")

@pytest.mark.control("ISO27001:A.8.14")
@pytest.mark.parametrize("scenario", [ROW])
def test_a(scenario, stack, evidence): evidence.verify(verdict(Outcome.PASS))
"""
    )
    assert run(pytester, body).ret == pytest.ExitCode.OK
    record = record_of(pytester)
    kinds = [line.kind for line in record.lines]
    assert kinds.index("drill_started") < kinds.index("stack_started") < kinds.index("verdict")
    drill = record.drills["zone_outage"]
    promised = {"rto_s": 30.0, "unavailable_s": 32.0, "rpo_writes": 0, "stale_reads_s": 1.0}
    assert drill.objectives == promised | {"failed_requests": None, "rpo_s": None, "refused_s": None}
    assert drill.controls == ["ISO27001:A.8.14", "SOC2:A1.2"]
    assert record.stack["stack"] == "made up"


def test_repeated_runs_are_judged_together(pytester: pytest.Pytester) -> None:
    body = (
        SCENARIO
        + """
@pytest.mark.parametrize("repetition", range(1, 7))
@pytest.mark.parametrize("scenario", [ROW])
def test_a(scenario, repetition, evidence):
    evidence.verify(verdict(Outcome.PASS, rto_s=26.0 + repetition))
"""
    )
    assert run(pytester, body, "--repeat", "6").ret == pytest.ExitCode.TESTS_FAILED
    record = record_of(pytester)
    assert list(record.drills) == [f"zone_outage-{n}" for n in range(1, 7)]
    (group,) = record.groups
    assert group["outcome"] == "FAIL"
    assert (group["measured"]["rto_s"]["median"], group["measured"]["rto_s"]["upper"]) == (29.5, 32.0)


def test_two_tests_of_one_row_keep_their_histories_apart(pytester: pytest.Pytester) -> None:
    body = (
        SCENARIO
        + """
row = pytest.mark.parametrize("scenario", [ROW])
@row
def test_a(scenario, evidence): evidence.verify(verdict(Outcome.PASS))
@row
def test_b(scenario, evidence):
    (evidence.directory / "raw").write_text("x")
    evidence.verify(verdict(Outcome.PASS))
"""
    )
    assert run(pytester, body).ret == pytest.ExitCode.OK
    record = record_of(pytester)
    assert list(record.drills) == ["zone_outage", "zone_outage.test_b"]
    assert list(record.drills["zone_outage.test_b"].files) == ["history/zone_outage.test_b/raw"]
    assert not (record.directory / "history" / "zone_outage").exists()


def test_drill_seeds_depend_on_the_session_seed_and_the_drill_alone(pytester: pytest.Pytester) -> None:
    body = """
def test_a(evidence): evidence.record("seed", value=evidence.seed); evidence.verify(verdict(Outcome.PASS))
def test_b(evidence): evidence.record("seed", value=evidence.seed); evidence.verify(verdict(Outcome.PASS))
"""

    def seeds(*arguments: str) -> dict[str, Any]:
        run(pytester, body, *arguments)
        return {name: drill.notes[0].data["value"] for name, drill in record_of(pytester).drills.items()}

    both = seeds("--seed", "3")
    assert both["test_a"] != both["test_b"]
    assert seeds("--seed", "3", "-k", "test_b") == {"test_b": both["test_b"]}
    assert seeds("--seed", "4")["test_a"] != both["test_a"]
