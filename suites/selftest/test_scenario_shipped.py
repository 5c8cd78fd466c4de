"""The rows and the schema that this repository ships, and the words that its rows may use for targets."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from fixtures.faults import Kill, ZoneOutage
from fixtures.scenario import SCENARIOS, read_scenario
from fixtures.schema import schema, schema_text
from fixtures.stacks.embedded.layout import ROLES, ZONES
from reports.controls import unknown_control

SHIPPED = sorted(SCENARIOS.glob("*.yaml"))


def test_the_schema_in_the_repository_is_of_today() -> None:
    """Else: python -m fixtures.scenario."""
    assert (SCENARIOS / "schema.json").read_text() == schema_text()
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_row_is_right(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())
    row = read_scenario(path)
    assert not unknown_control(row.controls)
    assert not row.fault.misnamed(ROLES, ZONES)


def test_words_for_targets_are_known_or_a_mistake() -> None:
    assert not Kill("database primary").misnamed(ROLES, ZONES)
    assert not ZoneOutage("database primary").misnamed(ROLES, ZONES)
    assert not ZoneOutage("b").misnamed(ROLES, ZONES)
    assert Kill("b").misnamed(ROLES, ZONES).startswith("node: this stack has no 'b'; expected a role (api, cache, ")
    assert "did you mean 'database primary'?" in Kill("databse primary").misnamed(ROLES, ZONES)
    assert "or a zone (a, b, c)" in ZoneOutage("d").misnamed(ROLES, ZONES)
    assert ZoneOutage("").misnamed(ROLES, ZONES)
