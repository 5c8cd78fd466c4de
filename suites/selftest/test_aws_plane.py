"""One endpoint answers as AWS; who answers what is decided in one place; what nobody has is not pretended."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.config
import psutil
import pytest

from fixtures.aws import answering, canary, localstack, plane
from fixtures.aws.emulated import fresh_session
from fixtures.aws.proxy import Proxied, Rule, Rules, catalogue
from fixtures.aws.proxy.rules import How
from fixtures.faults import AwsFault
from fixtures.model import NodeStatus, Status

from .fake_docker import fake_docker
from .local_servers import ROOT, free_port, until
from .recovery_servers import KEYS


@pytest.fixture(scope="module")
def aws() -> Iterator[Proxied]:
    with plane.plane() as running:
        yield running


@pytest.mark.parametrize(
    ("service", "without", "beside"),
    [
        ("s3", "moto", "localstack"),
        ("rds", "moto", "moto"),
        ("ec2", "moto", "moto"),
        ("lambda", "moto", "moto"),
        ("fis", "nobody", "nobody"),
        ("chime-sdk-voice", "nobody", "nobody"),
    ],
)
def test_who_answers_follows_from_what_runs(service: str, without: str, beside: str) -> None:
    assert answering.answers(service, localstack=False) == without
    assert answering.answers(service, localstack=True) == beside


def test_every_service_of_the_table_is_one() -> None:
    assert not {*answering.LOCALSTACK, *answering.NOBODY} - catalogue.services()
    assert not [each for each in answering.LOCALSTACK if not answering.moto_has(each)]


def test_who_answers_is_said() -> None:
    assert "moto answers everything (no LocalStack runs); nobody answers backup, fis" in answering.said("")
    assert "LocalStack at http://x answers cloudformation" in answering.said("http://x")


def client(url: str, service: str) -> Any:
    """As patient as a busy machine needs: an emulator's first answer of a service takes its time."""
    config = botocore.config.Config(read_timeout=60, retries={"total_max_attempts": 1})
    return fresh_session("us-east-1").client(service, endpoint_url=url, config=config, **KEYS)  # type: ignore[call-overload]


def test_each_service_goes_to_who_answers_it() -> None:
    """Another moto stands in for LocalStack: what matters here is the way, not who is at its end."""
    with plane.moto() as (other, _), plane.plane(localstack=other) as both:
        client(both.url, "sqs").create_queue(QueueName="orders")
        launched = {"LaunchConfigurationName": "api", "ImageId": "ami-1", "InstanceType": "t3.small"}
        client(both.url, "autoscaling").create_launch_configuration(**launched)

        def configurations(url: str) -> int:
            return len(client(url, "autoscaling").describe_launch_configurations()["LaunchConfigurations"])

        assert "orders" in str(client(other, "sqs").list_queues())
        assert (configurations(other), configurations(both.url)) == (0, 1)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("localstack/localstack:4.14.0", "abacus-drills/localstack:4.14.0")),
        ({"LOCALSTACK_AUTH_TOKEN": "x"}, ("localstack/localstack:latest",)),
        ({"LOCALSTACK_AUTH_TOKEN": "x", "ABACUS_LOCALSTACK_IMAGE": "mine:1"}, ("mine:1",)),
    ],
)
def test_a_newer_localstack_is_taken_only_with_a_token(environment: dict[str, str], expected: tuple[str, ...]) -> None:
    assert localstack.images(environment) == expected


def test_why_no_localstack_runs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with localstack.localstack({}) as found:
        assert (found.url, found.why_not.startswith("Docker's daemon is not reachable at tcp://127")) == ("", True)
    assert f"({found.why_not})" in answering.said(found.url, found.why_not)


def test_a_localstack_that_is_said_to_run_and_does_not_is_none() -> None:
    with localstack.localstack({"ABACUS_LOCALSTACK_URL": "http://127.0.0.1:1"}) as found:
        assert found.why_not == "none answers at http://127.0.0.1:1 (ABACUS_LOCALSTACK_URL)"


@pytest.mark.parametrize("url", ["not a url", "http://[", "ftp://127.0.0.1"])
def test_what_is_no_url_is_no_localstack(url: str) -> None:
    with localstack.localstack({"ABACUS_LOCALSTACK_URL": url}) as found:
        assert found.why_not == f"none answers at {url} (ABACUS_LOCALSTACK_URL)"


