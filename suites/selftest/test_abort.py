"""The watch that stops a drill: it undoes the fault at once, and the drill ends for that reason and no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from fixtures import abort
from fixtures.abort import Aborted, _answers, watching
from fixtures.model import Abort, Outcome, Status

from .injection_runs import course, outcomes, reason, run

SERVER = """
    import http.server

    class Health(http.server.BaseHTTPRequestHandler):
        well = True

        def do_GET(self):
            self.send_response(200 if Health.well else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    @pytest.fixture
    def url():
        with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,)).start()
            yield f"http://127.0.0.1:{server.server_port}/health"
            server.shutdown()
"""


def test_a_drill_that_costs_more_than_it_may_fails_and_is_undone_at_once(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, stack, evidence):
        with inject(Kill("api", count=0), Abort(unwritable_s=0.5)):
            begun_s = time.monotonic()
            while not stack.status().writable:
                assert time.monotonic() - begun_s < 20, "nobody undid it"
            evidence.record("writable_in_the_block")
        evidence.verify(DONE)

    def test_afterwards(stack, evidence):
        assert not stack.status().problems
        evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_it": "FAIL", "test_afterwards": "PASS"}
    assert reason(ran, "test_it").startswith("aborted: ")
    assert reason(ran, "test_it").endswith(" s without a write; it may cost 0.5 s")
    assert ran.records("writable_in_the_block")
    assert [text.partition(" ")[0] for text in course(ran)] == ["planned", "injected", "felt", "undone", "healed"]


def test_a_foreign_trouble_makes_the_drill_unknown_and_it_is_undone_at_once(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        SERVER
        + """
    def test_it(inject, stack, evidence, url):
        with inject(Kill("api"), Abort(url=url)):
            time.sleep(0.5)
            assert stack.status().problems, "as long as all else is well, the fault stays in"
            Health.well = False
            begun_s = time.monotonic()
            while stack.status().problems:
                assert time.monotonic() - begun_s < 20, "nobody undid it"
        evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_it": "UNKNOWN"}
    assert "/health does not answer 200: something else is unwell" in reason(ran, "test_it")


def test_the_rest_of_a_schedule_does_not_begin(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, evidence):
        with inject(Schedule((Step(Kill("api", count=0), for_s=30), Step(Kill("load balancer"), at_s=40))),
                    Abort(unwritable_s=0.5)):
            evidence.record("the_block_was_entered")
        evidence.verify(DONE)
    """,
    )
    assert outcomes(ran) == {"test_it": "FAIL"}
    assert "s without a write; it may cost 0.5 s" in reason(ran, "test_it")
    assert not ran.records("the_block_was_entered")
    assert not [text for text in course(ran) if "load-balancer" in text]


def test_an_abort_while_a_fault_goes_in_is_the_reason_and_not_that_nobody_felt_it(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    injection.FELT_WITHIN_S = 30.0

    def test_it(inject, evidence):
        with inject(Kill("api"), Abort(url="http://127.0.0.1:1/health")):
            evidence.record("the_block_was_entered")
    """,
        "kill_does_nothing",
    )
    assert outcomes(ran) == {"test_it": "UNKNOWN"}
    assert reason(ran, "test_it").startswith("aborted: http://127.0.0.1:1/health does not answer 200")
    assert not ran.records("the_block_was_entered")
    assert [text.partition(" ")[0] for text in course(ran)] == ["planned", "injected", "undone", "healed"]


# ------------------------------------------------------------------------------------------------ the watch alone


class _Told:
    """A stack whose statuses are told beforehand, and its undoing."""

    def __init__(self, *writable: bool) -> None:
        self._writable = cycle(writable)
        self.undone = 0

    def status(self) -> Status:
        return Status(time.monotonic(), {}, next(self._writable), ())

    def undo(self) -> None:
        self.undone += 1

    def wait(self) -> None:
        """Until it is undone."""
        deadline = time.monotonic() + 10
        while not self.undone and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look every 0.02 s."""
    monkeypatch.setattr(abort, "LOOK_EVERY_S", 0.02)


@contextmanager
def health(*codes: int) -> Iterator[str]:
    """The URL of a health check that answers with these codes, over and over."""
    told = cycle(codes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(told))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def watches() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "watch"]


def test_without_an_abort_nothing_watches() -> None:
    stack: Any = _Told(False)
    with watching(Abort(), stack, stack.undo) as watch:
        assert not watches()
        watch.sleep(0.1)
    with watching(Abort(unwritable_s=60), stack, stack.undo):
        assert watches()
    assert not watches()
    assert not stack.undone


@pytest.mark.parametrize("writable", [(False,), (True, False)], ids=["always", "now and then"])
def test_what_it_may_cost_is_added_up(writable: tuple[bool, ...]) -> None:
    stack: Any = _Told(*writable)
    with (
        pytest.raises(Aborted, match=r"^aborted: \d+\.\d s without a write; it may cost 0\.2 s$") as raised,
        watching(Abort(unwritable_s=0.2), stack, stack.undo) as watch,
    ):
        watch.sleep(20)
    assert raised.value.outcome is Outcome.FAIL
    assert stack.undone == 1


def test_a_block_that_waits_elsewhere_is_told_at_its_end() -> None:
    stack: Any = _Told(False)
    with pytest.raises(Aborted), watching(Abort(unwritable_s=0.05), stack, stack.undo):
        stack.wait()
    assert stack.undone == 1


def test_a_health_check_that_fails_once_stops_nothing_and_twice_running_does() -> None:
    stack: Any = _Told(True)
    with health(200, 503) as url, watching(Abort(url=url), stack, stack.undo) as watch:
        watch.sleep(0.5)
    assert not stack.undone
    with (
        health(200, 503, 503) as url,
        pytest.raises(Aborted, match="does not answer 200") as raised,
        watching(Abort(url=url), stack, stack.undo) as watch,
    ):
        watch.sleep(20)
    assert raised.value.outcome is Outcome.UNKNOWN
    assert stack.undone == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "no-address", "http://127.0.0.1:port/"])
def test_a_health_check_that_cannot_be_asked_has_not_answered(url: str) -> None:
    assert _answers(url) is False


def test_no_abort_while_it_costs_less() -> None:
    stack: Any = _Told(True)
    with health(200) as url, watching(Abort(unwritable_s=0.01, url=url), stack, stack.undo) as watch:
        watch.sleep(0.3)
    assert not stack.undone
