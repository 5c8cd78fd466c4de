"""The proxy breaks what its rules say, and nothing else; an emulator stands behind it."""

from __future__ import annotations

import gzip
import io
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import botocore.auth
import botocore.config
import botocore.exceptions
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.retries.standard import ThrottledRetryableChecker

from fixtures.aws.emulated import fresh_session
from fixtures.aws.proxy import Proxied, Rule, Rules, proxied
from fixtures.aws.proxy.answers import throttled
from fixtures.aws.proxy.asked import Asked

from .local_servers import free_port
from .recovery_servers import KEYS, object_store

BUCKET = "backups"
RETRIED: list[str] = getattr(ThrottledRetryableChecker, "_THROTTLED_ERROR_CODES")  # noqa: B009
"""botocore's own list."""
ONCE: dict[str, Any] = {"retries": {"total_max_attempts": 1}}
THRICE: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 3}}
SERVICES = ("s3", "ec2", "rds", "secretsmanager", "sqs", "sns", "lambda", "eks", "route53", "cloudwatch", "dynamodb")
ASK = {
    "s3": "list_buckets",
    "ec2": "describe_regions",
    "rds": "describe_db_instances",
    "secretsmanager": "list_secrets",
    "sqs": "list_queues",
    "sns": "list_topics",
    "lambda": "list_functions",
    "eks": "list_clusters",
    "route53": "list_hosted_zones",
    "cloudwatch": "describe_alarms",
    "dynamodb": "list_tables",
}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def running(moto: str) -> Iterator[Proxied]:
    with proxied(moto) as proxy:
        client(proxy.url, "s3", **ONCE).create_bucket(Bucket=BUCKET)
        yield proxy


@pytest.fixture
def aws(running: Proxied) -> Proxied:
    running.follow(Rules())
    return running


def client(url: str, service: str = "s3", **config: Any) -> Any:
    settings = botocore.config.Config(**{"connect_timeout": 30, "read_timeout": 30, **config})
    return fresh_session("us-east-1").client(service, endpoint_url=url, config=settings, **KEYS)  # type: ignore[call-overload]


def code(error: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> tuple[str, int]:
    answer: Any = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


# ------------------------------------------------------------------------------------------------ without a rule


def test_what_no_rule_hits_passes_byte_by_byte(aws: Proxied, moto: str) -> None:
    s3, straight = client(aws.url), client(moto)
    packed, big = gzip.compress(b"packed"), os.urandom(6_000_000)
    s3.put_object(Bucket=BUCKET, Key="a b/ü%2F+.gz", Body=packed, ContentEncoding="gzip", Metadata={"of": "a" * 1900})
    s3.upload_fileobj(io.BytesIO(big), BUCKET, "big", Config=TransferConfig(multipart_threshold=5 << 20))

    for each in (s3, straight):
        found = each.get_object(Bucket=BUCKET, Key="a b/ü%2F+.gz")
        assert (found["Body"].read(), found["ContentEncoding"]) == (packed, "gzip")
        assert found["Metadata"] == {"of": "a" * 1900}
        assert each.get_object(Bucket=BUCKET, Key="big")["Body"].read() == big
        assert each.head_object(Bucket=BUCKET, Key="big")["ContentLength"] == len(big)
    assert aws.count("s3", "UploadPart") == {
        "service": "s3",
        "action": "UploadPart",
        "attempts": 1,
        "calls": 1,
        "retried": 0,
        "most_attempts": 1,
        "given_up": 0,
        "injected": {},
    }


def test_who_asks_before_it_sends_a_body_is_answered_at_once(aws: Proxied) -> None:
    s3, began_s = client(aws.url), time.monotonic()
    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key=f"asked-{number}", Body=b"x" * 100)
    assert time.monotonic() - began_s < 4.0, "botocore waits a second for each answer that does not come"
    assert s3.get_object(Bucket=BUCKET, Key="asked-4")["Body"].read() == b"x" * 100


def test_what_is_no_request_to_aws_is_never_hit(aws: Proxied) -> None:
    aws.follow(Rules((Rule("error"),)))
    with urlopen(f"{aws.url}/moto-api/", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_sees_each_services_own_errors(aws: Proxied, service: str) -> None:
    """Parsed by botocore: a body of the wrong protocol would give no code, or the status as the code."""
    asking = client(aws.url, service, **THRICE)

    def told(rule: Rule) -> tuple[str, int, int]:
        aws.follow(Rules((rule,)))
        with pytest.raises(botocore.exceptions.ClientError) as error:
            getattr(asking, ASK[service])()
        return *code(error), aws.counts()["rules"][0]["injected"]

    name, status, tries = told(Rule("throttle", service=service))
    assert (name in RETRIED or status == 429, tries) == (True, 3), name
    name, status, tries = told(Rule("deny", service=service))
    assert (name in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), tries) == (True, 1)
    name, status, tries = told(Rule("expired", service=service))
    assert (name.startswith("ExpiredToken"), tries) == (True, 1)
    name, status, tries = told(Rule("error", service=service, status=503))
    assert (name.endswith(("Unavailable", "UnavailableException")), status, tries) == (True, 503, 3)


def test_botocore_retries_what_passes_and_the_count_shows_it(aws: Proxied) -> None:
    aws.follow(Rules((Rule("throttle", action="PutObject", at_most=2),)))
    client(aws.url, **THRICE).put_object(Bucket=BUCKET, Key="retried", Body=b"x")

    found = aws.count("s3", "PutObject")
    assert (found["attempts"], found["calls"], found["retried"], found["most_attempts"]) == (3, 1, 1, 3)
    assert (found["injected"], found["given_up"]) == ({"throttle": 2}, 0)

    aws.follow(Rules((Rule("throttle", action="PutObject"),)))
    with pytest.raises(botocore.exceptions.ClientError, match="SlowDown"):
        client(aws.url, **ONCE).put_object(Bucket=BUCKET, Key="given up", Body=b"x" * 9_000_000)
    assert aws.count("s3", "PutObject")["given_up"] == 1


