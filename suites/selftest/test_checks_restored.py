"""The checks of a recovery from a backup, on hand-written histories, and against plain loops over random ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import checks
from fixtures.model import Answer, BackedUp, History, Outcome, Refilled, Restored, Returned

from .histories import OBJECTIVES, Op, Story, drill, replay, window, write

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN
LOST_AT_S, ARCHIVED_S = 8.0, 6.0
"""``drill()`` breaks at 8 s; here the archive reaches to 6 s."""


def lossy(until_s: float = ARCHIVED_S) -> Story:
    """A drill that comes back without what was acknowledged between ``until_s`` and the loss."""
    story = drill()
    story.stored = [op for op in story.stored if not until_s <= op.due_s < LOST_AT_S]
    return story


# ------------------------------------------------------------------------------------------------ what had to be kept


def test_what_was_archived_is_kept_and_the_rest_is_counted_as_lost() -> None:
    history = lossy().history()
    verdict = checks.writes_kept_until(history, until_s=ARCHIVED_S)
    assert verdict.outcome is PASS
    assert verdict.measured == {"due_to_be_kept": 384, "not_kept": 0}
    assert checks.no_lost_writes(history).measured["rpo_writes"] == 128


def test_one_write_of_before_that_is_gone_fails() -> None:
    story = lossy()
    gone = next(op for op in story.stored if op.due_s == 5.0)
    story.stored.remove(gone)
    verdict = checks.writes_kept_until(story.history(), until_s=ARCHIVED_S)
    assert verdict.outcome is FAIL
    assert verdict.measured["not_kept"] == 1


def test_a_write_that_only_the_api_lacks_is_gone() -> None:
    story = drill()
    story.bend_api = lambda found: replace(
        found, **{name: getattr(found, name)[1:] for name in ("number", "source", "target", "amount")}
    )
    assert checks.writes_kept_until(story.history(), until_s=ARCHIVED_S).outcome is FAIL


def test_a_write_that_was_sent_again_was_not_kept() -> None:
    story = drill()
    story.ops.append(replay(story.ops[0], 20.0, status=201))
    assert checks.writes_kept_until(story.history(), until_s=ARCHIVED_S).measured["not_kept"] == 1


def test_a_write_that_was_sent_again_and_came_back_by_the_recovery_was_kept() -> None:
    story = drill()
    story.ops.append(replay(story.ops[0], 20.0, status=201))
    history = story.history()
    assert checks.writes_kept_until(history, until_s=ARCHIVED_S, undone_until_s=21.0).measured["not_kept"] == 0
    assert checks.writes_kept_until(history, until_s=ARCHIVED_S, undone_until_s=20.0).measured["not_kept"] == 1


def test_nothing_to_keep_is_not_judged() -> None:
    assert checks.writes_kept_until(drill().history(), until_s=0.0).outcome is UNKNOWN
    assert checks.writes_kept_until(History(), until_s=1.0).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ what had to go


def test_what_came_after_the_mistake_and_is_there_fails() -> None:
    history = lossy(ARCHIVED_S + 0.5).history()
    verdict = checks.nothing_kept_after(history, after_s=ARCHIVED_S, before_s=LOST_AT_S)
    assert verdict.outcome is FAIL
    assert verdict.measured == {"too_late": 127, "too_late_and_kept": 31}  # 64 a second, without that of 6 s itself


def test_what_came_after_the_mistake_and_is_gone_passes() -> None:
    history = lossy().history()
    assert checks.nothing_kept_after(history, after_s=ARCHIVED_S, before_s=LOST_AT_S).outcome is PASS
    assert checks.nothing_kept_after(history, after_s=LOST_AT_S, before_s=LOST_AT_S).measured["too_late"] == 0


def test_what_a_client_sent_again_may_be_there() -> None:
    story = lossy()
    again = [op for op in story.ops if op.number >= 0 and ARCHIVED_S <= op.due_s < LOST_AT_S]
    story.stored += again
    story.ops += [replay(op, 20.0 + op.due_s, status=201) for op in again]
    assert checks.nothing_kept_after(story.history(), after_s=ARCHIVED_S, before_s=LOST_AT_S).outcome is PASS


def test_without_a_ledger_nothing_is_known_to_be_gone() -> None:
    history = drill().history()
    history.ledgers.clear()
    assert checks.nothing_kept_after(history, after_s=1.0, before_s=8.0).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ how much, how long


def test_a_loss_may_span_so_much_and_no_more() -> None:
    history = lossy().history()
    verdict = checks.loss_spans_at_most(history, limit_s=2.0)
    assert verdict.outcome is PASS
    assert 1.9 < (verdict.measured["rpo_s"] or 0) < 2.0
    assert checks.loss_spans_at_most(history, limit_s=1.9).outcome is FAIL
    assert checks.loss_spans_at_most(drill().history(), limit_s=0.0).outcome is PASS
    assert checks.loss_spans_at_most(History(), limit_s=1.0).outcome is UNKNOWN


def test_phases_that_explain_the_outage_name_the_largest() -> None:
    verdict = checks.phases_add_up(drill().history(), detect_s=0.5, fetch_s=4.0, verify_s=1.0, serve_s=1.0)
    assert verdict.outcome is PASS
    assert verdict.measured["recovery_s"] == pytest.approx(8.0, abs=0.1)
    assert verdict.measured["serve_s"] == pytest.approx(2.5, abs=0.1)  # and the 1.5 s that no command measured
    assert "the largest part, 4.000 s, went to fetch" in verdict.sentence


def test_to_build_an_environment_is_a_phase_where_there_was_one() -> None:
    verdict = checks.phases_add_up(drill().history(), build_s=5.0, fetch_s=2.0)
    assert "the largest part, 5.000 s, went to build" in verdict.sentence
    assert verdict.measured["build_s"] == 5.0
    assert "build_s" not in checks.phases_add_up(drill().history(), fetch_s=7.0).measured


def test_phases_that_leave_too_much_unexplained_or_explain_too_much_are_not_believed() -> None:
    assert checks.phases_add_up(drill().history(), fetch_s=4.0).outcome is UNKNOWN
    assert checks.phases_add_up(drill().history(), fetch_s=12.0).outcome is UNKNOWN


def test_who_never_came_back_has_no_phases() -> None:
    story = drill()
    story.change(lambda op: op.due_s >= LOST_AT_S, answer=Answer.UNKNOWN)
    assert checks.phases_add_up(story.history(), fetch_s=8.0).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ rescued beside it


def served() -> Story:
    """A drill in which rows are taken at 8 s and clients notice nothing."""
    return drill(outage=None)


def test_rows_that_came_back_beside_what_was_written_since_pass() -> None:
    verdict = checks.rescued_within(served().history(), limit_s=6.0, back_s=14.0)
    assert verdict.outcome is PASS
    assert verdict.measured == {
        "rescued_s": 6.0,
        "earlier": 512,
        "earlier_missing": 0,
        "since": 1536,
        "since_missing": 0,
    }
    assert checks.rescued_within(served().history(), limit_s=5.9, back_s=14.0).outcome is FAIL


@pytest.mark.parametrize(("due_s", "which"), [(5.0, "earlier_missing"), (13.0, "since_missing")])
def test_one_row_that_is_missing_on_either_side_of_the_mistake_fails(due_s: float, which: str) -> None:
    story = served()
    story.stored.remove(next(op for op in story.stored if op.due_s == due_s))
    verdict = checks.rescued_within(story.history(), limit_s=60.0, back_s=14.0)
    assert verdict.outcome is FAIL
    assert verdict.measured[which] == 1


def test_a_rescue_that_nothing_could_go_wrong_in_is_not_judged() -> None:
    assert checks.rescued_within(served().history(), limit_s=60.0, back_s=8.0).outcome is UNKNOWN  # nothing since
    story = served()
    story.change(lambda op: op.due_s < LOST_AT_S, answer=Answer.UNKNOWN)
    assert checks.rescued_within(story.history(), limit_s=60.0, back_s=14.0).outcome is UNKNOWN  # nothing before
    assert checks.rescued_within(History(), limit_s=60.0, back_s=14.0).outcome is UNKNOWN


def test_phases_of_a_rescue_explain_when_rows_were_back() -> None:
    assert checks.phases_add_up(served().history(), fetch_s=5.0, back_s=14.0).measured["recovery_s"] == 6.0
    assert checks.phases_add_up(served().history(), fetch_s=1.0, back_s=14.0).outcome is UNKNOWN


def test_phases_are_of_the_last_fault() -> None:
    story = drill(seconds=64.0)
    story.faults.append(window(40.0, 42.0))
    alone = drill(seconds=64.0, outage=None)
    story.ops = [op for op in story.ops if op.due_s < 40.0 or op.due_s >= 46.0] + [
        replace(op, answer=Answer.UNKNOWN) for op in alone.ops if 40.0 <= op.due_s < 46.0
    ]
    verdict = checks.phases_add_up(story.history(), fetch_s=5.0)
    assert verdict.measured["recovery_s"] == pytest.approx(6.0, abs=0.1)


# ------------------------------------------------------------------------------------------------ and an oracle


def test_restored_judges_what_the_row_promises() -> None:
    phases = {"fetch": 8.0}
    facts = Restored(kept_until_s=6.0, gone_after_s=None, stopped_s=8.0, phases_s=phases)
    assert [v.check for v in checks.restored(facts, OBJECTIVES, drill().history())] == [
        "writes_kept_until",
        "phases_add_up",
    ]
    back, spans = replace(facts, gone_after_s=6.0), replace(OBJECTIVES, rpo_s=2.0)
    verdicts = checks.restored(back, spans, lossy().history())
    assert [v.check for v in verdicts][:2] == ["writes_kept_until", "nothing_kept_after"]
    assert "loss_spans_at_most" in [v.check for v in checks.promised(spans, lossy().history())]
    assert all(v.outcome is PASS for v in verdicts)
    meanwhile = replace(facts, backup=BackedUp(began_s=8.0, ended_s=9.0, whole=True, used=True, chosen_s=9.5))
    assert [v.check for v in checks.restored(meanwhile, OBJECTIVES, drill().history())] == [
        "writes_kept_until",
        "backup_met_a_fault",
        "phases_add_up",
    ]
    came = replace(facts, returned=Returned("node-b", returned_s=20.0, led=0, followed=1))
    assert checks.restored(came, OBJECTIVES, drill().history())[1].check == "returned_member_never_led"
    rescued = replace(facts, back_s=16.0)
    verdicts = checks.restored(rescued, replace(OBJECTIVES, rpo_s=2.0), served().history())
    assert [v.check for v in verdicts] == ["rescued_within", "phases_add_up"]
    assert all(v.outcome is PASS for v in verdicts)
    cache = replace(rescued, cache=Refilled(held=3, loaded=1, expired=2, planted=1, found=1))
    verdicts = checks.restored(cache, OBJECTIVES, served().history())
    assert [v.check for v in verdicts] == ["cache_came_back", "phases_add_up"]
    assert all(v.outcome is PASS for v in verdicts)


WRITES = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=2, max_size=12)


@settings(deadline=None)  # a busy machine is no mistake of the check
@given(WRITES, st.integers(0, 12), st.integers(0, 12))
def test_what_is_kept_agrees_with_plain_loops(told: list[tuple[bool, bool, bool]], until: int, before: int) -> None:
    """Each write, one a second: acknowledged or not, stored or not, sent again at the end (known already) or not."""
    story = Story()
    for number, (acknowledged, stored, again) in enumerate(told):
        op: Op = write(number, float(number), answer=Answer.OK if acknowledged else Answer.UNKNOWN)
        story.ops += [op, replay(op, 100.0 + number)] if again else [op]
        story.stored += [op] if stored else []
    history = story.history()
    due = [n for n, (ok, _, _) in enumerate(told) if ok and n < until]
    verdict = checks.writes_kept_until(history, until_s=float(until))
    if not due:
        assert verdict.outcome is UNKNOWN
    else:
        assert verdict.measured["not_kept"] == sum(not told[n][1] for n in due)
    late = [n for n, (ok, _, again) in enumerate(told) if ok and not again and until < n < before]
    verdict = checks.nothing_kept_after(history, after_s=float(until), before_s=float(before))
    assert verdict.measured["too_late_and_kept"] == sum(told[n][1] for n in late)
    story.faults = [window(until - 0.5, 50.0)]
    rescued = checks.rescued_within(story.history(), limit_s=99.0, back_s=50.0)
    known = [n for n, (ok, _, again) in enumerate(told) if ok or again]
    earlier = [n for n in known if n < until and told[n][0]]
    since = [n for n in known if n not in earlier]
    assert rescued.measured["earlier_missing"] == sum(not told[n][1] for n in earlier)
    assert rescued.measured["since_missing"] == sum(not told[n][1] for n in since)
    judged = bool(earlier) and any(told[n][0] for n in since)
    failed = any(not told[n][1] for n in known)
    assert rescued.outcome is (UNKNOWN if not judged else FAIL if failed else PASS)
    verdict = checks.nothing_kept_after(history, after_s=float(until), before_s=float(before))
    assert verdict.outcome is (FAIL if any(told[n][1] for n in late) else PASS)
