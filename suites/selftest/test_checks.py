"""The checks on hand-written histories: what can be judged at all, and whether there was a drill."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from fixtures import checks
from fixtures.model import Answer, History, Kind, Outcome, Place, Verdict

from .histories import OBJECTIVES, drill, ledger, operations, red, window, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


_FROM_A_BACKUP = {
    "backup_met_a_fault",
    "cache_came_back",
    "loss_spans_at_most",
    "nothing_kept_after",
    "phases_add_up",
    "rescued_within",
    "returned_member_never_led",
    "writes_kept_until",
}
_ON_AWS = {"nothing_lost_in_recovery"}
_ELSEWHERE = {"promised", "restored"} | _FROM_A_BACKUP | _ON_AWS
_OF_EVERY_DRILL = {name for name in checks.__all__ if name.islower()} - _ELSEWHERE


def test_a_sound_drill_passes_all_checks_in_the_order_of_the_report() -> None:
    story = drill()
    story.faults = [replace(fault, touched=("node-a",)) for fault in story.faults]
    history = story.history()
    verdicts = checks.promised(replace(OBJECTIVES, failed_requests=10_000, rpo_s=1.0, refused_s=5.0), history)
    assert {verdict.outcome for verdict in verdicts} == {PASS}
    names = [verdict.check for verdict in verdicts]
    assert names == sorted(set(names), key=names.index)
    assert set(names) == _OF_EVERY_DRILL | {"loss_spans_at_most"}
    for verdict in verdicts:  # every verdict can be computed again from its name and parameters
        assert getattr(checks, verdict.check)(history, **verdict.parameters) == verdict
        assert all(type(number) in (int, float, type(None)) for number in verdict.measured.values())


def test_an_empty_record_proves_nothing() -> None:
    silent = operations([])
    for history in (
        History(),
        History([window(8.0, 16.0)], silent),
        History([window(8.0, 16.0)], silent, {"database": ledger([]), "api": ledger([])}),
    ):
        outcomes = {verdict.check: verdict.outcome for verdict in checks.promised(OBJECTIVES, history)}
        outcomes.pop("fault_was_felt")  # asks the fault alone
        assert set(outcomes.values()) == {UNKNOWN}


@pytest.mark.parametrize(
    "damage",
    [
        {"sent_s": math.nan, "done_s": 0.25},
        {"due_s": math.inf},
        {"done_s": math.nan},
        {"sent_s": 5.0, "done_s": 1.0},
        {"number": -1},
        {"number": 10**12},
    ],
)
def test_a_damaged_record_proves_nothing(damage: dict[str, Any]) -> None:
    story = drill()
    story.ops[3] = replace(story.ops[3], **damage)
    assert story.ops[3].kind is Kind.WRITE
    verdicts = checks.promised(OBJECTIVES, story.history())
    judged = {verdict.check for verdict in verdicts if verdict.outcome is not UNKNOWN}
    assert judged == {
        "fault_was_felt",
        "balances_conserved",
        "machine_was_free",
    }  # none of them looks at the operations


def test_columns_of_different_length_prove_nothing() -> None:
    history = drill().history()
    assert history.operations
    history.operations = replace(history.operations, status=history.operations.status[:-1])
    verdict = checks.no_lost_writes(history)
    assert (verdict.outcome, "column status" in verdict.sentence) == (UNKNOWN, True)


@pytest.mark.parametrize("limit", [math.nan, math.inf, -1.0, True, "3"])
def test_a_limit_that_is_no_number_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="unavailable_at_most: limit_s must be a finite number of at least 0"):
        checks.unavailable_at_most(drill().history(), limit_s=limit)


# ------------------------------------------------------------------------------------------------ was there a drill


@pytest.mark.parametrize("floors", [(513, 0, 0), (0, 642, 0), (0, 0, 897)])
def test_a_thin_load_proves_nothing(floors: tuple[int, int, int]) -> None:
    before, during, after = floors
    verdict = checks.load_was_enough(drill().history(), before=before, during=during, after=after)
    assert verdict.outcome is UNKNOWN
    assert dict(verdict.measured) == {"before": 512, "during": 641, "after": 896}
    enough = checks.load_was_enough(drill().history(), before=512, during=641, after=896)
    assert enough.outcome is PASS


def test_clients_inside_do_not_make_a_load() -> None:
    story = drill()
    story.change(lambda op: op.kind is Kind.WRITE, place=Place.INSIDE)
    found = red(story.history())
    assert found["load_was_enough"] is UNKNOWN
    assert found["unavailable_at_most"] is UNKNOWN
    assert "no_lost_writes" not in found


def test_clients_inside_must_have_been_served_and_go_on_asking() -> None:
    """Of one that never reached the zone's database it means nothing that nothing was acknowledged to it."""

    def inside(**changes: Any) -> Verdict:
        story = drill()
        story.ops += [write(4000 + n, n / 8, place=Place.INSIDE) for n in range(8 * 32)]
        story.change(lambda op: op.place is Place.INSIDE, **changes)
        return checks.load_was_enough(story.history(), before=1, during=1, after=1, inside=20)

    assert inside().outcome is PASS
    assert (inside().measured["inside_before"], inside().measured["inside_during"]) == (64, 81)
    never_since = {"due_s": 1.0, "sent_s": 1.0, "done_s": 1.5}
    for changes in ({"answer": Answer.FAILED}, {"done_s": 40.0}, never_since):
        verdict = inside(**changes)
        assert verdict.outcome is UNKNOWN
        assert "inside" in verdict.sentence
    story = drill()
    assert "inside_before" not in checks.load_was_enough(story.history(), before=1, during=1, after=1).measured


def test_of_two_faults_the_one_with_less_load_counts() -> None:
    story = drill()
    story.faults = [window(20.0, 20.25), window(8.0, 16.0)]
    measured = checks.load_was_enough(story.history(), before=1, during=1, after=1).measured
    assert dict(measured) == {"before": 512, "during": 17, "after": (32 - 20) * 64 - 17 + 1}
    story.faults[0] = window(20.0, None)
    assert checks.load_was_enough(story.history(), before=1, during=1, after=1).outcome is UNKNOWN


def test_a_late_generator_proves_nothing() -> None:
    story = drill()
    late = story.change(lambda op: op.number % 40 == 7, sent_s=40.0, done_s=41.0)
    assert late > 0.01 * len(story.ops)
    assert checks.load_kept_schedule(story.history(), lag_p99_s=0.1).outcome is UNKNOWN
    story = drill()
    story.change(lambda op: op.number == 640, sent_s=10.5, done_s=12.0)
    verdict = checks.load_kept_schedule(story.history(), lag_p99_s=0.1)
    assert (verdict.outcome, verdict.measured["lag_max_s"]) == (PASS, 0.5)


def test_a_request_sent_before_it_was_due_proves_nothing() -> None:
    story = drill()
    story.change(lambda op: op.number == 640, sent_s=9.0)
    assert checks.load_kept_schedule(story.history(), lag_p99_s=0.1).outcome is UNKNOWN


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [window(8.0, 16.0, felt_s=None)],
        [window(8.0, 16.0, targets=())],
        [window(8.0, 16.0, felt_s=17.0)],
        [window(8.0, 16.0, felt_s=7.0)],
        [window(8.0, 16.0, felt_s=math.nan)],
        [window(8.0, 16.0), window(20.0, 21.0, felt_s=None)],
    ],
)
def test_a_fault_that_nobody_felt_proves_nothing(faults: list[Any]) -> None:
    story = drill()
    story.faults = faults
    assert checks.fault_was_felt(story.history()).outcome is UNKNOWN
