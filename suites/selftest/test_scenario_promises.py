"""What a row must not promise together, or nowhere: one sentence each. An editor's schema cannot know these."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.scenario import BadRow, read_scenario

from .test_scenario_rows import changed

MISTAKES: dict[str, tuple[Any, str]] = {
    "address without a scheme": (
        changed("abort", {"url": "status.example.org"}),
        "abort.url: expected http://... or https://..., got 'status.example.org'",
    ),
    "moment for a cache": (
        changed("recovery", {"runbook": "cache-lost", "of": "cache", "to": "before the fault"}),
        "recovery.to: a cache comes back with its snapshot, there is no other moment; drop it",
    ),
    "base backup for a cache": (
        changed("recovery", {"runbook": "cache-lost", "of": "cache", "backup": "during"}),
        "recovery.backup: is of a database that is restored as a whole, and recovery.of says that it goes on",
    ),
    "old primary beside a rescue": (
        changed(
            "recovery",
            {"runbook": "rescue-table", "to": "before the fault and since", "returns": "old primary"},
        ),
        "recovery.returns: is of a database that is restored as a whole, and recovery.to says that it goes on",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_sentence_with_file_and_key(mistake: str, tmp_path: Path) -> None:
    row, sentence = MISTAKES[mistake]
    path = tmp_path / "row.yaml"
    path.write_text(f"# Why.\n{json.dumps(row)}")
    with pytest.raises(BadRow) as refused:
        read_scenario(path)
    assert str(refused.value).startswith(f"{path}: {sentence}")
