"""What the Docker stack tells containers to do, and what it makes of what they say. Needs no Docker."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.powers import Exhaustible
from fixtures.stacks import _keep
from fixtures.stacks import docker as provider
from fixtures.stacks.docker import engine
from fixtures.stacks.docker.roles import CLASSES, UNHOG
from fixtures.stacks.docker.stack import DockerStack
from fixtures.stacks.docker.zones import ZoneContainer
from fixtures.stacks.embedded.binaries import CannotStart
from fixtures.stacks.embedded.closer import look_closer
from fixtures.stacks.embedded.layout import OUTSIDE, PLACEMENT, Place, lay_out, zone_addresses


class Container:
    """One that keeps what it was told to do, and says what it is told to say."""

    def __init__(self, name: str, told: list[str], *, running: bool = True, says: str = "", code: int = 0) -> None:
        self.name, self.id, self.told, self.says, self.code = name, name, told, says, code
        self.state: dict[str, Any] = {"Running": running, "Pid": os.getpid(), "OOMKilled": False, "ExitCode": 3}
        self.state["StartedAt"] = "2026-01-01"
        self.client = SimpleNamespace(api=SimpleNamespace(inspect_container=lambda _: {"State": self.state}))

    def exec_run(self, command: list[str], **_: Any) -> tuple[int, bytes]:
        """As all of these, of docker.models.containers.Container."""
        self.told.append(f"{self.name}: {command[-1]}")
        return self.code, self.says.encode()

    def kill(self) -> None:
        """SIGKILL."""
        self.told.append(f"{self.name}: kill")

    def update(self, **how: int) -> None:
        """Its limits."""
        self.told.append(f"{self.name}: update {' '.join(how)}")

    def logs(self, **_: int) -> bytes:
        """Its last lines."""
        return self.says.encode()


def node(role: str, container: Any, zone: str = "a") -> Any:
    """One of a role."""
    place = Place(container.name, role, zone, "198.18.1.11", {"http": 1}, Path("/node"))
    around: Any = None
    own: Any = None
    return CLASSES[role](place, container, own, own, around)


def test_only_an_api_process_can_run_out_of_a_processor() -> None:
    """Nobody has seen what a database does then, and a balancer's crowd would be sent away for it."""
    found = {role: node(role, Container(role, [])) for role in CLASSES}
    limited = {role: each for role, each in found.items() if isinstance(each, Exhaustible)}
    assert len(limited) == 4
    assert [role for role, each in limited.items() if not each.cannot_exhaust("processor")] == ["api"]
    told: list[str] = []
    api = node("api", Container("api", told))
    api.exhaust("processor")
    api.relieve("processor")
    assert told == ["api: update cpu_period cpu_quota"] * 2


@pytest.mark.parametrize("code", [0, 137])
def test_memory_is_given_back_also_by_a_container_that_the_kernel_spared(code: int) -> None:
    """It may also end just then: exit code 137."""
    told: list[str] = []
    node("api", Container("api", told, code=code)).relieve("memory")
    assert told == [f"api: {UNHOG}"]


def test_of_a_zone_the_network_goes_first() -> None:
    """Whoever loses its programs before its network is heard refusing."""
    told: list[str] = []
    zones: Any = {"a": ZoneContainer("a", "198.18.1.11", Container("zone-a", told))}
    nodes = (node("api", Container("api-1", told)), node("api", Container("api-2", told), zone="b"))
    there: Any = None
    observer: Any = SimpleNamespace(pool=SimpleNamespace(map=map))
    stack = DockerStack(nodes, there, there, zones, observer, there, there, {})
    stack.kill_zone("a")
    assert told == ["zone-a: kill", "api-1: kill"]


