"""The undo journal: written before, undone last first, and by the warden when the runner is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fixtures import journal
from fixtures.journal import Journal, Undo

from .drills import REPOSITORY

WARDEN_WITHIN_S = 5.0
"""Python starts in 0.1 s here; a warden that waits for a lock needs nothing else."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own."""
    monkeypatch.delenv(journal.JOURNAL_VARIABLE, raising=False)
    monkeypatch.setenv(journal.STATE_VARIABLE, str(tmp_path / "state"))
    return journal.state_directory()


@pytest.fixture
def sleeper() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts processes that work in a directory, for the journal to find."""
    started: list[subprocess.Popen[bytes]] = []

    def start(directory: Path) -> subprocess.Popen[bytes]:
        directory.mkdir(parents=True, exist_ok=True)
        started.append(subprocess.Popen(["sleep", "60"], cwd=directory))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def appends(path: Path, word: str) -> tuple[str, ...]:
    """A command that writes a word into a file."""
    return "sh", "-c", f"echo {word} >> {path}"


def dead(directory: Path, *undos: Undo) -> Journal:
    """The journal of a run that is gone: nobody holds its lock."""
    path = directory / "20260101T000000Z-dead.journal"
    path.touch()
    for undo in undos:
        Journal(path).note(undo)
    return Journal(path)


def holds_within(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether a condition comes to hold in time."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


# ------------------------------------------------------------------------------------------------ entries


def test_what_is_left_is_undone_last_first_and_the_journal_goes(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with journal.begun() as run:
        keys = [run.note(Undo("command", appends(said, word))) for word in ("first", "struck", "last")]
        run.done(keys[1])
        directory, path = run.run_directory, run.path
        assert directory.is_dir()
    assert said.read_text().split() == ["last", "first"]
    assert not directory.exists()
    assert not path.exists()


def test_an_undo_is_on_disk_before_the_mutation(tmp_path: Path) -> None:
    with journal.begun() as run:
        with run.undoing("command", *appends(tmp_path / "said", "undone")):
            entry = json.loads(run.path.read_text().splitlines()[-1])
            assert entry["kind"] == "command"
            assert not (tmp_path / "said").exists()
        assert json.loads(run.path.read_text().splitlines()[-1]) == {"done": entry["note"]}
    assert (tmp_path / "said").read_text() == "undone\n"


def test_an_exception_is_undone_too_and_not_swallowed(tmp_path: Path) -> None:
    with (
        journal.begun() as run,
        pytest.raises(ZeroDivisionError),
        run.undoing("command", *appends(tmp_path / "said", "undone")),
    ):
        raise ZeroDivisionError
    assert (tmp_path / "said").read_text() == "undone\n"


def test_an_undo_that_fails_is_told_and_kept() -> None:
    run = journal.begin()
    with (
        pytest.raises(RuntimeError, match=r"not undone: sh -c exit 3 exited 3"),
        run.undoing("command", "sh", "-c", "exit 3"),
    ):
        pass
    assert journal.undo_all(run.path) == ["sh -c exit 3 exited 3: "]
    assert run.path.exists(), "what could not be undone must stay written down"
    run.path.unlink()
    assert journal.end(run) == []


def test_a_command_that_is_not_there_is_told_and_the_others_are_undone(state: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    run = dead(state, Undo("command", appends(said, "first")), Undo("command", ("/no/such/program",)))
    [failure] = journal.undo_all(run.path)
    assert "/no/such/program" in failure
    assert said.read_text() == "first\n"


def test_an_unknown_kind_of_undo_is_refused(state: Path) -> None:
    with pytest.raises(ValueError, match="no undo of kind 'hope'; known: processes_under, directory, command"):
        dead(state).note(Undo("hope", ()))


@pytest.mark.parametrize("torn", ['{"note": "k", "kind": "comm', '{"note": "k"', "{", '{"done": '])
def test_a_torn_last_line_is_passed_over(state: Path, tmp_path: Path, torn: str) -> None:
    said = tmp_path / "said"
    run = dead(state, Undo("command", appends(said, "whole")))
    with run.path.open("a") as file:
        file.write(torn)
    assert journal.undo_all(run.path) == []
    assert said.read_text() == "whole\n"
    assert not run.path.exists()


# ------------------------------------------------------------------------------------------------ processes


def test_only_what_works_below_the_directory_is_ended(
    tmp_path: Path, sleeper: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    below, deeper = sleeper(tmp_path / "run"), sleeper(tmp_path / "run" / "zone" / "node")
    beside, above = sleeper(tmp_path / "run-2"), sleeper(tmp_path)
    assert sorted(journal.processes_under(tmp_path / "run")) == sorted([below.pid, deeper.pid])
    assert journal.end_processes_under(tmp_path / "run") == []
    assert below.wait(5) == deeper.wait(5) == -signal.SIGKILL
    assert beside.poll() is above.poll() is None


def test_a_process_whose_directory_is_gone_is_found(
    tmp_path: Path, sleeper: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    process = sleeper(tmp_path / "run")
    (tmp_path / "run").rmdir()
    assert journal.processes_under(tmp_path / "run") == [process.pid]


# ------------------------------------------------------------------------------------------------ runs that are gone


def heal() -> subprocess.CompletedProcess[str]:
    """As a user calls it."""
    command = [sys.executable, "-m", "fixtures.journal", "heal"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False)


def test_heal_undoes_dead_runs_and_leaves_live_ones_alone(state: Path, tmp_path: Path) -> None:
    with journal.begun() as live:
        gone = dead(state, Undo("command", appends(tmp_path / "said", "healed")))
        assert list(journal.left_behind()) == [gone.path]
        healed = heal()
        assert (healed.returncode, healed.stdout) == (0, f"healed {gone.path.stem}\n")
        assert live.path.exists()
        assert live.run_directory.is_dir()
    assert (tmp_path / "said").read_text() == "healed\n"
    assert list(state.iterdir()) == []


def test_heal_says_what_it_could_not_undo(state: Path) -> None:
    run = dead(state, Undo("command", ("sh", "-c", "echo stuck >&2; exit 1")))
    healed = heal()
    assert healed.returncode == 1
    assert "not healed: sh -c" in healed.stderr
    assert "stuck" in healed.stderr
    assert "healed" not in healed.stdout
    run.path.unlink()


def test_a_process_of_the_run_joins_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    with journal.begun() as outer:
        monkeypatch.setenv(journal.JOURNAL_VARIABLE, str(outer.path))
        with journal.begun() as joined:
            assert joined.path == outer.path
        assert outer.run_directory.is_dir(), "who joins does not end the run"


RUNNER = """
import subprocess, sys, time
from fixtures import journal
run = journal.begin()
child = subprocess.Popen(["sleep", "60"], cwd=run.run_directory, start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_warden_wakes_when_its_runner_is_gone(state: Path, number: signal.Signals) -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    with runner.stdout as output:
        sleeping = int(output.readline())
    try:
        assert len(list(state.iterdir())) == 2, "a journal and a directory"
        os.kill(runner.pid, number)
        runner.wait()
        assert holds_within(lambda: not list(state.iterdir()), WARDEN_WITHIN_S), list(state.iterdir())
        # Where nobody reaps orphans, a zombie stays; it is as gone as the rest.
        assert holds_within(lambda: not is_alive(sleeping), 1.0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(runner.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(sleeping, signal.SIGKILL)


def test_the_warden_tries_again_what_could_not_be_undone(state: Path, tmp_path: Path) -> None:
    """As where Docker is too busy to remove all that a run has made in the time that one undo is given."""
    tried = tmp_path / "tried"
    ripe = f'echo once >> {tried}; [ "$(wc -l < {tried})" -gt 1 ]'
    note = f'journal.begin().note(journal.Undo("command", ("sh", "-c", {ripe!r})))'
    subprocess.run([sys.executable, "-c", f"from fixtures import journal; {note}"], cwd=REPOSITORY, check=True)
    assert holds_within(lambda: not list(state.glob("*.journal")), WARDEN_WITHIN_S + journal.TRIED_AGAIN_AFTER_S[0])
    assert tried.read_text().split() == ["once", "once"]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
