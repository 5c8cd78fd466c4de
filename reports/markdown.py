"""A run as Markdown, for a CI's summary page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixtures.model import Outcome

from .coverage import State, coverage, remainder, total
from .crosscheck import crosscheck
from .headline import headline, lead
from .summary import measured
from .wording import SIGNS, against

if TYPE_CHECKING:
    from .record import DrillRecord, Record

COLUMNS = ("rto_s", "unavailable_s", "rpo_writes", "acknowledged")


def markdown(record: Record) -> str:
    """Headline, a table of drills, the reasons of all that is not PASS, what was attacked, the record's last hash."""
    lines = [f"## {record.outcome.value}: {headline(record)}", "", lead(record), ""]
    lines += ["| | drill | RTO | unavailable | lost writes | acknowledged |", "|---|---|--:|--:|--:|--:|"]
    lines += [_row(drill) for drill in record.drills.values()]
    lines.append("")
    if record.groups:
        lines += [f"- {group['outcome']}, {len(group['drills'])} runs of {_cell(group['scenario'])}: "
                  f"{_cell(group['sentence'])}" for group in record.groups] + [""]  # fmt: skip
    reasons = [drill for drill in record.drills.values() if drill.reason]
    if reasons:
        lines += [f"- **{_cell(drill.id)}** {drill.outcome.value}: {_cell(drill.reason)}" for drill in reasons] + [""]
    lines += _coverage(record)
    if differing := [each for each in crosscheck(record) if each.differs]:
        lines += [f"- **Code and drills differ**, {_cell(each.promise)}: {_cell(each.sentence)}" for each in differing]
        lines.append("")
    lines += [f"> {_cell(problem)}" for problem in record.problems]
    if record.stopped:
        lines += [f"The run ended early: {_cell(record.stopped)}", ""]
    lines.append(
        f"Seed {record.started.get('seed')}. Run {_cell(record.name)}, last hash of its record: `{record.head}`"
    )
    return "\n".join(lines) + "\n"


def _coverage(record: Record) -> list[str]:
    """The totals of the coverage map, and a line for each attacked cell that is not PASS; the page has the map."""
    map_ = coverage(record)
    attacked, prevented = map_.of(State.ATTACKED), map_.of(State.PREVENTED)
    if not attacked and not prevented and not map_.unplaced:
        return []
    lines = [f"**{total(map_)}.** {remainder(map_)}".rstrip(), ""]
    lines += [
        f"- {SIGNS[cell.outcome.value]} {cell.outcome.value}, {_cell(cell.component)}, {cell.fault}: "
        f"{_cell(', '.join(cell.drills))}"
        for cell in attacked
        if cell.outcome is not Outcome.PASS
    ]
    lines += [f"- Not on the map: {_cell(sentence)}" for sentence in map_.unplaced]
    return lines if lines[-1] == "" else [*lines, ""]


def _row(drill: DrillRecord) -> str:
    numbers = measured(drill)
    cells = [against(name, numbers[name], drill.objectives.get(name)) for name in COLUMNS]
    return f"| {SIGNS[drill.outcome.value]} {drill.outcome.value} | {_cell(drill.id)} | {' | '.join(cells)} |"


def _cell(content: str) -> str:
    """Text that cannot end a table's cell or become markup."""
    for character, replaced in (("\n", " "), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("_", "\\_")):
        content = content.replace(character, replaced)
    return content
