"""The table of what was done to a backup and who noticed, made from a run of ``test_recovery_controls.py`` and
``test_recovery_access.py``.

``python -m suites.selftest.sabotage.recovery_record RESULTS`` writes it between the README's markers; RESULTS is the
directory that ABACUS_TRACK_RECORD named in that run: one JSON file a control.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fixtures.recovery.programs import CannotRecover

from .track_record import README

BEGIN, END = "<!-- recovery record: begin -->", "<!-- recovery record: end -->"
RESULTS_VARIABLE = "ABACUS_TRACK_RECORD"
BEFORE, WHILE = "before a byte is fetched", "while it is restored"
BUILT, DELETED = "before anything is built from it", "before anything is deleted"
SINCE = "2026-11-25"
LATER = {"expired-key": "2026-11-27", "expires-midway": "2026-11-27", "wrong-clock": "2026-11-27"}
LATER |= dict.fromkeys(("configuration-changed", "configuration-gone", "configuration-key"), "2026-11-28")
LATER |= dict.fromkeys(("retention-damaged", "retention-wal"), "2026-11-28")
"""Since when, where that is not ``SINCE``."""
CONTROLS = {
    "flipped-sealed": ("a flipped byte in a base backup", BEFORE),
    "flipped-page": ("the same without a seal", WHILE),
    "truncated": ("a base backup cut short", BEFORE),
    "missing-wal": ("a WAL segment that is missing", BEFORE),
    "tail-lost": ("the end of the archive lost", WHILE),
    "truncated-wal": ("a WAL segment cut short", BEFORE),
    "flipped-wal": ("a flipped byte in WAL", WHILE),
    "foreign-wal": ("WAL of another cluster", WHILE),
    "other-cluster": ("a backup of another cluster", BEFORE),
    "empty-bucket": ("an empty bucket", BEFORE),
    "missing-bucket": ("a bucket that is not there", BEFORE),
    "unreachable": ("an object store that does not answer", BEFORE),
    "wrong-timeline": ("a timeline that was left", BEFORE),
    "wrong-key": ("a wrong key", BEFORE),
    "expired-key": ("credentials that have expired (emulated)", BEFORE),
    "expires-midway": ("credentials that expire while it is fetched (emulated)", WHILE),
    "wrong-clock": ("a clock that is wrong by an hour (the store's refusal emulated)", BEFORE),
    "archive-stopped": ("an archive that stopped without an error", "by `prove`, within its time"),
    "full-disk": ("a disk that is full", BEFORE),
    "configuration-changed": ("a changed byte in the saved configuration", BUILT),
    "configuration-gone": ("an object of it that is gone", BUILT),
    "configuration-key": ("the same, signed with another key", BUILT),
    "retention-damaged": ("a retention policy that would keep a damaged backup", DELETED),
    "retention-wal": ("one that would keep a backup without its WAL", DELETED),
}
"""Name -> the defect, and when it must be found."""


def caught(name: str, error: CannotRecover, *, before: bool | None = None) -> None:
    """Keep what caught it, where a record was asked for. ``before``: nothing was fetched; None: it was no restore."""
    assert before is None or before is (CONTROLS[name][1] == BEFORE), f"{name} was not found when it must be"
    if RESULTS_VARIABLE in os.environ:
        said = {"code": str(error.code), "sentence": str(error)}
        (Path(os.environ[RESULTS_VARIABLE]) / f"recovery-{name}.json").write_text(json.dumps(said))


def table(codes: dict[str, str]) -> str:
    """The Markdown table; ``codes`` maps a control to the code of what caught it."""
    lines = ["| done to a backup | caught as | when | caught since |", "|---|---|---|---|"]
    lines += [
        f"| {says} | `{codes[name]}` | {when} | {LATER.get(name, SINCE)} |" for name, (says, when) in CONTROLS.items()
    ]
    return "\n".join(lines)


def main(results: Path) -> None:
    """Write the table of a run into the README. Raises KeyError where a control was not caught in it."""
    prefix = "recovery-"
    found = {
        path.stem.removeprefix(prefix): json.loads(path.read_text())["code"] for path in results.glob(f"{prefix}*.json")
    }
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
