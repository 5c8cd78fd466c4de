"""The smallest stack that is one: three API nodes in three zones and a load balancer, in threads of this process.

It shows what ``fixtures.model`` asks of a stack (see docs/your-own-stack.md), and judges the suite in seconds:

    pytest suites/selftest/stack_contract.py --stack suites.selftest.toy_stack:provide

It keeps no ledger, so the ledger's load finds nothing here to press on. The other providers have one defect each.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fixtures.model import NodeStatus, Stack, Status
from fixtures.powers import Direction

ZONES = ("a", "b", "c")
PATIENCE_S = 0.15
"""How long the observer waits for a node; it answers within a few milliseconds."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@dataclass
class Machine:
    """One HTTP server on loopback that can be gone, frozen or cut off. Its port stays the same."""

    ready: str = ""
    """What it answers: its duty, ``alone`` where it is cut off from the other zones; empty: 503."""
    frozen: bool = False
    unreachable: bool = False
    """Cut off from clients."""
    port: int = 0
    server: _Server | None = None

    def start(self) -> None:
        """Listen, unless it does."""
        if self.server is not None:
            return
        machine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                while machine.frozen or machine.unreachable:
                    time.sleep(0.01)
                if machine.server is None:
                    return  # killed meanwhile: the connection closes without a word
                body = json.dumps({"ready": machine.ready}).encode()
                self.send_response(200 if machine.ready else 503)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self.server is not None:
            server, self.server = self.server, None
            self.frozen = False  # what is dead is not frozen when it comes back
            server.shutdown()
            server.server_close()


@dataclass(frozen=True)
class Plain:
    """A node without powers."""

    name: str
    role: str
    zone: str
    machine: Machine = field(default_factory=Machine, repr=False)


@dataclass(frozen=True)
class Powerful(Plain):
    """A node that can be ended, started, frozen and let go on."""

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


@dataclass(frozen=True)
class Immortal(Powerful):
    """A node whose kill does nothing and says that it did."""

    def kill(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Frail(Powerful):
    """A node that does not come back."""

    def start(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Toy:
    """The running stack; it cannot cut networks."""

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
class Careless(Toy):
    """A stack whose status never mentions a problem."""

    def status(self) -> Status:
        """Whatever there is, all is well."""
        return replace(super().status(), problems=())


@dataclass(frozen=True)
class Cuttable(Toy):
    """A toy whose zones can be cut off."""

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

    def _cut(self, zone: str, ready: str, *, unreachable: bool) -> None:
        for node in self.nodes:
            if node.zone == zone:
                node.machine.ready = ready
                node.machine.unreachable = unreachable


def _ask(node: Plain) -> NodeStatus:
    connection = http.client.HTTPConnection("127.0.0.1", node.machine.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/api/ready")
        answer = json.loads(connection.getresponse().read())
        return NodeStatus(answers=True, duty=answer["ready"])
    except (OSError, http.client.HTTPException):
        return NodeStatus(answers=False)
    finally:
        connection.close()


@contextmanager
def _running(kind: type[Plain], stack: type[Toy] = Cuttable) -> Iterator[Toy]:
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
    with _running(Powerful) as stack:
        yield stack


@contextmanager
def kill_does_nothing() -> Iterator[Stack]:
    """Killing reports success and kills nothing."""
    with _running(Immortal) as stack:
        yield stack


@contextmanager
def powerless() -> Iterator[Stack]:
    """A stack that can only be looked at."""
    with _running(Plain, Toy) as stack:
        yield stack


@contextmanager
def does_not_heal() -> Iterator[Stack]:
    """What was killed stays so."""
    with _running(Frail) as stack:
        yield stack


@contextmanager
def sees_no_problem() -> Iterator[Stack]:
    """Its status says that all is well, always."""
    with _running(Powerful, Careless) as stack:
        yield stack


@contextmanager
def two_of_a_name() -> Iterator[Stack]:
    """Two nodes are called the same."""
    with _running(Powerful) as stack:
        first, second, *others = stack.nodes
        yield Toy((replace(first, name=second.name), second, *others))
