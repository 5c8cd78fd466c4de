"""The checks of order on hand-written histories: one primary at a time, no stale reads. And the probes."""

from __future__ import annotations

import pytest

from fixtures import checks, probes
from fixtures.model import Answer, History, Kind, NodeStatus, Outcome, Place, Status, Verdict

from .histories import LATENCY_S, Op, drill, ledger, operations, read, red, replay, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


# ------------------------------------------------------------------------------------------------ split brain


@pytest.mark.parametrize("place", [Place.OUTSIDE, Place.INSIDE])
def test_an_old_primary_that_acknowledges_after_the_new_one_is_found(place: Place) -> None:
    story = drill()
    late = write(2048, 16.5, timeline=1, place=place, source_version=9999, target_version=9999)
    story.ops.append(late)
    verdict = checks.no_split_brain(story.history())
    assert (verdict.outcome, verdict.measured["split_writes"]) == (FAIL, 1)
    assert verdict.measured["overlap_s"] == 16.5 - (16.0 + LATENCY_S)


def test_a_write_sent_before_the_new_primary_served_shows_no_split() -> None:
    story = drill()
    story.ops.append(write(2048, 15.0, timeline=1, done_s=17.0))
    story.stored.append(story.ops[-1])
    assert checks.no_split_brain(story.history()).outcome is PASS


def test_acknowledgements_without_a_timeline_prove_nothing() -> None:
    story = drill()
    story.change(lambda op: op.number == 100, timeline=-1)
    assert checks.no_split_brain(story.history()).outcome is UNKNOWN
    story.ops.append(write(2048, 20.0, timeline=1))  # but do not hide a split
    assert checks.no_split_brain(story.history()).outcome is FAIL
    story.change(lambda _: True, timeline=-1)
    assert checks.no_split_brain(story.history()).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ stale reads


def stale(ops: list[Op], limit_s: float = 1.0, *, lost: tuple[int, ...] = ()) -> Verdict:
    stored = ledger([op for op in ops if op.kind == Kind.WRITE and op.number not in lost])
    history = History([], operations(ops), {"database": stored, "api": stored})
    return checks.reads_never_stale_beyond(history, limit_s=limit_s)


def moved(number: int, due_s: float, version: int, answer: Answer = Answer.OK) -> Op:
    return write(
        number, due_s, source=0, target=1, source_version=version, target_version=version, done_s=due_s, answer=answer
    )


def test_a_read_behind_an_acknowledged_write_is_stale_since_then() -> None:
    ops = [moved(0, 1.0, 1), moved(1, 2.0, 2), moved(2, 3.0, 3)]
    for version, sent_s, stale_s in [(3, 9.0, 0.0), (2, 4.5, 1.5), (1, 4.5, 2.5), (0, 4.5, 3.5), (0, 0.5, 0.0)]:
        verdict = stale([*ops, read(0, version, sent_s), read(1, 3, 9.0)])
        assert verdict.measured["stale_max_s"] == stale_s
        assert verdict.outcome is (FAIL if stale_s > 1.0 else PASS)
        assert verdict.measured["stale_reads"] == (stale_s > 0)


def test_a_cache_that_serves_stale_balances_is_found() -> None:
    story = drill()
    hit = story.change(lambda op: op.kind is Kind.READ and op.due_s > 20.0, source_version=3)
    assert red(story.history()) == {"reads_never_stale_beyond": FAIL}
    assert checks.reads_never_stale_beyond(story.history(), limit_s=60.0).measured["stale_reads"] == hit


def test_the_earliest_newer_write_counts_even_if_its_version_is_not_the_next() -> None:
    ops = [moved(0, 1.0, 1), moved(1, 4.0, 2), moved(2, 3.0, 3)]
    assert stale([*ops, read(0, 1, 5.0)]).measured["stale_max_s"] == 2.0


def test_a_lost_write_makes_no_read_stale_and_its_version_is_used_again() -> None:
    ops = [moved(0, 1.0, 1), moved(1, 2.0, 2), moved(2, 9.0, 2)]  # 1 was lost; 2 took its version after the failover
    assert stale([*ops, read(0, 1, 8.0)], lost=(1,)).measured["stale_max_s"] == 0.0
    assert stale([*ops, read(0, 1, 12.0)], lost=(1,)).measured["stale_max_s"] == 3.0
    assert stale([*ops, read(0, 2, 12.0)], lost=(1,)).measured["stale_max_s"] == 0.0


def test_a_replayed_write_may_have_been_lost_in_between() -> None:
    lost = moved(1, 2.0, 2)
    ops = [moved(0, 1.0, 1), lost, replay(lost, 9.0, source_version=-1, target_version=-1)]
    assert stale([*ops, read(0, 1, 8.0)]).measured["stale_max_s"] == 0.0


@pytest.mark.parametrize(
    "ops",
    [
        [moved(0, 1.0, 1)],
        [moved(0, 1.0, 1), read(0, 0, 5.0, answer=Answer.FAILED)],
        [moved(0, 1.0, 1), read(0, 0, 0.5)],
        [moved(0, 1.0, 1), read(2, 0, 5.0)],
        [moved(0, 1.0, 1, Answer.UNKNOWN), read(0, 0, 5.0)],
        [moved(0, 1.0, 1), read(0, -1, 5.0)],
        [moved(0, 1.0, 1), read(7, 1, 5.0)],
        [moved(0, 1.0, -1), read(0, 1, 5.0)],
        [moved(0, 1.0, 2**40), read(0, 1, 5.0)],
        [read(0, 0, 5.0)],
    ],
)
def test_reads_that_could_not_be_stale_prove_nothing(ops: list[Op]) -> None:
    assert stale(ops).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ probes


def snapshot(**changes: object) -> Status:
    nodes = {"a": NodeStatus(answers=True, duty="primary"), "b": NodeStatus(answers=False, duty="replica")}
    return Status(**({"taken_s": 1.0, "nodes": nodes, "writable": True, "problems": ()} | changes))  # type: ignore[arg-type]


def test_probes_ask_one_thing_each() -> None:
    assert probes.writable(snapshot())
    assert not probes.writable(snapshot(writable=False))
    assert probes.healthy(snapshot())
    assert not probes.healthy(snapshot(problems=("b does not answer",)))
    assert not probes.healthy(snapshot(writable=False))
    assert not probes.healthy(snapshot(nodes={}))
    assert probes.answers("a")(snapshot())
    assert not probes.answers("a", "b")(snapshot())
    assert not probes.answers("nobody")(snapshot())
    assert not probes.answers()(snapshot())
    assert probes.has_duty("a", "leader", "primary")(snapshot())
    assert not probes.has_duty("b", "replica")(snapshot())
    assert not probes.has_duty("nobody", "replica")(snapshot())
