"""A container that ends by itself is started again, and one that was killed is not. Needs Docker and images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from docker.models.containers import Container

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


def restarts(container: Container) -> int:
    return int(container.client.api.inspect_container(container.id)["RestartCount"])


@pytest.mark.parametrize("code", [3, 0])
def test_what_ends_is_started_again_until_it_is_killed(engine: Engine, code: int) -> None:
    ending = engine.container("ending", chosen()["zone"], ["sh", "-c", f"exit {code}"], **AGAIN)
    for _ in range(2):  # what was killed and is started is started again, too
        ending.start()
        until(lambda: restarts(ending) >= 2)
        until(lambda: bool(state_of(ending)["Restarting"]))
        kill(ending)  # it runs no program in this moment
        assert not state_of(ending)["Running"]
        ended = state_of(ending)["FinishedAt"]
        time.sleep(QUIET_S)
        assert (state_of(ending)["Running"], state_of(ending)["FinishedAt"]) == (False, ended)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_is_killed_or_stopped_stays_dead(engine: Engine, how: str) -> None:
    lasting = engine.container("lasting", chosen()["zone"], ["sleep", "infinity"], **AGAIN)
    lasting.start()
    lasting.stop(timeout=1) if how == "stop" else kill(lasting)
    time.sleep(QUIET_S)
    assert (state_of(lasting)["Running"], restarts(lasting)) == (False, 0)
