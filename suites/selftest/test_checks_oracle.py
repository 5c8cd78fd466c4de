"""The vectorised checks against the slow oracle, on small random histories full of ties, holes and defects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures import checks
from fixtures.model import Answer, FaultWindow, History, Kind, Ledger, Outcome, Place, Verdict

from . import oracle
from .histories import Op, ledger, operations, read, ready, replay, write

# A loaded machine is slow, not wrong.
SEARCH = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANSWERS = st.sampled_from([Answer.OK, Answer.OK, Answer.FAILED, Answer.UNKNOWN])
TIMES = st.integers(0, 40).map(lambda quarter: quarter / 4)
DELAYS = st.integers(0, 12).map(lambda quarter: quarter / 4)
PLACES = st.sampled_from([Place.OUTSIDE, Place.OUTSIDE, Place.INSIDE])


def agrees(verdict: Verdict, found: oracle.Found) -> None:
    expected, numbers = found
    assert verdict.outcome is expected, verdict
    if expected is not Outcome.UNKNOWN:
        assert {name: verdict.measured[name] for name in numbers} == pytest.approx(numbers)


@st.composite
def transfers(draw: st.DrawFn) -> list[Op]:
    """Writes and replays with any answer, some sent again, in any place and term of office."""
    ops: list[Op] = []
    for number in range(draw(st.integers(0, 5)) + draw(st.integers(0, 7))):
        due_s = draw(TIMES)
        versions = {"source_version": draw(st.integers(1, 6)), "target_version": draw(st.integers(1, 6))}
        original = write(number, due_s, **versions, answer=draw(ANSWERS), place=draw(PLACES))
        original = replace(original, done_s=due_s + draw(DELAYS), timeline=draw(st.integers(1, 3)))
        ops.append(original)
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            again_s = draw(TIMES)
            status = draw(st.sampled_from([200, 201]))
            ops.append(replay(original, again_s, answer=draw(ANSWERS), status=status, timeline=draw(st.integers(1, 3))))
    return ops


@st.composite
def stores(draw: st.DrawFn, ops: list[Op]) -> Ledger:
    """What a reader found: some of what was sent, perhaps twice, altered, unasked for, or with wrong accounts."""
    sent = [op for op in ops if op.kind == Kind.WRITE]
    kept = [op for op in sent if draw(st.integers(0, 5))]
    if kept and draw(st.integers(0, 3)) == 0:
        kept.append(draw(st.sampled_from(kept)))
    if kept and draw(st.integers(0, 3)) == 0:
        kept[0] = replace(kept[0], amount=kept[0].amount + 1)
    if draw(st.integers(0, 3)) == 0:
        kept.append(write(draw(st.integers(0, 60)), 0.0))
    found = ledger(kept)
    if draw(st.integers(0, 2)) == 0:
        found.version[draw(st.integers(0, 2))] += draw(st.integers(-1, 1))
        found.balance[draw(st.integers(0, 2))] += draw(st.integers(-1, 1))
    return found


def faults(first_s: float, last_s: float) -> st.SearchStrategy[list[FaultWindow]]:
    """No, one or two faults, some never felt, undone or healed, some beside the load."""
    steps = st.lists(st.integers(0, 32).map(lambda step: step / 16), min_size=3, max_size=3)

    def fault(start_s: float, gaps: list[float], known: int) -> FaultWindow:
        felt_s, undone_s, healed_s = np.cumsum([start_s, *gaps])[1:].tolist()
        return FaultWindow(
            "outage", ("node-a",), start_s,
            felt_s=felt_s if known > 0 else None,
            undone_s=undone_s if known > 1 else None,
            healed_s=healed_s if known > 2 else None,
        )  # fmt: skip

    starts = st.integers(int(first_s * 4), int(last_s * 4)).map(lambda quarter: quarter / 4)
    known = st.sampled_from([3, 3, 3, 3, 3, 2, 1, 0])
    count = st.sampled_from([1, 1, 1, 1, 2, 0])
    return count.flatmap(lambda size: st.lists(st.builds(fault, starts, steps, known), min_size=size, max_size=size))


@given(st.data())
@SEARCH
def test_ledger_checks_agree_with_the_oracle(data: st.DataObject) -> None:
    ops = data.draw(transfers())
    database = data.draw(stores(ops))
    api = data.draw(stores(ops)) if data.draw(st.integers(0, 3)) == 0 else database
    windows = data.draw(faults(0, 10))
    history = History(windows, operations(ops), {"database": database, "api": api})
    allowed = data.draw(st.integers(0, 2))
    expected = oracle.no_lost_writes(ops, database, api, windows, allowed)
    agrees(checks.no_lost_writes(history, allowed=allowed), expected)
    agrees(checks.applied_once(history), oracle.applied_once(ops, database, api))
    agrees(checks.balances_conserved(history), oracle.balances_conserved(database, api))


@given(transfers())
@SEARCH
def test_split_brain_agrees_with_the_oracle(ops: list[Op]) -> None:
    agrees(checks.no_split_brain(History([], operations(ops))), oracle.no_split_brain(ops))


@given(st.data())
@SEARCH
def test_stale_reads_agree_with_the_oracle(data: st.DataObject) -> None:
    ops = data.draw(transfers())
    accounts, versions = st.integers(0, 2), st.integers(0, 7)
    ops += data.draw(st.lists(st.builds(read, accounts, versions, TIMES, answer=ANSWERS), min_size=2, max_size=8))
    database = data.draw(stores(ops))
    history = History([], operations(ops), {"database": database, "api": database})
    limit_s = data.draw(DELAYS)
    expected = oracle.reads_never_stale_beyond(ops, database, limit_s)
    if any(op.kind != Kind.READ for op in ops):  # a load that only read is refused before
        agrees(checks.reads_never_stale_beyond(history, limit_s=limit_s), expected)


@st.composite
def schedules(draw: st.DrawFn) -> list[Op]:
    """Writes due at a rate, in stretches: served, slow, late together, refused, unanswered, or not due at all."""
    ops: list[Op] = []
    step = 0
    stretch = st.tuples(
        st.integers(6, 40),
        st.sampled_from(3 * ["served", "served", "slow", "stuck", "refused", "lost", "flaky"] + ["pause"]),
    )
    for length, course in draw(st.lists(stretch, min_size=3, max_size=6)):
        end_s = (step + length) / 16
        for due_s in ((step + one) / 16 for one in range(length)):
            number = len(ops)
            good = {"served": due_s + 1 / 64, "slow": due_s + 1.5, "stuck": end_s + 1 / 64, "flaky": due_s + 1 / 64}
            if course in good and not (course == "flaky" and number % 5 == 0):
                place = Place.INSIDE if number % 9 == 8 else Place.OUTSIDE
                ops.append(write(number, due_s, done_s=good[course], place=place))
            elif course != "pause":
                answer = Answer.FAILED if course == "refused" else Answer.UNKNOWN
                ops.append(write(number, due_s, done_s=due_s + 0.5, answer=answer))
        step += length
    return ops


@given(st.data())
@SEARCH
def test_availability_agrees_with_the_oracle(data: st.DataObject) -> None:
    ops = data.draw(schedules())
    windows = data.draw(faults(0, max((op.due_s for op in ops), default=0) + 1))
    history = History(windows, operations(ops))
    limit_s = data.draw(st.sampled_from([0.5, 1.25, 1.5, 2.5, 5.0]))
    agrees(checks.unavailable_at_most(history, limit_s=limit_s), oracle.unavailable_at_most(ops, windows, limit_s))
    run: dict[str, Any] = {
        "window_s": data.draw(st.sampled_from([1.0, 1.5, 2.0])),
        "error_rate": data.draw(st.sampled_from([0.0, 0.05, 0.3])),
        "latency_s": data.draw(st.sampled_from([0.25, 1.0, 2.0])),
    }
    expected = oracle.recovered_within(ops, windows, limit_s, **run)
    agrees(checks.recovered_within(history, limit_s=limit_s, **run), expected)


@given(st.data())
@SEARCH
def test_readiness_agrees_with_the_oracle(data: st.DataObject) -> None:
    ops = data.draw(schedules())
    windows = data.draw(faults(0, max((op.due_s for op in ops), default=0) + 1))
    slow = st.sampled_from([1 / 64, 0.5, 2.0])
    for due_s, answer, latency_s in data.draw(st.lists(st.tuples(TIMES, ANSWERS, slow), max_size=8)):
        ops.append(ready(due_s, answer, done_s=due_s + latency_s))
    grace_s = data.draw(st.sampled_from([0.0, 0.25, 1.0]))
    history = History(windows, operations(ops))
    agrees(checks.ready_is_honest(history, grace_s=grace_s), oracle.ready_is_honest(ops, windows, grace_s))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_rank_is_a_value_that_occurred(values: list[float], share: float) -> None:
    needed = max(int(np.ceil(share * len(values))), 1)
    found = checks.record.rank(np.array(values), share)
    assert found == sorted(values)[needed - 1]
