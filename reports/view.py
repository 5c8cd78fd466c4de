"""What the page shows, drawn from a record: headline, tiles, drills, coverage, groups, controls, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.model import Outcome

from . import wording
from .attacks import injected, planned, said
from .backdrop import controls, environment, zones
from .coverage_section import coverage_section
from .headline import headline, lead, tiles
from .plot import spark_svg, strip_svg, timeline_svg
from .policy_section import policy_section
from .summary import measured, phases_s, stack_name
from .wording import measure_name, quantity, title

if TYPE_CHECKING:
    from .record import DrillRecord, Record

TABLE = ("rto_s", "unavailable_s", "rpo_writes", "acknowledged")
COLUMNS_OF_OBJECTIVES = ("rto_s", "unavailable_s", "rpo_writes", "stale_reads_s")

LIMITS = {
    "production": "",
    "staging": "Won in staging: evidence of procedure and design, and of production only as far as the two are alike.",
}
"""What evidence from an environment cannot show; all others are stand-ins."""


def view(record: Record) -> dict[str, Any]:
    """The template's variables."""
    drills = [_drill(drill) for drill in record.drills.values()]
    return {
        "run": _run(record),
        "tiles": tiles(record),
        "drills": drills,
        "idle": [drill for drill in drills if drill["outcome"] == Outcome.NOT_EXERCISED],
        "coverage": coverage_section(record),
        "policy": policy_section(record),
        "groups": [_group(group, record) for group in record.groups],
        "controls": controls(record),
        "zones": zones(record.stack.get("nodes") or []),
        "environment": environment(record),
    }


# ------------------------------------------------------------------------------------------------ the top


def _run(record: Record) -> dict[str, Any]:
    kind = str(record.stack.get("environment") or "")
    standing_in = (
        f"Won on a stand-in ({kind}): real servers, one machine. This is evidence of procedure and design, "
        "not that production works so in operation."
    )
    return {
        "name": record.name,
        "outcome": record.outcome.value,
        "headline": headline(record),
        "lead": lead(record),
        "started_at": wording.when(record.lines[0].at) if record.lines else "never",
        "stack": stack_name(record),
        "problems": record.problems,
        "stopped": record.stopped.rstrip("."),
        "limits": LIMITS.get(kind, standing_in) if kind else "",
        "head": record.head,
        "lines": len(record.lines),
    }


# ------------------------------------------------------------------------------------------------ drills


def _drill(drill: DrillRecord) -> dict[str, Any]:
    numbers = measured(drill)
    key = wording.anchor(drill.id)
    idle = drill.outcome is Outcome.NOT_EXERCISED
    return {
        "id": drill.id,
        "anchor": "not-exercised" if idle else key,
        "title": title(drill.id),
        "outcome": drill.outcome.value,
        "reason": drill.reason,
        "reasons": reasons(drill),
        "why": drill.plan.get("why", ""),
        "facts": _facts(drill),
        "spark": spark_svg(drill.timeline) if drill.timeline else "",
        "timeline": _timeline(drill, key) if drill.timeline else "",
        "bin_ms": f"{drill.timeline.get('bin_s', 0) * 1000:g}",
        "cells": [_cell(drill, name, numbers) for name in TABLE],
        "verdicts": [_verdict(verdict) for verdict in drill.verdicts],
        "objectives": [_objective(drill, name, numbers) for name in COLUMNS_OF_OBJECTIVES if name in drill.objectives],
        "phases": [row for fault in drill.timeline.get("faults", ()) for row in _phases(fault, drill.measured)]
        + _recovery(phases_s(drill)),
        "not_rebuilt": [
            each for line in drill.notes if line.kind == "recovery" for each in line.data.get("not_rebuilt", ())
        ],
        "procedures": [_procedure(line.data) for line in drill.notes if line.kind == "cloud_procedure"],
        "controls": drill.controls,
        "files": drill.files,
        "bytes": f"{sum(file['bytes'] for file in drill.files.values()) / 1e6:.1f} MB",
    }


def reasons(drill: DrillRecord) -> list[tuple[str, str]]:
    """Why a drill is not PASS: the promise, or nothing where none was judged, and a sentence each."""
    said = [(wording.sentence_name(v["check"]), v["sentence"]) for v in drill.verdicts if v["outcome"] != Outcome.PASS]
    said += [("", trouble["sentence"]) for trouble in drill.troubles]
    return said or ([("", drill.reason)] if drill.reason else [])


def _timeline(drill: DrillRecord, key: str) -> str:
    return timeline_svg(
        drill.timeline, key=key, rto_s=drill.measured.get("rto_s"), objective_s=drill.objectives.get("rto_s")
    )


def _facts(drill: DrillRecord) -> list[tuple[str, str]]:
    attacks = [attack for attack in planned(drill.plan.get("fault") or {}) if attack.fault] or injected(drill)
    found = [("Fault", said(attack)) for attack in attacks]
    for window in drill.timeline.get("faults", ()):
        found.append(("Hit", ", ".join(window["targets"])))
    found += [("Healed", _healed(line.data)) for line in drill.notes if line.kind == "stack_healed"]
    load = drill.plan.get("load") or {}
    if load:
        found.append(("Load", f"{load['writes_per_s']:g} writes/s, {load['reads_per_s']:g} reads/s"))
    if drill.duration_s is not None:
        found.append(("Took", f"{drill.duration_s:.0f} s"))
    if drill.started_at:
        found.append(("Began", wording.when(drill.started_at)))
    return found


