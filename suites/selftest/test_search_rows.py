"""Schedules as rows, the command, and the suite as it is run for the search."""

from __future__ import annotations

import re
import tempfile
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings

from fixtures import checks
from fixtures.faults import Kill, Schedule, Step, ZonePartition
from fixtures.model import Outcome
from fixtures.scenario import read_scenario
from fixtures.search.__main__ import found_text, main
from fixtures.search.draw import Drawn, drawn, schedules
from fixtures.search.explore import Find
from fixtures.search.judgement import HEALED, PROMISES, Judgement
from fixtures.search.pin import CONTROLS, RECOVERS_WITHIN_S, described, length_s, row_name, row_text, write_row
from fixtures.search.shrink import Count
from fixtures.search.suite import REPOSITORY, suite
from reports.controls import unknown_control

LOST = "no_lost_writes"


# ------------------------------------------------------------------------------------------------ drawing and writing


def test_a_seed_draws_the_same_schedules_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    first = list(islice(drawn(7), 50))
    for _ in islice(drawn(8), 20):  # whatever was drawn in between
        pass
    assert list(islice(drawn(7), 50)) == first
    assert [each.schedule for each in islice(drawn(8), 50)] != [each.schedule for each in first]
    assert main(["--seed", "7", "--dry-run", "50"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == [f"{each.number}: {described(each.schedule)}" for each in first]


@settings(max_examples=50, deadline=None)
@given(schedules())
def test_drawn_schedules_are_rows(schedule: Schedule) -> None:
    with tempfile.TemporaryDirectory() as directory:
        row = read_scenario(write_row(Path(directory), "row", row_text(schedule, "Because.\nAnd because.")))
    assert row.fault == schedule
    assert row.why == "Because. And because."
    assert 1 <= len(schedule.steps) <= 4
    assert all(0 <= step.at_s <= 10 and 0.5 <= step.for_s <= 25 for step in schedule.steps)
    assert row.objectives.rto_s == row.objectives.unavailable_s == pytest.approx(length_s(schedule) + RECOVERS_WITHIN_S)
    assert row.objectives.rpo_writes == 0


def test_what_does_its_duty_no_more_is_not_hit_again() -> None:
    for each in islice(drawn(3), 200):
        for number, step in enumerate(each.schedule.steps):
            words = {*vars(step.fault).values()} - {True, False, "", "both"}
            for earlier in each.schedule.steps[:number]:
                if words <= {*vars(earlier.fault).values()} and step.at_s <= earlier.at_s + earlier.for_s:
                    assert getattr(earlier.fault, "reachable_by_clients", False), described(each.schedule)
                    assert not isinstance(step.fault, ZonePartition), described(each.schedule)


def test_a_find_becomes_a_row_that_says_where_it_comes_from(tmp_path: Path) -> None:
    smallest = Schedule(
        (Step(ZonePartition("database primary", reachable_by_clients=True), 0, 1), Step(Kill("api"), 0, 20))
    )
    find = Find(LOST, "12 acknowledged writes are gone.", Drawn(17, smallest), smallest, Count(4, 5), 33)
    path = write_row(tmp_path, row_name(smallest, find.promise), found_text(find, 1, "made.up:stack"))
    row = read_scenario(path)
    assert re.fullmatch(r"found-no-lost-writes-[0-9a-f]{6}\.yaml", path.name)
    assert (row.fault, row.nightly) == (smallest, True)
    assert row.why.startswith("no_lost_writes breaks on stack made.up:stack: 12 acknowledged writes are gone. Found by")
    assert "seed 1, schedule 17, shrunk in 33 tries" in row.why
    assert row.why.endswith("this one failed in 4 of 5 replays.")
    assert "    - {at_s: 0, for_s: 20, kill: {node: api}}\n" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_controls_and_promises_exist() -> None:
    assert unknown_control(CONTROLS) == ""
    assert set(PROMISES) - {HEALED} <= set(checks.__all__)


# ------------------------------------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "0"], "argument --for: expected a number of seconds above 0, got '0'"),
        (["--for", "soon"], "argument --for: invalid"),
        (["--tries", "3"], "argument --tries: expected a whole number from"),
        (["--fro", "1"], "unrecognized arguments: --fro"),
        (["--faults", "kil"], "--faults kil: cannot be drawn; expected some of kill, pause, zone_outage"),
        (["--faults", "zone_outage", "--targets", "api"], "none of zone_outage can hit api; choose other --faults"),
        (["--report-dir", "/dev/null/runs"], "--report-dir /dev/null/runs: /dev/null is a file, expected a directory"),
        (["--rows-out", "/dev/null/rows"], "--rows-out /dev/null/rows: /dev/null is a file, expected a directory"),
    ],
)
def test_bad_arguments_end_with_code_4(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 4
    assert said in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ the suite itself

SUITE = """
from fixtures.model import Outcome, Verdict

def test_row(scenario, evidence, request):
    (step,) = scenario.fault.steps
    if step.for_s == 3:
        request.session.shouldstop = "enough"
    if step.for_s == 2:
        evidence.record("fault_undone", fault="kill")
        assert not "healed"
    outcome = Outcome.FAIL if step.for_s == 1 else Outcome.PASS
    evidence.verify(Verdict("no_lost_writes", outcome, "Three are gone.", {}), Verdict("made_up", outcome, "No.", {}))
"""
STAYS_S = (1.0, 5.0, 2.0, 3.0, 4.0)


def test_the_suite_judges_and_keeps_the_evidence(tmp_path: Path) -> None:
    (tmp_path / "test_row.py").write_text(SUITE)
    configured = [
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        f"{REPOSITORY}/pyproject.toml",
        "--rootdir",
        f"{REPOSITORY}",
    ]
    run = suite("suites.selftest.toy_stack:provide", tmp_path / "runs", 7, [str(tmp_path / "test_row.py"), *configured])
    lost, sound, unhealed, last, unasked = run([Schedule((Step(Kill("api"), 0.0, stay_s),)) for stay_s in STAYS_S])
    latest = (tmp_path / "runs" / "latest").resolve()
    assert lost == Judgement(
        Outcome.FAIL, {LOST: "Three are gone."}, f"{latest}: try-0001", f"{LOST}: Three are gone.; made_up: No."
    )
    assert sound == Judgement(Outcome.PASS, {}, f"{latest}: try-0002", "")
    assert unhealed is not None
    assert (unhealed.outcome, list(unhealed.broken)) == (Outcome.FAIL, [HEALED])
    assert last is not None
    assert last.outcome is Outcome.PASS
    assert unasked is None, "the session stopped before it: that says nothing of it"


def test_a_stack_that_cannot_be_had_ends_with_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "no.such", "--report-dir", str(tmp_path), "--for", "9"]) == 4
    told = capsys.readouterr()
    assert told.err.startswith("python -m fixtures.search: --stack no.such: no such stack; expected embedded, docker,")
    assert "none was judged" in told.out
