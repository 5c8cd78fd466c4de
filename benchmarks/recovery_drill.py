"""From stopped to verified: ``python -m benchmarks.recovery_drill [--gb GB] [--runs N] [--at-most-s S]``.

A server of 0.2 GB is made, backed up to an object store (moto, on loopback), written to, stopped, and destroyed. Each
run is what an operator types: ``python -m fixtures.recovery restore --same-as``, with everything verified, the content
against a fingerprint that was taken before the stop. Timed from outside, start of the program included, on a machine
that should do nothing else. Prints each run, the median of each phase with its smallest and largest, and names the
largest phase. Exit code 1: the median is above ``--at-most-s``; 4: bad input or no restore.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.recovery.fingerprint import dump
from fixtures.recovery.operate import SAID_AS
from fixtures.recovery.programs import CannotRecover, Code
from suites.selftest.recovery_servers import make_store, object_store

from .recovery import BAD_INPUT, ROOM, refuse_full_disk
from .recovery_source import scratch, source

ABOVE = 1
START = "start"
"""What no phase holds: Python's start, until the command asks the store."""
_PHASE = re.compile(r"^phase (\w+) ([0-9.]+) s$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """One restore, in s."""

    took_s: float
    phases_s: dict[str, float]
    """In their order, which add up to it."""


def restored(words: Sequence[str], environment: dict[str, str]) -> Run:
    """Do it and time it. Raises CannotRecover with what the command said where it refused."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.recovery", "restore", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    took_s = time.monotonic() - began_s
    if done.returncode != 0:
        raise CannotRecover(Code.FAILED, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return timed(took_s, done.stdout)


def timed(took_s: float, said: str) -> Run:
    """What the command measured of itself, and the rest. Raises CannotRecover where it measured nothing."""
    phases_s = {name: float(seconds) for name, seconds in _PHASE.findall(said)}
    if set(phases_s) != set(SAID_AS.values()):
        raise CannotRecover(Code.FAILED, f"expected the phases {', '.join(SAID_AS.values())}, got {sorted(phases_s)}")
    return Run(took_s, {START: took_s - sum(phases_s.values())} | phases_s)


def measure(gb: float, runs: int, changed: float, directory: Path) -> list[Run]:
    """Make the server, stop it, restore it so often. Raises CannotRecover."""
    into, fingerprint = directory / "restored", directory / "fingerprint"
    with object_store(directory / "moto.log") as url:
        store = make_store(url, directory, "backups")
        with source(store, directory, gb, changed) as made:
            fingerprint.write_bytes(dump(made.before))
            print(f"{made.gb:.2f} GB, and {made.wal_bytes / 1e9:.2f} GB of WAL since the backup began", flush=True)
        shutil.rmtree(directory / "source")
        environment = os.environ | {
            "BACKUP_BUCKET": store.bucket,
            "BACKUP_SERVER": store.server,
            "BACKUP_ENDPOINT": store.endpoint_url,
            "AWS_SHARED_CREDENTIALS_FILE": str(store.credentials),
            "AWS_DEFAULT_REGION": store.region,
        }
        found = []
        for _ in range(runs):
            run = restored([str(into), "--same-as", str(fingerprint)], environment)
            shutil.rmtree(into)
            parts = "  ".join(f"{name} {each_s:.2f}" for name, each_s in run.phases_s.items())
            print(f"  stopped to verified {run.took_s:6.2f} s   {parts}", flush=True)
            found.append(run)
    return found


def report(found: Sequence[Run], at_most_s: float | None) -> int:
    """Print the medians and name the largest phase; returns the exit code."""
    middle_s = statistics.median(run.took_s for run in found)
    print(f"\n{'median of ' + str(len(found)):20}{'s':>8}   {'smallest':>8}   {'largest':>8}")
    rows = [("stopped to verified", [run.took_s for run in found])]
    rows += [(name, [run.phases_s[name] for run in found]) for name in found[0].phases_s]
    for name, each_s in rows:
        print(f"{name:20}{statistics.median(each_s):8.2f}   {min(each_s):8.2f}   {max(each_s):8.2f}")
    name, each_s = max(rows[1:], key=lambda row: statistics.median(row[1]))
    print(f"\nThe largest phase is {name} with {statistics.median(each_s):.2f} of {middle_s:.2f} s.")
    if at_most_s is not None and middle_s > at_most_s:
        print(f"Above {at_most_s:g} s.")
        return ABOVE
    return 0


def main(arguments: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery_drill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gb", type=float, default=0.2, help="size of the server (default: 0.2)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--changed", type=float, default=0.05, help="share that is written after the backup")
    parser.add_argument("--at-most-s", type=float, metavar="S", help="exit with 1 where the median is above")
    given = parser.parse_args(arguments)
    try:
        _checked(given)
        with scratch() as directory:
            found = measure(given.gb, given.runs, given.changed, directory)
    except CannotRecover as error:
        print(f"benchmarks.recovery_drill: {error}", file=sys.stderr)
        return BAD_INPUT
    return report(found, given.at_most_s)


def _checked(given: argparse.Namespace) -> None:
    """Raises CannotRecover where it could only fail later."""
    if given.gb < 0.02 or given.runs < 1 or not 0 < given.changed <= 1:
        raise CannotRecover(
            Code.BAD_INPUT, "expected --gb of 0.02 or more, --runs of 1 or more, --changed above 0 and up to 1"
        )
    refuse_full_disk(ROOM * given.gb + 1, f"{given.gb:g} GB", "a smaller --gb")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
