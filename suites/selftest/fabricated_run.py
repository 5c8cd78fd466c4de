"""A made-up run with the shape of a real one, for the self-tests and for looking at the report.

``python suites/selftest/fabricated_run.py DIR`` writes a run below DIR and renders it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fixtures import checks
from fixtures.drill import Drill
from fixtures.faults import CutThenKill, Kill, ZoneOutage, ZonePartition, ZonePause
from fixtures.history import write_history
from fixtures.model import (
    Answer,
    Fault,
    FaultWindow,
    History,
    Kind,
    Ledger,
    Load,
    Objectives,
    Operations,
    Outcome,
    Scenario,
    Schedule,
)
from fixtures.recorder import Evidence, NotGreen
from fixtures.run import Run, planned_directory
from suites.selftest import fabricated_attacks
from suites.selftest.fabricated_attacks import targets_of, text_of

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ACCOUNTS = 200
OPENING = 1_000_000


@dataclass(frozen=True)
class Outage:
    """What the made-up system does: felt after a moment, silent for a while, then a burst."""

    rto_s: float
    lost: int = 0
    detect_s: float = 0.06
    before_s: float = 10.0
    after_s: float = 22.0
    held_s: float = 5.0
    """From the injection to the undoing, beyond the recovery."""


@dataclass(frozen=True)
class Course:
    """When things happened, in seconds from the load's start."""

    injected_s: float
    felt_s: float
    back_s: float
    end_s: float


def fabricate(outage: Outage, *, seed: int, load: Load, name: str, target: str, start_s: float = 5_000.0) -> History:
    """A history with one outage, as clients of the real ledger would have recorded it; all checks hold but for
    ``outage.lost``."""
    rng = np.random.default_rng(seed)
    felt = outage.before_s + outage.detect_s
    back = felt + outage.rto_s
    course = Course(outage.before_s, felt, back, back + outage.after_s)
    due, kind = _schedule(course, load)
    latency, answer = _answers(rng, course, due, kind)
    status = np.select([answer == Answer.OK, answer == Answer.FAILED], [201, 503], 0)
    sent = due + rng.exponential(0.0004, len(due))
    done = np.maximum(sent, due + latency)
    operations, ledger = _ledger(rng, course, outage.lost, due, sent, done, kind, answer, status)
    shifted = replace(
        operations, due_s=operations.due_s + start_s, sent_s=operations.sent_s + start_s, done_s=done + start_s
    )
    undone = start_s + back + outage.held_s
    window = FaultWindow(name, (target,), start_s + course.injected_s, start_s + felt, undone, undone + 6.4)
    return History([window], shifted, {"database": ledger, "api": ledger})


def _schedule(course: Course, load: Load) -> tuple[Floats, Bytes]:
    """Writes, reads and readiness, each on its own clock, in one order."""
    moments = [
        (Kind.WRITE, np.arange(0, course.end_s, 1 / load.writes_per_s)),
        (Kind.READ, np.arange(0.0021, course.end_s, 1 / load.reads_per_s)),
        (Kind.READY, np.arange(0.1, course.end_s, 0.25)),
    ]
    due = np.concatenate([at for _, at in moments])
    kind = np.concatenate([np.full(len(at), kind, np.uint8) for kind, at in moments])
    order = np.argsort(due, kind="stable")
    return due[order], kind[order]


def _answers(rng: np.random.Generator, course: Course, due: Floats, kind: Bytes) -> tuple[Floats, Bytes]:
    """How long each request took and what it was told."""
    size = len(due)
    latency = rng.lognormal(np.log(0.0042), 0.35, size) + (rng.random(size) < 0.008) * rng.exponential(0.03, size)
    latency *= 1 + 6 * np.where(due > course.back_s, np.exp(-(due - course.back_s) / 1.5), 0)
    answer = np.full(size, Answer.OK, np.uint8)
    down = (due + latency > course.injected_s) & (due < course.back_s) & (kind != Kind.READ)
    hung = down & (due < course.felt_s + 2.0)  # on a dead connection, until their time was up
    answer[hung], latency[hung] = Answer.UNKNOWN, 2.0
    refused = down & ~hung
    answer[refused] = Answer.FAILED
    latency[refused] = rng.lognormal(np.log(0.012), 0.3, int(refused.sum()))
    waited = refused & (due > course.back_s - 0.4) & (kind == Kind.WRITE)  # for a connection, and got one
    answer[waited] = Answer.OK
    latency[waited] = (course.back_s - due[waited]) + rng.exponential(0.05, int(waited.sum()))
    return latency, answer


