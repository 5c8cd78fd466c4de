"""Code that is right in another way than ours: no rule may find anything in it.

Each file of ``right/`` is a whole small repository (text by path) and variants of it, each a list of replacements that
keep it right. What is found here is a false alarm by definition, and counts against the suite's precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

RIGHT = Path(__file__).parent / "right"
AT_LEAST = 60


def variants() -> Iterator[tuple[str, dict[str, str]]]:
    """Name and files of every variant; a replacement that replaces nothing is an error."""
    for path in sorted(RIGHT.glob("*.yaml")):
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield f"{path.stem}-as-it-is", given["files"]
        for name, replacements in given["variants"].items():
            files = dict(given["files"])
            for old, new in replacements:
                assert any(old in text for text in files.values()), f"{path.name}: {name}: nothing holds {old!r}"
                files = {place: text.replace(old, new) for place, text in files.items()}
            yield f"{path.stem}-{name}", files


VARIANTS = dict(variants())


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_right_is_let_pass(name: str, judged_by_all: Callable[..., Any]) -> None:
    said = judged_by_all(VARIANTS[name])
    assert said.resources
    assert not said.unknown, "\n".join(said.unknown)
    assert not said.found, "\n".join(said.found)


def test_there_are_enough_variants_for_a_number() -> None:
    assert len(VARIANTS) >= AT_LEAST
