"""The stack as CloudFormation: deployed, really there; and each role may do what it must and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fixtures.model import Outcome

pytest_plugins = ["fixtures.deployment.plugin"]

REALLY_MADE = {
    "AWS::EC2::NatGateway": 3,
    "AWS::EC2::Route": 4,
    "AWS::EC2::Subnet": 9,
    "AWS::ElasticLoadBalancingV2::Listener": 1,
    "AWS::KMS::Key": 4,
    "AWS::RDS::DBParameterGroup": 1,
    "AWS::RDS::DBSubnetGroup": 1,
    "AWS::SNS::Topic": 2,
}
"""Types that the emulator makes with all their properties: these must be there and as written."""
NEVER_MADE = {
    "AWS::Backup::BackupVault",
    "AWS::CloudFront::Distribution",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EKS::Cluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::Secret",
    "AWS::WAFv2::WebACL",
}
"""Types of which the emulator says CREATE_COMPLETE and makes nothing."""


def test_what_was_deployed_is_there_and_as_written(deployment: Any) -> None:
    wrong = [f"{each.resource.name}: {each.sentence}" for each in deployment.deployed if each.outcome is Outcome.FAIL]
    assert not wrong
    there = Counter(each.resource.type for each in deployment.deployed if each.outcome is Outcome.PASS)
    assert {name: there[name] for name in REALLY_MADE} == REALLY_MADE


def test_what_is_only_reported_as_created_is_unknown(deployment: Any) -> None:
    outcomes = {each.resource.type: each.outcome for each in deployment.deployed if each.resource.type in NEVER_MADE}
    assert outcomes == dict.fromkeys(NEVER_MADE, Outcome.UNKNOWN)


def test_an_update_without_a_change_changes_nothing(deployment: Any) -> None:
    assert [each.outcome for each in deployment.updated] == [each.outcome for each in deployment.deployed]


def test_what_is_deleted_goes_and_data_stay(deployment: Any) -> None:
    # The emulator does not order what it deletes: never a network's parts, by chance a replica after its primary.
    expected = {"abacus-production-network", "abacus-production-database"}
    assert {each.split()[0] for each in deployment.undeleted} <= expected
    assert not [each.sentence for each in deployment.deleted if each.outcome is Outcome.FAIL]
    gone = {each.resource.name: each.sentence for each in deployment.deleted if each.outcome is Outcome.PASS}
    kept = {name for name, sentence in gone.items() if sentence.startswith("is still there")}
    assert kept >= {"DataKey", "BackupKey", "FilesBucket", "BackupBucket", "LogsBucket"}
    assert {"Primary", "Replica", "Listener", "DeployRole"} <= set(gone) - kept


@pytest.mark.control("NISTCSF:PR.DS-11")
def test_every_role_may_do_what_it_must_and_nothing_else(access: list[Any]) -> None:
    assert not [str(each) for each in access if each.outcome is not Outcome.PASS]
    columns = Counter(each.expectation.column for each in access)
    assert all(columns[name] for name in ("may", "may_not", "never", "taken_by", "not_taken_by"))


def test_no_role_is_left_out_of_the_table(roles_unasked: list[str]) -> None:
    assert not roles_unasked