def test_a_code_for_throttling_is_one_that_clients_retry() -> None:
    for service, protocol in (("s3", "rest-xml"), ("kinesis", "json"), ("iam", "query"), ("backup", "rest-json")):
        trouble = throttled(Asked(service, "X", protocol))  # type: ignore[arg-type]
        assert trouble.code in RETRIED


# ------------------------------------------------------------------------------------------------ silence


def test_late_never_and_reset(aws: Proxied) -> None:
    aws.follow(Rules((Rule("delay", delay_s=0.7),)))
    begun_s = time.monotonic()
    client(aws.url, **ONCE).list_buckets()
    assert time.monotonic() - begun_s >= 0.7

    aws.follow(Rules((Rule("hang"),)))
    asking = client(aws.url, read_timeout=0.5, **ONCE)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        asking.list_buckets()

    aws.follow(Rules((Rule("reset"),)))
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client(aws.url, **ONCE).list_buckets()
    host, _, port = aws.url.rpartition("/")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        scope = "Credential=a/20261127/us-east-1/s3/aws4_request"
        raw.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_who_stands_behind_is_gone_and_so_is_the_connection() -> None:
    with (
        proxied(f"http://127.0.0.1:{free_port()}") as proxy,
        pytest.raises(botocore.exceptions.ConnectionClosedError),
    ):
        client(proxy.url, **ONCE).list_buckets()


def test_a_stale_read_is_an_answer_of_before(aws: Proxied) -> None:
    s3 = client(aws.url, **ONCE)

    def put(text: bytes) -> None:
        s3.put_object(Bucket=BUCKET, Key="balance", Body=text)

    def read() -> bytes:
        found: bytes = s3.get_object(Bucket=BUCKET, Key="balance")["Body"].read()
        return found

    aws.follow(Rules((Rule("stale", action="GetObject", age_s=0.3),)))
    put(b"old")
    assert read() == b"old"  # nothing earlier is known, so it passes
    assert aws.counts()["rules"][0]["injected"] == 0
    put(b"new")
    time.sleep(0.3)
    assert read() == b"old"
    assert aws.count("s3", "GetObject")["injected"] == {"stale": 1}
    assert s3.head_object(Bucket=BUCKET, Key="balance")["ContentLength"] == 3
    aws.follow(Rules())
    assert read() == b"new"


# ------------------------------------------------------------------------------------------------ which calls


def test_what_is_hit_follows_from_the_seed_and_from_counting(aws: Proxied) -> None:
    s3 = client(aws.url, **ONCE)

    def fates(rule: Rule, seed: int = 1, calls: int = 20) -> str:
        aws.follow(Rules((rule,), seed))
        said = ""
        for _ in range(calls):
            try:
                s3.list_buckets()
                said += "."
            except botocore.exceptions.ClientError:
                said += "x"
        return said

    drawn = fates(Rule("deny", share=0.5))
    assert 3 < drawn.count("x") < 17
    assert fates(Rule("deny", share=0.5)) == drawn != fates(Rule("deny", share=0.5), seed=2)
    assert fates(Rule("deny", every=3, skip=1), calls=8) == "...x..x."
    assert fates(Rule("deny", at_most=2), calls=4) == "xx.."


@pytest.mark.parametrize(
    ("rule", "hit"),
    [
        (Rule("deny", service="rds"), {"rds"}),
        (Rule("deny", plane="control"), {"rds", "s3 list_buckets"}),
        (Rule("deny", plane="data"), {"s3 get_object"}),
        (Rule("deny", action="Get*"), {"s3 get_object"}),
        (Rule("deny", naming=BUCKET), {"s3 get_object"}),
        (Rule("deny", naming="backup"), set()),
        (Rule("deny", naming="db-1a"), {"rds"}),
        (Rule("deny", client="127.0.0.0/8"), {"rds", "s3 list_buckets", "s3 get_object"}),
        (Rule("deny", client="192.0.2.0/24"), set()),
    ],
)
def test_only_the_calls_that_are_meant_are_hit(aws: Proxied, rule: Rule, hit: set[str]) -> None:
    aws.follow(Rules((rule,)))
    s3, rds = client(aws.url, **ONCE), client(aws.url, "rds", **ONCE)
    calls = {
        "s3 list_buckets": s3.list_buckets,
        "s3 get_object": lambda: s3.get_object(Bucket=BUCKET, Key="none"),
        "rds": lambda: rds.describe_db_instances(DBInstanceIdentifier="db-1a"),
    }
    refused = set()
    for name, call in calls.items():
        try:
            call()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "AccessDenied":
                refused.add(name)
    assert refused == hit


def test_a_clock_that_is_an_hour_off_is_refused_as_aws_does(aws: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    right: Any = botocore.auth.get_current_datetime  # type: ignore[attr-defined]
    aws.follow(Rules(check_clock=True))
    client(aws.url, **ONCE).list_buckets()
    for service, said in (("s3", "RequestTimeTooSkewed"), ("rds", "SignatureDoesNotMatch")):
        for seconds in (-3600, 3600):
            monkeypatch.setattr(
                botocore.auth, "get_current_datetime", lambda s=seconds, **kw: right(**kw) + timedelta(seconds=s)
            )
            with pytest.raises(botocore.exceptions.ClientError) as error:
                getattr(client(aws.url, service, **ONCE), ASK[service])()
            assert code(error) == (said, 403)
    aws.follow(Rules())
    client(aws.url, **ONCE).list_buckets()  # the emulator alone takes it
