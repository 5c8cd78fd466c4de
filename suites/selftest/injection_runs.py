"""Made-up tests of the fixture ``inject`` on the toy stack, run in a session of their own, with short patience."""

from __future__ import annotations

from pathlib import Path

from fixtures.chain import read_chain

from .drills import Ran
from .inner import DEFECTS, TOY, inner

HEAD = """
    import threading, time
    import pytest
    from fixtures import abort, checks, injection
    from fixtures.faults import *
    from fixtures.faults import nodes
    from fixtures.model import Abort, FaultWindow, History, Outcome, Verdict

    injection.FELT_WITHIN_S = injection.TARGET_WITHIN_S = nodes.BACK_WITHIN_S = 0.5
    injection.HEALED_WITHIN_S = 1.0
    abort.LOOK_EVERY_S = 0.1
    DONE = Verdict("fault_was_felt", Outcome.PASS, "the block was reached", {})
"""
STAGES = ("planned", "injected", "felt", "undone", "healed")


def run(directory: Path, tests: str, defect: str = "", *options: str) -> Ran:
    """The tests below HEAD, on the toy or on one with a defect."""
    provider = f"{DEFECTS}:{defect}" if defect else f"{TOY}:provide"
    return inner(directory, HEAD + tests, "--stack", provider, *options)


def outcomes(ran: Ran) -> dict[str, str]:
    """By drill."""
    return {drill["drill"]: drill["outcome"] for drill in ran.records("drill_finished")}


def reason(ran: Ran, drill: str) -> str:
    """Why a drill was not PASS."""
    return str(next(d["reason"] for d in ran.records("drill_finished") if d["drill"] == drill))


def course(ran: Ran) -> list[str]:
    """The stages of all faults in the order of the record, each with its targets: ``felt api-a``."""
    lines, problems = read_chain(ran.run / "evidence.jsonl")
    assert not problems
    stages = {f"fault_{stage}": stage for stage in STAGES}
    return [f"{stages[line.kind]} {', '.join(line.data['targets'])}" for line in lines if line.kind in stages]
