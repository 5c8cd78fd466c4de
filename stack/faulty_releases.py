"""Releases of the API that a rollout must survive: ``ABACUS_APP=stack.faulty_releases:never_ready``."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from stack.app import create_app
from stack.app.envelope import error


def never_ready() -> Starlette:
    """Starts, and waits for ever for something that does not come."""

    async def ready() -> tuple[str, ...]:
        return ("warming up",)

    return create_app(ready=ready)


def fails_after_ready() -> ASGIApp:
    """Says that it is ready, and answers every request with 500: its readiness does not look at what it broke."""
    good = create_app()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in ("/api/ready", "/api/health"):
            await error(scope, 500, "failed", "a bad release")(scope, receive, send)
            return
        await good(scope, receive, send)

    return app
