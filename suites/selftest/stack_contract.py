"""What any provider must keep. Run it against yours:

    pytest suites/selftest/stack_contract*.py --stack your.module:provide

The nouns and how nodes and zones come and go are in here, all other faults in ``stack_contract_faults.py``, what
runbooks need in ``stack_contract_recovery.py``. Where a
stack lacks a power, its tests are skipped: what is skipped here is NOT EXERCISED in a drill. The files' names keep them
from being collected unasked, as a real stack takes minutes; test_stack_contract.py runs them on the toy stack.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import pytest

from fixtures import probes
from fixtures.faults.targets import DUTIES, roles_of, zones_of
from fixtures.model import Node, Probe, Stack, Status
from fixtures.powers import (
    Explains,
    HostsClients,
    Killable,
    Pausable,
    ZoneIsolatable,
    ZoneKillable,
    ZonePausable,
)

SILENT_WITHIN_S = 3.0
"""A port that refuses or hangs is seen by the next status or the one after it."""
HEALTHY_WITHIN_S = 120.0
"""As for ``inject``: a database may have to be cloned anew."""

Until = Callable[..., Status]


def silent(*names: str) -> Probe:
    """None of the nodes answers."""

    def are_silent(status: Status) -> bool:
        return not any(status.nodes[name].answers for name in names)

    return are_silent


def changed(before: Status, *names: str) -> Probe:
    """One of the nodes is not what it was, and the status says that something is wrong."""

    def has_changed(status: Status) -> bool:
        return bool(status.problems) and any(status.nodes[name] != before.nodes[name] for name in names)

    return has_changed


@pytest.fixture(autouse=True)
def healthy_again(until: Until) -> Iterator[None]:
    """After each test, as what one of them leaves is the next one's start."""
    yield
    until(probes.healthy, within=HEALTHY_WITHIN_S)


def names_in(stack: Stack, zone: str) -> list[str]:
    return [node.name for node in stack.nodes if node.zone == zone]


def a_zone(stack: Stack) -> str:
    """The zone that is hit; the last, where there is nothing that distinguishes it."""
    if not zones_of(stack):
        pytest.skip("not exercised: the stack has no zones")
    return zones_of(stack)[-1]


def one_of_each_role(stack: Stack, power: type) -> list[Node]:
    """A node of each role that has the power."""
    found = {node.role: node for node in stack.nodes if isinstance(node, power)}
    if not found:
        pytest.skip(f"not exercised: no node is {power.__name__}")
    return list(found.values())


def require(stack: Stack, power: type) -> None:
    """Skip where the stack lacks a power; one that explains itself must then have a reason."""
    if not isinstance(stack, power):
        why = stack.lacks(power) if isinstance(stack, Explains) else "it does not say why"
        assert why, f"lacks({power.__name__}) must say why the power is not there"
        pytest.skip(f"not exercised: no {power.__name__}: {why}")


# ------------------------------------------------------------------------------------------------ what is there


def test_nodes_have_names_of_their_own_and_roles(stack: Stack) -> None:
    assert stack.name
    assert stack.environment in ("embedded", "docker", "kind", "staging", "production")
    assert stack.nodes
    assert all(isinstance(node, Node) and node.name and node.role for node in stack.nodes)
    assert len({node.name for node in stack.nodes}) == len(stack.nodes)


def test_words_of_a_row_have_one_meaning(stack: Stack) -> None:
    """A zone called as a role, or a role that ends in a duty, could not be told apart in ``scenarios/``."""
    assert not set(zones_of(stack)) & set(roles_of(stack))
    assert not [role for role in roles_of(stack) if role.split()[-1] in DUTIES]


def test_status_covers_every_node_and_is_healthy(stack: Stack) -> None:
    asked_s = time.monotonic()
    status = stack.status()
    assert asked_s <= status.taken_s <= time.monotonic(), "taken_s must be on time.monotonic(), when the asking began"
    assert set(status.nodes) == {node.name for node in stack.nodes}
    assert all(seen.answers for seen in status.nodes.values())
    assert all(seen.duty in ("", *DUTIES) or not seen.duty.startswith(DUTIES) for seen in status.nodes.values())
    assert status.writable
    assert not status.problems


def test_facts_are_plain_data_and_stay(stack: Stack) -> None:
    assert set(json.loads(json.dumps(dict(stack.facts())))) == set(stack.facts())
    assert sorted(stack.facts()) == sorted(stack.facts())


def test_the_front_door_says_ready(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.endpoint('api')}/api/ready", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200


def test_the_database_endpoint_is_the_primary(stack: Stack) -> None:
    if "database" not in roles_of(stack):
        pytest.skip("not exercised: no node is a database")
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(stack.endpoint("database"), connect_timeout=5) as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)


# ------------------------------------------------------------------------------------------------ powers of nodes


def test_start_and_resume_do_no_harm_to_what_runs(stack: Stack) -> None:
    for node in stack.nodes:
        if isinstance(node, Killable):
            node.start()
        if isinstance(node, Pausable):
            node.resume()
    assert not stack.status().problems


