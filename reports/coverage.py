"""The coverage map: what was attacked and how that ended, and what was not and why. From the record alone.

A cell is a component and a kind of fault. A drill counts for every cell that one of its faults hit; the worst outcome
of its drills is the cell's. A fault of a whole zone counts for the component ``zone`` and for no single node in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fixtures.drill import worst
from fixtures.model import Outcome

from .attacks import Attack, injected, planned
from .columns import ZONE, Catalogue, catalogue

if TYPE_CHECKING:
    from .record import DrillRecord, Record

Place = tuple[str, str]
"""Component and kind of fault."""


class State(StrEnum):
    """What the map knows of a cell."""

    ATTACKED = "attacked"
    PREVENTED = "prevented"
    """A drill of this run was to attack it, and its fault never went in."""
    LEFT_OUT = "left out"
    """A row would attack it and was not selected in this run."""
    SPARED = "spared"
    """The catalogue says why it is left alone."""
    OPEN = "open"
    """Nothing attacks it, and nobody says why."""
    ABSENT = "absent"
    """There is nothing to attack; not counted."""


@dataclass(frozen=True)
class Cell:
    """One cell of the map."""

    component: str
    fault: str
    state: State
    outcome: Outcome
    """The worst of the drills that attacked it; NOT EXERCISED where none did."""
    drills: tuple[str, ...] = ()
    """The ids of the drills that attacked it, in the order of the run; where none did, of those that were to."""
    reason: str = ""
    """Why it is not PASS; empty where it is."""


@dataclass(frozen=True)
class CoverageMap:
    """The whole map, row by row."""

    components: tuple[str, ...]
    faults: tuple[str, ...]
    cells: tuple[Cell, ...]
    unplaced: tuple[str, ...]
    """Attacks that the catalogue has no place for, a sentence each."""

    @property
    def counted(self) -> tuple[Cell, ...]:
        """The cells in which there is something to attack."""
        return tuple(cell for cell in self.cells if cell.state is not State.ABSENT)

    def of(self, state: State) -> tuple[Cell, ...]:
        """The cells in a state."""
        return tuple(cell for cell in self.cells if cell.state is state)


def coverage(record: Record, frame: Catalogue | None = None) -> CoverageMap:
    """Draw the map of a run. Raises ValueError where the catalogue is wrong."""
    frame = frame or catalogue()
    roles = {str(node.get("name")): str(node.get("role")) for node in record.stack.get("nodes") or ()}
    components = tuple(dict.fromkeys([*frame.components, *roles.values()]))
    map_ = _Drawing(frame, roles, components)
    for drill in record.drills.values():
        map_.take(drill)
    for row in record.started.get("left_out") or ():
        map_.leave_out(str(row.get("scenario")), planned(row.get("fault") or {}))
    there = set(roles.values()) | ({ZONE} if any(n.get("zone") for n in record.stack.get("nodes") or ()) else set())
    environment = str(record.stack.get("environment") or "")
    said = "no row attacks this" if "left_out" in record.started else "no drill of this run attacks this"
    cells = tuple(
        map_.cell(component, fault) or _idle(frame, (component, fault), there if roles else None, environment, said)
        for component in components
        for fault in frame.columns
    )
    return CoverageMap(components, tuple(frame.columns), cells, tuple(map_.unplaced))


def _idle(frame: Catalogue, place: Place, there: set[str] | None, environment: str, said: str) -> Cell:
    """A cell that no drill and no row is about."""
    if there is not None and place[0] not in there:
        return Cell(*place, State.ABSENT, Outcome.NOT_EXERCISED, reason="This stack has none.")
    if excuse := frame.excuse(*place, environment):
        state = State.ABSENT if excuse.absent else State.SPARED
        return Cell(*place, state, Outcome.NOT_EXERCISED, reason=excuse.reason)
    return Cell(*place, State.OPEN, Outcome.NOT_EXERCISED, reason=f"not exercised: {said}")


class _Drawing:
    """The map while the drills of a run are entered."""

    def __init__(self, frame: Catalogue, roles: dict[str, str], components: tuple[str, ...]) -> None:
        self.frame, self.roles, self.components = frame, roles, components
        self.attacked: dict[Place, list[DrillRecord]] = {}
        self.prevented: dict[Place, list[DrillRecord]] = {}
        self.left_out: dict[Place, list[str]] = {}
        self.unplaced: list[str] = []

    def take(self, drill: DrillRecord) -> None:
        """Enter a drill: where its faults went in, and where those of its plan that did not would have."""
        went_in = injected(drill) if drill.outcome is not Outcome.NOT_EXERCISED else []
        hit = list(dict.fromkeys(self._places(drill.id, went_in)))
        # What went in is placed by its targets; of a drill that ran to its end, a plan without names adds nothing.
        intended = [attack for attack in planned(drill.plan.get("fault") or {}) if attack.fault or not hit]
        for place in hit:
            self.attacked.setdefault(place, []).append(drill)
        for place in dict.fromkeys(self._places(drill.id, intended)):
            if place not in hit:
                self.prevented.setdefault(place, []).append(drill)

    def leave_out(self, row: str, attacks: list[Attack]) -> None:
        """Enter a row that was not selected."""
        for place in dict.fromkeys(self._places(row, attacks)):
            self.left_out.setdefault(place, []).append(row)

    def _places(self, id_: str, attacks: list[Attack]) -> Iterator[Place]:
        for attack in attacks:
            columns, components = self.frame.columns_of(attack), self._components(attack)
            if not columns or not components:
                missing = (
                    f"component of {attack.fields}" if columns else f"kind of fault for {attack.fault or 'a step'!r}"
                )
                sentence = f"{id_}: the map has no {missing}"
                self.unplaced += [sentence] if sentence not in self.unplaced else []
            places = ((component, column) for component in components for column in columns)
            yield from (place for place in places if attack.targets or not self._absent(place))

    def _absent(self, place: Place) -> bool:
        excuse = self.frame.excuse(*place, "")
        return excuse is not None and excuse.absent

    def _components(self, attack: Attack) -> tuple[str, ...]:
        """The roles of the nodes that were hit, else the role that the words name; ``zone`` for a whole zone.

        What names neither a node nor a zone is meant for everything.
        """
        if "node" not in attack.fields and "zone" in attack.fields:
            return (ZONE,)
        if roles := tuple(dict.fromkeys(self.roles[name] for name in attack.targets if name in self.roles)):
            return roles
        words = attack.fields.get("node", "")
        if attack.fault and not words:
            return tuple(each for each in self.components if not self.roles or each in self.roles.values())
        named = [each for each in self.components if words == each or words.startswith(f"{each} ")]
        return (max(named, key=len),) if named else ()

    def cell(self, component: str, fault: str) -> Cell | None:
        """What drills and rows say of a cell; None where none is about it."""
        place = component, fault
        if drills := self.attacked.get(place):
            outcome = worst(drill.outcome for drill in drills)
            bad = [f"{drill.id}: {drill.reason}" for drill in drills if drill.outcome is outcome is not Outcome.PASS]
            return Cell(*place, State.ATTACKED, outcome, tuple(drill.id for drill in drills), "; ".join(bad))
        if drills := self.prevented.get(place):
            return Cell(
                *place, State.PREVENTED, Outcome.NOT_EXERCISED, tuple(drill.id for drill in drills),
                "; ".join(dict.fromkeys(_why_not(drill) for drill in drills)),
            )  # fmt: skip
        if rows := self.left_out.get(place):
            reason = f"not exercised: not selected in this run ({', '.join(rows)})"
            return Cell(*place, State.LEFT_OUT, Outcome.NOT_EXERCISED, reason=reason)
        return None


def _why_not(drill: DrillRecord) -> str:
    if drill.outcome is Outcome.NOT_EXERCISED:
        return f"not exercised: {drill.reason}"
    return f"not exercised: the fault of {drill.id} never went in: {drill.reason or drill.outcome.value}"


# ------------------------------------------------------------------------------------------------ the map in words


def total(map_: CoverageMap) -> str:
    """``41 of 63 cells attacked: 40 PASS, 1 UNKNOWN``."""
    attacked = map_.of(State.ATTACKED)
    outcomes = [cell.outcome for cell in attacked]
    counts = [f"{outcomes.count(each)} {each.value}" for each in Outcome if each in outcomes]
    return f"{len(attacked)} of {len(map_.counted)} cells attacked" + (f": {', '.join(counts)}" if counts else "")


def remainder(map_: CoverageMap) -> str:
    """What became of the cells that were not attacked; empty where all were."""
    named = {
        State.OPEN: "that nothing attacks",
        State.LEFT_OUT: "not selected in this run",
        State.PREVENTED: "whose fault could not go in",
        State.SPARED: "left alone for a stated reason",
    }
    parts = [f"{len(cells)} {words}" for state, words in named.items() if (cells := map_.of(state))]
    return f"Not exercised: {', '.join(parts)}." if parts else ""


def summarised(map_: CoverageMap) -> list[dict[str, Any]]:
    """The cells as plain data, row by row; without those in which there is nothing to attack."""
    return [
        {
            "component": cell.component,
            "fault": cell.fault,
            "outcome": cell.outcome.value,
            "drills": list(cell.drills),
            "reason": cell.reason,
        }
        for cell in map_.counted
    ]
