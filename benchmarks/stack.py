"""The embedded stack: time to healthy, memory, time to lose a zone. ``python -m benchmarks.stack [--runs N]``.

Runs inside the sandbox where that is allowed. Needs an otherwise idle machine to mean anything.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from fixtures import sandbox
from fixtures.stacks.embedded import EmbeddedStack, embedded

AIMS = {"start_s": 7.0, "pss_mb": 450.0, "kill_zone_ms": 50.0}


def pss_mb(stack: EmbeddedStack) -> float:
    """Proportional set size of all the stack's processes, supervisors too, in MB (10**6 bytes)."""
    pids: set[int] = set()
    for zone in stack.zones.values():
        pids |= {zone.pid, *zone.pids()}
    return sum(_pss_kib(pid) for pid in pids) * 1024 / 1e6


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def kill_zone_ms(stack: EmbeddedStack, zone: str) -> float:
    """From the decision to kill a zone until none of its processes exists, seen in /proc, in ms."""
    pids = stack.zones[zone].pids()
    begun_s = time.perf_counter()
    stack.kill_zone(zone)
    while any(_exists(pid) for pid in pids):
        time.sleep(0.0005)
    took_ms = (time.perf_counter() - begun_s) * 1e3
    stack.start_zone(zone)
    return took_ms


def _exists(pid: int) -> bool:
    """Alive: a process that ended and waits for its parent to notice is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _line(name: str, values: Iterable[float]) -> str:
    found = sorted(values)
    return f"{name:14} median {statistics.median(found):8.1f}  [{found[0]:.1f} - {found[-1]:.1f}]  aim {AIMS[name]:g}"


def measure(runs: int) -> None:
    """Start, measure and end the stack ``runs`` times; print medians."""
    starts, memory, kills = [], [], []
    for _ in range(runs):
        begun_s = time.perf_counter()
        with embedded() as stack:
            starts.append(time.perf_counter() - begun_s)
            memory.append(pss_mb(stack))
            kills.append(kill_zone_ms(stack, "a"))
    print(f"embedded stack, {runs} runs, {os.cpu_count()} cores; networks: {sandbox.why_not_inside() or 'own'}")
    for name, values in (("start_s", starts), ("pss_mb", memory), ("kill_zone_ms", kills)):
        print(_line(name, values))


def main(arguments: list[str]) -> int:
    """Enter the sandbox, then measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs: int = parser.parse_args(arguments).runs
    if sandbox.INSIDE_VARIABLE not in os.environ:
        code, reason = sandbox.run_inside([sys.executable, "-m", "benchmarks.stack", *arguments])
        if not reason:
            return code
        print(f"outside the sandbox: {reason}")
    measure(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
