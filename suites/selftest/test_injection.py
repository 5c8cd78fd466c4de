"""The fixture ``inject``, with the toy stack and its defects: what it promises holds whatever the stack does."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.faults.targets import hit_each

from .injection_runs import HEAD, STAGES, course, outcomes, reason, run
from .inner import inner


def test_every_fault_is_felt_and_undone_also_when_the_test_fails(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    FAULTS = [Kill("api"), Pause("api replica"), ZoneOutage("api"), ZonePause("b"), ZonePartition("c"),
              ZonePartition("c", reachable_by_clients=True), CutThenKill("b", cut_s=0.05), Kill("api", count=0),
              ZonePartition("c", direction="inbound")]

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
    assert list(outcomes(ran).values()) == ["PASS"] * 9 + ["FAIL", "PASS"]
    assert "planted" in reason(ran, "test_fails")
    stages = [ran.records(f"fault_{stage}") for stage in STAGES]
    for planned, injected, felt, undone, healed in zip(*stages, strict=True):
        assert planned["drill"] == injected["drill"] == felt["drill"] == undone["drill"] == healed["drill"]
        assert injected["injected_s"] <= felt["felt_s"] <= undone["undone_s"] <= healed["healed_s"]
    healed = ran.records("stack_healed")
    assert len(healed) == len(stages[4])
    for line in healed:
        assert all(0 <= lasted_s <= line["after_s"] for lasted_s in line["problems_lasted_s"].values())
    assert stages[0][0]["targets"] == ["api-a"]
    assert stages[0][7]["targets"] == ["api-a", "api-b", "api-c"]
    assert stages[0][4]["fault"] == "zone_partition zone=c reachable_by_clients=False direction=both"


def test_faults_of_what_goes_on_running_are_felt_and_undone(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    FAULTS = [Slow("api", 0.06, count=2), Exhaust("api", "memory"), BadChange("api", "never ready"),
              Skew("api", ahead_s=60), Skew("api replica", behind_s=60), Kill("api", part="server"),
              Restart("api", count=0), ZoneFlapping("b", cut_s=0.4, whole_s=0.2), ZonePacketLoss("b"),
              ZoneBandwidth("b", 100)]

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
    def test_fault(fault, inject, stack, evidence):
        evidence.history = History()
        with inject(fault) as window:
            assert window.felt_s >= window.injected_s
        assert not stack.status().problems
        assert not fault.felt(stack.status(), stack.status(), window.targets)
        (window,) = evidence.history.faults
        assert window.healed_s >= window.undone_s >= window.felt_s
        evidence.verify(DONE, checks.nothing_else_touched(evidence.history))
    """,
    )
    assert ran.code == pytest.ExitCode.OK, ran.output
    touched = {line["fault"].partition(" ")[0]: line["touched"] for line in ran.records("fault_healed")}
    assert touched == {
        **{kind: [] for kind in ("slow", "exhaust", "bad_change", "skew")},
        **{kind: [] for kind in ("zone_flapping", "zone_packet_loss", "zone_bandwidth")},
        "kill": ["api-a"],
        "restart": ["api-a", "api-b", "api-c"],
    }


def test_a_neighbour_that_is_hit_too_is_on_the_record(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, evidence):
        evidence.history = History()
        with inject(Kill("api")):
            pass
        evidence.verify(checks.nothing_else_touched(evidence.history))
    """,
        "kill_hits_a_neighbour",
    )
    assert outcomes(ran) == {"test_it": "FAIL"}
    assert "Beyond the plan, api-b run another program than before the drill." in reason(ran, "test_it")


def test_what_does_not_bite_is_unknown(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    FAULTS = [Slow("api", 0.06), BadChange("api", "never ready"), Skew("api", ahead_s=60), Restart("api", count=0),
              Kill("api", part="server")]

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
    def test_fault(fault, inject, evidence):
        with inject(fault):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)
    """,
        "nothing_bites",
    )
    assert set(outcomes(ran).values()) == {"UNKNOWN"}
    assert len(outcomes(ran)) == 5
    assert not ran.records("the_block_was_entered")
    assert "slow node=api delay_s=0.06 count=1 was injected and after 0.5 s no observer saw it" in reason(
        ran, "test_fault-Slow"
    )
    assert reason(ran, "test_fault-Restart").startswith("TimeoutError: api-a was not back 0.5 s after its restart")
    assert {tuple(line["targets"]) for line in ran.records("fault_undone")} == {("api-a",), ("api-a", "api-b", "api-c")}


