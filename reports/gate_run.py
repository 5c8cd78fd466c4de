"""The release gate on disk: reads a run and the accepted one, writes the decision, stores what is accepted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gate import COMPARED, RELEASED, decide
from .gate_policy import BadInput
from .record import read_record
from .summary import summary, summary_text
from .wording import SIGNS, quantity, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .gate_policy import Policy
    from .record import Record

DECISION = "gate.json"
ACCEPTED = Path(__file__).parent / "accepted.json"
SCHEMA = Path(__file__).parent / "summary.schema.json"
HOW = "expected the summary of a run as `python -m reports accept RUN` stores it"
COLUMNS = ("", "row", "runs", "RTO, upper bound", "accepted", "at most", "lost writes")


class NotARun(ValueError):
    """The directory holds no record that could be read."""


def gate(directory: Path, policy: Policy, accepted: Path | None = None) -> dict[str, Any]:
    """The decision on a run; see ``decide``.

    All of its record is computed again first, as ``verify`` does: a release is not let out on numbers that do not
    follow from what the clients saw. Without ``accepted``, a run is compared with ``accepted.json`` beside this file
    where there is one. Raises NotARun, BadInput.
    """
    if accepted is None and ACCEPTED.is_file():
        accepted = ACCEPTED
    before = None if accepted is None else read_accepted(accepted)
    record, problems = _verified(directory)
    return decide(summary(record), policy, before, problems)


def _verified(directory: Path) -> tuple[Record, list[str]]:
    from .verify import verify  # numpy and the checks, which a policy that cannot be read does not need

    try:
        record = read_record(directory)
        problems, _ = verify(directory)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:  # whatever a forged line leads to
        raise NotARun(f"{directory}: its record cannot be read ({type(error).__name__}: {error})") from error
    return record, [problem for problem in problems if not problem.startswith(f"{DECISION}: ")]


def read_accepted(path: Path) -> dict[str, Any]:
    """An accepted run's summary. Raises BadInput."""
    import jsonschema  # which only this needs

    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        hint = "store a run there first, or leave --accepted out to compare with nothing"
        raise BadInput(f"{path}: cannot be read ({error.strerror}); {hint}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, bottomless nesting
        raise BadInput(f"{path}: not JSON ({error}); {HOW}") from error
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    if wrong := jsonschema.exceptions.best_match(validator.iter_errors(found)):
        where = wrong.json_path.removeprefix("$").removeprefix(".")
        raise BadInput(f"{path}: {where or 'the file'}: {shorten(wrong.message)}; {HOW}")
    if not found["complete"] or found["outcome"] != "PASS":
        how = found["outcome"] if found["complete"] else "not complete"
        raise BadInput(f"{path}: the run {found['run']} is {how}, only a PASS can be compared with; {HOW}")
    return dict(found)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of a summary")


# ------------------------------------------------------------------------------------------------ written


def decision_text(decision: dict[str, Any]) -> str:
    """The file's content: the same decision gives the same bytes."""
    return json.dumps(decision, indent=2, ensure_ascii=False) + "\n"


def decision_path(directory: Path, out: Path | None = None) -> Path:
    """Where the decision is written: ``out``, else into the run."""
    return directory / DECISION if out is None else out


def withdraw(directory: Path, path: Path) -> None:
    """Remove an earlier decision, so that none stands where a new one could not be made. Raises OSError."""
    path.unlink(missing_ok=True)
    _enlist(directory, path)


def write_decision(decision: dict[str, Any], directory: Path, path: Path) -> None:
    """Write the decision on the run in ``directory``. Raises OSError."""
    _write(path, decision_text(decision))
    _enlist(directory, path)


def _enlist(directory: Path, path: Path) -> None:
    """Tell the run's SHA256SUMS of the file, where `verify` would else find a stranger; no other line is touched."""
    from .render import SUMS

    sums = directory / SUMS
    if path.resolve().parent != directory.resolve() or not sums.is_file():
        return
    text = sums.read_text(encoding="utf-8")
    named = {line.split("  ", 1)[-1]: line for line in text.splitlines()}
    named.pop(path.name, None)
    if path.is_file():
        named[path.name] = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
    if (fresh := "".join(f"{named[name]}\n" for name in sorted(named, key=Path))) != text:
        _write(sums, fresh)


def accept(directory: Path, policy: Policy, to: Path = ACCEPTED, *, anyway: bool = False) -> list[str]:
    """Store a run's summary as the accepted one; returns why it was not stored, empty where it was.

    A run that the gate would stop is not stored. With ``anyway``, reasons that follow from the run that was accepted
    before (slower, loses more, elsewhere) do not count; what failed or was not shown is never accepted. Raises NotARun,
    BadInput, OSError.
    """
    before = read_accepted(to) if to.is_file() else None
    record, problems = _verified(directory)
    decision = decide(summary(record), policy, before, problems)
    against = [reason for reason in decision["reasons"] if not (anyway and reason["code"] in COMPARED)]
    if not against:
        _write(to, summary_text(record))
    return [f"{reason['code']}: {reason['sentence']}" for reason in against]


def _write(path: Path, content: str) -> None:
    """Replace in one step: a reader sees the old file or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(content, encoding="utf-8")
    fresh.replace(path)


# ------------------------------------------------------------------------------------------------ said


def table(decision: dict[str, Any]) -> list[str]:
    """What a person reads: the decision, a line a required row, the reasons."""
    rows = [COLUMNS, *(_cells(row, decision["policy"]["repeat"]) for row in decision["rows"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    reasons = [f"! {reason['code']}: {reason['sentence']}" for reason in decision["reasons"]]
    return [*lines, *reasons, f"{decision['decision'].upper()} {decision['run']['run']}: {decision['comparison']}"]


def _cells(row: dict[str, Any], repeat: int) -> Sequence[str]:
    rto, rpo = row["rto_s"] or {}, row["rpo_writes"] or {}
    times = (rto.get(name) for name in ("upper", "accepted_s", "limit_s"))
    return (
        SIGNS["PASS" if row["decision"] == RELEASED else "FAIL"],
        row["row"],
        f"{row['passed']}/{repeat}",
        *(quantity("rto_s", number) for number in times),
        quantity("rpo_writes", rpo.get("largest")),
    )
