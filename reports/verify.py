"""Computes a run again from its raw history and compares: hashes, verdicts, numbers, files.

The one module of ``reports`` that reads histories and runs checks. What it says is exact: which file or line, what
stands there, what was found.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fixtures import checks, repeats
from fixtures.chain import canonical, plain
from fixtures.drill import worst
from fixtures.history import read_history
from fixtures.model import Objectives, Outcome
from fixtures.timeline import timeline

from .record import EVIDENCE, read_record
from .render import SUMS, sums
from .summary import summary_text

LIMITS = frozenset({"limit", "limit_s", "allowed", "least_s"})
"""The parameters of checks that are a row's objectives."""

if TYPE_CHECKING:
    from pathlib import Path

    from fixtures.model import History

    from .record import DrillRecord, Record


def verify(directory: Path, *, head: str = "") -> tuple[list[str], list[str]]:
    """What differs, and what was found in order; one sentence each. All is well where the first list is empty.

    ``head`` is the last line's hash as it was kept elsewhere, or its beginning (at least 8 digits). Raises
    FileNotFoundError where the directory is no run.
    """
    record = read_record(directory)
    problems, found = list(record.problems), []
    if not record.problems:
        found.append(f"{len(record.lines)} lines of {EVIDENCE} follow each other, the last one is {record.head}")
    if not record.finished:
        problems.append(f"{EVIDENCE}: has no run_finished line: the run was cut short, or lines were cut off its end")
    if head and not record.head.startswith(head.lower()):
        problems.append(f"{EVIDENCE}: its last line is {record.head}, expected {head}: lines were added or cut off")
    computed = 0
    for drill in record.drills.values():
        problems += _files(directory, drill)
        wrong, count = _judged_again(directory, drill)
        problems += wrong + _told(drill)
        computed += count
    problems += _strangers(directory, record) + _groups(record) + _run(record) + _rendered(directory, record)
    hashed = sum(len(drill.files) for drill in record.drills.values())
    found.append(f"{hashed} files of raw history, {computed} verdicts computed again from them")
    return problems, found


def _files(directory: Path, drill: DrillRecord) -> list[str]:
    problems = []
    for name, recorded in drill.files.items():
        path = directory / name
        if not path.is_file():
            problems.append(f"{name}: is missing")
        elif (found := _digest(path)) != recorded["sha256"]:
            problems.append(f"{name}: was changed: it hashes to {found}, recorded is {recorded['sha256']}")
    return problems


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _strangers(directory: Path, record: Record) -> list[str]:
    known = {name for drill in record.drills.values() for name in drill.files}
    there = (path.relative_to(directory).as_posix() for path in (directory / "history").rglob("*") if path.is_file())
    return [f"{name}: is not in the record" for name in sorted(set(there) - known)]


def _judged_again(directory: Path, drill: DrillRecord) -> tuple[list[str], int]:
    """Each verdict, and the timeline, from the raw history; how many verdicts were computed."""
    if not drill.files:
        if drill.verdicts:
            return [f"drill {drill.id}: {len(drill.verdicts)} verdicts, but no history to compute them from"], 0
        return [], 0
    try:
        history = read_history(directory / "history" / drill.id)
        course = canonical(plain(timeline(history)))
    except (OSError, ValueError, LookupError, TypeError) as error:  # all that a damaged file can lead to
        return [f"history/{drill.id}: cannot be read: {type(error).__name__}: {error}"], 0
    problems = []
    for verdict in drill.verdicts:
        problems += _compare(f"drill {drill.id}, verdict {verdict['check']}", _again(verdict, history), verdict)
    problems += _promised(drill, history)
    told = {key: value for key, value in drill.timeline.items() if key != "drill"}
    if course != canonical(told):
        problems.append(f"drill {drill.id}: the recorded timeline is not that of its history")
    return problems, len(drill.verdicts)


