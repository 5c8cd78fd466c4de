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
from reports.columns import catalogue

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_fault_has_a_place() -> None:
    known = {rule.fault for rule in catalogue().rules}
    assert known == set(FAULTS), "reports/coverage.yaml: name each fault of scenario rows below `faults`, and no other"


def attacks(row: dict[str, Any]) -> Iterator[Attack]:
    """The faults of a row as it stands in its file."""
    ((name, fields),) = row["fault"].items()
    for step in fields if name == "schedule" else [row["fault"]]:
        for fault in FAULTS.keys() & step.keys():
            yield Attack(fault, {key: str(value) for key, value in step[fault].items()})


@pytest.mark.parametrize("path", sorted((REPOSITORY / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_row_has_a_place(path: Path) -> None:
    found = list(attacks(yaml.safe_load(path.read_text())))
    assert found
    for attack in found:
        assert catalogue().columns_of(attack), f"{attack} has no column in reports/coverage.yaml"


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
