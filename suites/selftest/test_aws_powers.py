"""What is not granted never leaves this process, and a dry run changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest

from fixtures.aws import calls, emulated
from fixtures.aws.emulated import INSTANCE, Account, fresh_session
from fixtures.aws.inventory import POWERS, Refused
from fixtures.aws.run import PROCEDURES
from fixtures.model import Outcome

ENTRY = {"failover": "accounts"}
GIVEN: dict[str, dict[str, Any]] = {"switch": {"to": emulated.REPLICA, "fenced": True}}
READS = ("Describe", "List", "Get")


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """Shared: the tests below change nothing in it, which is what they are about."""
    with emulated.account() as fresh:
        yield fresh


def recorder(session: boto3.Session) -> list[str]:
    """Every request that leaves, by operation; the guard is registered after it and may still stop it."""
    seen: list[str] = []

    def note(model: Any, **_: Any) -> None:
        seen.append(model.name)

    session.events.register_last("before-call", note)
    return seen


@pytest.mark.parametrize("procedure", [name for name in PROCEDURES if name != "discard"])
def test_dry_run_makes_no_call_that_changes_something(account: Account, procedure: str) -> None:
    session, said = fresh_session(), list[str]()
    seen = recorder(session)

    recovery = account.perform(
        procedure,
        ENTRY.get(procedure, "ledger"),
        session=session,
        dry=True,
        say=said.append,
        **GIVEN.get(procedure, {}),
    )

    assert seen
    assert not [each for each in seen if not each.startswith(READS)]
    assert recovery.verdict.outcome is Outcome.NOT_EXERCISED
    assert said or procedure == "expire"  # there is nothing old in a fresh account


def test_dry_run_prints_the_calls_in_order(account: Account) -> None:
    said: list[str] = []
    account.perform("restore-elsewhere", dry=True, say=said.append)
    calls_printed = [line.split()[2] for line in said if line.startswith("aws rds ")]
    assert calls_printed == [
        "create-db-snapshot",
        "copy-db-snapshot",
        "restore-db-instance-from-db-snapshot",
        "modify-db-instance",
    ]
    assert all("--region eu-west-1" in line for line in said[2:] if line.startswith("aws"))
    assert '"MultiAZ": true' in said[4]


@pytest.mark.parametrize(
    ("procedure", "power"), [(name, power) for name, each in PROCEDURES.items() for power in each.needs]
)
def test_a_power_that_is_not_granted_stops_before_the_first_call(account: Account, procedure: str, power: str) -> None:
    session = fresh_session()
    seen = recorder(session)
    granted = account.granting(*(each for each in POWERS if each != power))
    with pytest.raises(Refused, match=rf"{procedure} needs the power .*{power}.*nothing was called"):
        account.perform(procedure, ENTRY.get(procedure, "ledger"), inventory=granted, session=session)
    assert seen == []


def test_beneath_everything_the_session_itself_refuses(account: Account) -> None:
    reading = calls.Calls(fresh_session(), account.granting("read"))
    with pytest.raises(Refused, match="CreateDBSnapshot needs the power 'snapshot'"):
        reading.client("rds").create_db_snapshot(DBInstanceIdentifier=INSTANCE, DBSnapshotIdentifier="x")
    everything = calls.Calls(fresh_session(), account.inventory)
    with pytest.raises(Refused, match="DeleteDBCluster needs the power 'that no procedure has'"):
        everything.client("rds").delete_db_cluster(DBClusterIdentifier="x", SkipFinalSnapshot=True)
    dry = calls.Calls(fresh_session(), account.inventory, dry=True)
    with pytest.raises(Refused, match="this is a dry run"):
        dry.client("rds").create_db_snapshot(DBInstanceIdentifier=INSTANCE, DBSnapshotIdentifier="x")


@pytest.mark.parametrize("method", sorted(calls.ORIGINALS_KEEP))
def test_no_procedure_can_touch_an_original(account: Account, method: str) -> None:
    granted = calls.Calls(fresh_session(), account.inventory)
    with pytest.raises(Refused, match="is an original"):
        granted.change("rds", method, DBInstanceIdentifier=INSTANCE)


def test_another_account_is_refused_before_anything_is_asked(account: Account) -> None:
    session = fresh_session()
    seen = recorder(session)
    with pytest.raises(Refused, match="the credentials are of account 123456789012, the inventory is of 999999999999"):
        account.perform("restore", inventory=replace(account.inventory, account="999999999999"), session=session)
    assert seen == ["GetCallerIdentity"]
