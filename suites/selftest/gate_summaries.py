"""Made-up summaries of runs, for the self-tests of the release gate, and how its decisions are read there."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import jsonschema

from fixtures import repeats
from fixtures.chain import plain
from fixtures.drill import worst
from fixtures.model import Outcome
from reports.gate_policy import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA = json.loads((POLICY.parent / "gate.schema.json").read_text())
ROWS = ("zone-loss", "api-kill")
OBJECTIVES = {"rto_s": 1000.0, "unavailable_s": 1000.0, "rpo_writes": 10, "stale_reads_s": 1.0}
"""So wide that what stops is the comparison."""
GOOD = {"zone-loss": (19.7, 20.4, 22.9), "api-kill": (0.01, 0.4, 0.02)}


def summary(times: Mapping[str, Sequence[float | None]] = GOOD, *, name: str = "new", lost: int = 0) -> dict[str, Any]:
    """A run's summary with one repetition for each time; ``name`` tells runs apart."""
    drills = [_drill(row, number, rto_s, lost) for row, all_s in times.items() for number, rto_s in enumerate(all_s, 1)]
    return closed({
        "schema": 1, "run": name, "complete": True, "stopped": None, "stack": "embedded", "environment": "embedded",
        "seed": 7, "git_sha": "abc", "started_at": "2026-11-24T10:00:00+00:00", "finished_at": None, "drills": drills,
        "evidence": {"lines": 9, "head": name.encode().hex().ljust(64, "0")},
    })  # fmt: skip


def _drill(row: str, number: int, rto_s: float | None, lost: int) -> dict[str, Any]:
    names = ("unavailable_s", "rpo_s", "stale_reads_s", "acknowledged", "unknown", "generator_lag_ms_p99")
    return {
        "id": f"{row}-{number}", "scenario": row, "repetition": number, "test": f"t.py::test_it[{row}-{number}]",
        "outcome": "PASS", "reason": "", "objectives": OBJECTIVES, "controls": [],
        "measured": {"rto_s": rto_s, "rpo_writes": lost, **dict.fromkeys(names)},
    }  # fmt: skip


def closed(run: dict[str, Any]) -> dict[str, Any]:
    """The summary with the outcome, the counts and the groups that follow from its drills."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for drill in run["drills"]:
        runs.setdefault(drill["scenario"], []).append({**drill, "drill": drill["id"]})
    outcomes = [Outcome(drill["outcome"]) for drill in run["drills"]]
    groups = [plain(repeats.judge(row, OBJECTIVES, drills)) for row, drills in runs.items() if len(drills) > 1]
    counts = {outcome.value: outcomes.count(outcome) for outcome in Outcome}
    return run | {"outcome": worst(outcomes).value, "counts": counts, "groups": groups}


def ended(run: dict[str, Any], outcome: str, reason: str, *ids: str) -> dict[str, Any]:
    """The same run where these drills ended otherwise."""
    run = copy.deepcopy(run)
    for drill in run["drills"]:
        if drill["id"] in ids:
            drill |= {"outcome": outcome, "reason": reason}
    return closed(run)


def codes(decision: dict[str, Any]) -> set[str]:
    """Why it is stopped; the decision has its stable form."""
    jsonschema.validate(decision, SCHEMA)
    assert (decision["decision"] == "released") == (not decision["reasons"])
    return {reason["code"] for reason in decision["reasons"]}


def said(decision: dict[str, Any]) -> str:
    return "\n".join(reason["sentence"] for reason in decision["reasons"])
