"""The inventory is read strictly, and the command says in one sentence what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.aws import emulated
from fixtures.aws.__main__ import main
from fixtures.aws.inventory import Refused, load
from fixtures.aws.run import saved

from .drills import REPOSITORY

EXAMPLE = REPOSITORY / "stack" / "inventory.example.yaml"


def written(directory: Path, change: dict[str, Any]) -> Path:
    """The example with some keys replaced (``a.b`` for nested ones; None: left out)."""
    content = yaml.safe_load(EXAMPLE.read_text())
    for key, value in change.items():
        *outer, last = key.split(".")
        inside = content
        for name in outer:
            inside = inside[name]
        inside.pop(last, None)
        if value is not None:
            inside[last] = value
    path = directory / "inventory.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_example_is_an_inventory_that_grants_reading_only() -> None:
    example = load(EXAMPLE)
    assert example.powers == ("read",)
    assert example.databases["ledger"].elsewhere is not None
    assert example.databases["ledger"].endpoint is not None
    assert example.clusters


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"acount": "1"}, "acount is not known; expected some of account, region"),
        ({"account": None}, "account is missing"),
        ({"account": 123456789012}, "account is 123456789012; expected text in quotes"),
        ({"account": "12345"}, "account: '12345' is no account id; expected twelve digits in quotes"),
        ({"powers": ["read", "everything"]}, "powers: 'everything' is none; expected some of read, snapshot"),
        ({"powers": "read"}, "powers is 'read'; expected a list of texts in quotes"),
        ({"environment": "moon"}, "environment: 'moon' is none; expected one of emulated, staging, production"),
        ({"environment": "emulated"}, "make the two agree"),
        ({"endpoint_url": "http://127.0.0.1:5000"}, "make the two agree"),
        ({"within_s": 0}, "within_s: 0 leaves no time"),
        ({"within_s": True}, "within_s is True; expected a number"),
        ({"databases": ["ledger"]}, "databases is ['ledger']; expected a mapping of names"),
        ({"databases.ledger": None, "databases.other": {}}, "databases.other.instance is missing"),
        ({"databases.ledger.keep_days": 0}, "databases.ledger: keep_days and keep_at_least are at least 1"),
        ({"databases.ledger.keep_days": "7"}, "databases.ledger.keep_days is '7'; expected a whole number"),
        ({"databases.ledger.share_with": ["all"]}, "databases.ledger.share_with: 'all' is no account id"),
        ({"databases.ledger.elsewhere.region": "eu-central-1"}, "expected another region"),
        ({"databases.ledger.elsewhere.kms_key": None}, "databases.ledger.elsewhere.kms_key is missing"),
        ({"databases.ledger.endpoint": "db"}, "databases.ledger.endpoint is 'db'; expected a mapping"),
        ({"databases.ledger.size": 1}, "databases.ledger.size is not known; expected some of instance"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_a_wrong_inventory_is_named_by_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = written(tmp_path, change)
    with pytest.raises(Refused) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_and_no_yaml_are_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be read .*copy stack/inventory.example.yaml"):
        load(tmp_path / "none.yaml")
    path = tmp_path / "bad.yaml"
    path.write_text("a: [")
    with pytest.raises(Refused, match="is no YAML"):
        load(path)


def test_command_ends_with_4_and_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.yaml"), "restore", "ledger"]) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1


def test_command_is_a_dry_run_unless_told_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with emulated.account() as account:
        inventory = str(written(tmp_path, {"powers": ["read", "snapshot", "restore"], "account": emulated.ACCOUNT}))
        rds = account.client("rds")

        assert main([inventory, "restore", "ledger", "--drill", "today"]) == 0
        told = capsys.readouterr().out
        assert "aws rds create-db-snapshot --region eu-central-1" in told
        assert "NOT EXERCISED restored_as_it_was (staging; no phases)" in told
        assert rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []

        file = tmp_path / "properties.json"
        assert main([inventory, "save", "ledger", "--file", str(file)]) == 0
        assert saved(file) == json.loads(json.dumps(account.properties(emulated.INSTANCE)))

        assert main([inventory, "restore", "ledger", "--drill", "today", "--apply", "--saved", str(file)]) == 1
        told = capsys.readouterr().out
        assert "PASS     multi_az: expected True, found True" in told
        assert "UNKNOWN  network_type" in told


def test_saved_properties_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "properties.json"
    for content, said in (("{", "cannot be read"), ('{"multi_az": true}', "does not hold the properties")):
        path.write_text(content)
        with pytest.raises(Refused, match=said):
            saved(path)
