"""Rules for the AWS proxy that cannot be followed: one sentence with place, expectation and what to do; exit code 4."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from fixtures.aws.proxy import BadRules, Rule, Rules, read_rules, rules_from
from fixtures.aws.proxy.__main__ import main

from .local_servers import ROOT

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20261127/us-east-1/s3/aws4_request"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "rules.yaml: expected keys rules, seed, check_clock, got None"),
        ([], "rules.yaml: expected keys rules, seed, check_clock, got []"),
        ({"rulez": []}, "rules.yaml: unknown key 'rulez'; did you mean 'rules'?"),
        ({"rules": {"how": "deny"}}, "rules.yaml: rules: expected a list of rules such as"),
        ({"seed": "x"}, "rules.yaml: seed: expected a whole number of 0 or more, got 'x'"),
        ({"check_clock": 1}, "rules.yaml: check_clock: expected true or false, got 1"),
        ({"rules": ["deny"]}, "rules.yaml: rules.0: expected keys how, service, action,"),
        ({"rules": [{}]}, "rules.yaml: rules.0: 'how' is missing; expected one of throttle, deny,"),
        ({"rules": [{"how": "throtle"}]}, "rules.0.how: 'throtle' is none of throttle, deny, expired, error, delay, "),
        ({"rules": [{"how": "throtle"}]}, "did you mean 'throttle'?"),
        ({"rules": [{"how": "deny", "servce": "s3"}]}, "rules.0: unknown key 'servce'; did you mean 'service'?"),
        ({"rules": [{"how": "deny", "service": "s33"}]}, "boto3 has no service 's33'; did you mean 's3'?"),
        (
            {"rules": [{"how": "deny"}, {"how": "deny", "service": "s3", "action": "PutObjekt"}]},
            "rules.1.action: s3 has no action 'PutObjekt'; did you mean 'PutObject'?",
        ),
        ({"rules": [{"how": "deny", "share": 0}]}, "rules.0.share: expected more than 0 and at most 1, got 0"),
        ({"rules": [{"how": "deny", "share": 1.1}]}, "rules.0.share: expected more than 0 and at most 1, got 1.1"),
        ({"rules": [{"how": "deny", "share": True}]}, "rules.0.share: expected a number of 0 or more, got True"),
        ({"rules": [{"how": "deny", "share": float("nan")}]}, "rules.0.share: expected a number of 0 or more, got nan"),
        ({"rules": [{"how": "deny", "every": 0}]}, "rules.0.every: expected 1 or more, got 0"),
        ({"rules": [{"how": "deny", "at_most": 1.5}]}, "rules.0.at_most: expected a whole number of 0 or more"),
        (
            {"rules": [{"how": "error", "status": 200}]},
            "status: expected an HTTP status from 400 to 599, got 200",
        ),
        (
            {"rules": [{"how": "deny", "client": "here"}]},
            "client: 'here' does not appear to be an IPv4 or IPv6",
        ),
        ({"rules": [{"how": "deny", "naming": ["a"]}]}, "rules.0.naming: expected a text, got ['a']"),
    ],
)
def test_what_is_wrong_is_said_exactly(content: Any, said: str) -> None:
    with pytest.raises(BadRules) as error:
        rules_from(content, "rules.yaml")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_right_rules_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("seed: 7\nrules:\n  - {service: s3, action: 'Put*', how: throttle, share: 0.3}\n  - {how: hang}\n")
    expected = Rules((Rule("throttle", "s3", "Put*", share=0.3), Rule("hang")), seed=7)
    assert read_rules(path) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rules", "{}/none.yaml"], "none.yaml: cannot be read (No such file or directory)"),
        (["--rules", "{}/broken.yaml"], "broken.yaml: is not YAML"),
        (["--to", "localhost:5000"], "--to localhost:5000: expected an address such as http://127.0.0.1:5000"),
        (["--listen", "5000"], "--listen 5000: expected HOST:PORT, such as 127.0.0.1:4567"),
        (["--listen", "192.0.2.1:1"], "--listen 192.0.2.1:1: "),
    ],
)
def test_the_program_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "broken.yaml").write_text("rules: [")
    assert main(["--to", "http://127.0.0.1:1", *(each.format(tmp_path) for each in arguments)]) == 4
    written = capsys.readouterr().err
    assert said in written
    assert written.count("\n") == 1


# ------------------------------------------------------------------------------------------------ as a program


class Emulator(BaseHTTPRequestHandler):
    """Answers everything."""

    def do_GET(self) -> None:
        """Any read."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def emulator() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Emulator) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, method: str = "GET", content: Any = None) -> tuple[int, str]:
    body = None if content is None else json.dumps(content).encode()
    try:
        with urlopen(Request(url, body, SIGNED, method=method), timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_the_program_serves_takes_other_rules_and_says_what_it_counted(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {how: deny, service: s3}\n")
    with emulator() as url:
        command = [sys.executable, "-m", "fixtures.aws.proxy", "--to", url, "--rules", str(rules)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
            assert program.stdout is not None
            proxy = program.stdout.readline().split()[0]
            assert ask(proxy)[0] == 403
            code, said = ask(f"{proxy}/_faults", "PUT", {"rules": [{"how": "deny", "servce": "s3"}]})
            assert (code, "did you mean 'service'?" in said) == (400, True)
            assert ask(proxy)[0] == 403  # bad rules change nothing
            assert ask(f"{proxy}/_faults", "PUT", {"rules": []}) == (200, '{"calls": [], "rules": []}')
            assert ask(proxy) == (200, "ok")
            program.send_signal(signal.SIGTERM)
            counted = json.loads(program.stdout.read())
            assert program.wait(30) == 0
    assert [(each["action"], each["attempts"]) for each in counted["calls"]] == [("ListBuckets", 1)]