def test_one_look_that_was_missed_is_no_proof(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    from contextlib import contextmanager
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class DoesNothing(Kill):
        @contextmanager
        def inject(self, stack, targets):
            yield

        def felt(self, before, now, targets):
            looks.append(now)
            return len(looks) == 3

    looks = []

    def test_it(inject, evidence):
        with inject(DoesNothing("api")):
            evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_it": "UNKNOWN"}
    assert "was injected and after 0.5 s in one look only: api-a" in reason(ran, "test_it")


def test_what_cannot_be_told_from_nothing_is_never_felt(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    @pytest.mark.parametrize("fault", [Slow("api", 0.0), Skew("api")], ids=["slow", "skew"])
    def test_fault(fault, inject, evidence):
        with inject(fault):
            evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_fault-slow": "UNKNOWN", "test_fault-skew": "UNKNOWN"}


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
    POWERS = {"kill": Kill("api"), "pause": Pause("api"), "zone": ZonePause("a"), "cut": ZonePartition("a"),
              "cut-kill": CutThenKill("a"), "flap": ZoneFlapping("a"), "lossy": ZonePacketLoss("a"),
              "narrow": ZoneBandwidth("a", 100),
              "part": Kill("api", part="server"),
              "restart": Restart("api"), "slow": Slow("api", 1), "exhaust": Exhaust("api", "memory"),
              "change": BadChange("api", "never ready"), "skew": Skew("api", ahead_s=1)}

    @pytest.mark.parametrize("fault", POWERS.values(), ids=POWERS)
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
    assert [outcome for name, outcome in outcomes(ran).items() if "power" in name] == ["NOT EXERCISED"] * 14
    assert reason(ran, "test_power-kill") == "needs Killable nodes; api-a, api-b, api-c of stack 'toy' are not"
    assert "needs PartKillable nodes" in reason(ran, "test_power-part")
    assert "cannot: it has no isolate_zone" in reason(ran, "test_power-cut")
    assert {outcomes(ran)[f"test_typo-{name}"] for name in ("role", "zone", "node")} == {"UNKNOWN"}
    assert "node: this stack has no 'apo'; did you mean 'api'?" in reason(ran, "test_typo-role")
    assert "or a zone (a, b, c)" in reason(ran, "test_typo-zone")


def test_what_an_observer_could_not_feel_is_not_exercised(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    BLIND = {"slow": Slow("api", 1), "memory": Exhaust("api", "memory"), "change": BadChange("api", "never ready"),
             "skew": Skew("api", ahead_s=1)}

    @pytest.mark.parametrize("fault", BLIND.values(), ids=BLIND)
    def test_blind(fault, inject, evidence):
        with inject(fault):
            pass

    @pytest.mark.parametrize("fault", [Exhaust("api", "processor"), BadChange("api", "table lock")], ids=["e", "c"])
    def test_unable(fault, inject, evidence):
        with inject(fault):
            pass
    """,
        "sees_little",
    )
    assert set(outcomes(ran).values()) == {"NOT EXERCISED"}
    for name in ("slow", "memory", "change", "skew"):
        assert "needs a stack that can have its observer look closer" in reason(ran, f"test_blind-{name}")
    assert reason(ran, "test_unable-e") == "nothing limits the processor of a toy"
    assert reason(ran, "test_unable-c") == "api-a, api-b, api-c of stack 'toy' know no change 'table lock'"
    assert not course(ran)


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


def test_every_node_is_undone_also_where_the_undoing_of_another_fails() -> None:
    undone = []

    def undo(node: str) -> None:
        undone.append(node)
        if node == "a":
            raise OSError("a does not start")

    with pytest.raises(OSError, match="a does not start"), hit_each(["a", "b", "c"], str, undo):
        pass
    assert undone == ["a", "b", "c"]
    undone.clear()
    with pytest.raises(ValueError, match="invalid literal"), hit_each(["b", "c"], int, undo):
        pass
    assert undone == ["b", "c"]
