"""Every trouble is one sentence, and what a procedure cannot do it does not begin."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.exceptions
import pytest

from fixtures.aws import calls, emulated
from fixtures.aws.act import SETTLED
from fixtures.aws.emulated import INSTANCE, Account, fresh_session
from fixtures.aws.inventory import Refused
from fixtures.aws.properties import properties_of
from fixtures.aws.run import PROCEDURES
from fixtures.model import Outcome


@pytest.fixture
def aws() -> Iterator[Account]:
    with emulated.account() as fresh:
        yield fresh


def answering(operation: str, status: int, answer: dict[str, Any]) -> boto3.Session:
    """A session to which AWS answers one operation like this."""
    session = fresh_session()
    reply = (SimpleNamespace(status_code=status), {"ResponseMetadata": {}, **answer})
    answer_it: Any = lambda **_: reply  # noqa: E731  # the stubs know no handler that answers
    session.events.register(f"before-call.*.{operation}", answer_it)
    return session


def failing(operation: str, code: str) -> boto3.Session:
    return answering(operation, 400, {"Error": {"Code": code, "Message": f"{code} it is."}})


@pytest.mark.parametrize("procedure", [name for name in PROCEDURES if name != "discard"])
def test_a_procedure_names_exactly_the_powers_that_it_uses(aws: Account, procedure: str) -> None:
    given: dict[str, Any] = {"to": emulated.REPLICA, "fenced": True} if procedure == "switch" else {}
    if procedure == "expire":
        rds = aws.client("rds")
        for number in range(3):
            tags = [{"Key": "abacus-drill", "Value": str(number)}]
            rds.create_db_snapshot(DBInstanceIdentifier=INSTANCE, DBSnapshotIdentifier=f"d{number}", Tags=tags)
        given["now"] = datetime.now(UTC) + timedelta(days=100)
    recovery = aws.perform(procedure, "accounts" if procedure == "failover" else "ledger", **given)
    assert {calls.power_of(call.operation) for call in recovery.calls} == set(PROCEDURES[procedure].needs)


def test_denied_half_way_says_what_was_left_behind(aws: Account) -> None:
    with pytest.raises(Refused) as refused:
        aws.perform("restore", session=failing("RestoreDBInstanceFromDBSnapshot", "AccessDenied"))
    said = str(refused.value)
    assert said.startswith(
        "restore_db_instance_from_db_snapshot abacus-db-prod-drill abacus-db-prod-drill in eu-central"
    )
    assert "AccessDenied" in said
    assert "IAM policy does not allow it" in said
    assert said.endswith("already done and left in place: create_db_snapshot abacus-db-prod")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDenied", "IAM policy"),
        ("ExpiredToken", "renew them"),
        ("DBInstanceNotFound", "check the name and the region"),
        ("DBInstanceNotFoundFault", "check the name and the region"),
        ("Throttled", "nothing more is done"),
    ],
)
def test_an_error_of_aws_is_one_sentence(aws: Account, code: str, hint: str) -> None:
    with pytest.raises(Refused, match=rf"describe_db_instances {INSTANCE} in eu-central-1: {code}.*{hint}") as refused:
        aws.perform("restore", session=failing("DescribeDBInstances", code))
    assert "\n" not in str(refused.value)
    assert "left in place" not in str(refused.value)


def test_wrong_region_missing_snapshot_and_foreign_snapshot_are_said(aws: Account) -> None:
    with pytest.raises(Refused, match=r"in us-east-1: DBInstanceNotFound.*check the name and the region"):
        aws.perform("restore", inventory=replace(aws.inventory, region="us-east-1"))
    with pytest.raises(Refused, match=r"nowhere in eu-central-1: DBSnapshotNotFound.*no such snapshot"):
        aws.perform("restore", snapshot="nowhere")
    aws.client("rds").create_db_snapshot(DBInstanceIdentifier=emulated.REPLICA, DBSnapshotIdentifier="other")
    with pytest.raises(Refused, match="other is a snapshot of abacus-db-replica"):
        aws.perform("restore", snapshot="other")


def test_a_region_that_cannot_be_reached_is_said(aws: Account) -> None:
    def unreachable(**_: Any) -> None:
        raise botocore.exceptions.EndpointConnectionError(endpoint_url="https://sts.eu-centrall-1.amazonaws.com")

    session = fresh_session()
    session.events.register("before-call", unreachable)
    with pytest.raises(Refused, match=r"get_caller_identity in eu-central-1: AWS cannot be reached.*check the region"):
        aws.perform("restore", session=session)


def test_missing_credentials_are_said(aws: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(Refused, match="no AWS credentials were found"):
        aws.perform("restore")


def test_a_wait_has_a_deadline_and_says_what_was_seen_last(aws: Account) -> None:
    creating = {"DBSnapshots": [{"DBSnapshotIdentifier": "x", "Status": "creating"}]}
    hasty = replace(aws.inventory, within_s=0.01)
    waiting = calls.Calls(answering("DescribeDBSnapshots", 200, creating), hasty)
    with pytest.raises(Refused, match=r"x did not become db_snapshot_available within 0.01 s; last seen: creating"):
        waiting.wait("rds", "db_snapshot_available", DBSnapshotIdentifier="x")
    failed = {"DBSnapshots": [{"DBSnapshotIdentifier": "x", "Status": "failed"}]}
    waiting = calls.Calls(answering("DescribeDBSnapshots", 200, failed), hasty)
    with pytest.raises(Refused, match=r"x did not become db_snapshot_available; last seen: failed; look at its events"):
        waiting.wait("rds", "db_snapshot_available", DBSnapshotIdentifier="x")
    waiting = calls.Calls(failing("DescribeDBSnapshots", "AccessDenied"), hasty)
    with pytest.raises(Refused, match=r"AccessDenied.*IAM policy"):
        waiting.wait("rds", "db_snapshot_available", DBSnapshotIdentifier="x")


@pytest.mark.parametrize(
    ("state", "settled"),
    [
        ({}, True),
        ({"PendingModifiedValues": {}}, True),
        ({"PendingModifiedValues": {"MultiAZ": True}}, False),
        ({"DBInstanceStatus": "modifying"}, False),
        ({"DBParameterGroups": [{"ParameterApplyStatus": "applying"}]}, False),
        ({"DBParameterGroups": [{"ParameterApplyStatus": "pending-reboot"}]}, True),
    ],
)
def test_an_instance_has_settled_when_nothing_is_under_way(state: dict[str, Any], settled: bool) -> None:
    jmespath: Any = importlib.import_module("jmespath")
    instance = {"DBInstanceStatus": "available", "DBParameterGroups": [{"ParameterApplyStatus": "in-sync"}], **state}
    assert jmespath.search(" && ".join(SETTLED), {"DBInstances": [instance]}) is settled


def test_parameters_that_wait_for_a_reboot_get_one(aws: Account) -> None:
    session, seen = fresh_session(), list[str]()
    session.events.register("before-call", lambda model, **_: seen.append(model.name))

    def pending(parsed: dict[str, Any], **_: Any) -> None:
        for instance in parsed["DBInstances"]:
            if "RebootDBInstance" not in seen:
                instance["DBParameterGroups"][0]["ParameterApplyStatus"] = "pending-reboot"

    session.events.register("after-call.rds.DescribeDBInstances", pending)
    recovery = aws.perform("promote", session=session)
    assert "RebootDBInstance" in seen
    assert "parameter_group_state" in recovery.of(Outcome.PASS)


def test_a_promotion_is_waited_for_until_the_replica_stands_alone(aws: Account) -> None:
    staging = replace(aws.inventory, environment="staging", within_s=0.01)
    left = r"did not become promoted within 0.01 s; last seen: available.*left in place: promote_read_replica"
    with pytest.raises(Refused, match=left):
        aws.perform("promote", inventory=staging)  # moto never lets go of the source

    session, seen = fresh_session(), list[str]()
    session.events.register("before-call", lambda model, **_: seen.append(model.name))

    def lets_go(parsed: dict[str, Any], **_: Any) -> None:
        for instance in parsed["DBInstances"] if "PromoteReadReplica" in seen else ():
            instance.pop("ReadReplicaSourceDBInstanceIdentifier", None)

    session.events.register("after-call.rds.DescribeDBInstances", lets_go)
    recovery = aws.perform("promote", inventory=staging, session=session)
    assert "replica_of" in recovery.of(Outcome.PASS)


def test_names_that_are_taken_or_wrong_are_refused_before_anything_changes(aws: Account) -> None:
    aws.perform("restore")
    for procedure in ("restore", "restore-elsewhere"):
        with pytest.raises(Refused, match=r"abacus-db-prod-drill exists already in eu-central-1.*another --drill"):
            aws.perform(procedure)
    with pytest.raises(Refused, match="expected lower-case letters"):
        aws.perform("restore", drill="Drill_1")
    with pytest.raises(Refused, match="has no 'nobody' under databases; it has ledger"):
        aws.perform("restore", "nobody")
    with pytest.raises(Refused, match="'heal' is no procedure; expected one of restore,"):
        aws.perform("heal")


def test_only_what_this_drill_made_and_nobody_uses_is_discarded(aws: Account) -> None:
    with pytest.raises(Refused, match="no such instance"):
        aws.perform("discard", drill="never")
    aws.perform("restore")
    aws.perform("switch", to=f"{INSTANCE}-drill", fenced=True)
    with pytest.raises(Refused, match="is in service"):
        aws.perform("discard")
    foreign = f"{INSTANCE}-foreign"
    aws.client("rds").create_db_instance(
        DBInstanceIdentifier=foreign, DBInstanceClass="db.t3.small", Engine="postgres", AllocatedStorage=20
    )
    with pytest.raises(Refused, match="no drill of that name made it"):
        aws.perform("discard", drill="foreign")
    assert properties_of(aws.client("rds").describe_db_instances(DBInstanceIdentifier=foreign)["DBInstances"][0])


def test_what_does_not_stand_ready_in_the_other_region_stops_before_the_snapshot(aws: Account) -> None:
    ledger = aws.inventory.databases["ledger"]
    assert ledger.elsewhere is not None
    for field, code in (
        ("subnet_group", "DBSubnetGroupNotFoundFault"),
        ("parameter_group", "there is no such parameter group"),
        ("security_groups", "InvalidGroup.NotFound"),
        ("kms_key", "NotFoundException"),
    ):
        wrong: Any = ("sg-0123456789abcdef0",) if field == "security_groups" else "nothing"
        there = replace(ledger.elsewhere, **{field: wrong})
        inventory = replace(aws.inventory, databases={"ledger": replace(ledger, elsewhere=there)})
        with pytest.raises(Refused, match=rf"in eu-west-1: {code}"):
            aws.perform("restore-elsewhere", inventory=inventory)
    assert aws.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"] == []


def test_a_replica_of_another_and_a_member_that_is_none_are_refused(aws: Account) -> None:
    ledger = replace(aws.inventory.databases["ledger"], replica="abacus-accounts-1")
    with pytest.raises(Refused, match="is a replica of nothing; expected of abacus-db-prod"):
        aws.perform("promote", inventory=replace(aws.inventory, databases={"ledger": ledger}))
    with pytest.raises(
        Refused, match="has the readers abacus-accounts-2, abacus-accounts-3; expected abacus-accounts-1"
    ):
        aws.perform("failover", "accounts", to="abacus-accounts-1")
