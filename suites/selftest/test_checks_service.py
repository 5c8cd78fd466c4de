"""The checks of the service on hand-written histories: silence, recovery, readiness."""

from __future__ import annotations

import pytest

from fixtures import checks
from fixtures.model import Answer, Kind, Outcome, Place, Verdict

from .histories import LATENCY_S, Op, Story, drill, ready, red, window, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
SPACING_S = 1 / 64


def unavailable(story: Story, limit_s: float = 10.0) -> Verdict:
    return checks.unavailable_at_most(story.history(), limit_s=limit_s)


def recovered(story: Story, limit_s: float = 10.0) -> Verdict:
    return checks.recovered_within(story.history(), limit_s=limit_s)


def honest(story: Story) -> Verdict:
    return checks.ready_is_honest(story.history(), grace_s=1.0)


def outside(start_s: float, end_s: float, op: Op) -> bool:
    return op.kind is Kind.WRITE and start_s <= op.due_s < end_s


# ------------------------------------------------------------------------------------------------ silence


@pytest.mark.parametrize("length_s", [1.625, 2.375, 6.734375])
def test_an_outage_is_measured_to_one_spacing(length_s: float) -> None:
    story = drill(outage=(8.0, 8.0 + length_s))
    measured_s = unavailable(story).measured["unavailable_s"]
    assert measured_s is not None
    assert length_s <= measured_s <= length_s + SPACING_S
    assert unavailable(story, limit_s=length_s + SPACING_S).outcome is PASS
    assert unavailable(story, limit_s=length_s - SPACING_S).outcome is FAIL


def test_writes_acknowledged_inside_a_zone_do_not_make_the_service_available() -> None:
    story = drill()
    story.ops += [write(2048 + n, 8.0 + n / 4, place=Place.INSIDE) for n in range(32)]
    assert unavailable(story).measured["unavailable_s"] == 8.0 + SPACING_S


def test_a_silence_beside_the_fault_is_none_of_its_doing() -> None:
    story = drill()
    story.faults = [window(20.0, 22.0)]
    measured_s = unavailable(story).measured["unavailable_s"]
    assert measured_s is not None
    assert measured_s <= 2 * SPACING_S
    story.faults.append(window(9.0, 10.0))  # healed inside the silence, which counts whole
    assert unavailable(story).measured["unavailable_s"] == 8.0 + SPACING_S


def test_a_silence_into_the_loads_end_is_a_lower_bound() -> None:
    story = drill(outage=(24.0, 40.0))
    story.faults = [window(24.0, None)]
    assert unavailable(story, limit_s=7.5).outcome is FAIL
    assert unavailable(story, limit_s=8.5).outcome is UNKNOWN
    assert recovered(story, limit_s=4.0).outcome is FAIL
    assert recovered(story, limit_s=6.0).outcome is UNKNOWN
    assert recovered(story, limit_s=6.0).measured["rto_s"] is None


def test_an_answer_after_the_loads_end_does_not_end_a_silence() -> None:
    story = drill(outage=(24.0, 40.0))
    story.faults = [window(24.0, None)]
    story.change(lambda op: op.number == 24 * 64, answer=Answer.OK, done_s=60.0, timeline=1)
    measured_s = unavailable(story, limit_s=20.0).measured["unavailable_s"]
    assert measured_s == pytest.approx(8.0, abs=2 * SPACING_S)
    assert unavailable(story, limit_s=20.0).outcome is UNKNOWN


def test_a_few_unanswered_writes_at_the_end_are_no_outage() -> None:
    story = drill()
    story.faults = [window(8.0, 18.0, healed_s=None)]
    story.change(lambda op: outside(32.0 - 4 * SPACING_S, 32.0, op), answer=Answer.UNKNOWN)
    assert unavailable(story).outcome is PASS


def test_silence_while_nothing_was_due_means_nothing() -> None:
    story = drill(outage=None)
    story.ops = [op for op in story.ops if not outside(9.0, 15.0, op)]
    for verdict in (unavailable(story, 1.0), unavailable(story, 30.0), recovered(story), honest(story)):
        assert verdict.outcome is UNKNOWN
        assert "paused" in verdict.sentence


def test_a_load_too_thin_for_the_limit_measures_nothing() -> None:
    assert unavailable(drill(), limit_s=19 * SPACING_S).outcome is UNKNOWN
    thin = drill(rate=4)
    assert unavailable(thin, limit_s=4.0).outcome is UNKNOWN
    assert recovered(thin).outcome is UNKNOWN


@pytest.mark.parametrize(
    "faults", [[], [window(40.0, 41.0)], [window(-9.0, -8.0)], [window(8.0, 16.0), window(40.0, 41.0)]]
)
def test_a_fault_without_load_proves_nothing(faults: list[object]) -> None:
    story = drill(outage=None)
    story.faults = faults  # type: ignore[assignment]
    assert unavailable(story).outcome is UNKNOWN
    assert recovered(story).outcome is UNKNOWN
    assert honest(story).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ recovery


def test_recovery_counts_from_felt_to_the_first_served_write() -> None:
    assert recovered(drill()).measured["rto_s"] == 16.0 + LATENCY_S - 8.125
    assert recovered(drill(), limit_s=7.0).outcome is FAIL


