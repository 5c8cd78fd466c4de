"""The AWS procedures give back what was there, and say what was lost. Run in an emulator: it shows the calls, not AWS.

moto copies what AWS resets and does not model everything. A property that nobody asked for is therefore judged by what
AWS documents, and what moto does not model is UNKNOWN, never PASS (``aws.blind`` says which and why).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures import checks
from fixtures.model import Outcome

pytest_plugins = ["fixtures.aws.plugin"]

ORIGINAL, RESTORED, REPLICA = "abacus-db-prod", "abacus-db-prod-drill", "abacus-db-replica"
OTHER_REGION = "eu-west-1"
JUDGED_AT_LEAST = 24
"""Of 32 properties; below that the emulator judges too little for a drill to mean anything."""


def assert_nothing_lost(aws: Any, recovery: Any, *also_unknown: str) -> None:
    """No property is lost, and only what the emulator does not model is not judged."""
    assert recovery.environment == "emulated"
    assert recovery.verdict.sentence.startswith("emulated: ")
    lost = recovery.of(Outcome.FAIL)
    assert not lost, "\n".join(each.sentence() for each in lost.values())
    unknown = recovery.of(Outcome.UNKNOWN)
    assert set(unknown) == {*aws.blind, *also_unknown}, "\n".join(each.sentence() for each in unknown.values())
    assert all(each.reason for each in unknown.values())
    assert len(recovery.of(Outcome.PASS)) >= JUDGED_AT_LEAST


def test_plans_own_script_loses_what_it_does_not_ask_for(aws: Any) -> None:
    recovery = aws.perform_naive()

    assert recovery.verdict.outcome is Outcome.FAIL
    assert set(recovery.of(Outcome.FAIL)) == {
        "instance_class",
        "multi_az",
        "security_groups",
        "parameter_group",
        "backup_window",
        "deletion_protection",
        "copy_tags_to_snapshot",
        "log_exports",
        "iam_authentication",
        "storage_type",
        "max_allocated_storage_gib",
    }
    left_to_chance = {
        "subnet_group",
        "backup_retention_days",
        "monitoring_interval_s",
        "monitoring_role",
        "ca_certificate",
        "maintenance_window",
        "publicly_accessible",
    }
    assert set(recovery.of(Outcome.UNKNOWN)) == left_to_chance | set(aws.blind)
    assert "multi_az: expected True" in recovery.verdict.sentence


def test_restored_instance_is_what_the_original_was(aws: Any, recorded: Any, evidence: Any) -> None:
    recovery = aws.perform("restore")

    assert_nothing_lost(aws, recovery)
    assert list(recovery.phases_s) == ["snapshot", "restore", "modify", "verify"]
    assert recovery.verdict.measured["restore_s"] > 0
    assert recovery.verdict.outcome is Outcome.UNKNOWN  # an emulator that models less than all cannot say more
    evidence.verify(checks.nothing_lost_in_recovery(recorded(recovery), judged_at_least=JUDGED_AT_LEAST))


def test_original_lost_is_restored_from_its_snapshot_and_saved_properties(aws: Any) -> None:
    saved = aws.properties(ORIGINAL)
    rds = aws.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier=ORIGINAL, DBSnapshotIdentifier="last-night")
    rds.modify_db_instance(DBInstanceIdentifier=ORIGINAL, DeletionProtection=False)
    rds.delete_db_instance(DBInstanceIdentifier=ORIGINAL, SkipFinalSnapshot=True)

    recovery = aws.perform("restore", saved=saved, snapshot="last-night")

    assert_nothing_lost(aws, recovery)
    assert aws.properties(RESTORED)["deletion_protection"] is True
    assert "snapshot" not in recovery.phases_s


def test_snapshot_is_copied_and_restored_in_another_region(aws: Any, recorded: Any, evidence: Any) -> None:
    recovery = aws.perform("restore-elsewhere")

    assert_nothing_lost(aws, recovery)
    assert list(recovery.phases_s) == ["snapshot", "copy", "restore", "modify", "verify"]
    there = aws.inventory.databases["ledger"].elsewhere
    assert aws.properties(RESTORED, OTHER_REGION)["kms_key"] == there.kms_key != aws.made_with["kms_key"]
    evidence.verify(checks.nothing_lost_in_recovery(recorded(recovery), judged_at_least=JUDGED_AT_LEAST))


def test_other_region_with_other_parameters_is_found(aws: Any) -> None:
    there = aws.inventory.databases["ledger"].elsewhere
    other = {"ParameterName": "max_connections", "ParameterValue": "100", "ApplyMethod": "immediate"}
    aws.client("rds", OTHER_REGION).modify_db_parameter_group(
        DBParameterGroupName=there.parameter_group, Parameters=[other]
    )

    assert set(aws.perform("restore-elsewhere").of(Outcome.FAIL)) == {"parameters"}


def test_lost_region_is_never_asked(aws: Any) -> None:
    saved = aws.properties(ORIGINAL)
    aws.client("rds").create_db_snapshot(DBInstanceIdentifier=ORIGINAL, DBSnapshotIdentifier="nightly")
    aws.client("rds", OTHER_REGION).copy_db_snapshot(
        SourceDBSnapshotIdentifier=f"arn:aws:rds:eu-central-1:{aws.inventory.account}:snapshot:nightly",
        TargetDBSnapshotIdentifier="nightly",
        KmsKeyId=aws.inventory.databases["ledger"].elsewhere.kms_key,
        SourceRegion="eu-central-1",
    )

    recovery = aws.perform("restore-elsewhere", saved=saved, snapshot="nightly")

    assert_nothing_lost(aws, recovery, "parameters")
    assert {call.region for call in recovery.calls} == {OTHER_REGION}


def test_clients_are_sent_to_the_restored_instance_only(aws: Any) -> None:
    aws.perform("restore")
    aws.client("rds").stop_db_instance(DBInstanceIdentifier=ORIGINAL)

    recovery = aws.perform("switch", to=RESTORED)

    assert recovery.verdict.outcome is Outcome.PASS
    zone = aws.inventory.databases["ledger"].endpoint.zone
    (record,) = [
        each
        for each in aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if each["Type"] == "CNAME"
    ]
    assert record["ResourceRecords"][0]["Value"].startswith(f"{RESTORED}.")
    assert record["TTL"] == 60  # it was 300: so long would clients have gone on writing to the old one
    assert list(recovery.phases_s) == ["switch", "verify"]


def test_clients_are_not_sent_away_while_the_original_takes_writes(aws: Any) -> None:
    aws.perform("restore")

    with pytest.raises(Exception, match=f"{ORIGINAL} is available, and what clients still write to it would be lost"):
        aws.perform("switch", to=RESTORED)
    assert aws.perform("switch", to=RESTORED, fenced=True).verdict.outcome is Outcome.PASS


def test_promoted_replica_is_what_the_original_was(aws: Any) -> None:
    assert aws.properties(REPLICA)["multi_az"] is False

    recovery = aws.perform("promote")

    # moto copies these to a replica when it is made, and never lets go of its source.
    assert_nothing_lost(aws, recovery, "subnet_group", "log_exports", "replica_of")
    promoted = aws.properties(REPLICA)
    assert promoted["multi_az"] is True
    assert promoted["backup_retention_days"] == aws.made_with["backup_retention_days"]


def test_aurora_failover_makes_the_wanted_member_the_only_writer(aws: Any) -> None:
    first = aws.perform("failover", "accounts")
    assert first.verdict.outcome is Outcome.PASS
    assert first.findings[0].after == ["abacus-accounts-2"]  # the best tier of those that read

    second = aws.perform("failover", "accounts", to="abacus-accounts-3")
    assert second.findings[0].after == ["abacus-accounts-3"]


def test_snapshot_is_shared_with_the_named_accounts_and_nobody_else(aws: Any) -> None:
    rds = aws.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier=ORIGINAL, DBSnapshotIdentifier="open")
    rds.modify_db_snapshot_attribute(DBSnapshotIdentifier="open", AttributeName="restore", ValuesToAdd=["333333333333"])

    recovery = aws.perform("share", snapshot="open")

    assert recovery.verdict.outcome is Outcome.PASS
    assert recovery.findings[0].after == ["210987654321"]


@pytest.mark.parametrize(("days_later", "left"), [(0, 4), (8, 2)])
def test_retention_drops_old_snapshots_of_drills_but_never_the_last_nor_foreign_ones(
    aws: Any, days_later: int, left: int
) -> None:
    rds = aws.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier=ORIGINAL, DBSnapshotIdentifier="before-migration")
    for number in range(4):
        tags = [{"Key": "abacus-drill", "Value": str(number)}]
        rds.create_db_snapshot(DBInstanceIdentifier=ORIGINAL, DBSnapshotIdentifier=f"drill-{number}", Tags=tags)

    recovery = aws.perform("expire", now=datetime.now(UTC) + timedelta(days=days_later))

    assert recovery.verdict.outcome is Outcome.PASS
    every = rds.describe_db_snapshots(DBInstanceIdentifier=ORIGINAL, SnapshotType="manual")["DBSnapshots"]
    names = {each["DBSnapshotIdentifier"] for each in every}
    assert "before-migration" in names
    assert sorted(names - {"before-migration"}) == [f"drill-{number}" for number in range(4 - left, 4)]


def test_what_a_drill_restored_is_removed_and_nothing_else(aws: Any) -> None:
    aws.perform("restore")

    recovery = aws.perform("discard")

    assert recovery.verdict.outcome is Outcome.PASS
    left = {each["DBInstanceIdentifier"] for each in aws.client("rds").describe_db_instances()["DBInstances"]}
    assert RESTORED not in left
    assert {ORIGINAL, REPLICA} <= left
