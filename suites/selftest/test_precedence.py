"""Who measures goes first where the machine's owner may say so; where nobody may, it takes its turn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import linux
from fixtures.journal import JOURNAL_VARIABLE, Journal
from fixtures.precedence import granting

from .drills import REPOSITORY

ASKS = """
import os, sys
from fixtures import linux
if sys.argv[1] == "inside":
    linux.unshare_user(inside_uid=0)
from fixtures.precedence import run_first
print(run_first(), os.sched_getscheduler(0) == os.SCHED_RR | os.SCHED_RESET_ON_FORK)
"""


def asked(where: str, journal: Path | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != JOURNAL_VARIABLE}
    environment |= {JOURNAL_VARIABLE: str(journal)} if journal else {}
    command = [sys.executable, "-c", ASKS, where]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def may_say_so() -> bool:
    """Asked of a process of its own: this one is to stay as it is."""
    return asked("outside", None) == "True True"


@pytest.fixture
def run(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "run.journal")
    journal.run_directory.mkdir()
    return journal


@pytest.mark.skipif(not linux.may_unshare_user(), reason="this kernel or container forbids user namespaces")
def test_inside_of_a_user_namespace_it_is_granted_from_outside(run: Journal) -> None:
    if not may_say_so():
        pytest.skip("not exercised: this user may not ask for real-time scheduling (CAP_SYS_NICE)")
    assert asked("inside", None) == "False False"
    with granting(run):
        assert asked("inside", run.path) == "True True"
        assert asked("inside", run.path) == "True True"  # and whoever comes next
    assert asked("inside", run.path) == "False False"  # the run has ended


def test_a_path_that_is_too_long_for_a_socket_grants_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / ("d" * 120) / "run.journal")
    journal.run_directory.mkdir(parents=True)
    with granting(journal):
        assert not list(journal.run_directory.iterdir())


def test_what_the_block_raises_is_raised(run: Journal) -> None:
    with pytest.raises(FileNotFoundError), granting(run):
        raise FileNotFoundError
