"""The IAM evaluator against decisions that AWS documents, and the table of access against widened policies."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from fixtures.deployment.access import Answer, Expectation, judge, read_roles, read_table
from fixtures.deployment.policies import Decision, Request, decide
from fixtures.deployment.stacks import Stack, read_parameters, read_stacks
from fixtures.model import Outcome

ALLOWED, FORBIDDEN, NOT_ALLOWED, UNDECIDED = Decision
READ = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/*"}
OBJECT = "arn:aws:s3:::a/b/c"


def allow(**condition: Any) -> dict[str, Any]:
    return {**READ, "Condition": condition}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "context", "expected"),
    [
        ([], "s3:GetObject", OBJECT, {}, NOT_ALLOWED),
        ([READ], "s3:GetObject", OBJECT, {}, ALLOWED),
        ([READ], "S3:getobject", OBJECT, {}, ALLOWED),  # actions know no case
        ([READ], "s3:GetObject", OBJECT.upper(), {}, NOT_ALLOWED),  # resources do
        ([READ], "s3:PutObject", OBJECT, {}, NOT_ALLOWED),
        ([READ], "s3:GetObject", "arn:aws:s3:::ab", {}, NOT_ALLOWED),
        ([{**READ, "Resource": "arn:aws:s3:::?/b/c"}], "s3:GetObject", OBJECT, {}, ALLOWED),
        ([{**READ, "Resource": "arn:aws:s3:::a.b/*"}], "s3:GetObject", "arn:aws:s3:::axb/c", {}, NOT_ALLOWED),
        # A Deny wins wherever it stands.
        ([{**READ, "Effect": "Deny"}, READ], "s3:GetObject", OBJECT, {}, FORBIDDEN),
        ([READ, {"Effect": "Deny", "Action": "*", "Resource": "*"}], "s3:GetObject", OBJECT, {}, FORBIDDEN),
        ([READ, {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}], "s3:GetObject", OBJECT, {}, ALLOWED),
        ([READ, {"Effect": "Deny", "NotAction": "ec2:*", "Resource": "*"}], "s3:GetObject", OBJECT, {}, FORBIDDEN),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": OBJECT}], "s3:GetObject", OBJECT, {}, NOT_ALLOWED),
        # Conditions: all operators and keys, one value of each; a key that is not there equals nothing.
        ([allow(StringEquals={"k": ["x", "y"]})], "s3:GetObject", OBJECT, {"K": "y"}, ALLOWED),
        ([allow(StringEquals={"k": "x"})], "s3:GetObject", OBJECT, {"k": "X"}, NOT_ALLOWED),
        ([allow(StringEquals={"k": "x"})], "s3:GetObject", OBJECT, {}, NOT_ALLOWED),
        ([allow(StringEqualsIfExists={"k": "x"})], "s3:GetObject", OBJECT, {}, ALLOWED),
        ([allow(StringNotEquals={"k": "x"})], "s3:GetObject", OBJECT, {}, ALLOWED),
        ([allow(StringNotEquals={"k": ["x", "y"]})], "s3:GetObject", OBJECT, {"k": "y"}, NOT_ALLOWED),
        ([allow(StringLike={"k": "repo:a/b:*"})], "s3:GetObject", OBJECT, {"k": "repo:a/b:ref"}, ALLOWED),
        ([allow(StringEquals={"k": "x"}, Bool={"t": "true"})], "s3:GetObject", OBJECT, {"k": "x"}, NOT_ALLOWED),
        ([allow(Bool={"t": True})], "s3:GetObject", OBJECT, {"t": "true"}, ALLOWED),
        ([allow(Null={"k": "true"})], "s3:GetObject", OBJECT, {"k": "x"}, NOT_ALLOWED),
        # What is not known is not guessed, unless a Deny settles it.
        ([allow(IpAddress={"aws:SourceIp": "10.0.0.0/8"})], "s3:GetObject", OBJECT, {}, UNDECIDED),
        ([{**READ, "Resource": "arn:aws:s3:::${aws:username}/*"}], "s3:GetObject", OBJECT, {}, UNDECIDED),
        ([allow(IpAddress={"k": "x"}), {**READ, "Effect": "Deny"}], "s3:GetObject", OBJECT, {}, FORBIDDEN),
        ([READ, {**allow(IpAddress={"k": "x"}), "Effect": "Deny"}], "s3:GetObject", OBJECT, {}, UNDECIDED),
    ],
)
def test_a_request_is_decided_as_documented(
    statements: list[dict[str, Any]], action: str, resource: str, context: dict[str, str], expected: Decision
) -> None:
    assert decide(statements, Request(action, resource, context)) is expected


@pytest.fixture(scope="module")
def stacks() -> tuple[Stack, ...]:
    return read_stacks(read_parameters("production"))


def answers(stacks: tuple[Stack, ...]) -> list[Answer]:
    number = read_parameters("production")["Account"]
    return judge(read_roles(number, stacks), read_table(stacks, number))


def changed(stacks: tuple[Stack, ...], stack: str, name: str) -> tuple[tuple[Stack, ...], dict[str, Any]]:
    """A copy of the stacks, and the properties of one resource in it."""
    copies = tuple(replace(each, template=copy.deepcopy(each.template)) for each in stacks)
    template = next(each.template for each in copies if each.name.endswith(f"-{stack}"))
    return copies, template["Resources"][name]["Properties"]


def failed(stacks: tuple[Stack, ...]) -> set[tuple[str, str]]:
    """Role and column of what is FAIL."""
    found = [each.expectation for each in answers(stacks) if each.outcome is Outcome.FAIL]
    return {(each.role, each.column) for each in found}


def test_the_good_stack_fails_nothing(stacks: tuple[Stack, ...]) -> None:
    assert failed(stacks) == set()


def test_a_widened_role_is_named_and_still_cannot_touch_backups(stacks: tuple[Stack, ...]) -> None:
    copies, role = changed(stacks, "identity", "DeployRole")
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    role["Policies"].append({"PolicyName": "wide", "PolicyDocument": everything})
    assert failed(copies) == {("identity/DeployRole", "may_not")}


def test_a_missing_deny_is_named_though_nothing_allows_it_yet(stacks: tuple[Stack, ...]) -> None:
    copies, policy = changed(stacks, "identity", "BackupsProtected")
    policy["PolicyDocument"]["Statement"][0]["Action"].remove("backup:DeleteRecoveryPoint")
    assert failed(copies) == {("identity/BuildRole", "never"), ("identity/DeployRole", "never")}


def test_a_role_whose_policy_is_not_attached_is_named(stacks: tuple[Stack, ...]) -> None:
    copies, role = changed(stacks, "identity", "BuildRole")
    del role["ManagedPolicyArns"]
    assert failed(copies) == {("identity/BuildRole", "never")}


def test_a_narrowed_role_is_named(stacks: tuple[Stack, ...]) -> None:
    copies, role = changed(stacks, "workloads", "SecretsReaderRole")
    del role["Policies"]
    assert failed(copies) == {("workloads/SecretsReaderRole", "may")}


def test_a_trust_in_every_branch_is_named(stacks: tuple[Stack, ...]) -> None:
    copies, role = changed(stacks, "identity", "BuildRole")
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    subject = statement["Condition"]["StringEquals"].pop("token.actions.githubusercontent.com:sub")
    assert subject
    statement["Condition"]["StringLike"] = {"token.actions.githubusercontent.com:sub": "repo:*"}
    assert failed(copies) == {("identity/BuildRole", "not_taken_by")}


def test_a_policy_of_aws_is_not_guessed(stacks: tuple[Stack, ...]) -> None:
    roles = read_roles("333333333333", stacks)
    asked = [Expectation("cluster/NodeRole", "may_not", Request("ec2:RunInstances"))]
    (answer,) = judge(roles, asked)
    assert answer.outcome is Outcome.UNKNOWN


def test_a_role_that_is_gone_is_a_failure(stacks: tuple[Stack, ...]) -> None:
    (answer,) = judge({}, [Expectation("identity/BuildRole", "may_not", Request("s3:GetObject"))])
    assert (answer.outcome, stacks != ()) == (Outcome.FAIL, True)