def test_a_killed_node_is_silent_until_it_is_started(stack: Stack, until: Until) -> None:
    for node in one_of_each_role(stack, Killable):
        assert isinstance(node, Killable)
        try:
            node.kill()
            status = until(silent(node.name), within=SILENT_WITHIN_S)
            assert status.problems, f"{node.name} is gone and the status has no problem"
            node.kill()  # what is dead can be killed again
        finally:
            node.start()
            node.start()
        until(probes.healthy, within=HEALTHY_WITHIN_S)


def test_a_paused_node_is_silent_until_it_is_resumed(stack: Stack, until: Until) -> None:
    for node in one_of_each_role(stack, Pausable):
        assert isinstance(node, Pausable)
        try:
            node.pause()
            status = until(silent(node.name), within=SILENT_WITHIN_S)
            assert status.problems, f"{node.name} is frozen and the status has no problem"
        finally:
            node.resume()
            node.resume()
        until(probes.healthy, within=HEALTHY_WITHIN_S)


def test_a_paused_node_can_be_killed(stack: Stack, until: Until) -> None:
    """A fault inside another; and what comes back is not frozen."""
    node = one_of_each_role(stack, Pausable)[0]
    if not isinstance(node, Killable) or not isinstance(node, Pausable):
        pytest.skip(f"not exercised: {node.name} is not both Killable and Pausable")
    try:
        node.pause()
        node.kill()
        until(silent(node.name), within=SILENT_WITHIN_S)
    finally:
        node.start()


# ------------------------------------------------------------------------------------------------ powers of the stack


def test_a_killed_zone_is_silent_until_it_is_started(stack: Stack, until: Until) -> None:
    require(stack, ZoneKillable)
    assert isinstance(stack, ZoneKillable)
    zone = a_zone(stack)
    others = [node.name for node in stack.nodes if node.zone != zone]
    try:
        stack.kill_zone(zone)
        until(silent(*names_in(stack, zone)), within=SILENT_WITHIN_S)
        until(probes.answers(*others), within=HEALTHY_WITHIN_S)
    finally:
        stack.start_zone(zone)
        stack.start_zone(zone)


def test_a_paused_zone_is_silent_until_it_is_resumed(stack: Stack, until: Until) -> None:
    require(stack, ZonePausable)
    assert isinstance(stack, ZonePausable)
    zone = a_zone(stack)
    try:
        stack.pause_zone(zone)
        until(silent(*names_in(stack, zone)), within=SILENT_WITHIN_S)
    finally:
        stack.resume_zone(zone)
        stack.resume_zone(zone)


def test_an_isolated_zone_is_silent_until_it_rejoins(stack: Stack, until: Until) -> None:
    require(stack, ZoneIsolatable)
    assert isinstance(stack, ZoneIsolatable)
    zone = a_zone(stack)
    stack.rejoin_zone(zone)  # harmless where nothing is cut
    try:
        stack.isolate_zone(zone, reachable_by_clients=False)
        until(silent(*names_in(stack, zone)), within=SILENT_WITHIN_S)
    finally:
        stack.rejoin_zone(zone)
        stack.rejoin_zone(zone)


def test_a_zone_that_only_its_peers_lost_still_answers_clients(stack: Stack, until: Until) -> None:
    require(stack, ZoneIsolatable)
    assert isinstance(stack, ZoneIsolatable)
    zone = a_zone(stack)
    before = stack.status()
    try:
        stack.isolate_zone(zone, reachable_by_clients=True)
        status = until(changed(before, *names_in(stack, zone)), within=30.0)
        assert any(status.nodes[name].answers for name in names_in(stack, zone))
    finally:
        stack.rejoin_zone(zone)


def _look_inside(enter: Callable[[], None], url: str, say: Any) -> None:
    """In a child: move into the zone and ask its API there."""
    enter()
    try:
        with urllib.request.urlopen(f"{url}/api/health", timeout=5) as answer:  # noqa: S310
            say.send(answer.status)
    except OSError as error:
        say.send(str(error))


def test_a_client_inside_a_zone_reaches_its_api_when_the_zone_is_cut_off(stack: Stack, until: Until) -> None:
    require(stack, HostsClients)
    assert isinstance(stack, HostsClients)
    zone = a_zone(stack)
    cut = isinstance(stack, ZoneIsolatable)
    try:
        if isinstance(stack, ZoneIsolatable):
            stack.isolate_zone(zone, reachable_by_clients=False)
            until(silent(*names_in(stack, zone)), within=SILENT_WITHIN_S)
        listen, say = get_context("fork").Pipe(duplex=False)
        child = get_context("fork").Process(
            target=_look_inside, args=(stack.enter_zone(zone), stack.endpoint("api", zone), say)
        )
        child.start()
        child.join(20)
        assert listen.recv() == 200, f"{'cut off ' if cut else ''}zone {zone}"
    finally:
        if isinstance(stack, ZoneIsolatable):
            stack.rejoin_zone(zone)
