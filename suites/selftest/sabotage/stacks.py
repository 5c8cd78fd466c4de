"""Embedded stacks with one planted defect each: providers for ``--stack suites.selftest.sabotage.stacks:NAME``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import psutil

from fixtures.model import Stack
from fixtures.powers import Change, Direction, Resource
from fixtures.sandbox import wants_sandbox
from fixtures.stacks.embedded import PLACEMENT, Settings, embedded
from fixtures.stacks.embedded.node import EmbeddedNode
from fixtures.stacks.embedded.roles import ApiNode, DatabaseNode
from fixtures.stacks.embedded.stack import NetworkedStack

from .databases import (  # noqa: F401 each --stack names this module
    failover_asks_aws,
    goes_on_alone,
    nobody_fences,
    server_starts_by_itself,
)
from .pages import (  # noqa: F401 each --stack names this module
    backup_stores_nothing,
    does_not_go_back,
    goes_back_too_far,
    new_environment_is_behind,
    rescue_overwrites,
    snapshot_is_not_laid,
    times_are_made_up,
)

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
def needs_a_restart_for_a_secret() -> AbstractContextManager[Stack]:
    """The API reads its secret when it starts, and never again."""
    return embedded(Settings(api=f"{_APPS}:reads_its_secret_once"))


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


@dataclass(frozen=True)
class _Clumsy(EmbeddedNode):
    """A node whose kill ends another one, too."""

    neighbour: EmbeddedNode

    def kill(self) -> None:
        """End both."""
        super().kill()
        self.neighbour.kill()

    def start(self) -> None:
        """Start both."""
        super().start()
        self.neighbour.start()


@wants_sandbox
@contextmanager
def kill_hits_a_neighbour() -> Iterator[Stack]:
    """Whoever kills an API process of zone a ends the zone's sentinel, too."""
    with embedded() as stack:
        by_name = {node.name: node for node in stack.nodes}
        clumsy = _Clumsy(**vars(by_name["api-a1"]), neighbour=by_name["sentinel-a"])
        yield replace(stack, nodes=tuple(clumsy if node.name == "api-a1" else node for node in stack.nodes))


@dataclass(frozen=True)
class _Stalling(EmbeddedNode):
    """A node whose kill costs the load's generator the processor for a moment, too."""

    def kill(self) -> None:
        """End it, and freeze the generator for 0.8 s."""
        super().kill()
        clients = [each for each in psutil.process_iter(["cmdline"]) if "locust" in (each.info["cmdline"] or ())]
        for client in clients:
            client.suspend()
        time.sleep(0.8)
        for client in clients:
            client.resume()


@wants_sandbox
@contextmanager
def generator_stalls() -> Iterator[Stack]:
    """A good stack, and a generator that is late when it matters."""
    with embedded() as stack:
        yield replace(stack, nodes=tuple(_Stalling(**vars(node)) for node in stack.nodes))


@dataclass(frozen=True)
class _Abrupt(ApiNode):
    """An API process that is not given the time to finish what it has begun."""

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()


@contextmanager
def _with_apis(kind: type[ApiNode]) -> Iterator[Stack]:
    with embedded() as stack:
        nodes = tuple(kind(**vars(node)) if node.role == "api" else node for node in stack.nodes)
        yield replace(stack, nodes=nodes)


@wants_sandbox
def restarts_without_draining() -> AbstractContextManager[Stack]:
    """A release ends API processes in the middle of requests."""
    return _with_apis(_Abrupt)


@dataclass(frozen=True)
class _ComesBackWrong(ApiNode):
    """An API process that comes back as another release, which refuses transfers."""

    def start(self) -> None:
        """Start that one."""
        self._start({"ABACUS_APP": f"{_APPS}:refuses_transfers"})


@wants_sandbox
def comes_back_wrong() -> AbstractContextManager[Stack]:
    """An API process that died comes back, calls itself ready, and refuses transfers."""
    return _with_apis(_ComesBackWrong)


@wants_sandbox
def balancer_asks_nobody() -> AbstractContextManager[Stack]:
    """The load balancer neither asks servers whether they are well nor looks at what they answer."""
    return embedded(Settings(health_checks=False))


@wants_sandbox
@contextmanager
def kill_does_nothing() -> Iterator[Stack]:
    """Killing reports success and kills nothing."""
    with embedded() as stack:
        yield replace(stack, nodes=tuple(_Immortal(**vars(node)) for node in stack.nodes))


@dataclass(frozen=True)
class _Uncut(NetworkedStack):
    """A stack whose networks stay whole, and that says that they were cut."""

    def isolate_zone(self, zone: str, *, reachable_by_clients: bool, direction: Direction = "both") -> None:
        """Do nothing."""


@wants_sandbox
@contextmanager
def cut_does_nothing() -> Iterator[Stack]:
    """Cutting a zone reports success and cuts nothing."""
    with embedded() as stack:
        yield _Uncut(**vars(stack))


@dataclass(frozen=True)
class _UnmovedApi(ApiNode):
    """An API process that is neither slowed, changed nor given a wrong clock, and says that it was."""

    def slow(self, delay_s: float) -> None:
        """Do nothing."""

    def change(self, change: Change) -> None:
        """Do nothing."""

    def skew(self, offset_s: float) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _UnmovedDatabase(DatabaseNode):
    """A database whose volumes do not fill up, whose old secret stays valid, and that says otherwise."""

    def exhaust(self, resource: Resource) -> None:
        """Do nothing."""

    def rotate_secret(self) -> None:
        """Leave the old one valid."""


@wants_sandbox
@contextmanager
def nothing_gets_worse() -> Iterator[Stack]:
    """What slows, fills, changes or sets a clock reports success and does nothing."""
    unmoved = {"api": _UnmovedApi, "database": _UnmovedDatabase}
    with embedded() as stack:
        nodes = tuple(unmoved[node.role](**vars(node)) if node.role in unmoved else node for node in stack.nodes)
        yield replace(stack, nodes=nodes)
