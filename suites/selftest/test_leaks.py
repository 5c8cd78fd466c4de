"""Whenever and however a run ends, nothing of it is left: no process, no directory, no journal, no interface."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from .drills import REPOSITORY, command, environment

MARK = "DRILLS_LEAK_MARK"
KILLS = int(os.environ.get("ABACUS_KILLS", "6"))
"""How many runners are killed in the middle of a fault; each takes about 20 s."""
IN_THE_MIDDLE = [
    *("zone-loss", "zone-pause", "zone-partition", "zone-partition-inside", "zone-flapping", "cut-then-kill"),
    *("database-data-full", "database-connections", "database-slow", "database-replica-clock", "migration-locks-table"),
    *("api-slow", "api-log-full", "api-descriptors", "api-rolling-restart", "release-fails"),
    *("cache-slow", "cache-full"),
    *("environment-lost", "rows-deleted", "backup-during-failover"),
]
"""Rows whose faults leave the most behind: cables, mounts, proxies, crowds, limits, changed environments."""
GONE_WITHIN_S = 15.0
"""The kernel ends a namespace in well under a second; the warden and the removal of 1 GB take a few."""


def _marked(mark: str, state: Path) -> list[str]:
    """What is alive of the run that carries the mark: by environment, or by working directory (PostgreSQL)."""
    found = []
    for process in psutil.process_iter():
        try:
            of_it = process.environ().get(MARK) == mark or process.cwd().startswith(str(state))
            if of_it and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        except psutil.Error:
            continue
    return found


def _interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def _runners(first: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes that make up the runner: outer pytest, the gate, the first inside, inner pytest."""
    found = []
    for process in [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]:
        try:
            if "pytest" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    assert found, f"the run had ended before its time, with exit code {first.poll()}"
    return found


def _start(tmp_path: Path, mark: str, *options: str, row: str = "zone-loss") -> tuple[subprocess.Popen[bytes], Path]:
    state = tmp_path / "state"
    state.mkdir()
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            command([row], tmp_path / "reports", *options),
            cwd=REPOSITORY,
            env=environment() | {MARK: mark, "ABACUS_STATE_DIRECTORY": str(state)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return process, state


def _assert_nothing_left(mark: str, state: Path) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while (alive := _marked(mark, state)) or any(state.iterdir()):
        left = f"processes {alive}, files {[path.name for path in state.iterdir()]}"
        assert time.monotonic() < deadline, f"left {GONE_WITHIN_S:g} s after the end: {left}"
        time.sleep(0.1)


@pytest.mark.parametrize("sandbox", ["auto", "off"])
@pytest.mark.parametrize("attempt", range(10))
def test_sigkill_at_a_random_moment_leaves_nothing(tmp_path: Path, attempt: int, sandbox: str) -> None:
    chance = random.Random(f"{attempt} {sandbox}")  # noqa: S311
    before = _interfaces()
    process, state = _start(tmp_path, str(tmp_path), "--sandbox", sandbox)
    try:
        # Evenly over the first 14 s: collection, start of each tier, load, the fault.
        time.sleep(14 * (attempt + chance.random()) / 10)
        victim = chance.choice(_runners(process))
        victim.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        _assert_nothing_left(str(tmp_path), state)
        assert _interfaces() == before
    finally:
        _end(process)


@pytest.mark.parametrize("attempt", range(KILLS))
def test_sigkill_in_the_middle_of_a_fault_leaves_nothing(tmp_path: Path, attempt: int) -> None:
    chance = random.Random(attempt)  # noqa: S311
    row, before = chance.choice(IN_THE_MIDDLE), _interfaces()
    process, state = _start(tmp_path, str(tmp_path), row=row)
    try:
        deadline = time.monotonic() + 60
        while b"  injecting " not in (output := (tmp_path / "output").read_bytes()):
            assert process.poll() is None, output.decode()
            assert time.monotonic() < deadline, f"no fault after 60 s: {output.decode()}"
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 4))
        victim = chance.choice(_runners(process))
        victim.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        _assert_nothing_left(str(tmp_path), state)
        assert _interfaces() == before
    finally:
        _end(process)


@pytest.mark.parametrize("sandbox", ["auto", "off"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_good_order(tmp_path: Path, number: signal.Signals, sandbox: str) -> None:
    process, state = _start(tmp_path, str(tmp_path), "--sandbox", sandbox)
    try:
        deadline = time.monotonic() + 60
        while b"starting" not in (output := (tmp_path / "output").read_bytes()):  # before, nothing is to be undone
            assert process.poll() is None, output.decode()
            assert time.monotonic() < deadline, output.decode()
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(number)
        assert process.wait(timeout=30) == pytest.ExitCode.INTERRUPTED
        _assert_nothing_left(str(tmp_path), state)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever a failed assertion left: this test's own session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
