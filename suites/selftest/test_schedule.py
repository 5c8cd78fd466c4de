"""Schedules of faults, on the toy stack: each step has its time, its targets of that moment, and all its stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from .drills import Ran
from .injection_runs import STAGES, course, outcomes, reason, run

FAULT_THAT_BREAKS = """
    import contextlib, dataclasses

    @dataclasses.dataclass(frozen=True)
    class Breaks(Kill):
        @contextlib.contextmanager
        def inject(self, stack, targets):
            node = next(node for node in stack.nodes if node.name in targets)
            try:
                node.kill()
                raise OSError("the saw is blunt")
                yield
            finally:
                node.start()
"""


def times(ran: Ran, stage: str) -> list[float]:
    """The moments of a stage, by step."""
    return [float(line[f"{stage}_s"]) for line in ran.records(f"fault_{stage}")]


def test_each_step_has_its_time_its_targets_and_all_stages(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    SCHEDULE = Schedule((
        Step(Kill("api replica"), at_s=0.1, for_s=1.5),
        Step(Pause("api replica"), at_s=1.0),
    ))

    def test_it(inject, stack, evidence):
        evidence.history = History()
        with inject(SCHEDULE) as window:
            seen = stack.status().nodes
            assert seen["api-a"].answers and not seen["api-b"].answers, "the first is over, the second in"
            first, second = evidence.history.faults
            assert second == window and second.undone_s is None and first.undone_s is not None
        assert not stack.status().problems
        assert [f.name for f in evidence.history.faults] == [
            "kill node=api replica count=1", "pause node=api replica"
        ]
        assert [f.targets for f in evidence.history.faults] == [("api-a",), ("api-b",)]
        # It was dead before the second one and came back while that lasted.
        assert [f.touched for f in evidence.history.faults] == [("api-a",), ("api-a",)]
        assert all(f.injected_s <= f.felt_s <= f.undone_s <= f.healed_s for f in evidence.history.faults)
        evidence.verify(DONE)
    """,
    )
    assert ran.code == pytest.ExitCode.OK, ran.output
    for name in ("api-a", "api-b"):
        assert [text for text in course(ran) if name in text] == [f"{stage} {name}" for stage in STAGES]
    assert course(ran).index("felt api-a") < course(ran).index("planned api-b") < course(ran).index("undone api-a")
    injected, undone = times(ran, "injected"), times(ran, "undone")
    assert injected[1] - injected[0] > 0.5, "1.0 s and 0.1 s from the schedule's start, but for what it takes to look"
    assert undone[0] - times(ran, "felt")[0] >= 1.5, "from when it is felt"
    assert [line["touched"] for line in ran.records("fault_healed")] == [["api-a"], ["api-a"]]


def test_a_step_that_waits_for_health_finds_the_stack_as_it_was(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, evidence):
        with inject(Schedule((
            Step(Kill("api replica"), for_s=0.3),
            Step(Kill("api replica"), for_s=0.3, once_healthy=True),
        ))):
            pass
        evidence.verify(DONE)
    """,
    )
    assert ran.code == pytest.ExitCode.OK, ran.output
    assert course(ran) == 2 * [f"{stage} api-a" for stage in STAGES]
    assert times(ran, "injected")[1] >= times(ran, "healed")[0]


def test_a_step_that_finds_nothing_is_unknown_and_everything_is_undone(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_none_left(inject, evidence):
        with inject(Schedule((Step(Kill("api replica", count=3)), Step(Pause("api replica"))))):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)

    def test_too_few_left(inject, evidence):
        with inject(Schedule((Step(Kill("api replica", count=2)), Step(Kill("api replica", count=2))))):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)

    def test_afterwards(stack, evidence):
        assert not stack.status().problems
        evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_none_left": "UNKNOWN", "test_too_few_left": "UNKNOWN", "test_afterwards": "PASS"}
    assert "pause node=api replica found nothing to hit in stack 'toy'" in reason(ran, "test_none_left")
    assert not ran.records("the_block_was_entered")
    assert [line["targets"] for line in ran.records("fault_undone")] == [
        ["api-a", "api-b", "api-c"],
        ["api-a", "api-b"],
    ]
    assert len(ran.records("fault_healed")) == 2


def test_all_is_undone_the_last_first_when_the_block_fails(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, evidence):
        short, frozen = Step(Kill("api replica"), for_s=0.1), Step(Pause("api replica"))
        with inject(Schedule((short, frozen, Step(ZoneOutage("c"))))):
            raise AssertionError("planted")
    """,
    )
    assert outcomes(ran) == {"test_it": "FAIL"}
    assert "planted" in reason(ran, "test_it")
    assert course(ran)[-4:] == ["undone api-b", "healed api-a", "healed api-b", "healed api-c"]
    assert course(ran).index("undone api-a") < course(ran).index("undone api-c") < course(ran).index("undone api-b")


def test_a_fault_whose_injection_fails_is_undone_and_all_before_it(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        FAULT_THAT_BREAKS
        + """
    def test_it(inject, evidence):
        with inject(Schedule((Step(Pause("api replica")), Step(Breaks("api replica"))))):
            evidence.record("the_block_was_entered")

    def test_afterwards(stack, evidence):
        assert not stack.status().problems
        evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_it": "UNKNOWN", "test_afterwards": "PASS"}
    assert reason(ran, "test_it") == "OSError: the saw is blunt"
    assert not ran.records("the_block_was_entered")
    assert [text for text in course(ran) if not text.startswith("healed")] == [
        "planned api-a", "injected api-a", "felt api-a", "planned api-b", "undone api-b", "undone api-a",
    ]  # fmt: skip


def test_one_fault_that_cannot_be_undone_leaves_no_other_in(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, stack, evidence):
        with inject(Schedule((Step(Kill("api replica")), Step(Slow("api replica", 0.05))))):
            pass
        evidence.verify(DONE)

    def test_afterwards(stack, evidence):
        assert not stack.status().problems
        evidence.verify(DONE)
    """,
        "undo_fails",
    )
    assert outcomes(ran) == {"test_it": "UNKNOWN", "test_afterwards": "PASS"}
    assert reason(ran, "test_it") == "RuntimeError: it stays slow"
    assert [line["targets"] for line in ran.records("fault_undone")] == [["api-a"]]


def test_what_a_later_step_lacks_or_misnames_stops_it_before_anything_is_hit(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_lacking(inject, evidence):
        with inject(Schedule((Step(Kill("api")), Step(Kill("api", part="agent"))))):
            pass

    def test_typo(inject, evidence):
        with inject(Schedule((Step(Kill("api")), Step(ZoneOutage("d"))))):
            pass
    """,
    )
    assert outcomes(ran) == {"test_lacking": "NOT EXERCISED", "test_typo": "UNKNOWN"}
    assert reason(ran, "test_lacking") == "api-a, api-b, api-c of stack 'toy' have no agent apart"
    assert "then zone_outage zone=d: 1.zone: this stack has no 'd'" in reason(ran, "test_typo")
    assert not course(ran)
