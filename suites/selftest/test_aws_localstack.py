"""LocalStack itself beside moto: who answers what is so, and what it only says that it has is not believed.

It runs where Docker and an image of it are, or where ABACUS_LOCALSTACK_URL names one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import botocore.config
import pytest
from botocore.exceptions import ClientError

from fixtures.aws import answering, plane
from fixtures.aws.emulated import fresh_session
from fixtures.aws.localstack import client as straight
from fixtures.aws.localstack import localstack
from fixtures.aws.proxy import Proxied

from .recovery_servers import KEYS

REGION = "us-east-1"


@pytest.fixture(scope="module")
def beside() -> Iterator[str]:
    with localstack() as found:
        if not found.url and "ended while it started" not in found.why_not and "does not answer" not in found.why_not:
            pytest.skip(f"not exercised: {found.why_not}")
        assert found.url, found.why_not
        yield found.url


@pytest.fixture(scope="module")
def aws(beside: str) -> Iterator[Proxied]:
    with plane.plane(localstack=beside) as running:
        yield running


def client(url: str, service: str) -> Any:
    config = botocore.config.Config(
        read_timeout=300, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
    )
    return fresh_session(REGION).client(service, endpoint_url=url, config=config, **KEYS)  # type: ignore[call-overload]


ASKED = {
    "s3": ("list_buckets", "Buckets"),
    "sqs": ("list_queues", "ResponseMetadata"),
    "sns": ("list_topics", "Topics"),
    "secretsmanager": ("list_secrets", "SecretList"),
    "ssm": ("describe_parameters", "Parameters"),
    "iam": ("list_users", "Users"),
    "sts": ("get_caller_identity", "Arn"),
    "kms": ("list_keys", "Keys"),
    "cloudformation": ("list_stacks", "StackSummaries"),
    "cloudwatch": ("describe_alarms", "MetricAlarms"),
    "logs": ("describe_log_groups", "logGroups"),
    "events": ("list_rules", "Rules"),
    "stepfunctions": ("list_state_machines", "stateMachines"),
}
"""Of each service in the table, a question that every account can answer."""


def test_every_service_of_the_table_is_asked() -> None:
    assert set(ASKED) == set(answering.LOCALSTACK)


@pytest.mark.parametrize("service", sorted(ASKED))
def test_localstack_has_what_the_table_says(aws: Proxied, service: str) -> None:
    operation, key = ASKED[service]
    assert key in getattr(client(aws.url, service), operation)()


def test_what_is_made_through_the_plane_is_in_localstack(aws: Proxied, beside: str) -> None:
    name = f"orders-{time.time_ns()}"
    client(aws.url, "sqs").create_queue(QueueName=name)
    assert name in str(straight(beside, "sqs").list_queues(QueueNamePrefix=name))
    client(aws.url, "secretsmanager").create_secret(Name=name, SecretString="not this one")
    assert straight(beside, "secretsmanager").get_secret_value(SecretId=name)["SecretString"] == "not this one"


def test_what_localstack_lacks_is_answered_by_moto(aws: Proxied, beside: str) -> None:
    with pytest.raises(ClientError, match="not included in your current license"):
        straight(beside, "rds").describe_db_instances()
    given = {"Engine": "postgres", "DBInstanceClass": "db.t3.micro", "AllocatedStorage": 20}
    secret = {"MasterUsername": "a", "MasterUserPassword": "not-a-secret"}
    client(aws.url, "rds").create_db_instance(DBInstanceIdentifier="ledger", **given, **secret)
    assert client(aws.url, "rds").describe_db_instances()["DBInstances"][0]["DBInstanceIdentifier"] == "ledger"


def test_a_green_stack_is_looked_up_and_what_it_only_says_is_not_there(aws: Proxied) -> None:
    """Its CloudFormation calls a database complete that nobody has made."""
    database = {"Type": "AWS::RDS::DBInstance", "Properties": {"DBInstanceClass": "db.t3.micro", "Engine": "postgres"}}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"made-{time.time_ns()}"}}
    formation, name = client(aws.url, "cloudformation"), f"green-{time.time_ns()}"
    template = json.dumps({"Resources": {"Queue": queue, "Database": database}})
    formation.create_stack(StackName=name, TemplateBody=template)
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    said = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in formation.describe_stack_resources(StackName=name)["StackResources"]
    }
    assert client(aws.url, "sqs").get_queue_attributes(QueueUrl=said["Queue"])["ResponseMetadata"]
    there = [each["DBInstanceIdentifier"] for each in client(aws.url, "rds").describe_db_instances()["DBInstances"]]
    assert said["Database"] not in there