def _healed(data: dict[str, Any]) -> str:
    lasted: dict[str, float] = data["problems_lasted_s"]
    last = f"; the last to go: {max(lasted, key=lambda problem: lasted[problem])}" if lasted else ""
    return f"{data['after_s']:.1f} s after the fault was undone{last}"


def _cell(drill: DrillRecord, name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    limit, value = drill.objectives.get(name), numbers[name]
    return {
        "value": quantity(name, value),
        "target": "" if limit is None else f"≤ {wording.limit(name, limit)}",
        "over": limit is not None and value is not None and value > limit,
    }


def _verdict(verdict: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": verdict["outcome"],
        "name": wording.sentence_name(verdict["check"]),
        "sentence": verdict["sentence"],
        "definition": wording.definition(verdict.get("definition", ""), verdict["parameters"]),
        "numbers": [(measure_name(name), quantity(name, value)) for name, value in verdict["measured"].items()],
    }


def _objective(drill: DrillRecord, name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    limit, value = float(drill.objectives[name]), numbers[name]
    over = value is not None and value > limit
    share = None if value is None or limit == 0 else round(min(100.0, 100 * value / limit), 1)
    return {
        "name": wording.NAMES[name],
        "target": f"≤ {wording.limit(name, drill.objectives[name])}",
        "actual": quantity(name, value),
        "over": over,
        "share": share,
        "css": "FAIL" if over else "PASS",
    }


def _phases(fault: dict[str, Any], numbers: dict[str, Any]) -> list[dict[str, str]]:
    injected, felt = fault["injected_s"], fault.get("felt_s")
    served = None if felt is None or numbers.get("rto_s") is None else felt + numbers["rto_s"]
    moments = [
        ("Injected", injected, None),
        ("Felt by an observer", felt, injected),
        ("Writes served again (RTO)", served, felt),
        ("Undone", fault.get("undone_s"), injected),
        ("Stack healthy again", fault.get("healed_s"), fault.get("undone_s")),
    ]
    return [
        {
            "name": name,
            "at": "never" if at is None else f"{at - injected:.2f} s",
            "lasted": "" if at is None or since is None else f"{at - since:.2f} s",
        }
        for name, at, since in moments
    ]


def _recovery(phases: dict[str, float]) -> list[dict[str, str]]:
    """Of a recovery by a runbook: each phase, when it began and how long it lasted; from the injection."""
    rows, at_s = [], 0.0
    for name, lasted_s in phases.items():
        rows.append({"name": f"Recovery: {name}", "at": f"{at_s:.2f} s", "lasted": f"{lasted_s:.2f} s"})
        at_s += lasted_s
    return rows


def _procedure(data: dict[str, Any]) -> dict[str, Any]:
    """A recovery procedure of a cloud: its steps with times, and what became of each property."""
    by: dict[str, list[dict[str, str]]] = {"FAIL": [], "UNKNOWN": [], "PASS": []}
    for each in data["properties"]:
        by.setdefault(each["outcome"], []).append(each)
    emulated = data["environment"] == "emulated"
    return {
        "name": data["procedure"],
        "environment": data["environment"],
        "limits": "Emulated: it shows the calls, not AWS, and its times are no RTO." if emulated else "",
        "phases": [(name, quantity("took_s", seconds)) for name, seconds in data["phases_s"].items()],
        "lost": by["FAIL"],
        "open": by["UNKNOWN"],
        "kept": [each["property"] for each in by["PASS"]],
        "calls": len(data["calls"]),
    }


# ------------------------------------------------------------------------------------------------ groups


def _group(group: dict[str, Any], record: Record) -> dict[str, Any]:
    rows = []
    for name in (name for name in COLUMNS_OF_OBJECTIVES if name in group["measured"]):
        spread = group["measured"][name]
        values = [v for d in group["drills"] if (v := record.drills[d].measured.get(name)) is not None]
        objective = group["objectives"].get(name)
        shown = {key: quantity(name, spread[key]) for key in ("median", "low", "high", "upper")}
        label = f"{measure_name(name)} of {len(values)} runs: median {shown['median']}, judged {shown['upper']}"
        rows.append(
            {
                "name": measure_name(name),
                "strip": strip_svg(values, bound=spread["upper"], objective=objective, label=label),
                "objective": "" if objective is None else wording.limit(name, objective),
                "method": spread["method"][:1].upper() + spread["method"][1:],
                "missing": spread["missing"],
                "within": f"{spread['within']:.0%}",
                **shown,
            }
        )
    return {
        "scenario": title(group["scenario"]),
        "outcome": group["outcome"],
        "sentence": group["sentence"],
        "n": len(group["drills"]),
        "rows": rows,
    }