def _promised(drill: DrillRecord, history: History) -> list[str]:
    """A drill that passed was held against all that its row promises, and by the row's own limits.

    Facts beside the history, as of a recovery, are not known here, and so not what else they have to show.
    """
    objectives: dict[str, Any] = drill.plan.get("objectives") or {}
    if drill.outcome is not Outcome.PASS or not objectives:
        return []
    judged = {verdict["check"]: verdict["parameters"] for verdict in drill.verdicts}
    problems = []
    for due in checks.promised(Objectives(**objectives), history):
        limits = {name: value for name, value in due.parameters.items() if name in LIMITS}
        found = {name: value for name, value in judged.get(due.check, {}).items() if name in LIMITS}
        if due.check not in judged or canonical(plain(limits)) != canonical(found):
            said = f"with {json.dumps(found)}" if due.check in judged else "not at all"
            problems.append(
                f"drill {drill.id}: its row asks for {due.check} {json.dumps(limits)}; it was judged {said}"
            )
    return problems


def _again(verdict: dict[str, Any], history: History) -> dict[str, Any] | str:
    """The verdict computed again, or why it cannot be."""
    check = getattr(checks, verdict["check"], None)
    if check is None or verdict["check"] not in checks.__all__:
        return f"cannot be computed again: fixtures.checks has no {verdict['check']}"
    try:
        found = check(history, **verdict["parameters"])
    except Exception as error:
        return f"cannot be computed again: {type(error).__name__}: {error}"
    content: dict[str, Any] = plain(vars(found))
    return content


def _compare(where: str, again: dict[str, Any] | str, recorded: dict[str, Any]) -> list[str]:
    if isinstance(again, str):
        return [f"{where}: {again}"]
    return [
        f"{where}: {key} is recorded as {json.dumps(recorded[key])}, computed again it is {json.dumps(value)}"
        for key, value in again.items()
        if canonical(recorded[key]) != canonical(value)
    ]


def _told(drill: DrillRecord) -> list[str]:
    """What is said at a drill's end must follow from its verdicts."""
    if not drill.finished_at:
        return []
    problems = []
    numbers = {name: value for verdict in reversed(drill.verdicts) for name, value in verdict["measured"].items()}
    if canonical(numbers) != canonical(drill.measured):
        problems.append(f"drill {drill.id}: the numbers at its end are not those of its verdicts")
    outcomes = [Outcome(item["outcome"]) for item in (*drill.verdicts, *drill.troubles)]
    order = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_EXERCISED, Outcome.PASS)
    expected = next((outcome for outcome in order if outcome in outcomes), Outcome.UNKNOWN)
    if drill.outcome is not expected:
        problems.append(f"drill {drill.id}: is recorded as {drill.outcome}, its verdicts say {expected}")
    return problems


def _groups(record: Record) -> list[str]:
    problems = []
    for group in record.groups:
        drills = [record.drills[name] for name in group["drills"] if name in record.drills]
        runs = [{"drill": drill.id, "outcome": drill.outcome, "measured": drill.measured} for drill in drills]
        again = plain(repeats.judge(group["scenario"], drills[0].objectives if drills else {}, runs))
        problems += _compare(f"repeated runs of {group['scenario']}", again, group)
    return problems


def _run(record: Record) -> list[str]:
    last = record.lines[-1] if record.lines else None
    if last is None or last.kind != "run_finished":
        return []
    outcomes = [drill.outcome for drill in record.drills.values()]
    expected = worst(outcomes + [Outcome(group["outcome"]) for group in record.groups])
    if last.data["outcome"] == expected:
        return []
    return [f"the run is recorded as {last.data['outcome']}, its drills say {expected.value}"]


def _rendered(directory: Path, record: Record) -> list[str]:
    """summary.json must be what the evidence gives; every other file must be as it was when it was rendered."""
    again = f"write it anew with: python -m reports render {record.name}"
    summary = directory / "summary.json"
    problems = []
    if not summary.is_file():
        problems.append(f"summary.json: is missing; {again}")
    elif summary.read_text(encoding="utf-8", errors="replace") != summary_text(record):
        problems.append(f"summary.json: is not what the evidence gives; {again}")
    written = directory / SUMS
    if not written.is_file():
        return [*problems, f"{SUMS}: is missing; {again}"]
    kept = set(written.read_text(encoding="utf-8", errors="replace").splitlines())
    now = set(sums(directory).splitlines())
    # The record, the history and the summary were judged above, in more words.
    rest = sorted({line.split("  ", 1)[-1] for line in kept ^ now})
    problems += [
        f"{name}: is not as it was when the run was rendered"
        for name in rest
        if name not in {EVIDENCE, "summary.json"} and not name.startswith("history/")
    ]
    return problems
