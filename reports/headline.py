"""A run in one line, in a sentence, in a row of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.model import Outcome

from .coverage import State, coverage
from .summary import measured
from .wording import limit, plain_number, quantity, title

if TYPE_CHECKING:
    from .record import DrillRecord, Record


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
        allowed = slowest.objectives.get("rto_s")
        goal = "" if allowed is None else f", objective {limit('rto_s', allowed)}"
        parts.append(
            f"Slowest recovery: {quantity('rto_s', slowest.measured['rto_s'])} after {title(slowest.id).lower()}{goal}."
        )
    lost, acknowledged = _total(record, "rpo_writes"), _total(record, "acknowledged")
    if acknowledged:
        count = "None" if not lost else plain_number(lost)
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
            allowed = drill.objectives.get(name)
            found.append(
                {
                    "name": label,
                    "value": quantity(name, drill.measured[name]),
                    "beside": "" if allowed is None else f"of {limit(name, allowed)}",
                    "bad": allowed is not None and drill.measured[name] > allowed,
                }
            )
    lost, acknowledged = _total(record, "rpo_writes"), _total(record, "acknowledged")
    if acknowledged:
        beside = f"of {plain_number(acknowledged)}"
        found.append({"name": "Lost writes", "value": plain_number(lost), "beside": beside, "bad": lost > 0})
    map_ = coverage(record)
    if attacked := map_.of(State.ATTACKED):
        beside = f"of {len(map_.counted)}"
        found.append({"name": "Cells attacked", "value": len(attacked), "beside": beside, "bad": False})
    return found


def _largest(record: Record, name: str) -> DrillRecord | None:
    known = [drill for drill in record.drills.values() if isinstance(drill.measured.get(name), int | float)]
    return max(known, key=lambda drill: float(drill.measured[name]), default=None)


def _total(record: Record, name: str) -> int:
    return sum(int(measured(drill)[name] or 0) for drill in record.drills.values())
