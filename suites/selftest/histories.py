"""Builders of hand-written histories: a record as a list of operations that a test can read and bend."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fixtures import checks
from fixtures.model import Answer, FaultWindow, History, Kind, Ledger, Objectives, Operations, Outcome, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

OPENING_BALANCE = 1_000_000
LATENCY_S = 1 / 256  # times are multiples of powers of two, so that sums and differences are exact


@dataclass(frozen=True)
class Op:
    """One operation: the fields of ``model.Operations``, in its order, with the defaults of a write served at once."""

    kind: Kind = Kind.WRITE
    place: Place = Place.OUTSIDE
    number: int = -1
    due_s: float = 0.0
    sent_s: float = math.nan
    done_s: float = math.nan
    answer: Answer = Answer.OK
    status: int = 201
    source: int = -1
    target: int = -1
    amount: int = 0
    source_version: int = -1
    target_version: int = -1
    timeline: int = -1


def write(number: int, due_s: float, **changes: Any) -> Op:
    """A write served at once, unless the changes say otherwise. Account and amount follow from the number."""
    plain: dict[str, Any] = {
        "number": number,
        "due_s": due_s,
        "sent_s": due_s,
        "done_s": due_s + LATENCY_S,
        "source": number % 3,
        "target": (number + 1) % 3,
        "amount": 1 + number % 7,
        "timeline": 1,
    }
    return Op(**(plain | changes))


def replay(original: Op, due_s: float, **changes: Any) -> Op:
    """The same transfer sent again and answered: applied before."""
    plain = {"kind": Kind.REPLAY, "due_s": due_s, "sent_s": due_s, "done_s": due_s + LATENCY_S, "status": 200}
    return replace(original, **(plain | {"answer": Answer.OK, "timeline": 1} | changes))


def read(account: int, version: int, sent_s: float, **changes: Any) -> Op:
    """An account's version, answered at once."""
    plain: dict[str, Any] = {"kind": Kind.READ, "due_s": sent_s, "sent_s": sent_s, "done_s": sent_s + LATENCY_S}
    return Op(**(plain | {"source": account, "source_version": version, "status": 200} | changes))


def ready(due_s: float, answer: Answer = Answer.OK, **changes: Any) -> Op:
    """Whether it is ready, answered at once."""
    plain: dict[str, Any] = {"kind": Kind.READY, "due_s": due_s, "sent_s": due_s, "done_s": due_s + LATENCY_S}
    return Op(**(plain | {"answer": answer, "status": 200 if answer is Answer.OK else 503} | changes))


def _columns(record: type, rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    hints = get_type_hints(record, globalns={"np": np, "NDArray": NDArray})
    dtypes = [get_args(get_args(hints[name])[1])[0] for name in names]
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: np.array(column, dtype) for name, dtype, column in zip(names, dtypes, columns, strict=True)}


def operations(ops: Iterable[Op]) -> Operations:
    """As columns, in the order of due_s."""
    names = [f.name for f in fields(Operations)]
    rows = [tuple(getattr(op, name) for name in names) for op in sorted(ops, key=lambda op: op.due_s)]
    return Operations(**_columns(Operations, rows, names))


def ledger(stored: Iterable[Op], *, accounts: int = 3) -> Ledger:
    """What a sound database holds once these transfers, each listed once, were applied."""
    transfers = sorted(stored, key=lambda op: op.number)
    balance, version = [OPENING_BALANCE] * accounts, [0] * accounts
    for op in transfers:
        for account, sign in ((op.source, -1), (op.target, 1)):
            balance[account] += sign * op.amount
            version[account] += 1
    names = ["number", "source", "target", "amount"]
    rows = [tuple(getattr(op, name) for name in names) for op in transfers]
    return Ledger(
        **_columns(Ledger, rows, names),
        balance=np.array(balance, np.int64),
        version=np.array(version, np.int64),
        opening_balance=OPENING_BALANCE,
    )


@dataclass
class Story:
    """A drill that can be bent: what clients saw, what was stored, which faults there were."""

    ops: list[Op] = field(default_factory=list)
    stored: list[Op] = field(default_factory=list)
    faults: list[FaultWindow] = field(default_factory=list)
    bend_database: Callable[[Ledger], Ledger] = lambda found: found
    bend_api: Callable[[Ledger], Ledger] = lambda found: found

    def history(self) -> History:
        """As the checks see it."""
        return History(
            faults=list(self.faults),
            operations=operations(self.ops),
            ledgers={
                "database": self.bend_database(ledger(self.stored)),
                "api": self.bend_api(ledger(self.stored)),
            },
            others_share=0.01,
        )

    def change(self, which: Callable[[Op], bool], **changes: Any) -> int:
        """Change the operations for which ``which`` holds; how many there were."""
        hit = [which(op) for op in self.ops]
        self.ops = [replace(op, **changes) if changed else op for op, changed in zip(self.ops, hit, strict=True)]
        return sum(hit)


def window(injected_s: float, undone_s: float | None, **changes: Any) -> FaultWindow:
    """A fault that was felt an eighth of a second later and healed a second after it was undone."""
    healed_s = None if undone_s is None else undone_s + 1.0
    plain = FaultWindow("outage", ("node-a",), injected_s, injected_s + 0.125, undone_s, healed_s)
    return replace(plain, **changes)


def drill(
    *, seconds: float = 32.0, rate: int = 64, outage: tuple[float, float] | None = (8.0, 16.0), undone_s: float = 18.0
) -> Story:
    """A drill as it should be: writes on schedule, an outage, a promotion, recovery, honest readiness, fresh reads.

    Writes due in the outage end without an answer a second later; every other one of them was applied. Reads ask every
    16th write's moment for the account just written.
    """
    begin_s, end_s = outage or (math.inf, math.inf)
    story = Story(faults=[window(8.0, undone_s)])
    version = [0, 0, 0]
    for number in range(int(seconds * rate)):
        due_s = number / rate
        dark = begin_s <= due_s < end_s
        op = write(number, due_s, timeline=2 if due_s >= end_s else 1)
        if not dark or number % 2:
            story.stored.append(op)
            version[op.source] += 1
            version[op.target] += 1
        if dark:
            op = replace(op, answer=Answer.UNKNOWN, status=0, done_s=due_s + 1.0, timeline=-1)
        else:
            op = replace(op, source_version=version[op.source], target_version=version[op.target])
        story.ops.append(op)
        if number % 16 == 0:
            story.ops.append(read(op.source, version[op.source], due_s + 2 * LATENCY_S))
            told = Answer.FAILED if begin_s - 0.25 <= due_s < end_s else Answer.OK
            story.ops.append(ready(due_s, told))
    return story


OBJECTIVES = Objectives(rto_s=10.0, unavailable_s=10.0, rpo_writes=0, stale_reads_s=1.0)
"""What ``drill()`` meets with two seconds to spare."""


def red(history: History) -> dict[str, Outcome]:
    """The promised checks that do not pass, each with its outcome."""
    verdicts = checks.promised(OBJECTIVES, history)
    return {verdict.check: verdict.outcome for verdict in verdicts if verdict.outcome is not Outcome.PASS}
