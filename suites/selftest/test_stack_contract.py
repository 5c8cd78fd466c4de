"""The contract of stacks is kept by the toy stack, and a defect of a toy breaks the promise that it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .drills import Ran
from .inner import TOY, pytest_in

CONTRACT = "suites/selftest/stack_contract.py"


def contract(directory: Path, provider: str, *options: str) -> Ran:
    """The contract on a toy."""
    return pytest_in(directory, CONTRACT, "--stack", f"{TOY}:{provider}", *options)


def test_the_toy_stack_keeps_the_contract(tmp_path: Path) -> None:
    ran = contract(tmp_path, "provide")
    assert ran.code == pytest.ExitCode.OK, ran.output
    # The toy has no databases and no networks of its own, and its zones are killed and frozen node by node.
    skipped = re.findall(r"not exercised: no (node is a database|\w+)", ran.output)
    assert set(skipped) == {"node is a database", "ZoneKillable", "ZonePausable", "HostsClients"}
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("provider", "promise", "words"),
    [
        ("kill_does_nothing", "test_a_killed_node_is_silent_until_it_is_started", "expected are_silent within 3 s"),
        ("two_of_a_name", "test_nodes_have_names_of_their_own_and_roles", "assert 3 == 4"),
        ("sees_no_problem", "test_a_paused_node_is_silent_until_it_is_resumed", "the status has no problem"),
    ],
)
def test_a_defect_breaks_its_promise(tmp_path: Path, provider: str, promise: str, words: str) -> None:
    ran = contract(tmp_path, provider, "-k", promise)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    assert words in ran.output
