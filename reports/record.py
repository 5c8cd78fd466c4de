"""A run as its evidence tells it: the lines of ``evidence.jsonl`` put in order. Nothing else is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fixtures.chain import GENESIS, read_chain
from fixtures.drill import worst
from fixtures.model import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from fixtures.chain import Line

EVIDENCE = "evidence.jsonl"


@dataclass
class DrillRecord:
    """One drill: what was planned, what was found."""

    id: str
    plan: dict[str, Any]
    """``drill_started``: test, controls and, where there is a scenario: why, fault, load, objectives."""
    outcome: Outcome = Outcome.UNKNOWN
    reason: str = ""
    measured: dict[str, Any] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[dict[str, Any]] = field(default_factory=list)
    """What went wrong beside the verdicts: outcome and sentence."""
    timeline: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path relative to the run: sha256 and bytes."""
    notes: list[Line] = field(default_factory=list)
    """All other lines about this drill."""
    started_at: str = ""
    finished_at: str = ""
    duration_s: float | None = None

    @property
    def objectives(self) -> dict[str, float]:
        """The success criteria, empty where no scenario was run."""
        found: dict[str, float] = self.plan.get("objectives") or {}
        return found

    @property
    def controls(self) -> list[str]:
        """The controls it contributes evidence to."""
        return list(self.plan.get("controls") or ())


@dataclass
class Record:
    """One run."""

    directory: Path
    lines: list[Line]
    problems: list[str]
    """What is wrong with the chain; empty where each line is as it was written."""
    drills: dict[str, DrillRecord]
    groups: list[dict[str, Any]]
    started: dict[str, Any]
    stack: dict[str, Any]
    finished: bool
    """False where the record was cut short: the runner was ended before it could close the record."""
    stopped: str
    outcome: Outcome

    @property
    def name(self) -> str:
        """The run's name, which is its directory's."""
        return str(self.started.get("run") or self.directory.name)

    @property
    def head(self) -> str:
        """The last line's hash: whoever keeps it can tell whether the record is whole."""
        return self.lines[-1].hash if self.lines else GENESIS


def read_record(directory: Path) -> Record:
    """Read a run. Raises FileNotFoundError where ``directory`` is no run."""
    lines, problems = read_chain(directory / EVIDENCE)
    record = Record(directory, lines, problems, {}, [], {}, {}, finished=False, stopped="", outcome=Outcome.UNKNOWN)
    for line in lines:
        _take(record, line)
    for drill in record.drills.values():
        if not drill.finished_at:
            drill.outcome = Outcome.UNKNOWN
            when = "ended" if drill.started_at else "began"
            drill.reason = f"the record ends before this drill {when}: the run was cut short"
    if not record.finished:
        record.stopped = "the record was cut short: the runner was ended before it could close it"
    outcomes = [drill.outcome for drill in record.drills.values()]
    record.outcome = worst(outcomes + [Outcome(group["outcome"]) for group in record.groups])
    if (problems or not record.finished) and record.outcome is not Outcome.FAIL:
        record.outcome = Outcome.UNKNOWN  # a record that was changed or cut short proves nothing
    return record


def _take(record: Record, line: Line) -> None:
    data = line.data
    if line.kind == "run_started":
        record.started = data
        for plan in data.get("planned", ()):
            record.drills[plan["drill"]] = DrillRecord(plan["drill"], plan)
    elif line.kind == "run_finished":
        record.finished, record.stopped = True, data.get("stopped") or ""
    elif line.kind == "stack_started":
        record.stack = data
    elif line.kind == "group_verdict":
        record.groups.append(data)
    elif (name := data.get("drill")) is not None:
        _take_drill(record.drills.setdefault(name, DrillRecord(name, {})), line)


def _take_drill(drill: DrillRecord, line: Line) -> None:
    data = line.data
    if line.kind == "drill_started":
        drill.plan, drill.started_at = data, line.at
    elif line.kind == "verdict":
        drill.verdicts.append(data)
    elif line.kind == "timeline":
        drill.timeline = data
    elif line.kind == "load_finished":
        drill.files |= data.get("files", {})
    elif line.kind == "drill_finished":
        drill.outcome, drill.reason = Outcome(data["outcome"]), data["reason"]
        drill.troubles = data.get("troubles", [])
        drill.measured, drill.duration_s, drill.finished_at = data["measured"], data.get("duration_s"), line.at
    else:
        drill.notes.append(line)
