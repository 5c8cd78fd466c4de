"""The contract of stacks is kept by the toy stack, and a defect of a toy breaks the promise that it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .drills import REPOSITORY, Ran
from .inner import DEFECTS, TOY, pytest_in

CONTRACT = tuple(f"suites/selftest/stack_contract{part}.py" for part in ("", "_faults", "_recovery"))


def contract(directory: Path, provider: str, *options: str, **variables: str) -> Ran:
    """The contract on a toy."""
    return pytest_in(directory, *CONTRACT, "--stack", provider, *options, **variables)


def test_the_toy_stack_keeps_the_contract(tmp_path: Path) -> None:
    ran = contract(tmp_path, f"{TOY}:provide")
    assert ran.code == pytest.ExitCode.OK, ran.output
    # The toy has no databases, backups and networks of its own, runs out of memory only, and its zones are killed and
    # frozen node by node.
    skipped = re.findall(r"not exercised: no (node is a database|node runs out of [a-z ]+|\w+)", ran.output)
    not_limited = ("data volume", "wal volume", "log volume", "processor", "processes", "descriptors", "connections")
    assert sorted(skipped) == sorted(
        ["node is a database", "ZoneKillable", "ZonePausable", "HostsClients", *["Recoverable"] * 4]
        + [f"node runs out of {resource}" for resource in not_limited]
    )
    assert not (tmp_path / "reports").exists()


def test_what_a_stack_cannot_is_skipped(tmp_path: Path) -> None:
    ran = contract(tmp_path, f"{DEFECTS}:powerless", "-k", "faults")
    assert ran.code == pytest.ExitCode.OK, ran.output
    for power in ("Changeable", "PartKillable", "Restartable", "Slowable", "Exhaustible", "Skewable"):
        assert f"not exercised: no node is {power}" in ran.output
    for power in ("TellsInstances", "ZoneIsolatable"):
        assert f"not exercised: no {power}: it does not say why" in ran.output
    ran = contract(tmp_path, f"{DEFECTS}:sees_little", "-k", "slow_node or wrong_clock or exhausted or bad_change")
    assert re.search(r"SKIPPED \[12\] .* not exercised: no LooksCloser: it does not say why", ran.output), ran.output


@pytest.mark.parametrize(
    ("provider", "promise", "words"),
    [
        ("kill_does_nothing", "test_a_killed_node_is_silent_until_it_is_started", "expected are_silent within 3 s"),
        ("two_of_a_name", "test_nodes_have_names_of_their_own_and_roles", "assert 3 == 4"),
        ("sees_no_problem", "test_a_paused_node_is_silent_until_it_is_resumed", "the status has no problem"),
        ("tells_no_restart", "test_instances_are_of_all_nodes", "is dead and still told as running"),
    ],
)
def test_a_defect_breaks_its_promise(tmp_path: Path, provider: str, promise: str, words: str) -> None:
    ran = contract(tmp_path, f"{DEFECTS}:{provider}", "-k", promise)
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    assert words in ran.output


BITES_NOT = {
    "slow_node": "slow node=api delay_s=0.3 count=1 in api-c is not felt",
    "bad_change": "bad_change node=api change=never ready in api-c is not felt",
    "wrong_clock": "skew node=api ahead_s=3600.0 behind_s=0.0 in api-c is not felt",
    "loses_packets": "nobody feels it: before",
    "narrow_zone": "nobody feels it: before",
    "restarted_node": "api-c was not back 0.3 s after its restart",
}
STAYS = {
    "bad_change": "bad_change node=api change=never ready in api-c was undone and is still felt",
    "wrong_clock": "skew node=api ahead_s=3600.0 behind_s=0.0 in api-c was undone and is still felt",
    "narrow_zone": "still felt: Status",
    "exhausted and memory": "exhaust node=api resource=memory in api-c was undone and is still felt",
}


@pytest.mark.parametrize(("provider", "promises"), [("nothing_bites", BITES_NOT), ("nothing_is_undone", STAYS)])
def test_what_does_nothing_breaks_its_promise(tmp_path: Path, provider: str, promises: dict[str, str]) -> None:
    (tmp_path / "hasty.py").write_text(
        "from fixtures import injection\nfrom fixtures.faults import nodes\n"
        "injection.FELT_WITHIN_S = nodes.BACK_WITHIN_S = 0.3\n"
    )
    options = ("-k", " or ".join(promises), "-p", "hasty")
    ran = contract(tmp_path, f"{DEFECTS}:{provider}", *options, PYTHONPATH=f"{REPOSITORY}:{tmp_path}")
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    assert not re.search(r"\d+ passed", ran.output), ran.output
    for words in promises.values():
        assert words in ran.output
