"""How long judging takes: ``python -m benchmarks.judge [--runs N] [--small ROWS] [--large ROWS]``.

All promised checks on synthetic histories of 1,000,000 and 10,000,000 operations, medians of several runs in one call:
seconds, and how time and memory grow (10 is linear). Working memory is the most that the checks held at once beside the
history, as tracemalloc counts it. Each size runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import tracemalloc

import numpy as np
from numpy.typing import NDArray

from fixtures import checks
from fixtures.model import Answer, FaultWindow, History, Kind, Ledger, Objectives, Operations, Outcome, Place

Integers = NDArray[np.int64]

ACCOUNTS = 1000
OPENING_BALANCE = 1_000_000_000
RATE = 300.0
OBJECTIVES = Objectives(rto_s=30.0, unavailable_s=30.0, rpo_writes=0, stale_reads_s=1.0)


def synthetic(rows: int) -> History:
    """A sound drill of this many operations: 6 writes in 10, 3 reads, some replays and readiness; 20 s of outage."""
    rng = np.random.default_rng(rows)
    kind = np.array([Kind.WRITE] * 60 + [Kind.READ] * 30 + [Kind.REPLAY] * 5 + [Kind.READY] * 5, np.uint8)
    kind = np.resize(rng.permutation(kind), rows)
    wrote = kind == Kind.WRITE
    asked = wrote | (kind == Kind.REPLAY)
    number = np.where(asked, np.cumsum(wrote) - 1, -1).astype(np.int64)
    asked &= number >= 0
    kind[(kind == Kind.REPLAY) & ~asked] = Kind.READ
    transfers = int(number.max()) + 1

    due_s = 1000.0 + np.arange(rows) / RATE
    sent_s = due_s + rng.exponential(0.002, rows)
    done_s = sent_s + rng.exponential(0.01, rows)
    injected_s = float(due_s[rows // 2])
    dark = (due_s >= injected_s) & (due_s < injected_s + 20.0)
    answer = np.where(dark, np.where(kind == Kind.READY, Answer.FAILED, Answer.UNKNOWN), Answer.OK).astype(np.uint8)
    done_s[dark] = sent_s[dark] + 0.5

    source = rng.integers(0, ACCOUNTS, transfers)
    target = (source + rng.integers(1, ACCOUNTS, transfers)) % ACCOUNTS
    amount = rng.integers(1, 100, transfers)
    stored = np.zeros(transfers, np.bool_)
    stored[number[asked & (answer == Answer.OK)]] = True
    source_version, target_version, final = _versions(source, target, stored)

    def by_number(column: Integers, absent: int) -> Integers:
        return np.where(asked, column[np.maximum(number, 0)], absent)

    operations = Operations(
        kind=kind,
        place=np.full(rows, Place.OUTSIDE, np.uint8),
        number=np.where(asked, number, -1),
        due_s=due_s,
        sent_s=sent_s,
        done_s=done_s,
        answer=answer,
        status=np.where(kind == Kind.WRITE, 201, 200).astype(np.int16),
        source=np.where(kind == Kind.READ, rng.integers(0, ACCOUNTS, rows), by_number(source, -1)).astype(np.int32),
        target=by_number(target, -1).astype(np.int32),
        amount=by_number(amount, 0).astype(np.int32),
        # Reads return the final version: fresh, but looked up like any other.
        source_version=np.where(kind == Kind.READ, final.max(), by_number(source_version, -1)),
        target_version=by_number(target_version, -1),
        timeline=np.where(due_s < injected_s, 1, 2).astype(np.int32),
    )
    ledgers = _ledgers(np.flatnonzero(stored), source, target, amount, final)
    window = FaultWindow("outage", ("node-a",), injected_s, injected_s + 0.2, injected_s + 25.0, injected_s + 30.0)
    return History([window], operations, ledgers)


def _ledgers(
    kept: Integers, source: Integers, target: Integers, amount: Integers, version: Integers
) -> dict[str, Ledger]:
    """What both readers find: the transfers with these numbers, and where they left the accounts."""
    balance = np.full(ACCOUNTS, OPENING_BALANCE, np.int64)
    np.subtract.at(balance, source[kept], amount[kept])
    np.add.at(balance, target[kept], amount[kept])
    return {
        reader: Ledger(
            number=kept.astype(np.int64),
            source=source[kept].astype(np.int32),
            target=target[kept].astype(np.int32),
            amount=amount[kept].astype(np.int32),
            balance=balance.copy(),
            version=version.copy(),
            opening_balance=OPENING_BALANCE,
        )
        for reader in ("database", "api")
    }


def _versions(source: Integers, target: Integers, stored: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
    """What each stored transfer makes of the versions of its accounts, and each account's last version."""
    touched = np.stack((source, target), axis=1).ravel()
    counted = np.repeat(stored, 2)
    account = np.where(counted, touched, ACCOUNTS)
    order = np.argsort(account, kind="stable")
    count = np.bincount(account, minlength=ACCOUNTS + 1)
    version = np.empty(len(account), np.int64)
    version[order] = np.arange(len(account)) - np.repeat(np.cumsum(count) - count, count) + 1
    version[~counted] = -1
    return version[::2], version[1::2], count[:ACCOUNTS].astype(np.int64)


def _size_bytes(history: History) -> int:
    records = [history.operations, *history.ledgers.values()]
    columns = [column for record in records for column in vars(record).values()]
    return sum(column.nbytes for column in columns if isinstance(column, np.ndarray))


def measure(rows: int, runs: int) -> dict[str, float]:
    """Median seconds of all checks, the bytes of the history, and the most that the checks held beside it."""
    history = synthetic(rows)
    seconds = []
    for _ in range(runs):
        began_s = time.perf_counter()
        verdicts = checks.promised(OBJECTIVES, history)
        seconds.append(time.perf_counter() - began_s)
    wrong = [verdict for verdict in verdicts if verdict.outcome is not Outcome.PASS]
    if wrong:
        raise SystemExit(f"the synthetic history is sound, but: {wrong}")
    tracemalloc.start()
    checks.promised(OBJECTIVES, history)
    working = tracemalloc.get_traced_memory()[1]
    return {"seconds": statistics.median(seconds), "history_bytes": _size_bytes(history), "working_bytes": working}


def _in_own_process(rows: int, runs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.judge", "--runs", str(runs), "--only", str(rows)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each size, of which the median is printed")
    parser.add_argument("--small", type=int, default=1_000_000, help="operations of the smaller history")
    parser.add_argument("--large", type=int, default=10_000_000, help="operations of the larger history")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    write = sys.stdout.write
    if options.only:
        write(json.dumps(measure(options.only, options.runs)))
        return
    sizes = (options.small, options.large)
    found = [_in_own_process(rows, options.runs) for rows in sizes]
    write(f"all checks, median of {options.runs} runs\n")
    for rows, one in zip(sizes, found, strict=True):
        memory = f"history {one['history_bytes'] / 1e6:7.0f} MB  working {one['working_bytes'] / 1e6:7.0f} MB"
        write(f"{rows:>12,} operations  {one['seconds']:7.3f} s  {memory}\n")
    time_ratio, memory_ratio = (found[1][key] / found[0][key] for key in ("seconds", "working_bytes"))
    write(f"ratio of operations {sizes[1] / sizes[0]:.1f}: time {time_ratio:.1f}, working memory {memory_ratio:.1f}\n")


if __name__ == "__main__":
    main()
