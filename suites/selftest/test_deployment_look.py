"""The look at deployed resources, made to fail: what is removed, changed or widened behind a stack's back is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.deployment.emulated import emulated_account
from fixtures.deployment.look import Standing, look_after_deletion, look_at_stacks
from fixtures.deployment.lookup import read_lookups
from fixtures.deployment.stacks import Account, Stack, delete, deploy, read_parameters, read_stacks
from fixtures.model import Outcome

TEMPLATE = """
Parameters:
  Days: {Type: Number}
Resources:
  Kept:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {BucketName: kept-for-ever}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /small, RetentionInDays: !Ref Days}
  Rights:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: small
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::kept-for-ever/*"}]
  Network:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.1.0.0/16}
  Front:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: front, VpcId: !Ref Network}
  Behind:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: behind
      VpcId: !Ref Network
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 5432, ToPort: 5432, SourceSecurityGroupId: !GetAtt Front.GroupId}
  BehindToo:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !GetAtt Behind.GroupId
      IpProtocol: tcp
      FromPort: 80
      ToPort: 80
      SourceSecurityGroupId: !GetAtt Behind.GroupId
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {AlarmName: never-made, Threshold: 1}
  Odd:
    Type: AWS::SNS::TopicPolicy
    Properties: {Topics: []}
"""


class Small:
    """A stack with one of each that matters here, in an emulated account."""

    def __init__(self, directory: Path, account: Account, given: dict[str, str]) -> None:
        self.directory, self.account, self.given = directory, account, given
        deploy(account, self.stacks())
        self.before = self.look()

    def stacks(self, **changed: str) -> tuple[Stack, ...]:
        """The stack, with other parameters."""
        return read_stacks({**self.given, "Days": "90", **changed}, self.directory)

    def look(self) -> list[Standing]:
        """As if it had just been deployed."""
        return look_at_stacks(self.account, self.stacks())

    def drift(self) -> dict[str, Standing]:
        """What is not PASS any more."""
        now = look_at_stacks(self.account, self.stacks(), self.before)
        pairs = zip(self.before, now, strict=True)
        return {after.resource.name: after for before, after in pairs if after.outcome is not before.outcome}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    (tmp_path / "small.yaml").write_text(TEMPLATE)
    (tmp_path / "stacks.yaml").write_text("- {name: small, template: small.yaml, region: Region}")
    with emulated_account(read_parameters("development")) as (account, given):
        yield Small(tmp_path, account, given)


def outcomes(standings: list[Standing]) -> dict[str, Outcome]:
    return {each.resource.name: each.outcome for each in standings}


def test_what_is_there_is_told_from_what_is_only_reported(small: Small) -> None:
    assert outcomes(small.before) == {
        **dict.fromkeys(("Kept", "Logs", "Rights", "Network", "Front", "Behind", "BehindToo"), Outcome.PASS),
        **dict.fromkeys(("Alarm", "Odd"), Outcome.UNKNOWN),
    }
    sentences = {each.resource.name: each.sentence for each in small.before}
    assert sentences["Alarm"] == "reported as created, but describe_alarms does not know it"
    assert sentences["Odd"] == "no look-up is known for AWS::SNS::TopicPolicy"
    assert small.drift() == {}


def test_what_is_not_there_is_a_failure_on_a_real_account(small: Small) -> None:
    real = Account(small.account.session, small.account.number, emulated=False)
    assert outcomes(look_at_stacks(real, small.stacks()))["Alarm"] is Outcome.FAIL


def test_a_resource_that_was_made_after_all_is_found(small: Small) -> None:
    small.account.client("cloudwatch", small.given["Region"]).put_metric_alarm(
        AlarmName="never-made", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=1,
        MetricName="m", Namespace="n", Period=60, Statistic="Sum",
    )  # fmt: skip
    assert small.drift()["Alarm"].outcome is Outcome.PASS


def test_a_removed_resource_is_named(small: Small) -> None:
    small.account.client("logs", small.given["Region"]).delete_log_group(logGroupName="/small")
    drift = small.drift()
    assert {name: (each.outcome, each.sentence) for name, each in drift.items()} == {
        "Logs": (Outcome.FAIL, "was there after the deployment and is gone")
    }


def test_a_changed_property_is_named(small: Small) -> None:
    small.account.client("logs", small.given["Region"]).put_retention_policy(logGroupName="/small", retentionInDays=1)
    (changed,) = small.drift().values()
    assert changed.outcome is Outcome.FAIL
    assert changed.sentence == "was changed since the deployment: RetentionInDays is 1, expected 90"


def test_an_opened_security_group_is_named(small: Small) -> None:
    group = next(each.resource.id for each in small.before if each.resource.name == "Behind")
    world = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2 = small.account.client("ec2", small.given["Region"])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[world])
    (changed,) = small.drift().values()
    assert [each.property for each in changed.differences] == ["SecurityGroupIngress"]
    assert "tcp 5432-5432 from 0.0.0.0/0" in changed.sentence


def test_a_widened_policy_is_named(small: Small) -> None:
    arn = next(each.resource.id for each in small.before if each.resource.name == "Rights")
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam = small.account.client("iam", small.given["Region"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(wide), SetAsDefault=True)
    (changed,) = small.drift().values()
    assert (changed.outcome, [each.property for each in changed.differences]) == (Outcome.FAIL, ["PolicyDocument"])


def test_a_property_that_differs_from_the_template_is_named(small: Small) -> None:
    other = look_at_stacks(small.account, small.stacks(Days="30"))
    (logs,) = [each for each in other if each.resource.name == "Logs"]
    assert (logs.outcome, logs.sentence) == (
        Outcome.UNKNOWN,
        "is there, but not as the template says: RetentionInDays is 90, expected 30",
    )
    real = Account(small.account.session, small.account.number, emulated=False)
    assert outcomes(look_at_stacks(real, small.stacks(Days="30")))["Logs"] is Outcome.FAIL


def test_an_update_is_looked_at_too(small: Small) -> None:
    template = small.directory / "small.yaml"
    added = "  More:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupName: /more, RetentionInDays: 30}\n"
    template.write_text(template.read_text() + added)
    deploy(small.account, small.stacks(), update=True)
    assert outcomes(small.look()) == {**outcomes(small.before), "More": Outcome.PASS}
    # The emulator leaves out a change of a log group, and says UPDATE_COMPLETE.
    deploy(small.account, small.stacks(Days="30"), update=True)
    changed = look_at_stacks(small.account, small.stacks(Days="30"))
    assert outcomes(changed)["Logs"] is not Outcome.PASS


def test_what_stays_after_a_deletion_is_named(small: Small) -> None:
    assert delete(small.account, small.stacks()) == []
    gone = look_after_deletion(small.account, small.before)
    sentences = {each.resource.name: each.sentence for each in gone}
    assert sentences["Kept"] == "is still there, DeletionPolicy Retain"
    # The emulator says DELETE_COMPLETE and leaves a managed policy behind.
    assert {name: each for name, each in outcomes(gone).items() if each is not Outcome.PASS} == {
        "Rights": Outcome.UNKNOWN
    }
    small.account.client("logs", small.given["Region"]).create_log_group(logGroupName="/small")
    real = Account(small.account.session, small.account.number, emulated=False)
    assert outcomes(look_after_deletion(real, small.before))["Logs"] is Outcome.FAIL


def test_every_type_of_the_stack_has_a_look_up_or_a_reason() -> None:
    """The gaps are known: a new type without a row must be thought of."""
    lookups = set(read_lookups())
    stacks = read_stacks(read_parameters("production"))
    used = {each["Type"] for stack in stacks for each in stack.template["Resources"].values()}
    # Their ids name three things at once, or no call reads them.
    assert used - lookups == {"AWS::Backup::BackupSelection", "AWS::SNS::TopicPolicy", "AWS::WAFv2::WebACL"}
