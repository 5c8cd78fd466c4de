"""Embedded stacks whose databases have one planted defect each; ``stacks.py`` offers them beside the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from fixtures.model import Stack
from fixtures.powers import Direction
from fixtures.sandbox import wants_sandbox
from fixtures.stacks.embedded import Settings, embedded
from fixtures.stacks.embedded.layout import Layout, Place
from fixtures.stacks.embedded.roles import DatabaseNode
from fixtures.stacks.embedded.stack import NetworkedStack

STEPS_DOWN_WITHIN_S = 8.0
"""Patroni's retry_timeout of 3 s, its loop_wait of 1 s, a shutdown, and as much again."""


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


@wants_sandbox
def goes_on_alone() -> AbstractContextManager[Stack]:
    """Replication waits while a standby is there; a primary that is alone acknowledges by itself."""
    return embedded(Settings(synchronous="on"))


@dataclass(frozen=True)
class _StartsByItself(DatabaseNode):
    """A database whose machine starts PostgreSQL when it boots, beside the agent that should."""

    postgres: str

    def start(self) -> None:
        """Where the machine went down with it running, PostgreSQL is up before Patroni."""
        data = self.place.volume("data") / "postgresql"
        at = f"--listen_addresses={self.place.address} --port={self.place.ports['postgres']}"
        boot = f"test ! -e {data}/postmaster.pid || timeout --foreground -s INT 4 {self.postgres} -D {data} {at}"
        argv = ["sh", "-c", f'{boot}; exec "$@"', "boot", *self._program.argv()]
        replace(self, _program=replace(self._program, argv=lambda: argv))._start({})


@wants_sandbox
@contextmanager
def server_starts_by_itself() -> Iterator[Stack]:
    """A machine that comes back starts its old PostgreSQL before anybody asks who leads."""
    with embedded() as stack:
        postgres = str(stack.binaries.postgres / "postgres")
        nodes = tuple(
            _StartsByItself(**vars(node), postgres=postgres) if node.role == "database" else node
            for node in stack.nodes
        )
        yield replace(stack, nodes=nodes)


@wants_sandbox
@contextmanager
def failover_asks_aws() -> Iterator[Stack]:
    """A database is promoted only when AWS has answered: a fencing script that asks an API."""
    programs: Any = sys.modules[Settings.__module__]
    patroni = programs._patroni

    def asking(place: Place, layout: Layout, *rest: Any) -> Mapping[str, Any]:
        found = dict(patroni(place, layout, *rest))
        url = f"http://{layout.one('object store').at('http')}"
        ask = f"{sys.executable} -m suites.selftest.sabotage.asks_aws {url}"
        return {**found, "postgresql": {**found["postgresql"], "pre_promote": ask}}

    with patch.object(programs, "_patroni", asking), embedded() as stack:
        yield stack
