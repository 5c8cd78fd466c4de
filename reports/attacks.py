"""Which faults a record speaks of: those that went in, and those that a drill's plan names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .record import DrillRecord

_TIMES = ("at_s", "for_s", "once_healthy")


@dataclass(frozen=True)
class Attack:
    """One fault by its name in scenario rows, with its fields as texts, and the nodes that it hit, where it hit any."""

    fault: str
    fields: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)
    """Of a planned step of a schedule: ``at_s``, ``for_s``, ``once_healthy``, where they are given."""


def injected(drill: DrillRecord) -> list[Attack]:
    """The faults that went in, each once; every step of a schedule is one.

    Any stage beyond ``fault_planned`` says so: a fault whose injection failed half-way was undone, too.
    """
    found: dict[tuple[str, tuple[str, ...]], Attack] = {}
    for line in drill.notes:
        if line.kind.startswith("fault_") and line.kind != "fault_planned":
            text, targets = str(line.data.get("fault", "")), tuple(map(str, line.data.get("targets") or ()))
            found.setdefault((text, targets), _parsed(text, targets))
    return list(found.values())


def planned(fault: Mapping[str, Any]) -> list[Attack]:
    """The faults that a plan names: one, or those of a schedule's steps.

    A plan is a class with its fields, ``{"fault": "ZoneOutage", "zone": "a"}``; a schedule has ``steps``, and the
    ``fault`` of each is such a plan. A step that does not name its fault is an Attack without a name.
    """
    if not fault:
        return []
    if "steps" not in fault:
        return [_planned(fault, {})]
    steps = [step for step in fault["steps"] if isinstance(step, Mapping)]
    return [
        _planned(step.get("fault") or {}, {name: step[name] for name in _TIMES if step.get(name)}) for step in steps
    ]


def said(attack: Attack) -> str:
    """An attack as words: ``kill (node database primary) at 0.7 s for 20 s``."""
    fields = ", ".join(f"{key} {value}" for key, value in attack.fields.items() if value != "")
    at = f" at {attack.when['at_s']:g} s" if "at_s" in attack.when else ""
    for_ = f" for {attack.when['for_s']:g} s" if "for_s" in attack.when else ""
    healthy = " once healthy" if attack.when.get("once_healthy") else ""
    return attack.fault + (f" ({fields})" if fields else "") + at + healthy + for_


def _planned(fault: Mapping[str, Any], when: Mapping[str, Any]) -> Attack:
    fields = {str(key): _text(value) for key, value in fault.items() if key != "fault"}
    return Attack(_row_name(str(fault.get("fault", ""))), fields, when=when)


def _parsed(text: str, targets: tuple[str, ...]) -> Attack:
    """``kill node=database primary part=server``: a value may hold spaces and ends where the next key begins."""
    name, _, rest = text.partition(" ")
    pairs = re.findall(r"(\w+)=(.*?)(?=\s+\w+=|$)", rest, flags=re.S)
    return Attack(name, {key: _text(value) for key, value in pairs}, targets)


def _row_name(kind: str) -> str:
    """``ZoneOutage`` is ``zone_outage`` in a row."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def _text(value: Any) -> str:
    """One form for what stands in a plan, in a line and in the catalogue: ``true``, not ``True``."""
    return str(value).lower() if isinstance(value, bool) or value in ("True", "False") else str(value)
