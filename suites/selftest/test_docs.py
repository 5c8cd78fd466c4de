"""The pages that list what there is leave nothing out and name nothing that is not there."""

from __future__ import annotations

import re
from dataclasses import fields

from fixtures import checks, powers
from fixtures.faults import FAULTS
from fixtures.model import Abort, Objectives, Step

from .drills import REPOSITORY


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text()


def table(text: str) -> dict[str, str]:
    """The rows of all tables whose first cell begins with a word in backquotes, by that word."""
    return {found[1]: found[0] for found in re.finditer(r"^\| `([a-zA-Z_]+).*$", text, re.MULTILINE)}


def test_every_fault_and_each_of_its_fields_is_explained() -> None:
    rows = table(page("scenarios.md").partition("## Schedules")[0])
    assert set(rows) == {*FAULTS, "schedule"}
    for name, kind in FAULTS.items():
        assert all(f"`{field.name}`" in rows[name] for field in fields(kind)), name


def test_every_key_of_a_step_and_of_an_abort_is_explained() -> None:
    text = page("scenarios.md")
    for kind in (Step, Abort, Objectives):
        assert all(re.search(rf"\b{field.name}\b", text) for field in fields(kind)), kind


def test_every_check_is_explained() -> None:
    promised = {name for name in checks.__all__ if name.islower()} - {"promised", "restored"}
    assert set(table(page("checks.md"))) == promised


def test_every_power_is_explained_with_its_methods() -> None:
    rows = table(page("your-own-stack.md").partition("### Powers")[2])
    known = {name: power for name, power in vars(powers).items() if getattr(power, "_is_runtime_protocol", False)}
    assert set(rows) == set(known)
    for name, power in known.items():
        methods = {member for member in vars(power) if not member.startswith("_")}
        assert all(f"`{method}" in rows[name] for method in methods), name
