"""A made-up run with the shape of a real one, for the self-tests and for looking at the report.

``python suites/selftest/fabricated_run.py DIR`` writes a run below DIR and renders it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fixtures import checks
from fixtures.drill import Drill
from fixtures.evidence import Evidence, NotGreen
from fixtures.history import write_history
from fixtures.model import (
    Answer,
    FaultWindow,
    History,
    Kind,
    Ledger,
    Load,
    Objectives,
    Operations,
    Outcome,
    Scenario,
)
from fixtures.run import Run, planned_directory

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


def fabricate(outage: Outage, *, seed: int, load: Load, name: str, target: str) -> History:
    """A history with one outage, as clients of the real ledger would have recorded it."""
    rng = np.random.default_rng(seed)
    injected, felt = outage.before_s, outage.before_s + outage.detect_s
    back = felt + outage.rto_s
    end = back + outage.after_s
    due = np.concatenate([np.arange(0, end, 1 / load.writes_per_s), np.arange(0.0021, end, 1 / load.reads_per_s)])
    due = np.concatenate([due, np.arange(0.1, end, 0.25)])
    counts = (int(np.ceil(end * load.writes_per_s)), len(np.arange(0.0021, end, 1 / load.reads_per_s)))
    kind = np.concatenate([np.full(counts[0], Kind.WRITE), np.full(counts[1], Kind.READ)])
    kind = np.concatenate([kind, np.full(len(due) - len(kind), Kind.READY)]).astype(np.uint8)
    order = np.argsort(due, kind="stable")
    due, kind = due[order], kind[order]
    size = len(due)
    latency = rng.lognormal(np.log(0.0042), 0.35, size) + (rng.random(size) < 0.008) * rng.exponential(0.03, size)
    settle = np.where(due > back, np.exp(-(due - back) / 1.5), 0)
    latency *= 1 + 6 * settle
    answer = np.full(size, Answer.OK)
    status = np.full(size, 201)
    down = (due + latency > injected) & (due < back) & (kind != Kind.READ)
    late = down & (due < felt + 2.0)  # these hung on a dead connection until their time was up
    answer[late], status[late], latency[late] = Answer.UNKNOWN, 0, 2.0
    refused = down & ~late
    answer[refused], status[refused] = Answer.FAILED, 503
    latency[refused] = rng.lognormal(np.log(0.012), 0.3, int(refused.sum()))
    waiting = refused & (due > back - 0.4) & (kind == Kind.WRITE)  # these waited for a connection and got one
    answer[waiting], status[waiting] = Answer.OK, 201
    latency[waiting] = (back - due[waiting]) + rng.exponential(0.05, int(waiting.sum()))
    start = 5_000.0
    return _history(
        rng, due + start, latency, kind, answer, status, outage, name, target, start, (injected, felt, back)
    )


def _history(rng, due, latency, kind, answer, status, outage, name, target, start, times):  # noqa: ANN001, ANN202
    size = len(due)
    sent = due + rng.exponential(0.0004, size)
    write = kind == Kind.WRITE
    number = np.full(size, -1, np.int64)
    number[write] = np.arange(write.sum())
    source = np.full(size, -1, np.int32)
    source[kind != Kind.READY] = rng.integers(0, ACCOUNTS, int((kind != Kind.READY).sum()))
    target_account = np.full(size, -1, np.int32)
    target_account[write] = (source[write] + 1 + rng.integers(0, ACCOUNTS - 1, int(write.sum()))) % ACCOUNTS
    amount = np.where(write, rng.integers(1, 50, size), -1).astype(np.int32)
    injected, felt, back = times
    done = np.maximum(sent, due + latency)
    ok = write & (answer == Answer.OK)
    stored = np.flatnonzero(ok)
    if outage.lost:
        before = stored[done[stored] < start + injected]
        stored = np.setdiff1d(stored, before[-outage.lost :])
    by_done = stored[np.argsort(done[stored], kind="stable")]
    version = np.zeros(ACCOUNTS, np.int64)
    balance = np.full(ACCOUNTS, OPENING, np.int64)
    versions = np.full((2, size), -1, np.int64)
    for row in by_done:
        for side, account, change in ((0, source[row], -amount[row]), (1, target_account[row], amount[row])):
            version[account] += 1
            balance[account] += change
            versions[side, row] = version[account]
    lost = np.setdiff1d(np.flatnonzero(ok), stored)
    versions[:, lost] = 1
    reads = np.flatnonzero((kind == Kind.READ) & (answer == Answer.OK))
    versions[0, reads] = version[source[reads]]  # never stale
    operations = Operations(
        kind=kind, place=np.zeros(size, np.uint8), number=number, due_s=due, sent_s=sent, done_s=done,
        answer=answer.astype(np.uint8), status=status.astype(np.int16), source=source, target=target_account,
        amount=amount, source_version=versions[0], target_version=versions[1],
        timeline=np.where(ok, np.where(done > start + back - 0.001, 2, 1), -1).astype(np.int32),
    )  # fmt: skip
    by_number = np.sort(stored)
    ledger = Ledger(
        number[by_number], source[by_number], target_account[by_number], amount[by_number], balance, version, OPENING
    )
    undone = start + back + outage.held_s
    window = FaultWindow(name, (target,), start + injected, start + felt, undone, undone + 6.4)
    return History([window], operations, {"database": ledger, "api": ledger})


@dataclass(frozen=True)
class ZoneOutage:
    """Stands for the real fault."""

    zone: str


CONTROLS = ("SOC2:A1.2", "ISO27001:A.8.14", "NIST80053:CP-4(5)", "DORA:11(6)", "AWSWA:REL12-BP04")


def scenario(name: str, why: str, *, rto_s: float = 30.0, writes_per_s: float = 200.0) -> Scenario:
    """A row as the loader would give it."""
    return Scenario(
        name, why, ZoneOutage("a"), Load(writes_per_s=writes_per_s), Objectives(rto_s, rto_s + 2, 0, 1.0), CONTROLS
    )


ROWS = (
    ("zone_outage", "A whole zone with the database primary is lost at once.", Outage(20.5), 30.0),
    ("database_primary_kill", "The database process alone dies; its zone lives on.", Outage(1.25, held_s=8), 5.0),
    ("cut_then_kill", "The zone is cut off before it dies, so nothing that was on its way can still arrive.",
     Outage(3.1, lost=12), 10.0),
    ("zone_pause", "A frozen zone holds its connections and answers nothing.", Outage(24.8), 24.0),
)  # fmt: skip


def write_run(report_directory: Path, *, seed: int = 7, writes_per_s: float = 200.0, repeats: int = 0) -> Path:
    """Write a whole run: what passes, what fails, what was not exercised, what was cut off. Returns its directory."""
    drills = [(_drill(name, why, rto, writes_per_s), outage) for name, why, outage, rto in ROWS]
    for repetition in range(1, repeats + 1):
        drill = _drill("api_kill", "One API process dies; the load balancer must notice.", 4.0, writes_per_s)
        drill.id, drill.repetition = f"api_kill-{repetition}", repetition
        drills.append((drill, Outage(1.0 + 0.23 * repetition + 0.4 * (repetition % 3))))
    skipped = _drill("zone_partition", "Both halves live and only one may write.", 30.0, writes_per_s)
    stopped = _drill("consensus_leader_kill", "The consensus leader dies; a new one must be found.", 10.0, writes_per_s)
    run = Run(planned_directory(report_directory), seed, [drill for drill, _ in drills] + [skipped, stopped])
    run.begin(Path.cwd(), argv=("--stack", "embedded"), options={"stack": "embedded", "repeat": max(1, repeats)})
    nodes = [
        {"name": f"{role}-{zone}", "zone": zone, "role": role}
        for zone in "abc"
        for role in ("database", "cache", "sentinel", "consensus", "api")
    ]
    facts = {"postgresql": "18.6", "patroni": {"ttl_s": 20, "synchronous_mode_strict": True}, "valkey": "9.1.2"}
    run.record(
        "stack_started", name="embedded", environment="embedded", nodes=nodes, facts=facts, duration_s=6.62,
    )  # fmt: skip
    for number, (drill, outage) in enumerate(drills):
        _run_drill(run, drill, outage, seed + number)
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
    run.start(drill)
    evidence = Evidence(run, drill)
    history = fabricate(outage, seed=seed, load=drill.scenario.load, name="zone_outage", target="database-a")
    write_history(evidence.directory, history)
    evidence.history = history
    evidence.seal()
    try:
        evidence.verify(*checks.promised(drill.scenario.objectives, history))
    except NotGreen:
        pass
    run.finish(drill)


if __name__ == "__main__":
    from reports.render import render

    directory = write_run(Path(sys.argv[1]), repeats=7)
    render(directory)
    sys.stdout.write(f"{directory}\n")
