"""Whether this process can serve now, as the load balancer asks; and how it leaves without a request failing.

After SIGTERM the process says at once that it is not ready, and goes on serving until the load balancer has sent its
clients elsewhere: until no request came for a while, or until ``drain_s`` is over. Only then the server is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from .ledger import Ledger, NotDoneError, UnknownError
from .migrate import LATEST

_log = logging.getLogger(__name__)

Ready = Callable[[], Awaitable[tuple[str, ...]]]
"""Answers why this process cannot serve, one sentence a reason; empty: it can."""

_FRESH_S = 0.2
"""How long an answer of the database stands, so that probes do not load it."""
_PROOF_S = 1.0
"""How long the database may take to confirm a write."""
_CURRENT_S = 1.0
"""How long after a confirmed write the database counts as the current one. A load balancer asks more often."""
_QUIET_S = 1.5
"""No request for so long means that the load balancer has noticed; the usual ones ask every 0.5 to 1 s."""


class WritableProof:
    """Whether the database takes writes and has the schema that is needed; asked at most five times a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._asking: asyncio.Task[str] | None = None
        self._asked_s = 0.0
        self._confirmed_s = -math.inf
        """When the last question was asked whose answer was yes."""

    async def current(self) -> str:
        """Why the database may not be the current primary; empty: it confirmed a write a moment ago, or does so now.

        A process that was frozen together with its database wakes up believing what was true when it fell asleep. Were
        it to answer a read then, it would tell the past. A write needs no such question: its commit is one.
        """
        if time.monotonic() - self._confirmed_s <= _CURRENT_S:
            return ""
        return await self()

    async def __call__(self) -> str:
        """Why not; empty: it does. All that ask at the same time share one question to the database."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked_s > _FRESH_S):
            self._asked_s = time.monotonic()
            self._asking = asyncio.create_task(self._ask())
        asking = self._asking  # when it has its answer, another may have asked the next question already
        left_s = self._asked_s + _PROOF_S - time.monotonic()
        done, _ = await asyncio.wait({asking}, timeout=max(0.0, left_s))
        return asking.result() if done else f"the database did not confirm a write within {_PROOF_S:g} s"

    async def _ask(self) -> str:
        asked_s = time.monotonic()
        try:
            version = await self._ledger.prove_writable()
        except (NotDoneError, UnknownError) as error:
            return str(error)
        if version < LATEST:
            return f"the schema has version {version}, {LATEST} is needed: run python -m stack.app.migrate"
        self._confirmed_s = asked_s
        return ""


class Maintenance:
    """The switch that an operator throws by creating a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def __bool__(self) -> bool:
        return self._file is not None and self._file.exists()


class Drain:
    """The way out."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._task: asyncio.Task[None] | None = None
        self.running = False
        self.last_request_s = 0.0
        """When the last request came that was not a probe; the ASGI layer sets it."""

    def arm(self) -> None:
        """Stand before the server's own SIGTERM handler, whichever server this runs under."""
        if threading.current_thread() is not threading.main_thread():
            return
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return
        loop = asyncio.get_running_loop()

        def leave(number: int, _frame: object) -> None:
            if self.running:  # asked twice: at once
                stop(number, None)
                return
            self.running = True
            loop.call_soon_threadsafe(self._start, stop)

        signal.signal(signal.SIGTERM, leave)

    def _start(self, stop: Callable[[int, None], object]) -> None:
        self._task = asyncio.create_task(self._drain(stop))

    async def _drain(self, stop: Callable[[int, None], object]) -> None:
        began_s = time.monotonic()
        _log.info("draining for %g s at most", self._limit_s)
        while True:
            now_s = time.monotonic()
            quiet_until_s = max(began_s, self.last_request_s) + _QUIET_S
            left_s = min(quiet_until_s, began_s + self._limit_s) - now_s
            if left_s <= 0:
                break
            await asyncio.sleep(left_s)
        _log.info("drained after %.1f s", time.monotonic() - began_s)
        stop(signal.SIGTERM, None)


def readiness(writable: WritableProof, maintenance: Maintenance, drain: Drain) -> Ready:
    """The honest answer to ``/api/ready``."""

    async def ready() -> tuple[str, ...]:
        if drain.running:
            return ("draining: this process is about to stop",)
        reasons = ("maintenance: writes are switched off",) if maintenance else ()
        doubt = await writable()
        return (*reasons, doubt) if doubt else reasons

    return ready
