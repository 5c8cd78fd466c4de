"""What others use of the machine is told apart from what the run uses, also where that has ended meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures import checks
from fixtures.sandbox import INSIDE_VARIABLE
from fixtures.workloads.machine import others_since_now

from .drills import drill

BUSY = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
FOREIGN = f"import os\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  exec({BUSY!r})\n os._exit(0)\nos.wait()"
"""Nobody's child, as a program of another user is."""


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INSIDE_VARIABLE, raising=False)


def share_while(code: str) -> float:
    share = others_since_now([])
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    time.sleep(max(0.0, 2.0 - (time.monotonic() - began_s)))
    return share()


def test_what_a_stranger_uses_counts_and_what_a_child_uses_does_not() -> None:
    core = 1 / (os.cpu_count() or 1)
    others = share_while("pass")
    assert share_while(BUSY) < others + 0.5 * core
    assert share_while(FOREIGN) > 0.5 * core


def test_a_drill_beside_busy_programs_says_so_and_is_not_green(tmp_path: Path) -> None:
    busy = "while True: pass"
    with ExitStack() as exits:
        for _ in range(os.cpu_count() or 1):
            process = exits.enter_context(subprocess.Popen([sys.executable, "-c", busy]))
            exits.callback(process.kill)
        ran = drill(["api-kill"], tmp_path)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    [verdict] = [each for each in ran.records("verdict") if each["check"] == "machine_was_free"]
    assert verdict["outcome"] == "UNKNOWN", ran.output
    assert verdict["measured"]["others_share"] > checks.OTHERS_SHARE


def test_what_a_stack_started_is_the_runs_own() -> None:
    with subprocess.Popen([sys.executable, "-c", f"import os; print(os.getpid(), flush=True)\n{BUSY}"]) as stack:
        share = others_since_now([stack.pid, 2**22 + 1])  # and one that does not exist
        stack.wait()
        assert 0.0 <= share() < 1.0
