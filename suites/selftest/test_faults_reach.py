"""A cut that clients do not see is seen from another zone; where nobody can stand there, that is said."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from fixtures.faults import CutThenKill, ZonePartition
from fixtures.faults.reach import reached_by_peers
from fixtures.model import Node, NodeStatus, Stack, Status
from fixtures.powers import HostsClients


@dataclass(frozen=True)
class _Api:
    name: str
    zone: str
    role: str = "api"
    killed: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.killed.append(self.name)

    def start(self) -> None:
        pass


@dataclass
class _Plain:
    """Two zones whose APIs share one port, which a cut closes; from the other zone one tries without moving."""

    port: int
    cuts: bool = True
    name: str = "two zones"
    environment: str = "toy"
    nodes: tuple[_Api, ...] = field(default_factory=lambda: (_Api("api-a", "a"), _Api("api-b", "b")))
    listening: socket.socket | None = None
    asked: list[str] = field(default_factory=list)

    def endpoint(self, role: str, zone: str = "") -> str:  # noqa: ARG002
        return f"http://127.0.0.1:{self.port}"

    def status(self) -> Status:
        return Status(0.0, {node.name: NodeStatus(True) for node in self.nodes}, True, ())

    def facts(self) -> dict[str, object]:
        return {}

    def isolate_zone(self, zone: str, *, reachable_by_clients: bool, direction: str = "both") -> None:
        self.asked.append(f"{zone} {reachable_by_clients} {direction}")
        if self.cuts and self.listening:
            self.listening.close()

    def rejoin_zone(self, zone: str) -> None:
        pass


@dataclass
class _Hosting(_Plain):
    enters: Callable[[], None] = lambda: None

    def enter_zone(self, zone: str) -> Callable[[], None]:
        assert zone == "b"
        return self.enters


@contextmanager
def zones(kind: type[_Plain] = _Hosting, **changes: object) -> Iterator[_Plain]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield kind(listening.getsockname()[1], listening=listening, **changes)  # type: ignore[arg-type]


def unable() -> None:
    raise OSError("no such namespace")


def test_whoever_stands_in_another_zone_tells() -> None:
    with zones() as stack:
        assert isinstance(stack, HostsClients)
        assert reached_by_peers(stack, "a", 1.0) is True
        stack.isolate_zone("a", reachable_by_clients=True)
        assert reached_by_peers(stack, "a", 1.0) is False


@pytest.mark.parametrize("changes", [{"kind": _Plain}, {"enters": unable}, {"nodes": (_Api("api-a", "a"),)}])
def test_where_nobody_can_try_it_is_not_known(changes: dict[str, object]) -> None:
    with zones(**changes) as stack:  # type: ignore[arg-type]
        assert reached_by_peers(stack, "a", 1.0) is None


@pytest.mark.parametrize("cuts", [True, False])
def test_a_cut_that_cuts_nothing_kills_nothing(cuts: bool) -> None:
    with zones(cuts=cuts) as stack, CutThenKill("a", cut_s=0.05).inject(stack, ("api-a",)):
        assert stack.nodes[0].killed == (["api-a"] if cuts else [])
        assert stack.asked == ["a True both"]


@pytest.mark.parametrize("cuts", [True, False])
def test_a_cut_that_clients_do_not_see_is_felt_from_another_zone(cuts: bool) -> None:
    fault = ZonePartition("a", reachable_by_clients=True)
    with zones(cuts=cuts) as stack:
        before = fault.observe(stack, ("api-a",))
        assert before.nodes["api-a"].measures == {"reached_by_peers": 1.0}
        assert not fault.felt(before, before, ("api-a",))
        with fault.inject(stack, ("api-a",)):
            assert fault.felt(before, fault.observe(stack, ("api-a",)), ("api-a",)) is cuts


def test_a_look_at_which_nobody_could_try_proves_nothing() -> None:
    fault = ZonePartition("a", reachable_by_clients=True)
    with zones() as stack:
        before = fault.observe(stack, ("api-a",))
        unknown = Status(1.0, stack.status().nodes, True, ("something else is wrong",))
        assert not fault.felt(before, unknown, ("api-a",))


def test_where_nobody_can_try_a_node_has_to_have_lost_the_others() -> None:
    fault = ZonePartition("a", reachable_by_clients=True)
    with zones(_Plain) as stack:
        before = fault.observe(stack, ("api-a",))
        alone = Status(1.0, {**before.nodes, "api-a": NodeStatus(True, "alone")}, True, ("api-a is alone",))
        assert not fault.felt(before, before, ("api-a",))
        assert fault.felt(before, alone, ("api-a",))


def _typed(node: Node, stack: Stack) -> None:
    """mypy holds these against the protocols."""


_typed(_Api("api-a", "a"), _Plain(1))
