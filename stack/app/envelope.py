"""What surrounds every request: its id, its outcome, its measures. Plain ASGI, as this runs for each request."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import request_id
from .metrics import Metrics
from .readiness import Drain

_log = logging.getLogger(__name__)

_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_INSTANCE = os.urandom(8).hex().encode()
"""Tells this process from the one that was here before it."""


class Envelope:
    """ASGI middleware.

    Takes ``X-Request-Id`` or makes one, and sends it back with ``X-Instance``; counts the request by route and outcome;
    logs what ended in a 5xx; answers what nobody caught; closes connections while draining, so that clients open them
    elsewhere.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, drain: Drain, routes: Mapping[Any, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._drain = drain
        self._routes = routes
        """The name of the route by endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        if scope["path"].startswith("/api/") and scope["path"] not in {"/api/ready", "/api/health"}:
            self._drain.last_request_s = began_s
        identity = _request_id(scope)
        token = request_id.set(identity)
        status = 0

        async def send_signed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += ((b"x-request-id", identity.encode()), (b"x-instance", _INSTANCE))
                if self._drain.running:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, send_signed)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if not status:
                outcome = "failed" if scope["method"] in {"GET", "HEAD"} else "unknown"
                await error(scope, 500, outcome, "internal error")(scope, receive, send_signed)
        finally:
            self._measure(scope, status, time.monotonic() - began_s)
            request_id.reset(token)

    def _measure(self, scope: Scope, status: int, took_s: float) -> None:
        route = self._routes.get(scope.get("endpoint"), "other")
        outcome, reason = scope.get("outcome", ("ok" if status < 400 else "failed", ""))
        self._metrics.requests.labels(route, outcome).inc()
        self._metrics.latency_s.labels(route).observe(took_s)
        if status >= 500 and route != "/api/ready":
            what = f"{scope['method']} {scope['path']}"
            _log.warning("%s: %d %s after %.3f s: %s", what, status, outcome, took_s, reason)


def error(
    scope: Scope, status: int, outcome: str, reason: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The documented body of every error. ``outcome``: failed (it was surely not done) or unknown."""
    scope["outcome"] = (outcome, reason)
    body = {"outcome": outcome, "error": reason, "request_id": request_id.get()}
    return JSONResponse(body, status, headers=headers)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value, "ascii")
    return os.urandom(8).hex()
