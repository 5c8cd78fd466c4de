"""The Docker stack leaves nothing, however it ends, and says at once what did not start. Needs Docker and images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import docker
import pytest

from fixtures.stacks.docker.recipes import chosen
from fixtures.stacks.docker.sweep import LABEL

from .docker_there import changed, needs_docker
from .drills import REPOSITORY, command, environment

pytestmark = needs_docker

GONE_WITHIN_S = 60.0
"""The warden removes about thirty containers, five networks and six volumes, and then looks for 4 s more."""
DEAD_WITHIN_S = 60.0
"""From pytest's start to its end where a container dies at its start; measured: 15-20 s. PHASE_S_MAX would add 60."""

INJECTING = "injecting zone_partition "
"""What is told of a fault; a traceback names the function ``injecting``, also where nothing was injected."""


def _labelled() -> list[tuple[str, str, str]]:
    with closing(docker.from_env()) as client:
        filters = {"label": LABEL}
        found = [("container", each) for each in client.containers.list(all=True, filters=filters, ignore_removed=True)]
        found += [("network", each) for each in client.networks.list(filters=filters)]
        found += [("volume", each) for each in client.volumes.list(filters=filters)]
        return [(kind, each.name, _labels(each.attrs).get(LABEL, "")) for kind, each in found]


def _labels(attributes: dict[str, object]) -> dict[str, str]:
    config = attributes.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else attributes.get("Labels")
    return labels if isinstance(labels, dict) else {}


def started(
    tmp_path: Path, *options: str, row: str = "api-kill", argv: Sequence[str] = (), **variables: str
) -> subprocess.Popen[bytes]:
    (tmp_path / "state").mkdir()
    with (tmp_path / "output").open("wb") as output:
        return subprocess.Popen(
            argv or command([row], tmp_path / "reports", "--stack", "docker", *options),
            cwd=REPOSITORY,
            env=environment() | {"ABACUS_STATE_DIRECTORY": str(tmp_path / "state")} | variables,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_for(tmp_path: Path, words: str, process: subprocess.Popen[bytes], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while words not in (said := (tmp_path / "output").read_text(errors="replace")):
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def assert_nothing_left(tmp_path: Path, *begin: str) -> None:
    """``begin``: how the labels of the runs begin that must have left nothing."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while left := [f"{kind} {name}" for kind, name, run in _labelled() if run.startswith(begin)]:
        assert time.monotonic() < deadline, f"left {GONE_WITHIN_S:g} s after the end: {left}"
        time.sleep(0.2)
    while left := [path.name for path in (tmp_path / "state").iterdir()]:
        assert time.monotonic() < deadline, f"left {GONE_WITHIN_S:g} s after the end: {left}"
        time.sleep(0.2)
    # The journal goes when the sweep has ended: what came into being behind its back would be here now.
    assert not [name for _, name, run in _labelled() if run.startswith(begin)]


def end(process: subprocess.Popen[bytes]) -> None:
    """Whatever a failed assertion left: this test's own session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("words", "then_s"),
    [("making networks", 0.0), ("making networks", 1.5), ("consensus has a leader", 0.0), (INJECTING, 0.5)],
)
def test_sigkill_of_the_runner_leaves_nothing(tmp_path: Path, words: str, then_s: float) -> None:
    before = {run for _, _, run in _labelled()}
    process = started(tmp_path, row="zone-partition")
    try:
        wait_for(tmp_path, words, process)
        deadline = time.monotonic() + 30
        while not (runs := {run for _, _, run in _labelled()} - before):
            assert process.poll() is None, (tmp_path / "output").read_text(errors="replace")
            assert time.monotonic() < deadline, "it makes nothing"
        time.sleep(then_s)
        assert process.poll() is None, f"it had ended by itself:\n{(tmp_path / 'output').read_text(errors='replace')}"
        process.kill()
        assert process.wait() == -signal.SIGKILL, (tmp_path / "output").read_text(errors="replace")
        assert_nothing_left(tmp_path, *runs)
    finally:
        end(process)


OUTSIDE_PYTEST = """
import logging, sys
from fixtures.stacks.docker import docker
logging.basicConfig(level=logging.INFO, format="%(message)s")
with docker():
    pass
"""


@pytest.mark.parametrize("then_s", [0.1, 0.7, 2.0])
def test_sigterm_of_a_program_that_knows_no_signals_leaves_nothing(tmp_path: Path, then_s: float) -> None:
    """Python ends at once, as on SIGKILL, while Docker makes on what it has been asked for."""
    before = {run for _, _, run in _labelled()}
    process = started(tmp_path, argv=[sys.executable, "-c", OUTSIDE_PYTEST])
    try:
        wait_for(tmp_path, "making networks", process)
        time.sleep(then_s)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
        [journal] = (tmp_path / "state").glob("*.journal")
        runs = {run for _, _, run in _labelled()} - before
        assert all(run.startswith(journal.stem[-8:]) for run in runs)
        assert_nothing_left(tmp_path, journal.stem[-8:])
    finally:
        end(process)


def test_a_container_that_dies_at_start_is_reported_at_once(tmp_path: Path) -> None:
    begun_s = time.monotonic()
    process = started(tmp_path, ABACUS_IMAGE_LOAD_BALANCER=chosen()["cache"])  # which has no HAProxy
    try:
        assert process.wait(timeout=120) == pytest.ExitCode.USAGE_ERROR
        said = (tmp_path / "output").read_text()
        assert time.monotonic() - begun_s < DEAD_WITHIN_S
        assert "stack 'docker' did not start: load-balancer ended while the stack started: exit code 127" in said
        assert "haproxy: not found" in said
        assert not list((tmp_path / "state").iterdir())
    finally:
        end(process)


def test_a_zones_container_that_dies_at_start_is_reported_with_its_log(tmp_path: Path) -> None:
    """Its nodes would only say that they cannot join its network."""
    with changed(chosen()["zone"], 'ENTRYPOINT ["sh", "-c", "echo it will not; exit 3"]') as image:
        process = started(tmp_path, ABACUS_IMAGE_ZONE=image)
        try:
            assert process.wait(timeout=120) == pytest.ExitCode.USAGE_ERROR
            said = (tmp_path / "output").read_text()
            assert "ended when it was started: exit code 3. The end of its log:\n    it will not" in said
            assert not list((tmp_path / "state").iterdir())
        finally:
            end(process)
