"""``summary.json``: what machines read of a run. Its form, ``summary.schema.json``, changes only with ``schema``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fixtures.model import Outcome

from . import policy_section
from .coverage import coverage, summarised

if TYPE_CHECKING:
    from .record import DrillRecord, Record

SCHEMA = 1

MEASURED = (
    "unavailable_s",
    "rto_s",
    "rpo_writes",
    "rpo_s",
    "stale_reads_s",
    "acknowledged",
    "unknown",
    "generator_lag_ms_p99",
)
"""The numbers of each drill; null where one was not measured."""
PHASES = ("detect", "decide", "build", "fetch", "replay", "promote", "verify", "serve")
"""Of a recovery from a backup, as the check ``phases_add_up`` measures them."""


def summary(record: Record) -> dict[str, Any]:
    """The run as plain data, from the evidence alone: the same evidence gives the same bytes."""
    outcomes = [drill.outcome for drill in record.drills.values()]
    return {
        "schema": SCHEMA,
        "run": record.name,
        "outcome": record.outcome.value,
        "complete": record.finished and not record.problems,
        "stopped": record.stopped or None,
        "stack": stack_name(record),
        "environment": record.stack.get("environment"),
        "seed": record.started.get("seed"),
        "git_sha": (record.started.get("suite") or {}).get("git_sha"),
        "started_at": record.lines[0].at if record.lines else None,
        "finished_at": record.lines[-1].at if record.lines else None,
        "evidence": {"lines": len(record.lines), "head": record.head},
        "counts": {outcome.value: outcomes.count(outcome) for outcome in Outcome},
        "drills": [_drill(drill) for drill in record.drills.values()],
        "groups": record.groups,
        "coverage": summarised(coverage(record)),
        **({"policy": code} if (code := policy_section.summarised(record)) else {}),
    }


def _drill(drill: DrillRecord) -> dict[str, Any]:
    return {
        "id": drill.id,
        "scenario": drill.plan.get("scenario"),
        "row_sha256": drill.plan.get("row_sha256"),
        "repetition": drill.plan.get("repetition"),
        "test": drill.plan.get("test"),
        "outcome": drill.outcome.value,
        "reason": drill.reason,
        "objectives": drill.objectives,
        "measured": measured(drill),
        "phases_s": phases_s(drill),
        "controls": drill.controls,
    }


def measured(drill: DrillRecord) -> dict[str, Any]:
    """The drill's numbers by the names in ``MEASURED``: from its verdicts, else counted in the load."""
    counted = drill.timeline.get("totals") or {}
    found = {name: drill.measured.get(name, counted.get(name)) for name in MEASURED}
    return found | {"stale_reads_s": drill.measured.get("stale_max_s")}  # the check's name for it


def phases_s(drill: DrillRecord) -> dict[str, float]:
    """How long each phase of a recovery by a runbook took, in order; empty where nobody followed one."""
    found = {name: drill.measured.get(f"{name}_s") for name in PHASES}
    return {name: seconds for name, seconds in found.items() if seconds is not None} if found["serve"] else {}


def stack_name(record: Record) -> str | None:
    """The stack's own name, or what was asked for where it never came up."""
    name = record.stack.get("stack") or record.started.get("stack")
    return None if name is None else str(name)


def summary_text(record: Record) -> str:
    """The file's content."""
    return json.dumps(summary(record), indent=2, ensure_ascii=False) + "\n"
