"""The release gate's command, files and exit codes, on runs with their raw history; and what a policy may say."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures import checks
from fixtures.drill import Drill
from fixtures.faults import ZoneOutage
from fixtures.history import write_history
from fixtures.model import Load, Objectives, Scenario
from fixtures.recorder import Evidence, NotGreen
from fixtures.run import Run, planned_directory
from reports import gate_run
from reports.__main__ import main
from reports.gate_policy import POLICY, BadInput, read_policy
from reports.gate_run import read_accepted
from reports.record import read_record
from reports.render import SUMS, render, sums
from reports.verify import verify
from suites.selftest.fabricated_run import Outage, fabricate
from suites.selftest.gate_summaries import ROWS, codes, said, summary

if TYPE_CHECKING:
    from collections.abc import Callable

# ------------------------------------------------------------------------------------------------ the policy


def test_own_policy_can_be_read_and_names_rows_that_exist() -> None:
    policy = read_policy()
    assert {"zone-loss", "cut-then-kill", "zone-partition-inside"} <= set(policy.required)
    assert policy.margin_of("zone-loss") == policy.margin
    assert policy.margin_of("api-kill") != policy.margin


PROMISES = "objectives: {rto_s: 30, unavailable_s: 32, rpo_writes: 0, stale_reads_s: 1}\n"
GOOD_POLICY = """
required: [zone-loss, api-kill]
repeat: 2
margin: {absolute_s: 4, relative: 0.1}
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("repeats: 3" + GOOD_POLICY, "unknown key 'repeats'; did you mean 'repeat'?"),
        (GOOD_POLICY.replace("repeat: 2", ""), "'repeat' is missing"),
        (GOOD_POLICY.replace("repeat: 2", "repeat: 0"), "repeat: expected a whole number from 1"),
        (GOOD_POLICY.replace("repeat: 2", "repeat: true"), "repeat: expected a whole number from 1"),
        (GOOD_POLICY.replace("repeat: 2", "repeat: 2\nrepeat: 1"), "the key 'repeat' is given twice"),
        (GOOD_POLICY.replace("zone-loss", "zone-los"), "'zone-los' is not a row of"),
        (GOOD_POLICY.replace("zone-loss", "api-kill"), "'api-kill' stands there twice"),
        (GOOD_POLICY.replace("[zone-loss, api-kill]", "[]"), "required: expected a list of rows"),
        (GOOD_POLICY.replace("[zone-loss, api-kill]", "zone-loss"), "required: expected a list of rows"),
        (GOOD_POLICY.replace("absolute_s: 4", "absolute_s: .inf"), "margin.absolute_s: expected a number from 0 to"),
        (GOOD_POLICY.replace("absolute_s: 4", "absolute_s: .nan"), "margin.absolute_s: expected a number from 0 to"),
        (GOOD_POLICY.replace("absolute_s: 4", "absolute_s: -1"), "margin.absolute_s: expected a number from 0 to"),
        (GOOD_POLICY.replace("absolute_s: 4", "absolute_s: yes"), "margin.absolute_s: expected a number from 0 to"),
        (GOOD_POLICY.replace("absolute_s: 4, ", ""), "margin: 'absolute_s' is missing"),
        (GOOD_POLICY.replace("{absolute_s: 4, relative: 0.1}", "4"), "margin: expected the keys absolute_s, relative"),
        (GOOD_POLICY + "margins: {zone-pause: {absolute_s: 1, relative: 0}}", "margins.zone-pause: is not one of"),
        (GOOD_POLICY + "margins: {api-kill: {absolute_s: 1}}", "margins.api-kill: 'relative' is missing"),
        (GOOD_POLICY + "margins: [api-kill]", "margins: expected a margin by row"),
        ("- zone-loss", "expected the keys required, repeat, margin, margins"),
        ("required: [", "not valid YAML"),
        ("", "expected the keys required"),
    ],
)
def test_mistake_in_a_policy_is_one_clear_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        read_policy(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_policy_that_is_not_there_or_has_no_rows_to_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_policy(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="name their directory with --scenarios DIR"):
        read_policy(POLICY, tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda run: run.pop("drills"), "'drills' is a required property"),
        (lambda run: run.update(schema=2), "schema: 1 was expected"),
        (lambda run: run["drills"][0]["measured"].update(rto_s="20"), "drills[0].measured.rto_s: '20' is not"),
        (lambda run: run["drills"][0]["measured"].update(rto_s=float("nan")), "NaN is no number of a summary"),
        (lambda run: run.update(complete=False), "the run new is not complete"),
        (lambda run: run.update(outcome="FAIL"), "the run new is FAIL, only a PASS can be compared with"),
    ],
)
def test_mistake_in_an_accepted_run_is_one_clear_sentence(
    change: Callable[[dict[str, Any]], Any], sentence: str, tmp_path: Path
) -> None:
    run, path = summary(), tmp_path / "accepted.json"
    path.write_text(json.dumps(run))
    assert read_accepted(path) == run
    change(run)
    path.write_text(json.dumps(run))
    with pytest.raises(BadInput) as error:
        read_accepted(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


# ------------------------------------------------------------------------------------------------ the command


def write_run(directory: Path, rto_s: float, *, lost: int = 0) -> Path:
    """A rendered run of two rows, twice each, with its raw history."""
    objectives = Objectives(30.0, 32.0, 0, 1.0)
    read = hashlib.sha256(PROMISES.encode()).hexdigest()
    controls = ("SOC2:A1.2",)
    scenarios = [Scenario(row, "why", ZoneOutage("a"), Load(), objectives, controls, sha256=read) for row in ROWS]
    drills = [
        Drill(f"{row.id}-{n}", f"test_fault.py::test_it[{row.id}-{n}]", row, row.controls, repetition=n)
        for row in scenarios
        for n in (1, 2)
    ]
    run = Run(planned_directory(directory), 7, drills)
    run.begin(Path.cwd(), argv=(), options={"stack": "embedded", "repeat": 2})
    run.record("stack_started", stack="embedded", environment="embedded", nodes=[], facts={}, start_s=6.0)
    for number, drill in enumerate(drills):
        assert drill.scenario is not None
        run.start(drill)
        evidence = Evidence(run, drill)
        outage = Outage(rto_s, lost=lost)
        history = fabricate(outage, seed=number, load=drill.scenario.load, name="zone_outage", target="database-a")
        write_history(evidence.directory, history)
        evidence.history = history
        evidence.seal()
        with suppress(NotGreen):
            evidence.verify(*checks.promised(drill.scenario.objectives, history))
        run.finish(drill)
    run.end("")
    render(run.directory)
    return run.directory


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    return {name: write_run(place, rto_s) for name, rto_s in (("fast", 3.0), ("slow", 9.0))} | {
        "lossy": write_run(place, 3.0, lost=5)
    }


@pytest.fixture
def runs(written: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Copies of a fast, a slow and a lossy run, a policy beside them, and nothing accepted yet."""
    (tmp_path / "gate.yaml").write_text(GOOD_POLICY)
    (tmp_path / "rows").mkdir()
    for row in ROWS:
        (tmp_path / "rows" / f"{row}.yaml").write_text(PROMISES)
    monkeypatch.setattr(gate_run, "ACCEPTED", tmp_path / "accepted.json")
    monkeypatch.chdir(tmp_path)
    return {name: shutil.copytree(run, tmp_path / run.name) for name, run in written.items()}


def gate(run: Path, *arguments: str) -> int:
    return main(["gate", str(run), "--policy", "gate.yaml", "--scenarios", "rows", *arguments])


def accept(run: Path, *arguments: str) -> int:
    return main(["accept", str(run), "--policy", "gate.yaml", "--scenarios", "rows", *arguments])


def test_row_that_promises_something_else_under_the_same_name_is_another_one(runs: dict[str, Path]) -> None:
    (runs["fast"].parent / "rows" / "zone-loss.yaml").write_text(PROMISES.replace("rto_s: 30", "rto_s: 20"))
    assert gate(runs["fast"]) == 1
    decision = json.loads((runs["fast"] / "gate.json").read_text())
    assert codes(decision) == {"other_row"}
    assert {reason["row"] for reason in decision["reasons"]} == {"zone-loss"}
    (runs["fast"].parent / "rows" / "zone-loss.yaml").write_text("objectives: none")
    assert gate(runs["fast"]) == 4


def test_row_that_hits_something_else_under_the_same_name_is_another_one(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs["fast"].parent / "rows" / "zone-loss.yaml").write_text(f"{PROMISES}load: {{writes_per_s: 9}}\n")
    assert gate(runs["fast"]) == 1
    assert codes(json.loads((runs["fast"] / "gate.json").read_text())) == {"other_row"}
    assert "was read from another zone-loss.yaml than the required one" in capsys.readouterr().out


def test_gate_writes_its_decision_into_the_run_which_still_verifies(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["fast"]
    assert gate(run) == 0
    decision = json.loads((run / "gate.json").read_text())
    assert codes(decision) == set()
    assert decision["run"]["evidence"]["head"] == read_record(run).head
    assert f"RELEASED {run.name}: no run was accepted yet" in capsys.readouterr().out
    assert verify(run)[0] == []
    assert (run / SUMS).read_text() == sums(run)
    first = (run / "gate.json").read_bytes()
    assert gate(run) == 0
    assert (run / "gate.json").read_bytes() == first


def test_slower_run_is_stopped_and_accepted_only_on_purpose(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(runs["slow"]) == 0  # inside its budget, and nothing to compare with
    assert accept(runs["fast"]) == 0
    assert gate(runs["slow"], "--out", "decision.json") == 1
    assert codes(json.loads(Path("decision.json").read_text())) == {"slower"}
    assert "! slower: zone-loss recovers slower" in capsys.readouterr().out
    assert accept(runs["slow"]) == 1
    assert read_accepted(Path("accepted.json"))["run"] == runs["fast"].name
    assert accept(runs["slow"], "--anyway") == 0
    assert gate(runs["slow"]) == 0
    assert gate(runs["fast"]) == 0


def test_what_failed_is_stopped_and_never_accepted(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(runs["lossy"]) == 1
    assert codes(json.loads((runs["lossy"] / "gate.json").read_text())) == {"failed"}
    assert accept(runs["lossy"], "--anyway") == 1
    assert not Path("accepted.json").exists()
    assert "REFUSED" in capsys.readouterr().out


def test_record_that_was_changed_or_cut_short_is_stopped(runs: dict[str, Path]) -> None:
    run = runs["fast"]
    record = (run / "evidence.jsonl").read_bytes()
    (run / "evidence.jsonl").write_bytes(record.replace(b'"acknowledged":', b'"acknowledgeD":', 1))
    assert gate(run) == 1
    assert "record" in codes(json.loads((run / "gate.json").read_text()))
    (run / "evidence.jsonl").write_bytes(b"".join(record.splitlines(keepends=True)[:-1]))
    assert gate(run) == 1
    assert "was cut short" in said(json.loads((run / "gate.json").read_text()))
    (run / "evidence.jsonl").write_bytes(record)
    column = next((run / "history" / "api-kill-1").rglob("done_s*"))
    column.write_bytes(column.read_bytes()[:-8] + bytes(8))
    assert gate(run) == 1
    assert "was changed: it hashes to" in said(json.loads((run / "gate.json").read_text()))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--accepted", "none.json"), "none.json: cannot be read (No such file or directory); store a run there first"),
        (("--accepted", "gate.yaml"), "gate.yaml: not JSON"),
        (("--policy", "none.yaml"), "none.yaml: cannot be read"),
        (("--scenarios", "nowhere"), "nowhere: no scenario rows"),
        (("--out", "nowhere/gate.json"), "nowhere/gate.json: cannot be written"),
    ],
)
def test_bad_input_ends_with_4_and_leaves_no_earlier_decision(
    runs: dict[str, Path], arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(runs["fast"]) == 0
    assert gate(runs["fast"], *arguments) == 4
    assert sentence in capsys.readouterr().err
    assert (runs["fast"] / "gate.json").exists() == ("--out" in arguments)
    assert verify(runs["fast"])[0] == []


def test_what_is_not_a_run_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended_with:
        main(["gate", str(tmp_path / "nowhere")])
    assert ended_with.value.code == 2
    assert "is not a run" in capsys.readouterr().err


def test_record_that_makes_no_sense_is_not_a_run(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(planned_directory(runs["fast"].parent), 7, [])
    run.record("drill_finished", drill="zone-loss", outcome="SPLENDID")
    assert gate(run.directory) == 2
    assert "its record cannot be read" in capsys.readouterr().err
