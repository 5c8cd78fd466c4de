"""The third part of the contract in ``stack_contract.py``: what the runbooks need of a stack that has backups.

pytest suites/selftest/stack_contract*.py --stack your.module:provide
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from fixtures import probes
from fixtures.model import Stack
from fixtures.powers import Recoverable

from .stack_contract import HEALTHY_WITHIN_S, Until, healthy_again, require

__all__ = ["healthy_again"]

WITHIN_S = 60.0
VARIABLES = ("CLUSTER", "MEMBERS", "PATRONI_CONFIG", "API", "BACKUP_BUCKET", "BACKUP_SERVER")
"""That no runbook of a database does without, see stack/runbooks/README.md."""


@dataclass(frozen=True)
class Operator:
    """Somebody who types what stands in a runbook."""

    environment: Mapping[str, str]

    @property
    def members(self) -> list[str]:
        return self.environment["MEMBERS"].split()

    def types(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """One command, as a runbook's shell would run it."""
        return subprocess.run(
            ["bash", "-c", 'exec "$@"', "bash", *words],
            input=said,
            env=dict(self.environment),
            cwd=self.environment.get("OPERATOR_DIRECTORY"),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def reads(self, *words: str) -> str:
        """What a command prints; it must succeed."""
        done = self.types(*words)
        assert done.returncode == 0, f"{' '.join(words)} exited {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def operator(stack: Stack) -> Iterator[Operator]:
    require(stack, Recoverable)
    assert isinstance(stack, Recoverable)
    with stack.backed_up() as environment:
        yield Operator(environment)


def test_an_operator_has_what_runbooks_name(operator: Operator, stack: Stack) -> None:
    assert not [name for name in VARIABLES if not operator.environment.get(name)]
    assert set(operator.members) <= {node.name for node in stack.nodes if node.role == "database"}
    assert operator.reads("python", "-m", "fixtures.recovery", "backups"), "a base backup is taken at the entry"
    listed = operator.reads(
        *("patronictl", "-c", operator.environment["PATRONI_CONFIG"], "list", "-f", "tsv"),
        operator.environment["CLUSTER"],
    )
    assert all(member in listed for member in operator.members), listed
    assert operator.reads("curl", "-fsS", "-m", "5", f"{operator.environment['API']}/api/ready")


def test_a_command_on_a_member_gets_words_and_input_and_gives_its_exit_code(operator: Operator) -> None:
    for member in operator.members:
        assert operator.reads("on-member", member, "psql", "-qAtc", "SELECT 'two  words'") == "two  words"
        assert operator.reads(
            "on-member", member, "sh", "-c", 'test -e "$DATA_DIRECTORY/global/pg_control"; ls "$1"', "sh", "/"
        )
        copied = operator.types("on-member", member, "cat", said="line by line\n" * 10_000)
        assert copied.stdout == "line by line\n" * 10_000
        assert operator.types("on-member", member, "sh", "-c", "exit 7").returncode == 7


def test_a_commands_variables_reach_a_member(operator: Operator) -> None:
    with_time = Operator({**operator.environment, "TARGET_TIME": "2026-03-01T02:30:00.250+00:00"})
    said = with_time.reads("on-member", operator.members[0], "sh", "-c", 'echo "$TARGET_TIME"')
    assert said == "2026-03-01T02:30:00.250+00:00"


def test_a_stopped_member_is_silent_and_its_machine_is_not(operator: Operator, stack: Stack, until: Until) -> None:
    replica = next(
        node.name
        for node in stack.nodes
        if node.name in operator.members and stack.status().nodes[node.name].duty == "replica"
    )
    try:
        operator.reads("stop-member", replica)
        assert operator.types("on-member", replica, "psql", "-qAtc", "SELECT 1").returncode != 0
        assert not stack.status().nodes[replica].answers
        assert operator.reads("on-member", replica, "sh", "-c", 'cat "$DATA_DIRECTORY/PG_VERSION"')
    finally:
        operator.reads("start-member", replica)
    until(probes.healthy, within=HEALTHY_WITHIN_S)
    assert operator.reads("on-member", replica, "psql", "-qAtc", "SELECT pg_is_in_recovery()") == "t"
    operator.reads("start-member", replica)  # does no harm to what runs
    assert not stack.status().problems
