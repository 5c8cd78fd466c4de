"""The smallest stack that is one: three API nodes in three zones and a load balancer, in threads of this process.

It shows what ``fixtures.model`` asks of a stack (see docs/your-own-stack.md), and judges the suite in seconds:

    pytest suites/selftest/stack_contract*.py --stack suites.selftest.toy_stack:provide

It keeps no ledger, so the ledger's load finds nothing here to press on. ``toy_defects.py``: one defect each.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fixtures.model import NodeStatus, Stack, Status
from fixtures.powers import Change, Direction, Part, Resource

from .toy_machine import WELL, Machine

ZONES = ("a", "b", "c")
PATIENCE_S = 0.15
"""How long the observer waits for a node; it answers within a few milliseconds."""
LOOKS_FOR_S = 2.0
"""How long it waits when it looks closer."""


@dataclass(frozen=True)
class Plain:
    """A node without powers."""

    name: str
    role: str
    zone: str
    machine: Machine = field(default_factory=Machine, repr=False)


@dataclass(frozen=True)
class Powerful(Plain):
    """A node with all powers."""

    parts = frozenset[Part]({"server"})
    """It has no agent that could die apart."""
    changes = frozenset[Change]({"never ready"})

    def kill(self) -> None:
        """See ``fixtures.powers.Killable``."""
        self.machine.stop()

    def start(self) -> None:
        """See ``fixtures.powers.Killable``."""
        self.machine.start()

    def pause(self) -> None:
        """See ``fixtures.powers.Pausable``."""
        self.machine.frozen = True

    def resume(self) -> None:
        """See ``fixtures.powers.Pausable``."""
        self.machine.frozen = False

    def kill_part(self, part: Part) -> None:  # noqa: ARG002  # there is one
        """See ``fixtures.powers.PartKillable``; it comes back by itself."""
        self.restart()

    def restart(self) -> None:
        """See ``fixtures.powers.Restartable``."""
        self.machine.stop()
        self.machine.start()

    def slow(self, delay_s: float) -> None:
        """See ``fixtures.powers.Slowable``."""
        self.machine.delay_s = delay_s

    def unslow(self) -> None:
        """See ``fixtures.powers.Slowable``."""
        self.machine.delay_s = 0.0

    def cannot_exhaust(self, resource: Resource) -> str:
        """See ``fixtures.powers.Exhaustible``."""
        return "" if resource == "memory" else f"nothing limits the {resource} of a toy"

    def exhaust(self, resource: Resource) -> None:
        """See ``fixtures.powers.Exhaustible``."""
        self.machine.measures[f"free {resource}"] = 0.0

    def relieve(self, resource: Resource) -> None:
        """See ``fixtures.powers.Exhaustible``."""
        self.machine.measures[f"free {resource}"] = WELL[f"free {resource}"]

    def change(self, change: Change) -> None:  # noqa: ARG002  # there is one
        """See ``fixtures.powers.Changeable``."""
        self.machine.measures["serves"] = 0.0

    def revert(self, change: Change) -> None:  # noqa: ARG002  # there is one
        """See ``fixtures.powers.Changeable``."""
        self.machine.measures["serves"] = 1.0

    def skew(self, offset_s: float) -> None:
        """See ``fixtures.powers.Skewable``."""
        self.machine.measures["clock_offset_s"] = offset_s

    def unskew(self) -> None:
        """See ``fixtures.powers.Skewable``."""
        self.machine.measures["clock_offset_s"] = 0.0


@dataclass(frozen=True)
class Toy:
    """The running stack, without powers of its own."""

    nodes: tuple[Plain, ...]
    name: str = "toy"
    environment: str = "embedded"

    def endpoint(self, role: str, zone: str = "") -> str:
        """A URL: of the load balancer, or of a zone's own API. Raises LookupError for what there is not."""
        wanted = ("api", zone) if role == "api" and zone else ("load balancer", "")
        if role not in ("api", "load balancer"):
            raise LookupError(f"the toy stack has no {role!r}; it has an API and a load balancer")
        return f"http://127.0.0.1:{next(n.machine.port for n in self.nodes if (n.role, n.zone) == wanted)}"

    def status(self) -> Status:
        """Ask every node over its port, the load balancer last: it is ready as long as an API is."""
        taken_s = time.monotonic()
        *apis, front = self.nodes
        seen = {node.name: _ask(node) for node in apis}
        front.machine.ready = "yes" if any(status.answers for status in seen.values()) else ""
        seen[front.name] = _ask(front)
        problems = [f"{name} does not answer" for name, status in seen.items() if not status.answers]
        problems += [f"{name} is cut off from its peers" for name, status in seen.items() if status.duty == "alone"]
        return Status(taken_s, seen, seen[front.name].duty == "yes", tuple(problems))

    def facts(self) -> Mapping[str, object]:
        """Where everything listens."""
        return {"ports": {node.name: node.machine.port for node in self.nodes}}


