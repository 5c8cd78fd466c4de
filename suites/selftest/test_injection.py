"""The fixture ``inject``, with the toy stack and its defects: what it promises holds whatever the stack does."""

from __future__ import annotations

from pathlib import Path

import pytest

from .drills import Ran
from .inner import TOY, inner

HEAD = """
    import pytest
    from fixtures import injection
    from fixtures.faults import CutThenKill, Kill, Pause, ZoneOutage, ZonePartition, ZonePause
    from fixtures.model import Outcome, Verdict

    injection.FELT_WITHIN_S = 0.5
    injection.HEALED_WITHIN_S = 1.0
    DONE = Verdict("fault_was_felt", Outcome.PASS, "the block was reached", {})
"""


def run(directory: Path, tests: str, provider: str = "provide") -> Ran:
    """The tests below HEAD, on a toy."""
    return inner(directory, HEAD + tests, "--stack", f"{TOY}:{provider}")


def outcomes(ran: Ran) -> dict[str, str]:
    """By drill."""
    return {drill["drill"]: drill["outcome"] for drill in ran.records("drill_finished")}


def reason(ran: Ran, drill: str) -> str:
    """Why a drill was not PASS."""
    return str(next(d["reason"] for d in ran.records("drill_finished") if d["drill"] == drill))


def test_every_fault_is_felt_and_undone_also_when_the_test_fails(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    FAULTS = [Kill("api"), Pause("api replica"), ZoneOutage("api"), ZonePause("b"), ZonePartition("c"),
              ZonePartition("c", reachable_by_clients=True), CutThenKill("b", cut_s=0.05)]

    @pytest.mark.parametrize("fault", FAULTS, ids=str)
    def test_fault(fault, inject, stack, evidence):
        before = stack.status()
        with inject(fault) as window:
            assert window.felt_s >= window.injected_s
            assert stack.status().problems
            assert fault.felt(before, stack.status(), window.targets)
        assert not stack.status().problems
        evidence.verify(DONE)

    def test_fails(inject, evidence):
        with inject(ZoneOutage("a")):
            raise AssertionError("planted")

    def test_afterwards(stack, evidence):
        assert not stack.status().problems
        evidence.verify(DONE)
    """,
    )
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    assert list(outcomes(ran).values()) == ["PASS"] * 7 + ["FAIL", "PASS"]
    assert "planted" in reason(ran, "test_fails")
    stages = [ran.records(f"fault_{stage}") for stage in ("planned", "injected", "felt", "undone", "healed")]
    for planned, injected, felt, undone, healed in zip(*stages, strict=True):
        assert planned["drill"] == injected["drill"] == felt["drill"] == undone["drill"] == healed["drill"]
        assert injected["injected_s"] <= felt["felt_s"] <= undone["undone_s"] <= healed["healed_s"]
    assert stages[0][0]["targets"] == ["api-a"]
    assert stages[0][4]["fault"] == "zone_partition zone=c reachable_by_clients=False"


def test_a_fault_that_nobody_sees_and_one_that_hits_nothing_are_unknown(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_unfelt(inject, evidence):
        with inject(Kill("api")):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)

    def test_no_target(inject, evidence):
        with inject(Kill("api leader")):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)
    """,
        "kill_does_nothing",
    )
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    assert outcomes(ran) == {"test_unfelt": "UNKNOWN", "test_no_target": "UNKNOWN"}
    assert "after 0.5 s no observer saw it: api-a" in reason(ran, "test_unfelt")
    assert "found nothing to hit in stack 'toy'" in reason(ran, "test_no_target")
    assert not ran.records("the_block_was_entered")
    assert [line["drill"] for line in ran.records("fault_undone")] == ["test_unfelt"]


def test_a_missing_power_is_not_exercised_and_a_typo_is_an_error(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    @pytest.mark.parametrize("fault", [Kill("api"), Pause("api"), ZonePause("a"), ZonePartition("a"), CutThenKill("a")],
                             ids=["kill", "pause", "zone", "cut", "cut-kill"])
    def test_power(fault, inject, evidence):
        with inject(fault):
            evidence.verify(DONE)

    @pytest.mark.parametrize("fault", [Kill("apo"), ZoneOutage("d"), ZonePartition("api-a")],
                             ids=["role", "zone", "node"])
    def test_typo(fault, inject, evidence):
        with inject(fault):
            evidence.verify(DONE)
    """,
        "powerless",
    )
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    assert {name: outcome for name, outcome in outcomes(ran).items() if "power" in name} == {
        f"test_power-{name}": "NOT EXERCISED" for name in ("kill", "pause", "zone", "cut", "cut-kill")
    }
    assert reason(ran, "test_power-kill") == "needs Killable nodes; api-a, api-b, api-c of stack 'toy' are not"
    assert "cannot: it has no isolate_zone" in reason(ran, "test_power-cut")
    assert {outcomes(ran)[f"test_typo-{name}"] for name in ("role", "zone", "node")} == {"UNKNOWN"}
    assert "node: this stack has no 'apo'; did you mean 'api'?" in reason(ran, "test_typo-role")
    assert "or a zone (a, b, c)" in reason(ran, "test_typo-zone")


def test_a_stack_that_does_not_heal_ends_the_session(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_breaks_it(inject, evidence):
        with inject(Kill("api")):
            pass
        evidence.verify(DONE)

    def test_afterwards(evidence):
        evidence.verify(DONE)
    """,
        "does_not_heal",
    )
    assert ran.code not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR)
    assert outcomes(ran) == {"test_breaks_it": "FAIL", "test_afterwards": "UNKNOWN"}
    assert "did not heal within 1 s after the fault was undone: api-a does not answer" in reason(ran, "test_breaks_it")
    assert ran.records("run_finished")[0]["stopped"] == "the stack did not heal: api-a does not answer"


def test_a_fixture_of_ones_own_can_be_the_stack(tmp_path: Path) -> None:
    ran = inner(
        tmp_path,
        HEAD
        + """
    def test_kill(inject, evidence):
        with inject(Kill("api")):
            pass
        evidence.verify(DONE)
    """,
        *("--stack", "none"),
        conftest="""
    import pytest
    from suites.selftest.toy_stack import provide

    @pytest.fixture(scope="session")
    def stack():
        with provide() as running:
            yield running
    """,
    )
    assert ran.code == pytest.ExitCode.OK, ran.output
