"""A stack as one is sketched at first, with holes known beforehand: each is found, and what is right in it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

SKETCH = yaml.safe_load((Path(__file__).parent / "wrong" / "sketch.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(judged_by_all: Callable[..., Any]) -> list[str]:
    said = judged_by_all(SKETCH["files"])
    assert not said.unknown, "\n".join(said.unknown)
    return list(said.found)


@pytest.mark.parametrize("hole", SKETCH["holes"])
def test_hole_is_found_where_it_is(hole: str, found: list[str]) -> None:
    rule, path = SKETCH["holes"][hole]
    assert [each for each in found if each.startswith(f"{path}:") and f"[{rule}]" in each], "\n".join(found)


@pytest.mark.parametrize("what", SKETCH["right"])
def test_what_is_right_in_it_is_let_pass(what: str, found: list[str]) -> None:
    assert not [each for each in found if f"[{SKETCH['right'][what]}]" in each]


def test_there_are_no_other_findings(found: list[str]) -> None:
    known = {f"{path}:{rule}" for rule, path in SKETCH["holes"].values()}
    seen = {f"{each.partition(':')[0]}:{each.rpartition('[')[2].rstrip(']')}" for each in found}
    assert seen == known
