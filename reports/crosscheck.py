"""What the code promises beside what the drills showed: where the two differ, one of them is wrong, and which is said.

A setting that is written down is a promise; only a drill shows whether it is kept. And a drill that passes although the
code does not make the promise has not looked hard enough, or ran something else: one that only kills would certify
asynchronous replication as losing nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fixtures.drill import worst
from fixtures.model import Outcome

from .attacks import injected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .record import DrillRecord, Record

TABLE = Path(__file__).parent / "crosscheck.yaml"


@dataclass(frozen=True)
class Promise:
    """One row of ``crosscheck.yaml``, which says what its fields are."""

    promise: str
    rules: tuple[str, ...]
    checks: tuple[str, ...]
    faults: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()
    ran: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Compared:
    """A promise, what the code says of it, what the drills showed, and which of the two is wrong."""

    promise: str
    code: str
    """``kept``, ``broken``, ``accepted`` (broken, and taken into account) or ``not judged``."""
    rules: tuple[str, ...]
    """The rules that say so."""
    shown: Outcome | None
    """The worst verdict; ``None``: no drill speaks of it."""
    drills: tuple[str, ...]
    """The drills with that verdict."""
    wrong: str
    """``code``, ``drill``, ``both``, ``neither`` (they agree), ``elsewhere`` (what ran is not what was judged) or
    empty: the two cannot be compared."""
    sentence: str

    @property
    def differs(self) -> bool:
        """Whether code and drill contradict each other."""
        return self.wrong in ("code", "drill", "elsewhere")


@cache
def promises(path: Path = TABLE) -> tuple[Promise, ...]:
    """The table."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(
        Promise(
            row["promise"],
            tuple(row["rules"]),
            tuple(row["checks"]),
            tuple(row.get("faults", ())),
            tuple(row.get("proves", ())),
            {key: tuple(map(_text, values)) for key, values in row["ran"].items()} if "ran" in row else None,
        )
        for row in rows
    )


def crosscheck(record: Record) -> list[Compared]:
    """Every promise of the table; empty where the record holds nothing that was said of code."""
    policy = record.started.get("policy")
    return [_compare(each, policy.get("rules") or {}, record) for each in promises()] if policy else []


def _compare(promise: Promise, rules: Mapping[str, Any], record: Record) -> Compared:
    code, said_by = _code(promise, rules)
    shown, drills = _shown(promise, record)
    if code == "kept" and shown is Outcome.PASS and not _proven(promise, record, drills):
        would = " or ".join(promise.proves)
        wrong, sentence = "", f"drills passed that would not have shown it; those with {would} would"
    else:
        wrong, sentence = _judge(code, shown, _ran_so(promise, record))
    return Compared(promise.promise, code, said_by, shown, drills, wrong, sentence)


def _code(promise: Promise, rules: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    given = {name: rules[name] for name in promise.rules if name in rules}
    for state, key in (("broken", "found"), ("accepted", "accepted")):
        if named := tuple(name for name, rule in given.items() if rule.get(key)):
            return state, named
    kept = tuple(name for name, rule in given.items() if rule.get("looked_at"))
    return ("kept", kept) if kept else ("not judged", ())


def _shown(promise: Promise, record: Record) -> tuple[Outcome | None, tuple[str, ...]]:
    found = [
        (drill.id, Outcome(verdict["outcome"]))
        for drill in record.drills.values()
        if _speaks(drill, promise)
        for verdict in drill.verdicts
        if verdict["check"] in promise.checks
    ]
    if not found:
        return None, ()
    shown = worst(outcome for _, outcome in found)
    return shown, tuple(dict.fromkeys(name for name, outcome in found if outcome is shown))


def _speaks(drill: DrillRecord, promise: Promise) -> bool:
    """A drill whose fault went in and was felt; what did not bite shows nothing of what it would have met."""
    unfelt = any(each["check"] == "fault_was_felt" and each["outcome"] != Outcome.PASS for each in drill.verdicts)
    return not unfelt and (not promise.faults or any(each.fault in promise.faults for each in injected(drill)))


def _proven(promise: Promise, record: Record, drills: tuple[str, ...]) -> bool:
    """Whether one of these drills would have shown that the promise is not kept."""
    attacks = [each.fault for name in drills for each in injected(record.drills[name])]
    return not promise.proves or any(fault in promise.proves for fault in attacks)


def _ran_so(promise: Promise, record: Record) -> bool | None:
    """Whether what ran was set up as promised, by its own facts; ``None``: they do not tell."""
    if promise.ran is None:
        return None
    told = []
    for key, values in promise.ran.items():
        value: Any = record.stack.get("facts") or {}
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return None
        told.append(_text(value) in values)
    return all(told)


def _judge(code: str, shown: Outcome | None, ran_so: bool | None) -> tuple[str, str]:
    if shown is None:
        return "", "no drill of this run speaks of it"
    if shown not in (Outcome.PASS, Outcome.FAIL):
        return "", "the drills could not be judged"
    if code == "not judged":
        return "", "the code that was judged holds nothing that makes this promise or breaks it"
    if code == "kept":
        agreed = ("neither", "the code says so, and the drills bear it out")
        return agreed if shown is Outcome.PASS else _refuted(ran_so)
    if shown is Outcome.FAIL:
        return "both", "the code does not provide for it, and the drills show it: mend the code"
    return _unsupported(ran_so)


def _refuted(ran_so: bool | None) -> tuple[str, str]:
    if ran_so is False:
        return "elsewhere", (
            "the code says so, but what ran was set up otherwise: the drill is right about what ran, and says "
            "nothing of the code. Deploy what was judged, and run again"
        )
    also = ", and what ran was set up so" if ran_so else ""
    return "code", (
        f"the code is wrong: it says so{also}, and the drill measured otherwise. What is written is not enough, or is "
        "not what ran"
    )


def _unsupported(ran_so: bool | None) -> tuple[str, str]:
    if ran_so:
        return "elsewhere", (
            "the code does not provide for it, but what ran was set up so: the drill is right about what ran, and says "
            "nothing of the code. Mend the code, or it will undo this when it is deployed"
        )
    also = ", nor was what ran set up so" if ran_so is False else ""
    return "drill", (
        f"the drill is wrong: the code does not provide for it{also}, so that it passed by luck or did not look hard "
        "enough. Believe the code, and add a drill that would show it"
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