def test_a_docker_that_refuses_is_why_no_localstack_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (500, {"message": "its disk is broken"})
    with fake_docker({f"/images/{localstack.IMAGE}/json": broken}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with localstack.localstack({}) as found:
            assert "its disk is broken" in found.why_not


def test_without_an_image_of_it_there_is_none_and_none_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_docker({"/images/create": (500, {"message": "pulled"})}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with localstack.localstack({}) as found:
            assert found.why_not.startswith("there is no image localstack/localstack:4.14.0: docker pull")


def test_what_nobody_has_is_refused_and_not_pretended(aws: Proxied) -> None:
    aws.follow(Rules())
    fis = client(aws.url, "fis")
    with pytest.raises(fis.exceptions.ClientError, match="fis is answered by no emulator here"):
        fis.list_experiments()


BARE: tuple[How, ...] = ("throttle", "deny", "expired")
"""What an answer without a body can still be known by."""


@pytest.mark.parametrize(
    ("rule", "seen", "not_seen"),
    [
        (Rule("throttle", service="s3"), ("throttle", "any", "s3"), ("deny", "any", "s3")),
        (Rule("deny", plane="control"), ("deny", "control"), ("deny", "data")),
        (Rule("expired"), ("expired",), ("deny",)),
        (Rule("error", status=503), ("error",), ("throttle",)),
        (
            Rule("hang", action="Get*"),
            ("hang", "any", "secretsmanager", "GetSecretValue"),
            ("hang", "any", "s3", "Put*"),
        ),
        (Rule("reset"), ("reset",), ("hang",)),
        (Rule("throttle", service="kinesis*"), ("throttle", "any", "kinesis*"), ("throttle", "any", "s3")),
        (Rule("deny", action="GetSecretValue"), ("deny", "any", "*", "GetSecretValue"), ("deny",)),
        *((Rule(how, action="Head*"), (how, "any", "s3", "HeadObject"), (how,)) for how in BARE),
    ],
)
def test_a_client_sees_what_is_injected_and_nothing_else(
    aws: Proxied, rule: Rule, seen: tuple[str, ...], not_seen: tuple[str, ...]
) -> None:
    aws.follow(Rules())
    assert canary.look(aws.url, *seen) == 0
    aws.follow(Rules((rule,)))
    assert canary.look(aws.url, *seen) == 1
    assert canary.look(aws.url, *not_seen) == 0


@pytest.mark.parametrize("delay_s", [0.8, 2.5])
def test_a_late_answer_is_timed(aws: Proxied, delay_s: float) -> None:
    aws.follow(Rules())
    before_s = canary.look(aws.url, "delay")
    aws.follow(Rules((Rule("delay", delay_s=delay_s),)))
    assert canary.look(aws.url, "delay") - before_s > delay_s / 2


@pytest.mark.parametrize("how", ["hang", "delay"])
def test_an_emulator_that_only_begins_is_not_taken_for_a_fault(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(canary, "WITHIN_S", 0.5)
    first = iter([1.5])

    class Cold(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer, the first time late."""
            time.sleep(next(first, 0.0))
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Cold) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen = canary.look(f"http://127.0.0.1:{server.server_address[1]}", how)
        server.shutdown()
    assert seen < 0.5


def test_where_nobody_takes_the_connection_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is cut off: no fault of AWS's looks like that."""
    monkeypatch.setattr(canary, "WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as held:
        for _ in range(3):  # the kernel drops what comes when its queue is full
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert [canary.look(url, how) for how in ("deny", "reset")] == [0.0, 0.0]


def status(aspect: str, value: float | None) -> Status:
    measures = {} if value is None else {aspect: value}
    return Status(0.0, {"store": NodeStatus(answers=True, measures=measures)}, True, ())


@pytest.mark.parametrize(("before", "now", "felt"), [(0.0, 1.0, True), (1.0, 1.0, False), (0.0, 0.0, False)])
def test_a_fault_is_felt_where_it_was_not_before(before: float, now: float, felt: bool) -> None:
    fault, aspect = AwsFault("object store", "throttle", service="s3"), "aws throttle any s3 *"
    assert fault.felt(status(aspect, before), status(aspect, now), ("store",)) is felt
    assert not fault.felt(status(aspect, before), status(aspect, None), ("store",))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (AwsFault("object store", "deny", service="s33"), "service: boto3 has no service 's33'; did you mean 's3'?"),
        (AwsFault("object store", "deny", share=2), "share: expected more than 0 and at most 1, got 2"),
        (AwsFault("store", "deny"), "node: this stack has no 'store'"),
        (AwsFault("object store", "deny", "s3", "PutObject"), ""),
    ],
)
def test_a_rows_typo_is_named(fault: AwsFault, said: str) -> None:
    found = fault.misnamed(("object store", "api"), ())
    assert found.startswith(said) if said else not found


def test_the_program_ends_with_its_emulator_and_the_emulator_with_it() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "fixtures.aws.plane", url.removeprefix("http://")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith(f"{url}: moto answers everything")
        assert plane.follow(url, {"rules": [{"how": "deny"}]})["calls"] == []
        assert canary.look(url, "deny") == 1
        assert plane.counts(url)["rules"] == [{"how": "deny", "matched": 1, "injected": 1}]
        with pytest.raises(RuntimeError, match="'how' is missing"):
            plane.follow(url, {"rules": [{}]})
        (moto,) = psutil.Process(program.pid).children()
        program.kill()
        until(lambda: not moto.is_running() or moto.status() == psutil.STATUS_ZOMBIE, within_s=30)
    with pytest.raises(ConnectionError):
        plane.counts(url)


def test_a_program_whose_emulator_died_is_gone_too() -> None:
    url = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [sys.executable, "-m", "fixtures.aws.plane", url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        begun_s = time.monotonic()
        psutil.Process(program.pid).children()[0].kill()
        assert program.wait(30) == 0
        assert time.monotonic() - begun_s < 30
