"""A container that ends with an error is started again, and one that was killed is not. Needs Docker and images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from fixtures.stacks.docker.engine import Engine, connect, kill, run_of, state_of
from fixtures.stacks.docker.node import AGAIN
from fixtures.stacks.docker.recipes import chosen

from .docker_there import needs_docker

pytestmark = needs_docker

WITHIN_S = 30.0
QUIET_S = 3.0
"""Docker waits 0.1 s before the first new start, and twice as long before each next one."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with closing((client := connect()).client), run_of(client) as (_, engine):
        yield engine


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)


def test_what_fails_is_started_again_until_it_is_killed(engine: Engine) -> None:
    failing = engine.container("failing", chosen()["zone"], ["sh", "-c", "exit 3"], **AGAIN)
    failing.start()
    until(lambda: failing.client.api.inspect_container(failing.id)["RestartCount"] >= 2)
    until(lambda: bool(state_of(failing)["Restarting"]))
    kill(failing)  # it runs no program in this moment
    assert not state_of(failing)["Running"]
    ended = state_of(failing)["FinishedAt"]
    time.sleep(QUIET_S)
    assert (state_of(failing)["Running"], state_of(failing)["FinishedAt"]) == (False, ended)


def test_what_is_killed_or_ends_well_stays_dead(engine: Engine) -> None:
    lasting = engine.container("lasting", chosen()["zone"], ["sleep", "infinity"], **AGAIN)
    done = engine.container("done", chosen()["zone"], ["true"], **AGAIN)
    for container in (lasting, done):
        container.start()
    kill(lasting)
    until(lambda: state_of(done)["Status"] == "exited")
    time.sleep(QUIET_S)
    for container in (lasting, done):
        about = container.client.api.inspect_container(container.id)
        assert (about["State"]["Running"], about["RestartCount"]) == (False, 0)
