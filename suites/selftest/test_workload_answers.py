"""What an answer means: FAILED only where the write cannot have been done, OK only with the promised content."""

from __future__ import annotations

import errno
import json

import pytest

from fixtures.model import Answer, Kind
from fixtures.workloads.answers import Reply, judge, no_answer

ID = "00000000-0000-0001-0000-000000000002"
APPLIED = {"id": ID, "applied": True, "source_version": 5, "target_version": 6, "timeline": 2}


def body(outcome: str) -> bytes:
    return json.dumps({"outcome": outcome, "error": "…", "request_id": "1"}).encode()


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("kind", [Kind.WRITE, Kind.REPLAY])
def test_an_applied_transfer_is_ok_with_its_versions(kind: Kind, status: int) -> None:
    assert judge(kind, status, json.dumps(APPLIED).encode(), ID) == Reply(Answer.OK, status, 5, 6, 2)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"<html>", json.dumps(APPLIED)[:-9].encode(), json.dumps(APPLIED | {"id": ID[1:]}).encode()],
    ids=["empty", "no content", "a list", "a page", "cut", "another transfer"],
)
def test_a_success_without_the_promised_content_acknowledges_nothing(raw: bytes) -> None:
    assert judge(Kind.WRITE, 200, raw, ID).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("status", "raw", "answer"),
    [
        (422, body("failed"), Answer.FAILED),
        (409, body("failed"), Answer.FAILED),
        (404, b"", Answer.FAILED),
        (503, body("failed"), Answer.FAILED),
        (503, body("unknown"), Answer.UNKNOWN),
        (503, b'{"detail": "not our word"}', Answer.UNKNOWN),
        (503, b"<html><body><h1>503 Service Unavailable</h1>", Answer.FAILED),
        (504, body("unknown"), Answer.UNKNOWN),
        (504, b"<html>", Answer.UNKNOWN),
        (502, b"<html>", Answer.UNKNOWN),
        (500, b"Internal Server Error", Answer.UNKNOWN),
        (504, body("failed"), Answer.UNKNOWN),
        (307, b"", Answer.UNKNOWN),
        (408, b"", Answer.UNKNOWN),
        (429, b"", Answer.UNKNOWN),
    ],
)
def test_what_an_error_means_for_a_write(status: int, raw: bytes, answer: Answer) -> None:
    assert judge(Kind.WRITE, status, raw, ID) == Reply(answer, status)


def test_a_read_carries_its_version_and_ready_needs_no_body() -> None:
    assert judge(Kind.READ, 200, b'{"id": 1, "balance": 2, "version": 3}') == Reply(Answer.OK, 200, 3)
    assert judge(Kind.READY, 200, b"") == Reply(Answer.OK, 200)
    assert judge(Kind.READY, 503, b'{"ready": false}') == Reply(Answer.FAILED, 503)


def test_only_a_refused_connection_surely_sent_nothing() -> None:
    assert no_answer(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) == Reply(Answer.FAILED)
    for error in (ConnectionResetError(), BrokenPipeError(), TimeoutError(), OSError(errno.EHOSTUNREACH, ""), None):
        assert no_answer(error) == Reply(Answer.UNKNOWN)
