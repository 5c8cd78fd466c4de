"""The second half of the contract in ``stack_contract.py``: what each fault needs is felt by an observer, and undone.

pytest suites/selftest/stack_contract*.py --stack your.module:provide
"""

from __future__ import annotations

import time
from typing import Any, get_args

import pytest

from fixtures import probes
from fixtures.faults import BadChange, Exhaust, Kill, Restart, Skew, Slow, ZoneBandwidth, ZonePacketLoss
from fixtures.injection import FELT_WITHIN_S
from fixtures.model import Node, Stack
from fixtures.powers import (
    Changeable,
    Direction,
    Exhaustible,
    Killable,
    LooksCloser,
    PartKillable,
    Resource,
    Restartable,
    Skewable,
    Slowable,
    TellsInstances,
    ZoneIsolatable,
    ZoneLossy,
    ZoneNarrowable,
)
from fixtures.stages import name_of, observed

from .stack_contract import (
    HEALTHY_WITHIN_S,
    SILENT_WITHIN_S,
    Until,
    a_zone,
    healthy_again,
    names_in,
    one_of_each_role,
    require,
    silent,
)

__all__ = ["healthy_again"]

DELAY_S = 0.3
"""Far above what any answer takes, and below what a client calls an outage."""
AHEAD_S = 3600.0
KBIT_PER_S = 800
"""A tenth of what an answer on one machine comes with, and enough to say something."""


def felt_and_undone(fault: Any, node: Node, stack: Stack, until: Until, *, passes: bool) -> None:
    """One node suffers it, and all is well afterwards. ``passes``: it is then felt no more."""
    names, said = (node.name,), f"{name_of(fault)} in {node.name}"
    before = observed(fault, stack, names)
    with fault.inject(stack, names):
        deadline = time.monotonic() + FELT_WITHIN_S
        while not fault.felt(before, now := observed(fault, stack, names), names):
            assert time.monotonic() < deadline, f"{said} is not felt: before {before.nodes[node.name]}, now {now}"
            time.sleep(0.05)
    until(probes.healthy, within=HEALTHY_WITHIN_S)
    deadline = time.monotonic() + FELT_WITHIN_S
    while passes and fault.felt(before, now := observed(fault, stack, names), names):
        assert time.monotonic() < deadline, f"{said} was undone and is still felt: {now.nodes[node.name]}"
        time.sleep(0.05)


def at_their_duty(stack: Stack, power: type) -> list[Node]:
    """A node of each role that has the power, the one that leads where there is one: only it takes every change."""
    status = stack.status()
    leading = {node.role: node for node in stack.nodes if status.nodes[node.name].duty in ("primary", "leader")}
    return [leading.get(node.role, node) for node in one_of_each_role(stack, power)]


# ------------------------------------------------------------------------------------------------ nodes


def test_undoing_what_was_not_done_harms_nothing(stack: Stack) -> None:
    for node in stack.nodes:
        if isinstance(node, Slowable):
            node.unslow()
        if isinstance(node, Exhaustible):
            for resource in get_args(Resource):
                if not node.cannot_exhaust(resource):
                    node.relieve(resource)
    for node in {node.role: node for node in stack.nodes}.values():  # these may take a restart: once a role is enough
        if isinstance(node, Changeable):
            for change in node.changes:
                node.revert(change)
        if isinstance(node, Skewable):
            node.unskew()


def test_a_killed_part_is_felt_and_comes_back(stack: Stack, until: Until) -> None:
    for node in one_of_each_role(stack, PartKillable):
        assert isinstance(node, PartKillable)
        assert node.parts, f"{node.name} has no parts; leave kill_part out"
        for part in node.parts:
            felt_and_undone(Kill(node.role, part), node, stack, until, passes=False)


def test_a_restarted_node_is_another_one_and_answers(stack: Stack, until: Until) -> None:
    for node in one_of_each_role(stack, Restartable):
        was = stack.status().nodes[node.name].instance
        assert was, f"the status does not tell instances of {node.name}, so nobody would feel its restart"
        felt_and_undone(Restart(node.role), node, stack, until, passes=False)


def test_a_restart_brings_back_a_dead_node(stack: Stack, until: Until) -> None:
    for node in one_of_each_role(stack, Restartable):
        if not isinstance(node, Restartable) or not isinstance(node, Killable):
            continue
        try:
            node.kill()
            until(silent(node.name), within=SILENT_WITHIN_S)
            node.restart()
            until(probes.answers(node.name), within=HEALTHY_WITHIN_S)
        finally:
            node.start()
        until(probes.healthy, within=HEALTHY_WITHIN_S)


def test_a_slow_node_answers_late_until_it_is_let_go(stack: Stack, until: Until) -> None:
    nodes = one_of_each_role(stack, Slowable)
    require(stack, LooksCloser)
    for node in nodes:
        felt_and_undone(Slow(node.role, DELAY_S), node, stack, until, passes=True)