def _ledger(
    rng: np.random.Generator,
    course: Course,
    lost: int,
    due: Floats,
    sent: Floats,
    done: Floats,
    kind: Bytes,
    answer: Bytes,
    status: NDArray[np.int64],
) -> tuple[Operations, Ledger]:
    """The transfers behind the answers, and what is stored of them afterwards."""
    size, write = len(due), kind == Kind.WRITE
    number = np.where(write, np.cumsum(write) - 1, -1).astype(np.int64)
    source = np.where(kind == Kind.READY, -1, rng.integers(0, ACCOUNTS, size)).astype(np.int32)
    target = np.where(write, (source + rng.integers(1, ACCOUNTS, size)) % ACCOUNTS, -1).astype(np.int32)
    amount = np.where(write, rng.integers(1, 50, size), -1).astype(np.int32)
    acknowledged = np.flatnonzero(write & (answer == Answer.OK))
    stored = acknowledged
    if lost:
        before = acknowledged[done[acknowledged] < course.injected_s]
        stored = np.setdiff1d(acknowledged, before[-lost:])
    balance, version = np.full(ACCOUNTS, OPENING, np.int64), np.zeros(ACCOUNTS, np.int64)
    versions = np.full((2, size), -1, np.int64)
    for row in stored[np.argsort(done[stored], kind="stable")]:
        for side, account, change in ((0, source[row], -amount[row]), (1, target[row], amount[row])):
            version[account] += 1
            balance[account] += change
            versions[side, row] = version[account]
    versions[:, np.setdiff1d(acknowledged, stored)] = 1
    reads = np.flatnonzero((kind == Kind.READ) & (answer == Answer.OK))
    versions[0, reads] = version[source[reads]]  # never stale
    timeline = np.full(size, -1, np.int32)
    timeline[acknowledged] = np.where(done[acknowledged] > course.back_s - 0.001, 2, 1)
    operations = Operations(
        kind=kind, place=np.zeros(size, np.uint8), number=number, due_s=due, sent_s=sent, done_s=done,
        answer=answer, status=status.astype(np.int16), source=source, target=target, amount=amount,
        source_version=versions[0], target_version=versions[1], timeline=timeline,
    )  # fmt: skip
    return operations, Ledger(number[stored], source[stored], target[stored], amount[stored], balance, version, OPENING)


CONTROLS = ("SOC2:A1.2", "ISO27001:A.8.14", "NIST80053:CP-4(5)", "DORA:11(6)", "AWSWA:REL12-BP04")


FAULTS: dict[str, Fault] = {
    "zone_outage": ZoneOutage("a"),
    "database_primary_kill": Kill("database primary"),
    "cut_then_kill": CutThenKill("a"),
    "zone_pause": ZonePause("a"),
    "api_kill": Kill("api"),
    "zone_partition": ZonePartition("a"),
    "consensus_leader_kill": Kill("consensus leader"),
}
"""By row."""


def scenario(name: str, why: str, *, rto_s: float = 30.0, writes_per_s: float = 200.0) -> Scenario:
    """A row as the loader would give it."""
    load, objectives = Load(writes_per_s=writes_per_s), Objectives(rto_s, rto_s + 2, 0, 1.0)
    return Scenario(name, why, FAULTS[name], load, objectives, CONTROLS)


