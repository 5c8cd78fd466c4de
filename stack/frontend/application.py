"""Static pages, and a health of their own."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = Path(__file__).parent / "pages"
_HEADERS = {
    # The pages load nothing from elsewhere and stand in nobody's frame.
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A page of the last release must not talk to the API of this one for long.
    "Cache-Control": "no-cache",
}


def with_headers(app: ASGIApp) -> ASGIApp:
    """Every answer with the headers that browsers should see."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await app(scope, receive, send_with)

    return answer


async def health(_: Request) -> Response:
    """Whether this process lives. It needs nothing else to serve, so nothing else is asked."""
    return PlainTextResponse("ok\n")


def create_app(pages: Path = PAGES) -> ASGIApp:
    """The application: ``/api/health`` of this process, and the pages."""
    routes = [Route("/api/health", health), Mount("/", StaticFiles(directory=pages, html=True))]
    return with_headers(Starlette(routes=routes))
