"""The README's table of harmed backups is the one that a run makes."""

from __future__ import annotations

from .sabotage.recovery_record import BEGIN, CONTROLS, END
from .sabotage.track_record import README


def test_the_record_lists_every_control() -> None:
    text = README.read_text()
    listed = text[text.index(BEGIN) : text.index(END)]
    assert all(f"| {says} |" in listed for says, _ in CONTROLS.values())
    assert listed.count("\n") == len(CONTROLS) + 3
