"""A runbook is read and followed as it stands, and one that rots says where."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fixtures.recovery.programs import CannotRecover
from fixtures.recovery.runbook import PHASES, RUNBOOKS, follow, read
from fixtures.stacks.embedded.operator import words

from .drills import REPOSITORY
from .local_servers import until

SHIPPED = sorted(path for path in RUNBOOKS.glob("*.md") if path.stem != "README")
GOOD = """# Title

Words.

## 1. Look (detect)

```sh
seen=yes
sleep 0.2
```

## 2. Fetch it (fetch)

```sh
echo "seen: $seen, $GIVEN"
sleep 0.1
echo 'phase replay 0.050 s'
```

```text
rm -rf /nothing-of-this-is-run
```

## Afterwards

    exit 9
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "book.md"
    path.write_text(text)
    return path


def test_blocks_run_in_one_shell_and_each_steps_time_is_its_phases(tmp_path: Path) -> None:
    told: list[str] = []
    done = follow(written(tmp_path, GOOD), os.environ | {"GIVEN": "given"}, told.append)
    assert done.said == ["seen: yes, given"]
    assert told == ["book 1: Look", "book 2: Fetch it"]
    assert set(done.phases_s) == {"detect", "fetch", "replay"}
    assert done.phases_s["replay"] == 0.05
    assert 0.2 <= done.phases_s["detect"] < 2
    assert 0.04 <= done.phases_s["fetch"] < 2  # without what its command measured itself
    assert done.began_s["fetch"] - done.began_s["detect"] == pytest.approx(done.phases_s["detect"], abs=0.05)


@pytest.mark.parametrize("broken", ["false", "no-such-command", 'echo "$NOT_SET"', "false | true"])
def test_the_first_command_that_fails_ends_it_and_the_step_is_named(tmp_path: Path, broken: str) -> None:
    path = written(tmp_path, GOOD.replace("sleep 0.1", f"{broken}\necho went on"))
    with pytest.raises(CannotRecover, match=r"book.md, step 2 \(Fetch it\) failed: ") as caught:
        follow(path, os.environ | {"GIVEN": "given"}, lambda _: None)
    assert "went on" not in str(caught.value)


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with pytest.raises(CannotRecover, match=r"step 1 \(Look\)"):
        follow(written(tmp_path, GOOD.replace("sleep 0.2", "sleep 60")), os.environ, lambda _: None, within_s=0.5)
    assert time.monotonic() - began_s < 10


def test_nothing_of_it_goes_on_when_whoever_listens_fails(tmp_path: Path) -> None:
    """The shell, and the program it is waiting for: both are told apart by their argument."""
    mark = f"{time.monotonic_ns() % 10**9 + 10**9}"
    path = written(tmp_path, GOOD.replace("sleep 0.1", f"echo listen\nsleep {mark}"))

    def tell(line: str) -> None:
        if line.startswith("book 2"):
            time.sleep(0.5)  # the program has begun by then
            raise ValueError("nobody listens")

    with pytest.raises(ValueError, match="nobody listens"):
        follow(path, os.environ | {"GIVEN": "given"}, tell)
    until(lambda: not running(mark), within_s=5.0)


def test_nothing_of_it_outlives_a_runner_that_is_killed(tmp_path: Path) -> None:
    mark = f"{time.monotonic_ns() % 10**9 + 10**9}"
    path = written(tmp_path, GOOD.replace("sleep 0.2", f"until false; do sleep 0.1; : {mark}; done"))
    code = (
        "import os, pathlib; from fixtures.recovery.runbook import follow; "
        f"follow(pathlib.Path({str(path)!r}), os.environ, print)"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        until(lambda: len(running(mark)) > 1, within_s=20.0)
    finally:
        runner.kill()
        runner.wait()
    until(lambda: not running(mark), within_s=5.0)


def running(mark: str) -> list[str]:
    """Command lines that hold it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark in (line := path.read_text()):
                found.append(line)
    return found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("(fetch)", "(fetching)", "expected number 2, one of the phases detect, .* got phase 'fetching'"),
        ("## 2.", "## 3.", "step 3: expected number 2"),
        ("Fetch it (fetch)", "Fetch it", "2 steps, 1 of them as"),
        ("```sh\nseen=yes\nsleep 0.2\n```", "", "at least one sh block"),
        (GOOD, "# Nothing to do", "0 steps"),
    ],
)
def test_a_page_that_is_no_runbook_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(CannotRecover, match=expected):
        read(written(tmp_path, GOOD.replace(old, new)))


def test_one_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(CannotRecover, match="database-lost"):
        read(tmp_path / "no-such.md")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_one_is_right_and_in_the_list(path: Path) -> None:
    steps = read(path)
    assert [PHASES.index(step.phase) for step in steps] == sorted(PHASES.index(step.phase) for step in steps)
    assert f"[{path.stem}]({path.name})" in (RUNBOOKS / "README.md").read_text()


def test_the_words_reach_the_node_and_a_failure_reaches_the_shell(tmp_path: Path) -> None:
    did: list[str] = []

    def start(name: str) -> None:
        if name == "b":
            raise RuntimeError("no power")
        did.append(name)

    book = GOOD.replace("seen=yes", 'start-member a\nseen=$(on-member "$MEMBER" printenv WHERE)')
    deep = tmp_path / ("d" * 120)  # deeper than the path of a socket may be
    deep.mkdir()
    with words(deep / "words", {"start-member": start}, {"a c": {"WHERE": "it's here"}}) as commands:
        path = {"PATH": f"{commands}:{os.environ['PATH']}", "GIVEN": "", "MEMBER": "a c"}
        assert follow(written(tmp_path, book), path, lambda _: None).said == ["seen: it's here,"]
        assert did == ["a"]
        failing = written(tmp_path, book.replace("start-member a", "start-member b"))
        with pytest.raises(CannotRecover, match="start-member b: RuntimeError: no power"):
            follow(failing, path, lambda _: None)
