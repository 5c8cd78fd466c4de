"""The check of what must be refused, on hand-written histories and against a plain walk over random ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import checks
from fixtures.model import Answer, FaultWindow, History, Outcome, Place, Verdict

from .histories import LATENCY_S, OBJECTIVES, Story, drill, operations, window, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def refused(story: Story, least_s: float = 6.0) -> Verdict:
    return checks.refused_at_least(story.history(), least_s=least_s)


def test_what_refuses_long_enough_passes_and_counts_from_felt_to_undone() -> None:
    verdict = refused(drill())
    assert verdict.outcome is PASS
    assert verdict.measured["refused_s"] == 16.0 + LATENCY_S - 8.125
    assert verdict.measured["together_s"] == 18.0 - 8.125
    story = drill()
    story.faults = [window(8.0, 15.0)]
    assert refused(story).measured["refused_s"] == 15.0 - 8.125  # what is dark after that is not the fault's


def test_what_goes_on_fails_and_so_does_what_goes_on_after_a_moment() -> None:
    assert refused(drill(outage=None)).outcome is FAIL
    assert refused(drill(outage=(8.0, 10.0))).outcome is FAIL
    story = drill()
    story.change(lambda op: op.number == 12 * 64, answer=Answer.OK, done_s=12.0)  # one is enough: it was in one place
    assert refused(story).outcome is FAIL
    assert refused(story, least_s=3.0).outcome is PASS


def test_clients_inside_a_zone_are_asked_by_no_split_brain() -> None:
    story = drill()
    story.change(lambda op: 8.5 < op.due_s < 15.5, place=Place.INSIDE, answer=Answer.OK)
    assert refused(story).outcome is UNKNOWN  # and a load that is inside alone is none
    story = drill()
    story.ops += [write(5000 + n, 9.0 + n / 64, place=Place.INSIDE) for n in range(64)]
    assert refused(story).outcome is PASS


def test_only_while_all_faults_last_it_has_to_refuse() -> None:
    story = drill()
    story.faults = [window(6.0, 15.0), window(8.0, 18.0)]
    assert refused(story).measured["together_s"] == 15.0 - 8.125
    story.faults = [window(6.0, 10.0), window(8.0, 18.0)]
    assert refused(story).outcome is UNKNOWN


@pytest.mark.parametrize(
    "faults", [[], [window(8.0, 18.0, felt_s=None)], [window(8.0, 12.0)], [window(30.0, None)], [window(40.0, 50.0)]]
)
def test_what_was_not_felt_for_long_enough_under_load_is_not_judged(faults: list[FaultWindow]) -> None:
    story = drill()
    story.faults = faults
    assert refused(story).outcome is UNKNOWN


def test_a_fault_that_was_never_undone_lasts_to_the_end_of_the_load() -> None:
    story = drill()
    story.faults = [window(8.0, None)]
    assert refused(story).outcome is PASS
    assert refused(story, least_s=8.0).outcome is FAIL


def test_so_short_a_time_is_chance() -> None:
    assert refused(drill(), least_s=0.25).outcome is UNKNOWN
    assert checks.refused_at_least(History(), least_s=1.0).outcome is UNKNOWN


def test_it_is_promised_where_the_row_promises_it() -> None:
    history = drill().history()
    assert "refused_at_least" not in {verdict.check for verdict in checks.promised(OBJECTIVES, history)}
    verdicts = checks.promised(replace(OBJECTIVES, refused_s=8.0), history)
    (verdict,) = [verdict for verdict in verdicts if verdict.check == "refused_at_least"]
    assert (verdict.outcome, verdict.parameters) == (FAIL, {"least_s": 8.0})


@given(st.lists(st.sampled_from([Answer.OK, Answer.FAILED]), min_size=64, max_size=64), st.integers(0, 50))
def test_refused_agrees_with_a_plain_walk(answers: list[Answer], felt_s: int) -> None:
    ops = [write(n, float(n), answer=answer, done_s=float(n)) for n, answer in enumerate(answers)]
    faults = [FaultWindow("f", ("a",), felt_s - 0.5, float(felt_s), 60.0, 61.0)]
    verdict = checks.refused_at_least(History(faults, operations(ops)), least_s=20.0)
    longest, since = 0.0, float(felt_s)
    for op in ops:
        if op.answer is Answer.OK and felt_s <= op.done_s <= 60:
            longest, since = max(longest, op.done_s - since), op.done_s
    longest = max(longest, 60 - since)
    if 60 - felt_s < 20:
        assert verdict.outcome is UNKNOWN
        return
    assert verdict.measured["refused_s"] == longest
    assert verdict.outcome is (FAIL if longest < 20 else PASS)
