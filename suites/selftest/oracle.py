"""The checks once more, slow and obvious: plain loops over the definitions in ``docs/checks.md``, for small histories.

Written from the definitions and not from ``fixtures.checks``. Each returns the outcome and the numbers that it found; a
record that cannot decide gives UNKNOWN.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from fixtures.model import Answer, Kind, Outcome, Place

from .histories import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fixtures.model import FaultWindow, Ledger

Found = tuple[Outcome, dict[str, float | int | None]]
CHANCE = 20  # mean distances between due writes: the documented threshold


def outcome(failed: bool) -> Outcome:
    return Outcome.FAIL if failed else Outcome.PASS


def attempts(ops: Sequence[Op], number: int) -> list[Op]:
    return [op for op in ops if op.kind in (Kind.WRITE, Kind.REPLAY) and op.number == number]


def numbers(ops: Sequence[Op]) -> list[int]:
    return sorted({op.number for op in ops if op.kind in (Kind.WRITE, Kind.REPLAY)})


def acknowledged(ops: Sequence[Op], number: int) -> bool:
    return any(op.answer == Answer.OK for op in attempts(ops, number))


def touched(ledger: Ledger) -> list[int]:
    count = [0] * len(ledger.balance)
    for source, target in zip(ledger.source.tolist(), ledger.target.tolist(), strict=True):
        for account in {source, target}:
            count[account] += 1
    return count


def no_lost_writes(
    ops: Sequence[Op], database: Ledger, api: Ledger, faults: Sequence[FaultWindow], allowed: int
) -> Found:
    everyone = numbers(ops)
    told = [number for number in everyone if acknowledged(ops, number)]
    if not told:
        return Outcome.UNKNOWN, {}
    in_database, in_api = set(database.number.tolist()), set(api.number.tolist())
    count = touched(database)
    lost, revived = [], []
    for number in told:
        answered = [op for op in attempts(ops, number) if op.answer == Answer.OK]
        first_s = min(op.done_s for op in answered)
        again = [op for op in answered if op.kind == Kind.REPLAY and op.status == 201 and op.sent_s > first_s]
        twice = any(database.version[account] > count[account] for op in again for account in (op.source, op.target))
        if again and not twice:
            revived.append(number)
        if number not in in_database or number not in in_api or number in revived:
            lost.append(number)
    unsure = [
        number
        for number in everyone
        if number not in told and any(op.answer == Answer.UNKNOWN for op in attempts(ops, number))
    ]
    applied = [number for number in unsure if number in in_database or number in in_api]
    lost_acks = [op for number in lost for op in attempts(ops, number) if op.answer == Answer.OK]
    rpo_s = 0.0
    if lost_acks:
        injected_s = min((fault.injected_s for fault in faults), default=-math.inf)
        before = [
            op.done_s for number in told for op in attempts(ops, number)
            if op.answer == Answer.OK and op.done_s < injected_s
        ]  # fmt: skip
        rpo_s = max([op.done_s for op in lost_acks] + before) - min(op.done_s for op in lost_acks)
    return outcome(len(lost) > allowed), {
        "acknowledged": len(told),
        "unknown": len(unsure),
        "unknown_applied": len(applied),
        "unknown_absent": len(unsure) - len(applied),
        "rpo_writes": len(lost),
        "rpo_s": rpo_s,
        "lost_inside": len({op.number for op in lost_acks if op.place == Place.INSIDE}),
        "lost_then_replayed": len(revived),
    }


def applied_once(ops: Sequence[Op], database: Ledger, api: Ledger) -> Found:
    if not numbers(ops) or not (len(database.number) or len(api.number)):
        return Outcome.UNKNOWN, {}
    found = [_defects(ops, ledger) for ledger in (database, api)]
    worst: dict[str, float | int | None] = {key: max(one[key] for one in found) for key in found[0]}
    return outcome(any(count for key, count in worst.items() if key != "transfers")), worst


def _defects(ops: Sequence[Op], ledger: Ledger) -> dict[str, int]:
    defects = dict.fromkeys(
        ("stored_twice", "wrong_versions", "wrong_balances", "altered", "resurrected", "never_sent"), 0
    )
    rows = list(
        zip(*(getattr(ledger, c).tolist() for c in ("number", "source", "target", "amount")), strict=True)
    )  # fmt: skip
    balance = [ledger.opening_balance] * len(ledger.balance)
    seen: set[int] = set()
    for number, source, target, amount in rows:
        tries = attempts(ops, number)
        sent = [op for op in tries if op.kind == Kind.WRITE] or tries
        defects["never_sent"] += not sent
        defects["altered"] += any((op.source, op.target, op.amount) != (source, target, amount) for op in sent)
        defects["stored_twice"] += number in seen
        if tries and number not in seen:
            defects["resurrected"] += all(op.answer == Answer.FAILED for op in tries)
        seen.add(number)
        balance[source] -= amount
        balance[target] += amount
    count = touched(ledger)
    for account in range(len(balance)):
        defects["wrong_balances"] += bool(ledger.balance[account] != balance[account])
        defects["wrong_versions"] += bool(ledger.version[account] != count[account])
    return {"transfers": len(rows), **defects}


def balances_conserved(database: Ledger, api: Ledger) -> Found:
    if not len(database.number) or not len(database.balance):
        return Outcome.UNKNOWN, {}
    drifts = [sum(one.balance.tolist()) - len(one.balance) * one.opening_balance for one in (database, api)]
    same = all(
        getattr(database, column).tolist() == getattr(api, column).tolist()
        for column in ("number", "source", "target", "amount", "balance", "version")
    )
    return outcome(any(drifts) or not same), {"drift": max(drifts, key=abs), "accounts": len(database.balance)}


# ------------------------------------------------------------------------------------------------ availability


def _due(ops: Sequence[Op]) -> list[Op]:
    outside = [op for op in ops if op.kind == Kind.WRITE and op.place == Place.OUTSIDE]
    return sorted(outside, key=lambda op: op.due_s)


def _spacing_s(due: Sequence[Op]) -> float:
    """The mean distance between due writes; 0 where it cannot be told, or where the load paused."""
    if len(due) < 2 or due[0].due_s == due[-1].due_s:
        return 0.0
    spacing_s = (due[-1].due_s - due[0].due_s) / (len(due) - 1)
    paused = any(b.due_s - a.due_s > CHANCE * spacing_s for a, b in pairwise(due))
    return 0.0 if paused else spacing_s


def _silences(due: Sequence[Op]) -> list[tuple[float, float]]:
    """The stretches from each acknowledgement to the next, from when the first write was due to when the last was."""
    last_s = due[-1].due_s
    acks = {op.done_s for op in due if op.answer == Answer.OK and op.done_s <= last_s}
    moments = sorted(acks | {due[0].due_s, last_s})
    return [(a, min(b for b in moments if b > a)) for a in moments if a < last_s]


def _overlap(silence: tuple[float, float], start_s: float, end_s: float | None) -> bool:
    return silence[1] > start_s and (end_s is None or silence[0] < end_s)


def _a_fault_met_no_load(due: Sequence[Op], faults: Sequence[FaultWindow]) -> bool:
    silences = _silences(due)
    return any(not any(_overlap(s, fault.injected_s, fault.healed_s) for s in silences) for fault in faults)


def unavailable_at_most(ops: Sequence[Op], faults: Sequence[FaultWindow], limit_s: float) -> Found:
    due = _due(ops)
    spacing_s = _spacing_s(due)
    if not spacing_s or not faults or limit_s < CHANCE * spacing_s:
        return Outcome.UNKNOWN, {}
    if _a_fault_met_no_load(due, faults):
        return Outcome.UNKNOWN, {}
    met = [s for s in _silences(due) if any(_overlap(s, fault.injected_s, fault.healed_s) for fault in faults)]
    longest_s = max((b - a for a, b in met), default=0.0)
    measured: dict[str, float | int | None] = {"unavailable_s": longest_s, "resolution_s": spacing_s}
    if longest_s > limit_s:
        return Outcome.FAIL, measured
    answered_s = [op.done_s for op in due if op.answer == Answer.OK]
    open_s = [b - a for a, b in met if b == due[-1].due_s and b not in answered_s]
    if max(open_s, default=0.0) > CHANCE * spacing_s:
        return Outcome.UNKNOWN, measured
    return Outcome.PASS, measured


def recovered_within(
    ops: Sequence[Op],
    faults: Sequence[FaultWindow],
    limit_s: float,
    window_s: float,
    error_rate: float,
    latency_s: float,
) -> Found:
    due = _due(ops)
    spacing_s = _spacing_s(due)
    if not spacing_s or not faults or window_s < CHANCE * spacing_s:
        return Outcome.UNKNOWN, {}
    end_s = due[-1].due_s
    rtos_s = []
    faults = sorted(faults, key=lambda fault: fault.injected_s)
    if any(fault.felt_s is None for fault in faults) or _a_fault_met_no_load(due, faults):
        return Outcome.UNKNOWN, {}
    for fault in faults:
        felt_s = fault.felt_s or 0.0
        breaks = [
            start_s
            for start_s, stop_s in _silences(due)
            if stop_s - start_s > max(latency_s, CHANCE * spacing_s)
            and _overlap((start_s, stop_s), felt_s, fault.undone_s)
        ]
        found = None
        for first in due:
            if first.due_s < felt_s or any(first.due_s <= start_s for start_s in breaks):
                continue
            run = [op for op in due if first.due_s <= op.due_s <= first.due_s + window_s]
            served = [op for op in run if op.answer == Answer.OK and op.done_s - op.due_s <= latency_s]
            enough = len(run) >= window_s / spacing_s / 2 and first.due_s + window_s <= end_s
            if enough and served and (len(run) - len(served)) / len(run) <= error_rate:
                found = min(op.done_s for op in run if op.answer == Answer.OK) - felt_s
                break
        if found is None:
            late = end_s >= felt_s + limit_s + window_s
            return Outcome.FAIL if late else Outcome.UNKNOWN, {"rto_s": None}
        rtos_s.append(found)
    return outcome(max(rtos_s) > limit_s), {"rto_s": max(rtos_s)}


def ready_is_honest(ops: Sequence[Op], faults: Sequence[FaultWindow], grace_s: float) -> Found:
    asked = [op for op in ops if op.kind == Kind.READY]
    due = _due(ops)
    if not _spacing_s(due) or unavailable_at_most(ops, faults, 1e9)[1] == {}:
        return Outcome.UNKNOWN, {}
    if all(op.answer == Answer.UNKNOWN for op in asked):
        return Outcome.UNKNOWN, {}
    met = [s for s in _silences(due) if any(_overlap(s, fault.injected_s, fault.healed_s) for fault in faults)]
    start_s, end_s = max(met, key=lambda s: s[1] - s[0], default=(0.0, 0.0))
    within = [op for op in asked if op.sent_s >= start_s + grace_s and op.done_s <= end_s - grace_s]
    lies = [op for op in within if op.answer == Answer.OK]
    yes = [op for op in asked if op.answer == Answer.OK]
    numbers: dict[str, float | int | None] = {"ready_while_unwritable": len(lies), "ready_answers": len(yes)}
    judged = end_s - start_s > max((2 if within else 3) * grace_s, CHANCE * _spacing_s(due))
    if not judged:
        return outcome(not yes), {**numbers, "ready_while_unwritable": 0}
    return (outcome(len(lies) > 0.02 * len(within)) if within else Outcome.UNKNOWN), numbers


# ------------------------------------------------------------------------------------------------ order


def no_split_brain(ops: Sequence[Op]) -> Found:
    acks = [op for op in ops if op.kind in (Kind.WRITE, Kind.REPLAY) and op.answer == Answer.OK]
    late_s = [
        old.sent_s - min(new.done_s for new in acks if new.timeline > old.timeline)
        for old in acks
        if old.timeline >= 0 and any(new.timeline > old.timeline for new in acks)
    ]
    split_s = [s for s in late_s if s > 0]
    if not split_s and (not acks or any(op.timeline < 0 for op in acks)):
        return Outcome.UNKNOWN, {}
    return outcome(bool(split_s)), {"split_writes": len(split_s), "overlap_s": max(split_s, default=0.0)}


def reads_never_stale_beyond(ops: Sequence[Op], database: Ledger, limit_s: float) -> Found:
    reads = [op for op in ops if op.kind == Kind.READ and op.answer == Answer.OK]
    replayed = {op.number for op in ops if op.kind == Kind.REPLAY}
    shown = [
        (account, version, op.done_s)
        for op in ops
        if op.kind == Kind.WRITE and op.answer == Answer.OK
        and op.number in database.number.tolist() and op.number not in replayed
        for account, version in ((op.source, op.source_version), (op.target, op.target_version))
    ]  # fmt: skip
    stale_s, judged = [], 0
    for one in reads:
        judged += any(account == one.source and done_s <= one.sent_s for account, _, done_s in shown)
        newer = [done_s for account, version, done_s in shown if account == one.source and version > one.source_version]
        stale_s.append(max(0.0, one.sent_s - min(newer, default=math.inf)))
    if not judged:
        return Outcome.UNKNOWN, {}
    worst_s = max(stale_s)
    return outcome(worst_s > limit_s), {
        "stale_max_s": worst_s,
        "stale_reads": sum(s > 0 for s in stale_s),
        "judged": judged,
    }
