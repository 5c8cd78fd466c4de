"""What stands behind a run: the controls it serves, the zones of its stack, its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.drill import worst
from fixtures.model import Outcome

from . import wording
from .controls import catalogue
from .wording import quantity, title

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .record import DrillRecord, Record


def controls(record: Record) -> list[dict[str, Any]]:
    """By framework, in the order of the catalogue: the controls that drills name, and those drills."""
    named: dict[str, list[DrillRecord]] = {}
    for drill in record.drills.values():
        for name in drill.controls:
            named.setdefault(name, []).append(drill)
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
            "title": title(runs[0].id if len(runs) == 1 else name) + (f" ({len(runs)} runs)" if len(runs) > 1 else ""),
            "anchor": "not-exercised" if runs[0].outcome is Outcome.NOT_EXERCISED else wording.anchor(runs[0].id),
            "outcome": worst(run.outcome for run in runs).value,
        }
        for name, runs in rows.items()
    ]


def zones(nodes: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Which nodes stand in which zone; those outside all zones last."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.get("zone") or "", []).append(str(node.get("name")))
    return [
        {"name": f"Zone {zone}" if zone else "Outside the zones", "nodes": ", ".join(names)}
        for zone, names in sorted(found.items(), key=lambda item: (item[0] == "", item[0]))
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
    if record.stack.get("start_s") is not None:
        pairs.append(("Stack started in", quantity("start_s", record.stack["start_s"])))
    return pairs + wording.flat(record.stack.get("facts") or {})


def _at(record: Record, index: int) -> str:
    return wording.when(record.lines[index].at) if record.lines else "never"