@pytest.mark.parametrize("resource", get_args(Resource))
def test_what_is_exhausted_is_felt_and_given_back(stack: Stack, until: Until, resource: Resource) -> None:
    nodes = one_of_each_role(stack, Exhaustible)
    require(stack, LooksCloser)
    reasons = {node.name: node.cannot_exhaust(resource) for node in nodes if isinstance(node, Exhaustible)}
    if all(reasons.values()):
        pytest.skip(f"not exercised: no node runs out of {resource}: {'; '.join(reasons.values())}")
    for node in nodes:
        if not reasons[node.name]:
            felt_and_undone(Exhaust(node.role, resource), node, stack, until, passes=True)


def test_a_bad_change_is_felt_until_it_is_rolled_back(stack: Stack, until: Until) -> None:
    nodes = at_their_duty(stack, Changeable)
    require(stack, LooksCloser)
    for node in nodes:
        assert isinstance(node, Changeable)
        assert node.changes, f"{node.name} knows no change; leave change and revert out"
        for change in node.changes:
            felt_and_undone(BadChange(node.role, change), node, stack, until, passes=True)


@pytest.mark.parametrize("offset", [{"ahead_s": AHEAD_S}, {"behind_s": AHEAD_S}], ids=["ahead", "behind"])
def test_a_wrong_clock_is_felt_until_it_jumps_back(stack: Stack, until: Until, offset: dict[str, float]) -> None:
    nodes = one_of_each_role(stack, Skewable)
    require(stack, LooksCloser)
    for node in nodes:
        felt_and_undone(Skew(node.role, **offset), node, stack, until, passes=True)


# ------------------------------------------------------------------------------------------------ the stack


def test_instances_are_of_all_nodes_and_change_with_the_program_alone(stack: Stack, until: Until) -> None:
    require(stack, TellsInstances)
    assert isinstance(stack, TellsInstances)
    before = stack.instances()
    assert set(before) == {node.name for node in stack.nodes}
    assert all(before.values()), f"a healthy node has no instance: {before}"
    assert stack.instances() == before
    for node in one_of_each_role(stack, Killable):
        assert isinstance(node, Killable)
        before = stack.instances()
        try:
            node.kill()
            gone = stack.instances()[node.name]
        finally:
            node.start()
        until(probes.healthy, within=HEALTHY_WITHIN_S)
        changed = {name for name, instance in stack.instances().items() if before[name] != instance}
        assert gone != before[node.name], f"{node.name} is dead and still told as running"
        assert changed == {node.name}, f"{node.name} was killed and started, changed are {sorted(changed) or 'none'}"


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_a_zone_cut_in_one_direction_is_silent_until_it_rejoins(
    stack: Stack, until: Until, direction: Direction
) -> None:
    """What is asked does not arrive, or what is answered does not: an observer hears nothing in either case."""
    require(stack, ZoneIsolatable)
    assert isinstance(stack, ZoneIsolatable)
    zone = a_zone(stack)
    try:
        stack.isolate_zone(zone, reachable_by_clients=False, direction=direction)
        until(silent(*names_in(stack, zone)), within=SILENT_WITHIN_S)
    finally:
        stack.rejoin_zone(zone)


def felt_and_undone_in_a_zone(fault: Any, stack: Stack, until: Until) -> None:
    """A zone suffers it, all is well afterwards, and it is then felt no more."""
    names = tuple(names_in(stack, fault.zone))
    before = observed(fault, stack, names)
    with fault.inject(stack, names):
        deadline = time.monotonic() + FELT_WITHIN_S
        while not fault.felt(before, now := observed(fault, stack, names), names):
            assert time.monotonic() < deadline, f"nobody feels it: before {before}, now {now}"
    until(probes.healthy, within=HEALTHY_WITHIN_S)
    assert not fault.felt(before, now := observed(fault, stack, names), names), f"still felt: {now}"


def test_a_zone_that_loses_packets_answers_at_times(stack: Stack, until: Until) -> None:
    require(stack, ZoneLossy)
    assert isinstance(stack, ZoneLossy)
    zone = a_zone(stack)
    stack.keep_packets(zone)  # harmless where none are lost
    felt_and_undone_in_a_zone(ZonePacketLoss(zone), stack, until)


def test_a_narrow_zone_says_no_more_than_gets_through(stack: Stack, until: Until) -> None:
    require(stack, ZoneNarrowable)
    require(stack, LooksCloser)
    assert isinstance(stack, ZoneNarrowable)
    zone = a_zone(stack)
    stack.widen_zone(zone)  # harmless where it is not narrow
    felt_and_undone_in_a_zone(ZoneBandwidth(zone, KBIT_PER_S), stack, until)