def test_a_kept_stack_says_how_to_look_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("signal.pause", interrupted)
    told: list[str] = []
    there: Any = None
    monkeypatch.setattr(DockerStack, "endpoint", lambda *_: "there")
    run: Any = engine.Engine(there, "ab12cd34-9")
    stack = DockerStack((node("api", Container("abacus-api-a-1", [])),), there, there, {}, there, there, run, {})
    _keep(stack, told.append)
    (inside,) = [line for line in told if line.startswith("look inside: ")]
    assert "docker ps --filter label=abacus-drills.run=ab12cd34-9;" in inside
    assert "docker exec -it abacus-api-a-1 sh" in inside


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter")
@pytest.mark.parametrize(
    ("said", "may"), [(str(Path("/proc/self/ns/net").readlink()), True), ("net:[1]", False), ("", False)]
)
def test_a_network_is_entered_only_where_the_pid_is_the_containers_own(said: str, may: bool) -> None:
    """Where Docker runs in a virtual machine, the number is that of some other process here."""
    container: Any = Container("outside", [], says=said)
    assert provider._may_enter({OUTSIDE: ZoneContainer(OUTSIDE, "198.18.1.10", container)}) is may
    container.code = 127
    assert not provider._may_enter({OUTSIDE: ZoneContainer(OUTSIDE, "198.18.1.10", container)})


def test_a_database_that_can_start_no_process_is_seen_to_have_none() -> None:
    """Its postmaster answers by itself, before anything is agreed on, as recorded from PostgreSQL 18."""
    with socket.create_server(("127.0.0.1", 0)) as postmaster:

        def answer() -> None:
            asking, _ = postmaster.accept()
            with asking:
                asking.recv(8)
                asking.sendall(b"Ecould not fork new process for connection: Resource temporarily unavailable\n\0")

        threading.Thread(target=answer, daemon=True).start()
        layout = lay_out(Path("/node"), PLACEMENT, own_networks=True, addresses=zone_addresses("198.18.1", 10))
        port = postmaster.getsockname()[1]
        place = Place("database-a", "database", "a", "127.0.0.1", {"postgres": port}, Path("/node"))
        around: Any = SimpleNamespace(layout=layout, detours={})
        assert look_closer("free processes", place, around) == 0.0


def test_what_died_at_its_start_is_told_with_its_log() -> None:
    alive: Any = Container("zone-a", [])
    dead: Any = Container("keeper", [], running=False, says="sleep: not found")
    engine.require_running(alive)
    with pytest.raises(
        CannotStart, match=r"keeper ended when it was started: exit code 3\. [^\n]*\n    sleep: not found"
    ):
        engine.require_running(alive, dead)


def test_a_zone_or_the_keeper_that_ends_while_the_stack_starts_is_told() -> None:
    there: Any = None
    gone: Any = Container("keeper", [], running=False, says="sleep: killed")
    zone: Any = ZoneContainer("a", "198.18.1.11", Container("zone-a", [], running=False))
    listed = SimpleNamespace(containers=lambda **_: [{"Id": "keeper"}, {"Id": "zone-a"}])
    run: Any = SimpleNamespace(labels={}, client=SimpleNamespace(client=SimpleNamespace(api=listed)))
    around: Any = SimpleNamespace(keeper=gone)
    nodes = (node("api", Container("api-a1", [])),)
    ended = DockerStack(nodes, there, there, {"a": zone}, there, around, run, {}).ended()
    assert sorted(ended) == ["keeper", "zone a"]
    assert "sleep: killed" in ended["keeper"]


@pytest.mark.parametrize("bytes_per_s", [12_500, 125_000, 12_500_000])
def test_a_narrow_zone_counts_each_way_apart(bytes_per_s: int) -> None:
    """And names no burst, of which iptables wants more than its own rounded rate, as it says at 10 Mbit/s."""
    told: list[str] = []
    zone: Any = Container("zone-a", told)
    ZoneContainer("a", "198.18.1.11", zone).narrow(bytes_per_s)
    (said,) = told
    assert "--hashlimit-name to-PREROUTING" in said
    assert "--hashlimit-name to-OUTPUT" in said
    assert said.count(f"--hashlimit-above {bytes_per_s}b/s") == 2
    assert "burst" not in said


def test_a_volume_that_cannot_be_asked_about_is_nothing_learnt() -> None:
    """One failed docker exec is no end of a drill."""

    def refusing(_resource: str, _place: Place) -> float:
        raise OSError("stat exited 1")

    around: Any = None
    assert (
        look_closer("free data volume", node("database", Container("database-a", [])).place, around, refusing) is None
    )
