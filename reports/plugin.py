"""The pytest plugin of the reports: checks the controls, renders when the record is complete, closes with a table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .controls import unknown_control
from .headline import headline
from .markdown import markdown
from .render import render
from .summary import measured
from .wording import SIGNS, against

if TYPE_CHECKING:
    from collections.abc import Generator

    from .record import DrillRecord, Record

_rendered = pytest.StashKey["Record"]()
_trouble = pytest.StashKey[str]()

COLUMNS = {"rto_s": "RTO", "unavailable_s": "unavailable", "rpo_writes": "RPO", "acknowledged": "acknowledged"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse control ids that the catalogue does not have. Raises UsageError, which ends the session with code 4."""
    for item in items:
        marked = [(f"{item.nodeid}", str(name)) for marker in item.iter_markers("control") for name in marker.args]
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if controls := getattr(parameters.get("scenario"), "controls", ()):
            marked += [(f"the scenario of {item.nodeid}", str(name)) for name in controls]
        for where, name in marked:
            if problem := unknown_control([name]):
                raise pytest.UsageError(f"{where}: {problem}")


@pytest.hookimpl(optionalhook=True)
def pytest_evidence_recorded(session: pytest.Session, directory: Path) -> None:
    """Render the run, and append its Markdown to the CI's summary page."""
    config = session.config
    try:
        record = render(directory)
        config.stash[_rendered] = record
        if page := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(markdown(record))
    except OSError as error:
        config.stash[_trouble] = f"The reports could not be written: {error}. Try: python -m reports render {directory}"
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """The closing table, after all that pytest itself says: it is what a reader should see last."""
    yield
    if trouble := config.stash.get(_trouble, ""):
        terminalreporter.write_line(trouble, red=True)
    if record := config.stash.get(_rendered, None):
        _close(terminalreporter, record)


def _close(reporter: pytest.TerminalReporter, record: Record) -> None:
    """A line a drill, what is not green and why, where the report is."""
    reporter.write_sep("=", "drills")
    for line, drill in zip(_table(record), (None, *record.drills.values()), strict=True):
        reporter.write_line(line, **({"bold": True} if drill is None else _colour(drill.outcome.value)))
    for drill in record.drills.values():
        if drill.reason:
            reporter.write_line(f"{drill.outcome.value} {drill.id}: {drill.reason}", **_colour(drill.outcome.value))
    for group in record.groups:
        runs = f"{len(group['drills'])} runs of {group['scenario']}"
        reporter.write_line(f"{group['outcome']} {runs}: {group['sentence']}", **_colour(group["outcome"]))
    reporter.write_line("")
    reporter.write_line(f"{record.outcome.value}: {headline(record)}", bold=True, **_colour(record.outcome.value))
    reporter.write_line(f"report: {record.directory / 'report.html'}")
    reporter.write_line(f"last hash of the record: {record.head}")


def _table(record: Record) -> list[str]:
    """A head and a row a drill, in columns as wide as what stands in them; numbers to the right."""
    rows = [("", "drill", *COLUMNS.values())] + [_row(drill) for drill in record.drills.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(drill: DrillRecord) -> tuple[str, ...]:
    numbers = measured(drill)
    cells = [against(name, numbers[name], drill.objectives.get(name)) for name in COLUMNS]
    return (f"{SIGNS[drill.outcome.value]} {drill.outcome.value}", drill.id, *cells)


def _colour(outcome: str) -> dict[str, bool]:
    return {{"PASS": "green", "FAIL": "red", "UNKNOWN": "yellow", "NOT EXERCISED": "cyan"}[outcome]: True}
