"""The catalogue of the coverage map: it places every fault and every row, and a mistake in it names file and key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.faults import FAULTS
from reports.attacks import Attack
from reports.columns import ZONE, catalogue
from reports.coverage import State

from .test_coverage_map import drawn

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_fault_has_a_place() -> None:
    known = {rule.fault for rule in catalogue().rules}
    assert known == set(FAULTS), "reports/coverage.yaml: name each fault of scenario rows below `faults`, and no other"


ROWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "scenarios").glob("*.yaml"))}
AWAITED: set[tuple[str, str]] = set()
"""Cells without a reason that a row is to attack; empty once it does."""


def attacks(row: dict[str, Any]) -> Iterator[Attack]:
    """The faults of a row as it stands in its file."""
    ((name, fields),) = row["fault"].items()
    for step in fields if name == "schedule" else [row["fault"]]:
        for fault in FAULTS.keys() & step.keys():
            yield Attack(fault, {key: str(value) for key, value in step[fault].items()})


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_place(row: str) -> None:
    found = list(attacks(ROWS[row]))
    assert found
    for attack in found:
        assert catalogue().columns_of(attack), f"{attack} has no column in reports/coverage.yaml"


def cells(attack: Attack) -> set[tuple[str, str]]:
    """Where an attack of a row belongs on the map."""
    if attack.fault == "environment_loss":  # every node of the environment, and the object store stands elsewhere
        roles = [name for name in catalogue().components if name not in (ZONE, "object store")]
        return {(role, column) for role in roles for column in catalogue().columns_of(attack)}
    words = attack.fields.get("node", ZONE)
    roles = [name for name in catalogue().components if words == name or words.startswith(f"{name} ")]
    return {(role, column) for role in roles for column in catalogue().columns_of(attack)}


@pytest.mark.parametrize("environment", ["embedded", "docker"])
def test_every_cell_of_our_stacks_has_a_row_or_a_reason(environment: str) -> None:
    frame = catalogue()
    attacked = {cell for row in ROWS.values() for attack in attacks(row) for cell in cells(attack)}
    everything = {(component, column) for component in frame.components for column in frame.columns}
    excused = {cell for cell in everything if frame.excuse(*cell, environment)}
    assert everything - attacked - excused <= AWAITED, "write a row, or a reason into reports/coverage.yaml"
    assert not attacked & excused, "a row attacks it: drop the reason from reports/coverage.yaml"


def test_reasons_name_rows_that_exist() -> None:
    named = {word for excuse in catalogue().excuses for word in re.findall(r"[a-z]+(?:-[a-z]+)+", excuse.reason)}
    assert "api-processor" in named
    assert named <= ROWS.keys()


def test_rule_with_a_field_takes_it_from_the_bare_name() -> None:
    assert catalogue().columns_of(Attack("kill", {"part": ""})) == ("killed",)
    assert catalogue().columns_of(Attack("kill", {"part": "agent"})) == ("process part killed",)
    assert catalogue().columns_of(Attack("exhaust", {"resource": "patience"})) == ()


FRAME = """
components: {database: d, zone: z}
faults:
  killed: {means: m, faults: [kill]}
absent: []
spared: []
"""


def excuse(components: str, faults: str = "killed") -> str:
    return f"spared: [{{components: [{components}], faults: [{faults}], reason: r}}]"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("absent: []", "absent: []\nmore: 1", "unknown key 'more'; Known: components, faults, absent, spared"),
        ("spared: []", "", "'spared' is missing"),
        ("spared: []", "spared: {}", "spared: expected a list, got {}"),
        ("zone: z", "pod: z", "components: 'zone' is missing"),
        ("database: d", "database: 3", "components: database: expected a text, got 3"),
        ("means: m, ", "", "faults: killed: 'means' is missing"),
        ("means: m", "mean: m", "faults: killed: unknown key 'mean'; did you mean 'means'"),
        ("faults: [kill]", "faults: [{kill: {}}]", "killed: faults: kill: no field is named"),
        ("faults: [kill]", "faults: [3]", "killed: faults: expected keys, got 3"),
        ("faults: [kill]", "faults: [{kill: {part: a}, pause: {node: b}}]", "expected a fault's name, or one such as"),
        (
            "spared: []",
            excuse("databas"),
            "spared: entry 1: components: there is no 'databas'; did you mean 'database'",
        ),
        ("spared: []", excuse("zone", "kill"), "faults: there is no 'kill'; did you mean 'killed'"),
        ("spared: []", excuse(""), "components: is empty"),
        ("spared: []", excuse("zone").replace(", reason: r", ""), "spared: entry 1: 'reason' is missing"),
        ("spared: []", excuse("zone, zone"), "zone x killed has two reasons"),
        ("absent: []", "absent: [", "not valid YAML"),
    ],
)
def test_wrong_catalogue_names_file_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = tmp_path / "coverage.yaml"
    path.write_text(FRAME)
    assert catalogue(path).columns == {"killed": "m"}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(FRAME.replace(old, new))
    with pytest.raises(ValueError, match=re.escape(expected)) as raised:
        catalogue(wrong)
    assert str(wrong) in str(raised.value)


def test_what_names_no_node_is_meant_for_everything_that_it_can_befall(tmp_path: Path) -> None:
    left_out = [{"scenario": "environment-lost", "fault": {"fault": "EnvironmentLoss"}}]
    map_ = drawn(tmp_path, left_out=left_out)
    column = [each for each in map_.cells if each.fault == "environment lost"]
    befallen = {each.component for each in column if each.state is State.LEFT_OUT}
    assert {"database", "api", "load balancer"} <= befallen
    assert {each.component for each in column if each.state is State.ABSENT} >= {"object store", "zone"}
    assert not map_.unplaced
