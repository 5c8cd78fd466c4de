"""Embedded stacks with one planted defect each: providers for ``--stack suites.selftest.sabotage.stacks:NAME``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from fixtures.model import Stack
from fixtures.powers import Direction
from fixtures.sandbox import wants_sandbox
from fixtures.stacks.embedded import PLACEMENT, Settings, embedded
from fixtures.stacks.embedded.node import EmbeddedNode
from fixtures.stacks.embedded.stack import NetworkedStack

STEPS_DOWN_WITHIN_S = 8.0
"""Patroni's retry_timeout of 3 s, its loop_wait of 1 s, a shutdown, and as much again."""
_APPS = "suites.selftest.sabotage.apps"


@wants_sandbox
def asynchronous() -> AbstractContextManager[Stack]:
    """Replication does not wait: what was acknowledged last stands on one machine only."""
    return embedded(Settings(synchronous="off"))


@wants_sandbox
def one_database_zone() -> AbstractContextManager[Stack]:
    """Both database members stand in one zone."""
    return embedded(Settings(placement={**PLACEMENT, "database": "aa"}))


@wants_sandbox
def always_ready() -> AbstractContextManager[Stack]:
    """Readiness says yes whatever the database does."""
    return embedded(Settings(api=f"{_APPS}:always_ready"))


@wants_sandbox
def acknowledges_before_commit() -> AbstractContextManager[Stack]:
    """The API answers a transfer before the database has it."""
    return embedded(Settings(api=f"{_APPS}:acknowledges_before_commit"))


@wants_sandbox
def applies_twice() -> AbstractContextManager[Stack]:
    """A transfer that is sent again moves its money again."""
    return embedded(Settings(api=f"{_APPS}:applies_twice"))


@wants_sandbox
def makes_money() -> AbstractContextManager[Stack]:
    """A transfer that is sent again credits its target again and debits nobody."""
    return embedded(Settings(api=f"{_APPS}:makes_money"))


@wants_sandbox
def stale_cache() -> AbstractContextManager[Stack]:
    """The cache never forgets."""
    return embedded(Settings(api=f"{_APPS}:stale_cache"))


@dataclass(frozen=True)
class _Immortal(EmbeddedNode):
    """A node whose kill does nothing and says that it did."""

    def kill(self) -> None:
        """Do nothing."""


@wants_sandbox
@contextmanager
def kill_does_nothing() -> Iterator[Stack]:
    """Killing reports success and kills nothing."""
    with embedded() as stack:
        yield replace(stack, nodes=tuple(_Immortal(**vars(node)) for node in stack.nodes))


@dataclass(frozen=True)
class _Unfenced(NetworkedStack):
    """When a zone is cut off, its database's agent hangs too, so nobody tells the old primary to step down."""

    def _agent(self, zone: str) -> list[str]:
        return [node.name for node in self.nodes if node.zone == zone and node.role == "database"]

    def isolate_zone(self, zone: str, *, reachable_by_clients: bool, direction: Direction = "both") -> None:
        """Cut the zone, and freeze its Patroni but not its PostgreSQL."""
        super().isolate_zone(zone, reachable_by_clients=reachable_by_clients, direction=direction)
        self.zones[zone].ask("pause_root", nodes=self._agent(zone))

    def rejoin_zone(self, zone: str) -> None:
        """Let the agent go on, and mend the network when it has stepped down: else clients outside read there, too."""
        self.zones[zone].resume(self._agent(zone))
        time.sleep(STEPS_DOWN_WITHIN_S)
        super().rejoin_zone(zone)


@wants_sandbox
@contextmanager
def nobody_fences() -> Iterator[Stack]:
    """Asynchronous, and an isolated primary is never told to step down: two primaries acknowledge at once."""
    with embedded(Settings(synchronous="off")) as stack:
        yield _Unfenced(**vars(stack))
