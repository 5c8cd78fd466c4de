"""A suite that has never been seen to fail is no evidence: each planted defect turns exactly its checks red."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fixtures import checks

from .drills import drill
from .sabotage.track_record import BEGIN, DEFECTS, END, README, Defect

ROWS = Path(__file__).parent / "sabotage" / "rows"
RESULTS_VARIABLE = "ABACUS_TRACK_RECORD"
"""A directory for what was measured, from which the README's table is made."""

PROVES_NOTHING = {"fault_was_felt", "load_was_enough", "load_kept_schedule", "phases_add_up"}

ELSEWHERE = {"machine_was_free": "test_machine.py", "nothing_lost_in_recovery": "test_checks_aws.py"}
"""Checks that no defect of a stack can turn red, and the tests that have seen them so."""


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.id for defect in DEFECTS])
def test_defect_turns_exactly_its_checks_red(defect: Defect, tmp_path: Path) -> None:
    options = [] if defect.name == "good" else ["--stack", f"suites.selftest.sabotage.stacks:{defect.name}"]
    if (ROWS / f"{defect.row}.yaml").exists():
        options += ["--scenarios", str(ROWS)]

    ran = drill([defect.row], tmp_path, *options, within=480.0)  # one that is never well again is waited for

    verdicts = {verdict["check"]: verdict for verdict in ran.records("verdict")}
    red = {check for check, verdict in verdicts.items() if verdict["outcome"] != "PASS"}
    assert red == defect.red, ran.output
    # A promise that is broken is FAIL; only of what proves nothing at all it is not known.
    broken = defect.red - PROVES_NOTHING
    assert defect.name == "good" or not broken or "FAIL" in {verdicts[check]["outcome"] for check in broken}, ran.output
    assert ran.code == pytest.ExitCode.TESTS_FAILED, ran.output
    measured = {name: number for verdict in verdicts.values() for name, number in verdict["measured"].items()}
    assert defect.telling in measured
    if RESULTS_VARIABLE in os.environ:
        (Path(os.environ[RESULTS_VARIABLE]) / f"{defect.id}.json").write_text(json.dumps(measured))


def test_every_check_has_a_defect_that_turns_it_red() -> None:
    promises = {name for name in checks.__all__ if name.islower()} - {"promised", "restored"}
    assert promises - set(ELSEWHERE) == frozenset().union(*(defect.red for defect in DEFECTS))
    for check, file in ELSEWHERE.items():
        assert check in (Path(__file__).parent / file).read_text()


def test_the_track_record_lists_every_defect_that_was_caught() -> None:
    """The README's table is of today's defects; only its measured numbers may be older."""
    caught = [defect for defect in DEFECTS if defect.since]
    table = README.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(caught)
    for defect, row in zip(caught, rows, strict=True):
        assert defect.says in row
        assert f"`{defect.row}`" in row
        assert all(f"`{check}`" in row for check in defect.red)
