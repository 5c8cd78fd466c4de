"""The checks of the ledger on hand-written histories: what was acknowledged is stored, once, and the money adds up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures import checks
from fixtures.model import Answer, History, Kind, Ledger, Outcome, Place

from .histories import LATENCY_S, Op, drill, ledger, operations, read, red, replay, write

if TYPE_CHECKING:
    from collections.abc import Callable

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def test_one_lost_write_among_a_hundred_thousand_is_found() -> None:
    ops = [write(number, number / 256) for number in range(100_000)]
    whole, holed = ledger(ops), ledger([op for op in ops if op.number != 77_777])
    for found in ({"database": whole, "api": holed}, {"database": holed, "api": whole}):
        verdict = checks.no_lost_writes(History([], operations(ops), found))
        assert (verdict.outcome, verdict.measured["rpo_writes"]) == (FAIL, 1)
    sound = History([], operations(ops), {"database": whole, "api": whole})
    assert checks.no_lost_writes(sound).outcome is PASS


def test_lost_writes_are_counted_in_writes_and_seconds() -> None:
    story = drill()
    story.stored = [op for op in story.stored if not 6.0 <= op.due_s < 7.0]
    verdict = checks.no_lost_writes(story.history(), allowed=63)
    assert verdict.outcome is FAIL
    assert verdict.measured["rpo_writes"] == 64
    last_before_the_fault_s = 8.0 - 1 / 64 + LATENCY_S
    assert verdict.measured["rpo_s"] == last_before_the_fault_s - (6.0 + LATENCY_S)
    assert checks.no_lost_writes(story.history(), allowed=64).outcome is PASS


def test_what_clients_inside_a_zone_were_promised_counts_too() -> None:
    story = drill()
    number = len(story.stored) * 2
    story.ops.append(write(number, 9.0, place=Place.INSIDE))
    verdict = checks.no_lost_writes(story.history())
    assert (verdict.outcome, verdict.measured["rpo_writes"], verdict.measured["lost_inside"]) == (FAIL, 1, 1)
    # The acknowledgement came in the outage, after the last one before it.
    assert verdict.measured["rpo_s"] == 0.0


@pytest.mark.parametrize("stored", [True, False])
def test_a_replay_that_was_answered_makes_an_unknown_write_acknowledged(stored: bool) -> None:
    story = drill()
    unsure = next(op for op in story.ops if op.answer is Answer.UNKNOWN and op.number % 2 == stored)
    story.ops.append(replay(unsure, 20.0))
    verdict = checks.no_lost_writes(story.history())
    assert verdict.outcome is (PASS if stored else FAIL)
    assert verdict.measured["unknown"] == 511
    assert verdict.measured["unknown_applied"] == 256 - stored


def test_a_write_that_only_a_replay_brought_back_was_lost() -> None:
    story = drill()
    lost = story.ops[100]
    story.ops.append(replay(lost, 20.0, status=201, timeline=2))
    assert red(story.history()) == {"no_lost_writes": FAIL}
    assert checks.no_lost_writes(story.history()).measured["lost_then_replayed"] == 1

    # A replay that raced its original, and applied before it, shows no loss.
    story = drill()
    story.ops.append(replay(lost, lost.done_s - LATENCY_S / 2, status=201))
    assert red(story.history()) == {}


@pytest.mark.parametrize("reader", ["database", "api"])
def test_without_both_readers_nothing_is_known_of_the_ledger(reader: str) -> None:
    history = drill().history()
    del history.ledgers[reader]
    assert checks.no_lost_writes(history).outcome is UNKNOWN
    assert checks.applied_once(history).outcome is UNKNOWN
    assert checks.balances_conserved(history).outcome is UNKNOWN


def test_nothing_acknowledged_or_only_reads_is_nothing_to_lose() -> None:
    story = drill()
    story.change(lambda op: op.kind is Kind.WRITE, answer=Answer.FAILED, status=503)
    assert checks.no_lost_writes(story.history()).outcome is UNKNOWN
    story.ops = [read(0, 1, due_s / 16) for due_s in range(100)]
    assert checks.no_lost_writes(story.history()).outcome is UNKNOWN
    assert checks.applied_once(story.history()).outcome is UNKNOWN


# ------------------------------------------------------------------------------------------------ applied once


def _moved_twice(found: Ledger) -> Ledger:
    """The last transfer moved its money twice and is listed once."""
    source, target, amount = (int(column[-1]) for column in (found.source, found.target, found.amount))
    np.add.at(found.balance, [source, target], [-amount, amount])
    np.add.at(found.version, [source, target], 1)
    return found


def _listed_twice(found: Ledger) -> Ledger:
    twice = np.sort(np.append(np.arange(len(found.number)), 0))
    return replace(
        found,
        number=found.number[twice],
        source=found.source[twice],
        target=found.target[twice],
        amount=found.amount[twice],
    )


def _altered(found: Ledger) -> Ledger:
    found.amount[5] += 1
    found.balance[found.source[5]] -= 1
    found.balance[found.target[5]] += 1
    return found


@pytest.mark.parametrize(
    ("bend", "defects"),
    [
        (_moved_twice, {"wrong_versions": 2, "wrong_balances": 2}),
        (_listed_twice, {"stored_twice": 1, "wrong_versions": 2, "wrong_balances": 2}),
        (_altered, {"altered": 1}),
    ],
)
def test_a_transfer_applied_twice_or_altered_is_found(
    bend: Callable[[Ledger], Ledger], defects: dict[str, int]
) -> None:
    story = drill()
    story.bend_database = story.bend_api = bend
    verdict = checks.applied_once(story.history())
    assert {key: count for key, count in verdict.measured.items() if count and key != "transfers"} == defects
    assert red(story.history()) == {"applied_once": FAIL}


def test_a_replay_that_was_applied_again_is_no_lost_write() -> None:
    story = drill()
    story.bend_database = story.bend_api = _moved_twice
    story.ops.append(replay(story.stored[-1], 40.0, status=201, timeline=2))
    assert red(story.history()) == {"applied_once": FAIL}


def test_a_refused_write_that_is_stored_was_resurrected() -> None:
    story = drill()
    refused = story.ops[100]
    story.change(lambda op: op.number == refused.number, answer=Answer.FAILED, status=503)
    verdict = checks.applied_once(story.history())
    assert (verdict.outcome, verdict.measured["resurrected"]) == (FAIL, 1)
    for answer in (Answer.OK, Answer.UNKNOWN):  # another attempt may have stored it
        again = replace(story, ops=[*story.ops, replay(refused, 20.0, answer=answer)])
        assert checks.applied_once(again.history()).measured["resurrected"] == 0


@pytest.mark.parametrize("number", [5000, -3, 2**62])
def test_a_transfer_that_nobody_sent_is_found(number: int) -> None:
    story = drill()
    story.stored.append(Op(number=number, source=0, target=1, amount=1))
    verdict = checks.applied_once(story.history())
    assert (verdict.outcome, verdict.measured["never_sent"]) == (FAIL, 1)


def test_a_transfer_of_accounts_outside_the_load_is_found() -> None:
    story = drill()

    def misplaced(found: Ledger) -> Ledger:
        found.source[5] = 99
        return found

    story.bend_api = misplaced
    verdict = checks.applied_once(story.history())
    assert (verdict.outcome, verdict.measured["altered"]) == (FAIL, 1)


def test_a_transfer_from_an_account_to_itself_touches_it_once() -> None:
    story = drill()
    story.ops.append(write(2048, 20.0, source=0, target=0, timeline=2))
    story.stored.append(story.ops[-1])
    assert checks.applied_once(story.history()).measured["wrong_versions"] == 1  # the builder counts it twice

    def touched_once(found: Ledger) -> Ledger:
        found.version[0] -= 1
        return found

    story.bend_database = story.bend_api = touched_once
    assert checks.applied_once(story.history()).outcome is PASS


# ------------------------------------------------------------------------------------------------ balances


def test_money_from_nowhere_is_found() -> None:
    story = drill()

    def richer(found: Ledger) -> Ledger:
        found.balance[1] += 5
        return found

    story.bend_api = richer
    verdict = checks.balances_conserved(story.history())
    assert (verdict.outcome, verdict.measured["drift"], verdict.measured["accounts_differ"]) == (FAIL, 5, 1)


def test_readers_that_disagree_are_found() -> None:
    story = drill()
    history = story.history()
    history.ledgers["api"] = ledger(story.stored[:-1])
    verdict = checks.balances_conserved(history)
    assert (verdict.outcome, verdict.measured["drift"]) == (FAIL, 0)
    assert (verdict.measured["accounts_differ"], verdict.measured["transfers_differ"]) == (2, 1)


def test_no_transfer_conserves_nothing() -> None:
    history = History([], drill().history().operations, {"database": ledger([]), "api": ledger([])})
    assert checks.balances_conserved(history).outcome is UNKNOWN
    assert checks.applied_once(history).outcome is UNKNOWN
    assert checks.no_lost_writes(history).outcome is FAIL