ROWS = (
    ("zone_outage", "A whole zone with the database primary is lost at once.", Outage(20.5), 30.0),
    ("database_primary_kill", "The database process alone dies; its zone lives on.", Outage(1.25, held_s=8), 5.0),
    ("cut_then_kill", "The zone is cut off before it dies, so nothing that was on its way can still arrive.",
     Outage(3.1, lost=12), 10.0),
    ("zone_pause", "A frozen zone holds its connections and answers nothing.", Outage(24.8), 24.0),
)  # fmt: skip


def write_run(
    report_directory: Path, *, seed: int = 7, writes_per_s: float = 200.0, repeats: int = 0, attacks: bool = False
) -> Path:
    """Write a whole run: what passes, what fails, what was not exercised, what was cut off. Returns its directory.

    With ``attacks`` there are many drills more, which fill the coverage map and have no load.
    """
    drills = [(_drill(name, why, rto, writes_per_s), outage) for name, why, outage, rto in ROWS]
    for repetition in range(1, repeats + 1):
        drill = _drill("api_kill", "One API process dies; the load balancer must notice.", 4.0, writes_per_s)
        drill.id, drill.repetition = f"api_kill-{repetition}", repetition
        drills.append((drill, Outage(1.0 + 0.23 * repetition + 0.4 * (repetition % 3))))
    skipped = _drill("zone_partition", "Both halves live and only one may write.", 30.0, writes_per_s)
    stopped = _drill("consensus_leader_kill", "The consensus leader dies; a new one must be found.", 10.0, writes_per_s)
    more = list(fabricated_attacks.drills()) if attacks else []
    planned = [drill for drill, _ in drills] + [drill for drill, _ in more] + [skipped, stopped]
    run = Run(planned_directory(report_directory), seed, planned)
    options = {"stack": "embedded", "repeat": max(1, repeats), "left_out": fabricated_attacks.LEFT_OUT}
    run.begin(Path.cwd(), argv=("--stack", "embedded"), options=options)
    facts = {"postgresql": "18.6", "patroni": {"ttl_s": 20, "synchronous_mode_strict": True}, "valkey": "9.1.2"}
    stack = {"stack": "embedded", "environment": "embedded", "nodes": fabricated_attacks.NODES, "facts": facts}
    run.record("stack_started", **stack, start_s=6.62)
    for number, (drill, outage) in enumerate(drills):
        _run_drill(run, drill, outage, seed + number)
    for drill, attacked in more:
        fabricated_attacks.run_drill(run, drill, attacked)
    run.start(skipped)
    skipped.troubles.append(
        (Outcome.NOT_EXERCISED, "user namespaces are forbidden here (kernel.unprivileged_userns_clone=0); allow them")
    )
    run.finish(skipped)
    run.end("interrupted by Ctrl-C")
    return run.directory


def _drill(name: str, why: str, rto_s: float, writes_per_s: float) -> Drill:
    row = scenario(name, why, rto_s=rto_s, writes_per_s=writes_per_s)
    return Drill(name, f"suites/chaos/test_faults.py::test_fault_keeps_its_promises[{name}]", row, row.controls)


def _run_drill(run: Run, drill: Drill, outage: Outage, seed: int) -> None:
    assert drill.scenario is not None
    assert not isinstance(drill.scenario.fault, Schedule)
    run.start(drill)
    evidence = Evidence(run, drill)
    name, targets = text_of(drill.scenario.fault), targets_of(drill.scenario.fault)
    history = fabricate(outage, seed=seed, load=drill.scenario.load, name=name, target=targets[0])
    for stage in ("planned", "injected", "felt", "undone", "healed"):
        evidence.record(f"fault_{stage}", fault=name, targets=targets)
    write_history(evidence.directory, history)
    evidence.history = history
    evidence.seal()
    with suppress(NotGreen):
        evidence.verify(*checks.promised(drill.scenario.objectives, history))
    run.finish(drill)


if __name__ == "__main__":
    from reports.render import render

    directory = write_run(Path(sys.argv[1]), repeats=7, attacks=True)
    render(directory)
    sys.stdout.write(f"{directory}\n")
