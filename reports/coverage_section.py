"""The coverage map as the page shows it: the grid, what hit each cell, and why the others were not hit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.drill import worst
from fixtures.model import Outcome

from . import wording
from .columns import catalogue
from .coverage import State, coverage, remainder, total
from .wording import NOTHING, SIGNS, title

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .coverage import Cell, CoverageMap
    from .record import DrillRecord, Record

_SIGNS = {State.PREVENTED: NOTHING, State.SPARED: NOTHING, State.LEFT_OUT: "○", State.OPEN: "", State.ABSENT: ""}
_ORDER = (State.OPEN, State.LEFT_OUT, State.PREVENTED, State.SPARED)
"""What nobody accounts for is read first."""


def coverage_section(record: Record) -> dict[str, Any] | None:
    """The template's variables; None where no drill of the run speaks of a fault."""
    map_ = coverage(record)
    if not (map_.of(State.ATTACKED) or map_.of(State.PREVENTED) or map_.unplaced):
        return None
    frame = catalogue()
    by_component = {name: [cell for cell in map_.cells if cell.component == name] for name in map_.components}
    return {
        "total": total(map_),
        "remainder": remainder(map_),
        "heads": [{"name": _capital(name), "means": frame.columns[name]} for name in map_.faults],
        "rows": [
            {
                "name": _component(name),
                "about": frame.components.get(name, ""),
                "cells": [_square(cell, record) for cell in cells],
            }
            for name, cells in by_component.items()
        ],
        "hits": [
            {"name": _component(name), "cells": [_hit(cell, record) for cell in hit]}
            for name, cells in by_component.items()
            if (hit := [cell for cell in cells if cell.state is State.ATTACKED])
        ],
        "idle": _idle(map_),
        "unplaced": map_.unplaced,
    }


def _square(cell: Cell, record: Record) -> dict[str, Any]:
    attacked, where = cell.state is State.ATTACKED, f"{_component(cell.component)}, {cell.fault}"
    if attacked:
        drills = ", ".join(title(name) for name in cell.drills)
        said = f"{where}: {cell.outcome.value} in {_count(len(cell.drills))}: {drills}"
    else:
        said = f"{where}: {cell.reason}"
    return {
        "css": wording.css(cell.outcome.value if attacked else cell.state.value),
        "sign": SIGNS[cell.outcome.value] if attacked else _SIGNS[cell.state],
        "count": len(cell.drills) if attacked and len(cell.drills) > 1 else "",
        "said": said,
        "link": _link(cell, record),
    }


def _link(cell: Cell, record: Record) -> str:
    """One drill is where the reader wants to go; several are listed below the grid."""
    if len(cell.drills) == 1:
        return _anchor(record.drills[cell.drills[0]])
    if cell.drills:
        return _entry(cell) if cell.state is State.ATTACKED else _anchor(record.drills[cell.drills[0]])
    return ""


def _entry(cell: Cell) -> str:
    return wording.anchor(f"cell-{cell.component}-{cell.fault}")


def _anchor(drill: DrillRecord) -> str:
    return "not-exercised" if drill.outcome is Outcome.NOT_EXERCISED else wording.anchor(drill.id)


def _hit(cell: Cell, record: Record) -> dict[str, Any]:
    rows: dict[str, list[DrillRecord]] = {}
    for drill in (record.drills[name] for name in cell.drills):
        rows.setdefault(str(drill.plan.get("scenario") or drill.id), []).append(drill)
    return {
        "id": _entry(cell),
        "fault": _capital(cell.fault),
        "outcome": cell.outcome.value,
        "drills": [_runs(name, runs) for name, runs in rows.items()],
    }


def _runs(name: str, runs: list[DrillRecord]) -> dict[str, str]:
    """The runs of a row as one, with the worst outcome and a link to the first run that ended so."""
    outcome = worst(run.outcome for run in runs)
    run = next(run for run in runs if run.outcome is outcome)
    shown = title(run.id) if len(runs) == 1 else f"{title(name)} ({len(runs)} runs)"
    return {"title": shown, "anchor": _anchor(run), "outcome": outcome.value}


def _idle(map_: CoverageMap) -> list[dict[str, Any]]:
    """The cells that were not attacked, by what they have to say for themselves."""
    groups: dict[tuple[State, str], list[Cell]] = {}
    for state in _ORDER:
        for cell in map_.of(state):
            groups.setdefault((state, cell.reason), []).append(cell)
    return [
        {
            "css": wording.css(state.value),
            "sign": _SIGNS[state],
            "reason": _sentence(state, reason),
            "cells": _named(cells),
        }
        for (state, reason), cells in groups.items()
    ]


def _named(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """By component, or by kind of fault where that is the shorter list."""
    by_component: dict[str, list[str]] = {}
    by_fault: dict[str, list[str]] = {}
    for cell in cells:
        by_component.setdefault(_component(cell.component), []).append(cell.fault)
        by_fault.setdefault(_capital(cell.fault), []).append(_component(cell.component, inside=True))
    shorter = by_component if len(by_component) <= len(by_fault) else by_fault
    return [(name, ", ".join(others)) for name, others in shorter.items()]


def _sentence(state: State, reason: str) -> str:
    """A reason as a sentence of its own; others' words keep their case. The heading says what it is about."""
    bare = reason.removeprefix("not exercised: ").rstrip(".")
    return f"{_capital(bare) if state in (State.OPEN, State.LEFT_OUT) else bare}."


def _component(name: str, *, inside: bool = False) -> str:
    return "API" if name == "api" else name if inside else _capital(name)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _count(drills: int) -> str:
    return f"{drills} drill{'s' if drills != 1 else ''}"
