"""How the time to restore grows: ``python -m benchmarks.recovery [--sizes-gb GB ...] [--runs N] [--plot FILE]``.

Each size is made, backed up to an object store (moto, on loopback), changed, and restored in three ways, ``--runs``
times each, in turn: by this project to the latest moment, verified; from a copy of pg_basebackup; from a dump. A line
is fitted to each and to the phases of the first, and says what to expect of 100 GB and 1 TB. Needs an otherwise idle
machine to mean anything. Everything lies in a run directory (ABACUS_STATE_DIRECTORY names another disk), which is
gone afterwards, also after SIGKILL. Exit code 4: bad input, too little disk, or a restore that failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fixtures import journal
from fixtures.recovery.content import same_as
from fixtures.recovery.programs import CannotRecover, Code, as_owner_of, postgres_program, run
from fixtures.recovery.restore import Phases, restore
from fixtures.recovery.server import private_server
from suites.selftest.recovery_servers import make_store, object_store

from .growth import Line, duration, fit, plot
from .recovery_source import READY_WITHIN_S, Source, create, scratch, source, succeeded

OURS, COPY, DUMP = "restored and verified", "pg_basebackup's copy", "pg_restore of a dump"
ROOM = 7.0
"""Times the largest size: source, its backup twice while the store puts it together, dump, copy, two clusters."""
EXPECTED_GB = (100.0, 1000.0)
BAD_INPUT = 4


@dataclass(frozen=True)
class Restore:
    """One restore. ``phases`` is there for our own only."""

    way: str
    gb: float
    wal_gb: float
    took_s: float
    phases: Phases | None = None


def ours(source: Source, into: Path) -> Restore:
    """From the object store to the latest moment, everything verified."""
    done = restore(source.store, into, checks=[same_as(source.before)])
    return Restore(OURS, source.gb, source.wal_bytes / 1e9, done.phases.total_s, done.phases)


def from_copy(source: Source, into: Path) -> Restore:
    """From a verified pg_basebackup on the same disk, until it takes connections; the copy itself is kept."""
    began_s = time.monotonic()
    succeeded(run([*as_owner_of(into.parent), "cp", "-a", "--reflink=never", source.base.directory, into]))
    with private_server(into, into.with_name("copy.log")) as server:
        server.wait_until_ready(READY_WITHIN_S)
        took_s = time.monotonic() - began_s
    return Restore(COPY, source.gb, 0.0, took_s)


def from_dump(source: Source, into: Path) -> Restore:
    """From a dump on the same disk into a new cluster, until everything is in it and on disk."""
    began_s = time.monotonic()
    create(into)
    with private_server(into, into.with_name("dump.log"), {"max_wal_size": "4GB"}) as server:
        server.wait_until_ready(READY_WITHIN_S)
        words = ["--jobs=2", "--exit-on-error", f"--dbname={server.dsn()}"]
        succeeded(run([postgres_program("pg_restore"), *words, source.dump]))
        with server.connect() as connection:
            connection.execute("CHECKPOINT")
        took_s = time.monotonic() - began_s
    return Restore(DUMP, source.gb, 0.0, took_s)


WAYS: tuple[Callable[[Source, Path], Restore], ...] = (ours, from_copy, from_dump)


def measure(sizes_gb: Sequence[float], runs: int, changed: float, directory: Path) -> list[Restore]:
    """Restore each size in each way. Raises CannotRecover."""
    found = []
    with object_store(directory / "moto.log") as url:
        for number, gb in enumerate(sizes_gb):
            place = directory / f"size-{number}"
            place.mkdir()
            with source(make_store(url, place, f"backups-{number}"), place, gb, changed) as made:
                print(
                    f"{made.gb:6.2f} GB  {made.wal_bytes / 1e9:.2f} GB of WAL since the backup; taken in "
                    f"{made.base.took_s:.1f} s by pg_basebackup, in {made.dumped_s:.1f} s by pg_dump",
                    flush=True,
                )
                for _ in range(runs):
                    for way in WAYS:
                        done = way(made, place / "restored")
                        shutil.rmtree(place / "restored")
                        print(_line(done), flush=True)
                        found.append(done)
            shutil.rmtree(place)
    return found


def _line(done: Restore) -> str:
    parts = [f"{name.removesuffix('_s')} {each_s:.1f}" for name, each_s in asdict(done.phases or Phases()).items()]
    return f"  {done.way:22} {done.took_s:8.1f} s" + (f"   {'  '.join(parts)}" if done.phases else "")


def lines(found: Sequence[Restore]) -> dict[str, Line]:
    """The phases of our own restore, then its whole, then the other ways."""
    own = [(each, each.phases) for each in found if each.phases is not None]
    sizes, wal = [each.gb for each, _ in own], [each.wal_gb for each, _ in own]
    fitted = {
        "fetch": fit(sizes, [phases.fetch_s for _, phases in own]),
        "replay (per GB of WAL)": fit(wal, [phases.replay_s for _, phases in own]),
        "verify": fit(sizes, [phases.verify_s for _, phases in own]),
    }
    for way in (OURS, COPY, DUMP):
        of_it = [each for each in found if each.way == way]
        fitted[way] = fit([each.gb for each in of_it], [each.took_s for each in of_it])
    return fitted


def report(found: Sequence[Restore], changed: float) -> None:
    """Print what grows how, what to expect, and under which assumptions."""
    fitted = lines(found)
    print(f"\n{'':24}{'line':>24}   {'MB/s':>6}   farthest run")
    for name, line in fitted.items():
        said = f"{line.constant_s:.1f} s + {line.s_per_gb:.2f} s/GB"
        print(f"{name:24}{said:>24}   {line.mb_per_s:6.0f}   {line.off:.0%} off")
    print(f"\n{'expected, with 95 %':24}" + "".join(f"{f'{gb:g} GB':>28}" for gb in EXPECTED_GB))
    for way in (OURS, COPY, DUMP):
        print(f"{way:24}" + "".join(f"{_expected(fitted[way], gb):>28}" for gb in EXPECTED_GB))
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    rest_s = [each.phases.check_s + each.phases.promote_s + each.phases.place_s for each in found if each.phases]
    largest = max((name for name in ("fetch", "verify")), key=lambda name: fitted[name].s_per_gb)
    largest_gb = max(each.gb for each in found)
    print(
        f"\nThe largest phase is {largest}; asking the store, promoting and putting in place take "
        f"{statistics.median(rest_s):.1f} s whatever the size.\n"
        "Assumed: the line goes on. The interval holds the scatter of these runs, not what was not run:\n"
        f"- {os.cpu_count()} cores, and {memory_gb:.0f} GB of memory, into which {largest_gb:.1f} GB fit: beyond it, "
        "reads come from the disk;\n"
        "- an object store on loopback, emulated: the network bounds a real one, so compare its MB/s with fetch;\n"
        f"- {changed:.0%} of the database written since the backup: with more WAL, add its GB at the replay's MB/s;\n"
        "- half of the bytes narrow rows, half documents: verifying is per row, so narrower rows take longer.\n"
        "The copy and the dump are not verified, lie on the same disk, and end at the moment when they were taken."
    )


def _expected(line: Line, gb: float) -> str:
    at = line.at(gb)
    if at is None:
        return "too few runs to tell"
    if at.low_s <= 0:
        return f"the runs scatter by {line.scatter:.0%}"  # no number, as it would be believed
    return f"{duration(at.middle_s)} ({duration(at.low_s)} to {duration(at.high_s)})"


def main(arguments: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recovery", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes-gb", type=float, nargs="+", default=[0.2, 1.0, 4.0], metavar="GB")
    parser.add_argument("--runs", type=int, default=2, help="restores of each size in each way")
    parser.add_argument("--changed", type=float, default=0.05, help="share that is written after the backup")
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    given = parser.parse_args(arguments)
    try:
        _checked(given)
        with scratch() as directory:
            found = measure(given.sizes_gb, given.runs, given.changed, directory)
    except CannotRecover as error:
        print(f"benchmarks.recovery: {error}", file=sys.stderr)
        return BAD_INPUT
    report(found, given.changed)
    if given.plot:
        ways = {way: [(each.gb, each.took_s) for each in found if each.way == way] for way in (OURS, COPY, DUMP)}
        given.plot.write_text(plot(ways, "Time to restore by the size of the cluster"))
        print(f"drawn: {given.plot}")
    return 0


def _checked(given: argparse.Namespace) -> None:
    """Raises CannotRecover where it could only fail later."""
    if len(set(given.sizes_gb)) < 2 or min(given.sizes_gb) < 0.02:
        raise CannotRecover(Code.BAD_INPUT, "--sizes-gb: expected at least two different sizes, each 0.02 or more")
    if given.runs < 1 or not 0 < given.changed <= 1:
        raise CannotRecover(Code.BAD_INPUT, "--runs: expected 1 or more; --changed: expected a share above 0, up to 1")
    largest_gb = max(given.sizes_gb)
    refuse_full_disk(ROOM * largest_gb + 1, f"{largest_gb:g} GB", "smaller --sizes-gb")


def refuse_full_disk(needed_gb: float, for_what: str, instead: str) -> None:
    """Raises CannotRecover where the disk that a run would fill has less."""
    place = journal.state_directory()
    free_gb = shutil.disk_usage(place).free / 1e9
    if free_gb < needed_gb:
        raise CannotRecover(
            Code.DISK_FULL,
            f"{place} has {free_gb:.1f} GB free, {for_what} need {needed_gb:.1f}: free some, give {instead}, or name "
            "another disk with ABACUS_STATE_DIRECTORY",
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
