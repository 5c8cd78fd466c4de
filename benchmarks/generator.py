"""How good the load generator is: its own cost, its lateness, and how well it measures outages of known length.

    python -m benchmarks.generator [ROUNDS]

Everything runs against a planted API in this process, which takes its share of the processors.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from fixtures.history import read_facts
from fixtures.model import Answer, History, Kind, Load, Operations
from fixtures.workloads.drive import Patience, lag_ms, ledger
from fixtures.workloads.planted import PlantedApi, planted_api

if TYPE_CHECKING:
    from collections.abc import Callable

PLANTED_S = (0.35, 1.63, 2.37)
"""Of uneven length: whole seconds look exact to anything that samples once a second."""
MODES = ("stall", "refuse", "drop", "unknown")
PATIENCE = Patience(steady_s=1.0, after_s=0.5)


def outages(api: PlantedApi, mode: str) -> list[tuple[float, float]]:
    """Plant outages of one mode; begin and end of each, as the API itself saw them, in seconds."""
    windows = []
    for length_s in PLANTED_S:
        api.mode = mode
        began_s = api.changed_s
        time.sleep(length_s)
        api.mode = "answer"
        windows.append((began_s, api.changed_s))
        time.sleep(0.7)
    return windows


def longest_gap_s(operations: Operations, window: tuple[float, float]) -> float:
    """The longest stretch without an acknowledged write that overlaps the window, in seconds."""
    rows = (operations.kind == Kind.WRITE) & (operations.answer == Answer.OK)
    done_s = np.sort(operations.done_s[rows])
    overlaps = (done_s[1:] > window[0]) & (done_s[:-1] < window[1])
    return float(np.diff(done_s)[overlaps].max())


def loaded(api: PlantedApi, load: Load, during: Callable[[], Any]) -> tuple[History, dict[str, Any], Any]:
    """One load with something done meanwhile: its history, its facts, and what was done."""
    with tempfile.TemporaryDirectory() as directory:
        with ledger(api.url, load, Path(directory), seed=1, patience=PATIENCE) as history:
            result = during()
        return history, read_facts(Path(directory)), result


def rates(api: PlantedApi) -> None:
    """Cost and lag at rising rates. Beyond what it can do the lag grows without end, and the run would be UNKNOWN."""
    print("writes/s  reads/s   sent/s   us/request   core %   lag ms p50    p99     max")
    for writes, reads in ((200, 100), (500, 250), (1000, 500)):
        history, facts, _ = loaded(api, Load(writes, reads), lambda: time.sleep(5))
        own, operations = facts["generator"]["outside"], history.operations
        assert operations is not None  # noqa: S101
        sent = len(operations.due_s)
        lags = [lag_ms(operations, p) for p in (50, 99, 100)]
        print(
            f"{writes:8} {reads:8} {sent / own['wall_s']:8.0f} {own['cpu_s'] / sent * 1e6:12.0f} "
            f"{own['cpu_s'] / own['wall_s'] * 100:8.1f} {lags[0]:12.2f} {lags[1]:6.2f} {lags[2]:7.2f}"
        )


def errors(api: PlantedApi, rounds: int) -> None:
    """Measured minus planted length of outages at 200 writes a second, which is 5 ms between writes on average."""
    print(f"\nerror of measured outages of {PLANTED_S} s, ms")
    everything: list[float] = []
    for mode in MODES:
        found: list[float] = []
        for _ in range(rounds):
            history, _, windows = loaded(api, Load(200, 100), partial(outages, api, mode))
            assert history.operations is not None  # noqa: S101
            found += [(longest_gap_s(history.operations, w) - (w[1] - w[0])) * 1000 for w in windows]
        everything += found
        print(f"{mode:10} median {median(found):6.1f}   worst {max(found, key=abs):6.1f}   of {len(found)}")
    print(f"{'all':10} median {median(everything):6.1f}   worst {max(everything, key=abs):6.1f}   aim: within 10")


def main() -> None:
    """Print both tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with planted_api() as api:
        rates(api)
        errors(api, rounds)


if __name__ == "__main__":
    main()
