"""Before a database is lost for good, its archive falls behind by as many seconds as the row promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from fixtures.recovery.plugin import Backups
from fixtures.rows import SCENARIOS, read_scenario


def waited(path: Path) -> list[float]:
    """What is slept once the WAL of the load is in the store, before the fault."""
    nothing: Any = None
    backups = Backups(nothing, read_scenario(path), nothing, {}, nothing, nothing, print)
    with patch("time.sleep") as slept:
        backups._let_it_fall_behind()
    return [call.args[0] for call in slept.call_args_list]


@pytest.mark.parametrize(
    ("row", "seconds"),
    [
        ("database-lost", [15.0]),
        ("environment-lost", [15.0]),
        ("table-dropped", []),  # it goes back to a moment
        ("rows-deleted", []),
        ("cache-lost", []),
        ("backup-during-failover", [0.0]),  # of a schedule the last fault has its own time
    ],
)
def test_the_promise_of_the_row_says_how_long(row: str, seconds: list[float]) -> None:
    path = SCENARIOS / f"{row}.yaml"
    promised = read_scenario(path).objectives.rpo_s
    assert waited(path) == [promised if each else each for each in seconds]