def test_a_service_that_never_stopped_recovered_at_once() -> None:
    verdict = recovered(drill(outage=None))
    assert verdict.outcome is PASS
    assert verdict.measured["rto_s"] == LATENCY_S


def test_writes_that_waited_through_the_outage_do_not_distort_recovery() -> None:
    story = drill()
    story.change(lambda op: outside(8.0, 15.5, op), answer=Answer.OK, done_s=17.0, timeline=2)
    assert recovered(story).measured["rto_s"] == 16.0 + LATENCY_S - 8.125


def test_a_lone_success_in_the_outage_is_no_recovery() -> None:
    story = drill()
    story.change(lambda op: op.number == 9 * 64, answer=Answer.OK, done_s=9.0 + LATENCY_S, timeline=1)
    assert recovered(story).measured["rto_s"] == 16.0 + LATENCY_S - 8.125


def test_a_service_that_serves_badly_has_not_recovered() -> None:
    story = drill()
    story.change(lambda op: outside(16.0, 20.0, op) and op.number % 20 == 0, answer=Answer.FAILED)
    assert recovered(story, limit_s=10.0).outcome is FAIL
    story = drill()
    story.change(lambda op: outside(16.0, 20.0, op) and op.number % 20 == 0, done_s=24.0)
    assert recovered(story, limit_s=10.0).outcome is FAIL
    loose = checks.recovered_within(story.history(), limit_s=10.0, error_rate=0.1)
    assert (loose.outcome, loose.measured["rto_s"]) == (PASS, 16.0 + LATENCY_S - 8.125)


def test_a_service_that_breaks_late_has_not_recovered_before() -> None:
    """An old primary may go on for longer than the window after it was cut off, and stop then."""
    story = drill(outage=(13.0, 17.0))
    story.faults = [window(8.0, 18.0)]
    assert recovered(story).measured["rto_s"] == 17.0 + LATENCY_S - 8.125
    story.faults = [window(8.0, 12.0)]  # but what breaks after the undoing is not this fault's recovery
    assert recovered(story).measured["rto_s"] == pytest.approx(0.0, abs=SPACING_S)


def test_of_two_faults_the_slower_recovery_counts() -> None:
    story = drill()
    story.faults = [window(8.0, 18.0), window(24.0, 26.0)]
    assert recovered(story).measured["rto_s"] == 16.0 + LATENCY_S - 8.125
    story.faults[1] = window(24.0, 26.0, felt_s=None)
    assert recovered(story).outcome is UNKNOWN


def test_a_run_without_an_acknowledgement_is_no_recovery_even_if_all_errors_are_allowed() -> None:
    story = drill(outage=(24.0, 40.0))
    story.faults = [window(24.0, None)]
    verdict = checks.recovered_within(story.history(), limit_s=2.0, error_rate=1.0)
    assert (verdict.outcome, verdict.measured["rto_s"]) == (FAIL, None)


def test_a_run_in_which_hardly_anything_was_due_is_no_recovery() -> None:
    story = drill()
    story.ops = [op for op in story.ops if not outside(16.0 + 1 / 32, 16.0 + 9 / 32, op)]
    verdict = checks.recovered_within(story.history(), limit_s=10.0, window_s=0.34375)
    assert verdict.measured["rto_s"] == 16.0 + 9 / 32 + LATENCY_S - 8.125


# ------------------------------------------------------------------------------------------------ readiness


def test_readiness_that_always_says_yes_lies() -> None:
    story = drill()
    story.change(lambda op: op.kind is Kind.READY, answer=Answer.OK, status=200)
    assert red(story.history()) == {"ready_is_honest": FAIL}
    measured = honest(story).measured
    assert measured["ready_while_unwritable"] == measured["asked_while_unwritable"] == 25


def test_readiness_may_be_late_by_the_grace() -> None:
    story = drill()
    story.ops += [ready(8.5), ready(15.5)]
    assert honest(story).outcome is PASS
    story.ops.append(ready(12.0))
    assert honest(story).outcome is FAIL


def test_readiness_that_nobody_asked_is_not_known() -> None:
    story = drill()
    story.ops = [op for op in story.ops if op.kind is not Kind.READY or not 8.5 < op.due_s < 15.5]
    assert honest(story).outcome is UNKNOWN
    story.ops = [op for op in story.ops if op.kind is not Kind.READY]
    assert honest(story).outcome is UNKNOWN
    story.ops.append(ready(12.0, Answer.UNKNOWN))
    assert honest(story).outcome is UNKNOWN


def test_a_moment_between_the_graces_in_which_no_question_was_due_leaves_nothing_open() -> None:
    story = drill(outage=(8.0625, 10.1875))
    assert (honest(story).outcome, honest(story).measured["asked_while_unwritable"]) == (PASS, 0)
    story.ops.append(ready(9.125))  # and where one happened to be asked, its answer counts
    assert honest(story).outcome is FAIL
    story.change(lambda op: op.kind is Kind.READY, answer=Answer.FAILED, status=503)
    assert honest(story).outcome is PASS


def test_readiness_without_an_outage_must_have_said_yes() -> None:
    story = drill(outage=None)
    assert honest(story).outcome is PASS
    story.change(lambda op: op.kind is Kind.READY, answer=Answer.FAILED, status=503)
    assert honest(story).outcome is FAIL