@dataclass(frozen=True)
class Open(Toy):
    """A toy whose zones can be cut off, and that lets itself be looked into."""

    def instances(self) -> Mapping[str, str]:
        """See ``fixtures.powers.TellsInstances``."""
        return {node.name: f"run {node.machine.started}" if node.machine.server else "" for node in self.nodes}

    def diagnose(self, nodes: Collection[str]) -> Mapping[str, str]:
        """See ``fixtures.powers.Diagnosable``."""
        return {node.name: f"started {node.machine.started} times" for node in self.nodes if node.name in nodes}

    def look_closer(self, aspect: str, nodes: Collection[str]) -> Mapping[str, float]:
        """See ``fixtures.powers.LooksCloser``."""
        found = {}
        for node in self.nodes:
            begun_s = time.monotonic()
            if node.name in nodes and (said := _said(node, LOOKS_FOR_S)):
                found[node.name] = time.monotonic() - begun_s if aspect == "answer_s" else float(said[aspect])
        return found

    def isolate_zone(
        self,
        zone: str,
        *,
        reachable_by_clients: bool,
        direction: Direction = "both",  # noqa: ARG002
    ) -> None:
        """See ``fixtures.powers.ZoneIsolatable``; it has no packets, so that one direction is as good as both."""
        self._cut(zone, "alone", unreachable=not reachable_by_clients)

    def rejoin_zone(self, zone: str) -> None:
        """See ``fixtures.powers.ZoneIsolatable``."""
        self._cut(zone, "replica", unreachable=False)

    def lose_packets(self, zone: str, one_in: int) -> None:
        """See ``fixtures.powers.ZoneLossy``."""
        for node in self.nodes:
            node.machine.lost_one_in = one_in if node.zone == zone else node.machine.lost_one_in

    def keep_packets(self, zone: str) -> None:
        """See ``fixtures.powers.ZoneLossy``."""
        self.lose_packets(zone, 0)

    def narrow_zone(self, zone: str, bytes_per_s: float) -> None:
        """See ``fixtures.powers.ZoneNarrowable``."""
        for node in (node for node in self.nodes if node.zone == zone):
            node.machine.measures["bytes_per_s"] = bytes_per_s

    def widen_zone(self, zone: str) -> None:
        """See ``fixtures.powers.ZoneNarrowable``."""
        self.narrow_zone(zone, WELL["bytes_per_s"])

    def _cut(self, zone: str, ready: str, *, unreachable: bool) -> None:
        for node in self.nodes:
            if node.zone == zone:
                node.machine.ready = ready
                node.machine.unreachable = unreachable


def _ask(node: Plain) -> NodeStatus:
    said = _said(node, PATIENCE_S)
    return (
        NodeStatus(answers=True, duty=said["ready"], instance=said["instance"]) if said else NodeStatus(answers=False)
    )


def _said(node: Plain, patience_s: float) -> Mapping[str, Any]:
    """What it answers; empty where it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", node.machine.port, timeout=patience_s)
    try:
        connection.request("GET", "/api/ready")
        answer: Mapping[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return {}
    else:
        return answer
    finally:
        connection.close()


@contextmanager
def running(kind: type[Plain], stack: type[Toy] = Open) -> Iterator[Toy]:
    """A toy of nodes of a kind, until the block ends."""
    apis = [kind(f"api-{zone}", "api", zone, Machine("replica")) for zone in ZONES]
    nodes = (*apis, kind("load-balancer", "load balancer", "", Machine("yes")))
    for node in nodes:
        node.machine.start()
    try:
        yield stack(nodes)
    finally:
        for node in nodes:
            node.machine.stop()


@contextmanager
def provide() -> Iterator[Stack]:
    """All powers but those of a network namespace."""
    with running(Powerful) as stack:
        yield stack
