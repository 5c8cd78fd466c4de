"""What the page shows, drawn from a record: headline, tiles, drills, groups, controls, environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.drill import worst
from fixtures.model import Outcome

from . import wording
from .controls import catalogue
from .plot import spark_svg, strip_svg, timeline_svg
from .summary import measured, stack_name
from .wording import measure_name, plain_number, quantity, title

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        "groups": [_group(group, record) for group in record.groups],
        "controls": _controls(record),
        "zones": _zones(record.stack.get("nodes") or []),
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


def headline(record: Record) -> str:
    """The run in one line, to stand after its outcome."""
    outcomes = [drill.outcome for drill in record.drills.values()]
    exercised = len(outcomes) - outcomes.count(Outcome.NOT_EXERCISED)
    of = f"of {exercised} drill{'s' if exercised != 1 else ''}"
    if record.problems:
        return "The record was changed after it was written"
    if record.outcome is Outcome.FAIL:
        broken = outcomes.count(Outcome.FAIL)
        return f"{broken} {of} broke a promise" if broken else "Repeated runs broke a promise together"
    if record.outcome is Outcome.UNKNOWN:
        unknown = outcomes.count(Outcome.UNKNOWN)
        return f"{unknown} {of} could not be judged" if unknown else "The run could not be judged as a whole"
    if record.outcome is Outcome.NOT_EXERCISED:
        return "Nothing was exercised, so nothing was proven"
    return f"All {exercised} drills kept their promises" if exercised != 1 else "The drill kept its promises"


def lead(record: Record) -> str:
    """What a person with half a minute should know beyond the headline."""
    parts = []
    slowest = _largest(record, "rto_s")
    if slowest is not None:
        limit = slowest.objectives.get("rto_s")
        goal = "" if limit is None else f", objective {limit:g} s"
        parts.append(
            f"Slowest recovery: {quantity('rto_s', slowest.measured['rto_s'])} after {title(slowest.id).lower()}{goal}."
        )
    lost, acknowledged = _total(record, "rpo_writes"), _total(record, "acknowledged")
    if acknowledged:
        count = "No" if not lost else plain_number(lost)
        parts.append(
            f"{count} of {plain_number(acknowledged)} acknowledged writes {'were' if lost != 1 else 'was'} lost."
        )
    idle = sum(drill.outcome is Outcome.NOT_EXERCISED for drill in record.drills.values())
    if idle:
        parts.append(f"{idle} drill{'s were' if idle != 1 else ' was'} not exercised.")
    return " ".join(parts)


def tiles(record: Record) -> list[dict[str, Any]]:
    """The numbers under the headline."""
    outcomes = [drill.outcome for drill in record.drills.values()]
    passed, total = outcomes.count(Outcome.PASS), len(outcomes)
    found = [{"name": "Passed", "value": passed, "beside": f"of {total}", "bad": passed == 0}]
    for outcome, name in (
        (Outcome.FAIL, "Failed"),
        (Outcome.UNKNOWN, "Unknown"),
        (Outcome.NOT_EXERCISED, "Not exercised"),
    ):
        if count := outcomes.count(outcome):
            found.append({"name": name, "value": count, "beside": "", "bad": outcome is Outcome.FAIL})
    for name, label in (("rto_s", "Slowest recovery"), ("unavailable_s", "Longest without writes")):
        drill = _largest(record, name)
        if drill is not None:
            limit = drill.objectives.get(name)
            found.append(
                {
                    "name": label,
                    "value": quantity(name, drill.measured[name]),
                    "beside": "" if limit is None else f"of {limit:g} s",
                    "bad": limit is not None and drill.measured[name] > limit,
                }
            )
    lost, acknowledged = _total(record, "rpo_writes"), _total(record, "acknowledged")
    if acknowledged:
        beside = f"of {plain_number(acknowledged)}"
        found.append({"name": "Lost writes", "value": plain_number(lost), "beside": beside, "bad": lost > 0})
    return found


def _largest(record: Record, name: str) -> DrillRecord | None:
    known = [drill for drill in record.drills.values() if isinstance(drill.measured.get(name), int | float)]
    return max(known, key=lambda drill: float(drill.measured[name]), default=None)


def _total(record: Record, name: str) -> int:
    return sum(int(measured(drill)[name] or 0) for drill in record.drills.values())


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
        "reasons": [sentence for sentence in drill.reason.split("; ") if sentence],
        "why": drill.plan.get("why", ""),
        "facts": _facts(drill),
        "spark": spark_svg(drill.timeline) if drill.timeline else "",
        "timeline": _timeline(drill, key) if drill.timeline else "",
        "bin_ms": f"{drill.timeline.get('bin_s', 0) * 1000:g}",
        "cells": [_cell(drill, name, numbers) for name in TABLE],
        "verdicts": [_verdict(verdict) for verdict in drill.verdicts],
        "objectives": [_objective(drill, name, numbers) for name in COLUMNS_OF_OBJECTIVES if name in drill.objectives],
        "phases": [row for fault in drill.timeline.get("faults", ()) for row in _phases(fault, drill.measured)],
        "controls": drill.controls,
        "files": drill.files,
        "bytes": f"{sum(file['bytes'] for file in drill.files.values()) / 1e6:.1f} MB",
    }


def _timeline(drill: DrillRecord, key: str) -> str:
    return timeline_svg(
        drill.timeline, key=key, rto_s=drill.measured.get("rto_s"), objective_s=drill.objectives.get("rto_s")
    )


def _facts(drill: DrillRecord) -> list[tuple[str, str]]:
    found = []
    fault = dict(drill.plan.get("fault") or {})
    if name := fault.pop("fault", ""):
        fields = ", ".join(f"{key} {value}" for key, value in fault.items())
        found.append(("Fault", name + (f" ({fields})" if fields else "")))
    for window in drill.timeline.get("faults", ()):
        found.append(("Hit", ", ".join(window["targets"])))
    load = drill.plan.get("load") or {}
    if load:
        found.append(("Load", f"{load['writes_per_s']:g} writes/s, {load['reads_per_s']:g} reads/s"))
    if drill.duration_s is not None:
        found.append(("Took", f"{drill.duration_s:.0f} s"))
    if drill.started_at:
        found.append(("Began", wording.when(drill.started_at)))
    return found


def _cell(drill: DrillRecord, name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    limit, value = drill.objectives.get(name), numbers[name]
    return {
        "value": quantity(name, value),
        "target": "" if limit is None else f"of {quantity(name, limit)}",
        "over": limit is not None and value is not None and value > limit,
    }


def _verdict(verdict: dict[str, Any]) -> dict[str, Any]:
    return {
        "outcome": verdict["outcome"],
        "name": wording.sentence_name(verdict["check"]),
        "sentence": verdict["sentence"],
        "definition": verdict.get("definition", ""),
        "numbers": [(measure_name(name), quantity(name, value)) for name, value in verdict["measured"].items()],
    }


def _objective(drill: DrillRecord, name: str, numbers: dict[str, Any]) -> dict[str, Any]:
    limit, value = float(drill.objectives[name]), numbers[name]
    over = value is not None and value > limit
    share = None if value is None or limit == 0 else round(min(100.0, 100 * value / limit), 1)
    return {
        "name": wording.NAMES[name],
        "target": f"≤ {quantity(name, drill.objectives[name])}",
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


# ------------------------------------------------------------------------------------------------ groups, controls


def _group(group: dict[str, Any], record: Record) -> dict[str, Any]:
    rows = []
    for name, spread in group["measured"].items():
        values = [v for d in group["drills"] if (v := record.drills[d].measured.get(name)) is not None]
        objective = group["objectives"].get(name)
        shown = {key: quantity(name, spread[key]) for key in ("median", "low", "high", "upper")}
        label = f"{measure_name(name)} of {len(values)} runs: median {shown['median']}, judged {shown['upper']}"
        rows.append(
            {
                "name": measure_name(name),
                "strip": strip_svg(values, bound=spread["upper"], objective=objective, label=label),
                "objective": "" if objective is None else quantity(name, objective),
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


def _controls(record: Record) -> list[dict[str, Any]]:
    named: dict[str, list[DrillRecord]] = {}
    for drill in record.drills.values():
        for control in drill.controls:
            named.setdefault(control, []).append(drill)
    frameworks: dict[str, dict[str, Any]] = {}
    for id_, control in catalogue().items():
        if id_ not in named:
            continue
        framework = frameworks.setdefault(
            control.framework,
            {
                "name": control.framework,
                "version": control.version,
                "as_of": control.as_of,
                "source": control.source,
                "original": control.original,
                "controls": [],
            },
        )
        framework["controls"].append({"id": id_, "title": control.title, "drills": _contributors(named[id_])})
    return list(frameworks.values())


def _contributors(drills: Iterable[DrillRecord]) -> list[dict[str, str]]:
    """The drills behind a control, repeated runs of one scenario as one with its worst outcome."""
    rows: dict[str, list[DrillRecord]] = {}
    for drill in drills:
        rows.setdefault(str(drill.plan.get("scenario") or drill.id), []).append(drill)
    return [
        {
            "title": title(name) + (f" × {len(runs)}" if len(runs) > 1 else ""),
            "anchor": "not-exercised" if runs[0].outcome is Outcome.NOT_EXERCISED else wording.anchor(runs[0].id),
            "outcome": worst(run.outcome for run in runs).value,
        }
        for name, runs in rows.items()
    ]


# ------------------------------------------------------------------------------------------------ environment


def _zones(nodes: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    zones: dict[str, list[str]] = {}
    for node in nodes:
        zones.setdefault(node.get("zone") or "", []).append(str(node.get("name")))
    return [
        {"name": f"Zone {zone}" if zone else "Outside the zones", "nodes": ", ".join(names)}
        for zone, names in sorted(zones.items(), key=lambda item: (item[0] == "", item[0]))
    ]


def environment(record: Record) -> list[tuple[str, str]]:
    """What an assessor asks about a run besides its results; what nobody stated says so."""
    started, suite, operator = record.started, record.started.get("suite") or {}, record.started.get("operator") or {}
    changed = {True: " with uncommitted changes", False: "", None: " (changes unknown)"}[suite.get("dirty")]
    pairs = [
        ("Environment", str(record.stack.get("environment") or "not stated")),
        ("Began, ended", f"{_at(record, 0)}, {_at(record, -1)}"),
        ("Clock", f"{(started.get('clock') or {}).get('durations', '?')} for durations, UTC for dates"),
        ("Seed", str(started.get("seed"))),
        ("Suite", f"{suite.get('git_sha') or 'no git commit'}{changed}"),
        ("Plan version", str(started.get("plan_version") or "not stated (ABACUS_PLAN_VERSION)")),
        ("Operator", ", ".join(str(value) for value in operator.values() if value) or "not known"),
        ("Approver", str(started.get("approver") or "not stated (ABACUS_APPROVER)")),
        ("Command", "pytest " + " ".join(started.get("argv") or ())),
        ("Machine", f"{started.get('platform')}, {(started.get('machine') or {}).get('cpus')} CPUs"),
        ("Python", str(started.get("python"))),
        ("Tools", ", ".join(f"{name} {version}" for name, version in (started.get("versions") or {}).items())),
    ]
    if record.stack.get("duration_s") is not None:
        pairs.append(("Stack started in", quantity("duration_s", record.stack["duration_s"])))
    return pairs + wording.flat(record.stack.get("facts") or {})


def _at(record: Record, index: int) -> str:
    return wording.when(record.lines[index].at) if record.lines else "never"
