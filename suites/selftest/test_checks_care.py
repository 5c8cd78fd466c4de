"""The checks of care on hand-written histories, and against plain loops over random ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fixtures import checks
from fixtures.model import Answer, FaultWindow, History, Kind, Outcome, Place, Verdict

from .histories import OBJECTIVES, Op, Story, drill, operations, ready, window, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN

Touched = tuple[str, ...] | None


def touched(*faults: tuple[tuple[str, ...], Touched]) -> Verdict:
    """The verdict on faults, each with what it was to hit and what it touched."""
    windows = [window(float(n), n + 0.5, targets=aim, touched=hit) for n, (aim, hit) in enumerate(faults)]
    return checks.nothing_else_touched(History(windows))


def failed(story: Story, limit: int = 0) -> Verdict:
    return checks.failed_requests_at_most(story.history(), limit=limit)


# ------------------------------------------------------------------------------------------------ what was touched


def test_only_the_target_runs_another_program() -> None:
    verdict = touched((("api-a",), ("api-a",)))
    assert verdict.outcome is PASS
    assert verdict.measured == {"planned": 1, "touched": 1, "beyond_the_plan": 0}
    assert verdict.sentence == "Of 1 planned targets 1 run another program than before; nothing else does."


def test_a_cut_or_a_pause_touches_nothing_and_passes() -> None:
    verdict = touched((("api-a", "database-a"), ()))
    assert verdict.outcome is PASS
    assert verdict.measured == {"planned": 2, "touched": 0, "beyond_the_plan": 0}


def test_a_neighbour_that_runs_another_program_fails_by_name() -> None:
    verdict = touched((("api-a",), ("sentinel-a", "api-b", "api-a")))
    assert verdict.outcome is FAIL
    assert verdict.measured == {"planned": 1, "touched": 3, "beyond_the_plan": 2}
    assert verdict.sentence == "Beyond the plan, api-b, sentinel-a run another program than before the drill."


def test_what_another_step_of_the_plan_hits_is_in_the_plan() -> None:
    assert touched((("a",), ("a", "b")), (("b",), ("b",))).outcome is PASS
    assert touched((("a",), ("a", "c")), (("b",), ("b",))).outcome is FAIL


@pytest.mark.parametrize("faults", [[], [(("a",), None)], [(("a",), ("a",)), (("b",), None)]])
def test_what_is_not_known_is_not_judged(faults: list[tuple[tuple[str, ...], Touched]]) -> None:
    assert touched(*faults).outcome is UNKNOWN


def test_it_is_promised_where_the_stack_can_tell() -> None:
    def asked(history: History) -> set[str]:
        return {verdict.check for verdict in checks.promised(OBJECTIVES, history)}

    story = drill()
    assert "nothing_else_touched" not in asked(story.history())
    story.faults = [replace(story.faults[0], touched=())]
    assert "nothing_else_touched" in asked(story.history())
    story.faults = [replace(story.faults[0], touched=("node-a", "node-b"))]
    verdicts = checks.promised(OBJECTIVES, story.history())
    assert {verdict.check for verdict in verdicts if verdict.outcome is not PASS} == {"nothing_else_touched"}


NAMES = st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(tuple)
HIT = st.lists(st.tuples(NAMES, NAMES | st.none()), max_size=4)


@given(HIT)
@example([((), ())])
@example([(("a",), ("a",)), ((), ("b",))])
def test_what_was_touched_agrees_with_plain_loops(faults: list[tuple[tuple[str, ...], Touched]]) -> None:
    verdict = touched(*faults)
    beyond, unknown = [], not faults
    for _, hit in faults:
        if hit is None:
            unknown = True
            continue
        for name in hit:
            if not any(name in aim for aim, _ in faults) and name not in beyond:
                beyond.append(name)
    assert verdict.outcome is (UNKNOWN if unknown else FAIL if beyond else PASS)
    if not unknown:
        assert verdict.measured["beyond_the_plan"] == len(beyond)
        assert all(name in verdict.sentence for name in beyond)


# ------------------------------------------------------------------------------------------------ what clients noticed


def smooth() -> Story:
    """A planned change that nobody noticed."""
    return drill(seconds=4.0, outage=None, undone_s=10.0)


def test_a_change_that_nobody_noticed_passes() -> None:
    verdict = failed(smooth())
    assert verdict.outcome is PASS
    assert verdict.measured == {"requests": 4 * 64 + 4 * 4, "failed_requests": 0}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Kind.WRITE, Answer.FAILED),
        (Kind.WRITE, Answer.UNKNOWN),
        (Kind.READ, Answer.FAILED),
        (Kind.READ, Answer.UNKNOWN),
    ],
)
def test_one_request_is_one_too_many(kind: Kind, answer: Answer) -> None:
    story = smooth()
    place = next(place for place, op in enumerate(story.ops) if op.kind is kind and op.due_s > 2)
    story.ops[place] = replace(story.ops[place], answer=answer)
    assert failed(story).outcome is FAIL
    assert failed(story).measured["failed_requests"] == 1
    assert failed(story, limit=1).outcome is PASS
    said = "1 were refused and 0 not answered" if answer is Answer.FAILED else "0 were refused and 1 not answered"
    assert said in failed(story).sentence


def test_readiness_and_clients_inside_a_zone_do_not_count() -> None:
    story = smooth()
    story.ops.append(ready(1.0, Answer.FAILED))
    story.change(lambda op: op.kind is Kind.WRITE and op.due_s < 1, place=Place.INSIDE, answer=Answer.UNKNOWN)
    assert failed(story).outcome is PASS


def test_no_request_proves_nothing() -> None:
    story = smooth()
    story.change(lambda op: op.kind is not Kind.READY, place=Place.INSIDE)
    assert failed(story).outcome is UNKNOWN
    assert checks.failed_requests_at_most(History(), limit=0).outcome is UNKNOWN


def test_it_is_promised_where_the_row_promises_it() -> None:
    story = drill()
    assert "failed_requests_at_most" not in {v.check for v in checks.promised(OBJECTIVES, story.history())}
    (verdict,) = [
        verdict
        for verdict in checks.promised(replace(OBJECTIVES, failed_requests=0), story.history())
        if verdict.check == "failed_requests_at_most"
    ]
    assert (verdict.outcome, verdict.parameters) == (FAIL, {"limit": 0})


# ------------------------------------------------------------------------------------------------ once healed


def healed(story: Story) -> Verdict:
    return checks.served_once_healed(story.history())


def test_what_calls_itself_healthy_and_serves_all_passes() -> None:
    verdict = healed(drill())
    assert verdict.outcome is PASS
    assert verdict.measured == {"healed_writes": 13 * 64, "healed_unserved": 0}


@pytest.mark.parametrize(("every", "outcome"), [(128, PASS), (64, FAIL), (6, FAIL)])
def test_what_came_back_and_refuses_or_is_late_fails(every: int, outcome: Outcome) -> None:
    for changes in ({"answer": Answer.FAILED}, {"answer": Answer.UNKNOWN}, {"done_s": 40.0}):
        story = drill()
        story.change(lambda op: op.kind is Kind.WRITE and op.due_s >= 19.0 and op.number % every == 0, **changes)
        assert healed(story).outcome is outcome


def test_what_failed_before_or_inside_a_zone_is_no_matter() -> None:
    story = drill()
    story.change(lambda op: op.due_s < 19.0, answer=Answer.FAILED)
    story.ops += [write(2048 + n, 20.0, place=Place.INSIDE, answer=Answer.FAILED) for n in range(99)]
    assert healed(story).outcome is PASS


def test_without_a_healing_or_a_load_since_nothing_is_known() -> None:
    for faults in ([window(8.0, None)], [window(8.0, 9.0), window(9.0, None)], [window(8.0, 30.9)], []):
        story = drill()
        story.faults = faults
        assert healed(story).outcome is UNKNOWN


OPS = st.builds(
    Op,
    kind=st.sampled_from(Kind),
    place=st.sampled_from(Place),
    number=st.integers(0, 8),
    due_s=st.integers(0, 8).map(float),
    sent_s=st.just(8.0),
    done_s=st.just(9.0),
    answer=st.sampled_from(Answer),
)


@given(st.lists(OPS, max_size=12), st.integers(0, 4))
def test_failed_requests_agree_with_a_plain_loop(ops: list[Op], limit: int) -> None:
    verdict = checks.failed_requests_at_most(History([FaultWindow("f", (), 0.0)], operations(ops)), limit=limit)
    requests = bad = 0
    for op in ops:
        if op.place != Place.OUTSIDE or op.kind not in (Kind.WRITE, Kind.READ, Kind.REPLAY):
            continue
        requests += 1
        if op.answer != Answer.OK:
            bad += 1
    if not requests:
        assert verdict.outcome is UNKNOWN
        return
    assert verdict.outcome is (FAIL if bad > limit else PASS)
    assert verdict.measured == {"requests": requests, "failed_requests": bad}


@given(st.lists(OPS, max_size=60), st.lists(st.integers(0, 6), min_size=1, max_size=2))
def test_what_is_served_once_healed_agrees_with_a_plain_loop(ops: list[Op], healings: list[int]) -> None:
    faults = [FaultWindow("f", ("a",), 0.0, 0.0, 0.0, float(healed_s)) for healed_s in healings]
    verdict = checks.served_once_healed(History(faults, operations(ops)))
    due = unserved = 0
    for op in ops:
        if op.place == Place.OUTSIDE and op.kind == Kind.WRITE and op.due_s >= max(healings):
            due += 1
            if op.answer != Answer.OK or op.done_s - op.due_s > 1:
                unserved += 1
    expected = UNKNOWN if due < 20 else FAIL if unserved > due / 100 else PASS
    assert verdict.outcome is expected
