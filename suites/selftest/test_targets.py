"""Whom a row's words mean, as the stack stands; and that one look decides nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fixtures.faults.targets import nodes_doing, zone_meant
from fixtures.looks import first_showing
from fixtures.model import NodeStatus


def test_the_replica_that_the_primary_waits_for_is_hit_first() -> None:
    nodes = [SimpleNamespace(name=name, role="database", zone=name[-1]) for name in ("db-a", "db-b", "db-c")]
    duties = {
        "db-a": ("replica", "running"),
        "db-b": ("primary", "running"),
        "db-c": ("replica", "running synchronous"),
    }
    status = SimpleNamespace(
        nodes={name: NodeStatus(answers=True, duty=duty, detail=detail) for name, (duty, detail) in duties.items()}
    )
    stack: Any = SimpleNamespace(nodes=nodes)
    found = nodes_doing("database replica", stack, status)  # type: ignore[arg-type]
    assert [node.name for node in found] == ["db-c", "db-a"]
    assert zone_meant("database replica", stack, status) == "c"  # type: ignore[arg-type]


def test_what_one_look_missed_is_looked_for_again() -> None:
    late = iter([False, False, True])
    stack: Any = SimpleNamespace(status=lambda: SimpleNamespace(writable=next(late)))
    assert first_showing(lambda status: status.writable, stack).writable
