"""The proxy reads from a request what botocore wrote into it: held against botocore's own serializers."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.model import ListShape, Shape
from botocore.serialize import create_serializer

from fixtures.aws.emulated import fresh_session
from fixtures.aws.proxy import catalogue
from fixtures.aws.proxy.asked import DATA_PLANE, Asked, has_parameters_in_body, understand

SCOPE = "AWS4-HMAC-SHA256 Credential=AKIA/20261127/eu-central-1/{}/aws4_request, SignedHeaders=host, Signature=0"
SAME_ON_THE_WIRE = {
    frozenset({"GetBucketLifecycle", "GetBucketLifecycleConfiguration"}),
    frozenset({"PutBucketLifecycle", "PutBucketLifecycleConfiguration"}),
    frozenset({"GetBucketNotification", "GetBucketNotificationConfiguration"}),
    frozenset({"PutBucketNotification", "PutBucketNotificationConfiguration"}),
    frozenset({"ListDirectoryBuckets", "ListBuckets"}),
}
"""One request: the old name of an action and the new one, which is taken; or two that only the host tells apart."""


def example(shape: Shape | None, name: str = "") -> Any:
    """The least that a shape takes."""
    kind = shape.type_name if shape is not None else "structure"
    if shape is None or kind == "structure":
        members: Mapping[str, Shape] = getattr(shape, "members", {})
        return {each: example(members[each], each) for each in getattr(shape, "required_members", ())}
    if isinstance(shape, ListShape):
        return [example(shape.member, name)]
    if kind == "map":
        return {}
    if kind == "string":
        return (getattr(shape, "enum", None) or [f"a-{name.lower()}"])[0]
    return {"timestamp": 0, "boolean": True, "blob": b"x"}.get(kind, 1)


def serialized(service: str, action: str) -> tuple[str, str, dict[str, str], bytes]:
    """Method, target, headers and body of the least request for an action."""
    model = catalogue.model(service)
    operation = model.operation_model(action)
    request = create_serializer(model.protocol, include_validation=False).serialize_to_request(
        example(operation.input_shape), operation
    )
    query = request["query_string"]
    said = query if isinstance(query, str) else urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
    path = request["url_path"]
    target = path + (("&" if "?" in path else "?") + said if said else "")
    headers = {name.lower(): str(value) for name, value in request["headers"].items()}
    headers["authorization"] = SCOPE.format(model.signing_name)
    body = request["body"]
    if isinstance(body, dict):
        body = urlencode({k: v for k, v in body.items() if not isinstance(v, list)})
        headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    return request["method"], target, headers, body.encode() if isinstance(body, str) else bytes(body or b"")


@pytest.mark.parametrize(
    "service",
    ["s3", "route53", "lambda", "eks", "backup", "efs", "rds", "ec2", "secretsmanager", "sqs", "elbv2", "elb", "sns"],
)
def test_every_action_of_a_service_is_read_as_itself(service: str) -> None:
    names = catalogue.model(service).operation_names
    assert names
    wrong = []
    for action in names:
        asked = understand(*serialized(service, action))
        both = frozenset({action, asked.action})
        if (asked.service, asked.action) != (service, action) and both not in SAME_ON_THE_WIRE:
            wrong.append(f"{action} was read as {asked.service} {asked.action}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("service", "method", "arguments", "expected"),
    [
        ("cloudwatch", "describe_alarms", {}, "DescribeAlarms"),
        ("stepfunctions", "list_state_machines", {}, "ListStateMachines"),
        ("sts", "get_caller_identity", {}, "GetCallerIdentity"),
        ("dynamodb", "get_item", {"TableName": "t", "Key": {"k": {"S": "v"}}}, "GetItem"),
        ("s3", "upload_part", {"Bucket": "b-b", "Key": "k/ü", "PartNumber": 1, "UploadId": "u"}, "UploadPart"),
        ("s3", "list_objects_v2", {"Bucket": "b-b"}, "ListObjectsV2"),
    ],
)
def test_what_a_client_really_sends_is_read(
    service: str, method: str, arguments: dict[str, Any], expected: str
) -> None:
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        body = b"<ErrorResponse><Error><Code>Enough</Code></Error></ErrorResponse>"
        return AWSResponse(request.url, 403, HTTPHeaders(), type("Raw", (), {"stream": lambda *_: iter([body])})())

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    client: Any = fresh_session().client(service, **keys)  # type: ignore[call-overload]
    client.meta.events.register("before-send", answer)
    with pytest.raises(client.exceptions.ClientError):
        getattr(client, method)(**arguments)

    headers = {k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in sent[0].headers.items()}
    url = sent[0].url.partition("://")[2]
    host, _, target = url.partition("/")
    said: Any = sent[0].body or b""
    body: bytes = said.encode() if isinstance(said, str) else said if isinstance(said, bytes) else said.read()
    asked = understand(sent[0].method, f"/{target}", {**headers, "host": host}, body, "s3.eu-central-1.amazonaws.com")
    assert (asked.service, asked.action, asked.region) == (service, expected, "eu-central-1")
    assert asked.dated.endswith("Z")


def test_presigned_and_old_signatures_are_read() -> None:
    presigned = "/bucket/key?X-Amz-Credential=" + quote("AKIA/20261127/us-east-1/s3/aws4_request", safe="")
    assert understand("GET", presigned, {}).action == "GetObject"
    assert understand("PUT", "/bucket/key", {"authorization": "AWS AKIA:sig"}).action == "PutObject"
    assert understand("GET", "/bucket/key?AWSAccessKeyId=AKIA&Signature=x", {}).action == "GetObject"
    unsigned = {"content-type": "application/x-www-form-urlencoded"}
    body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    assert understand("POST", "/", unsigned, body).action == "AssumeRoleWithWebIdentity"


def test_a_bucket_in_the_hosts_name_is_no_other_action() -> None:
    headers = {"authorization": SCOPE.format("s3"), "host": "backups.localhost:5000"}
    assert understand("PUT", "/key", headers, own_host="localhost:5000").action == "PutObject"
    assert understand("PUT", "/", headers, own_host="localhost:5000").action == "CreateBucket"
    assert (
        understand("GET", "/", {**headers, "host": "localhost:5000"}, own_host="localhost:5000").action == "ListBuckets"
    )


def test_what_is_not_aws_is_nobodys() -> None:
    assert understand("GET", "/moto-api/", {}) == Asked("", "", "rest-xml", text="/moto-api/ ")
    assert understand("GET", "/", {"authorization": "Bearer x"}).service == ""
    nothing_known = {"authorization": SCOPE.format("s3"), "content-type": "application/x-amz-json-1.1"}
    assert not has_parameters_in_body(nothing_known)


@pytest.mark.parametrize(
    ("service", "action", "plane"),
    [
        ("s3", "PutObject", "data"),
        ("s3", "UploadPart", "data"),
        ("s3", "ListObjectsV2", "data"),
        ("s3", "CreateBucket", "control"),
        ("s3", "PutBucketPolicy", "control"),
        ("secretsmanager", "GetSecretValue", "data"),
        ("secretsmanager", "PutSecretValue", "control"),
        ("rds", "DescribeDBInstances", "control"),
        ("kms", "Decrypt", "data"),
        ("kms", "CreateKey", "control"),
    ],
)
def test_the_planes_are_told_apart(service: str, action: str, plane: str) -> None:
    assert Asked(service, action, "json").plane == plane


def test_every_name_of_the_planes_is_an_action() -> None:
    pairs = itertools.chain.from_iterable(((name, each) for each in globs) for name, globs in DATA_PLANE.items())
    assert not [pair for pair in pairs if not fnmatch.filter(catalogue.actions(pair[0]), pair[1])]
