"""The application: its routes, and what is put together for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import parsing
from .cache import Cache, CacheBypassedError, NoCache, ValkeyCache
from .config import Config
from .envelope import Envelope, error
from .ledger import Account, Ledger, NotDoneError, PostgresLedger, RefusedError, UnknownError
from .metrics import Metrics
from .once import Once
from .readiness import Drain, Maintenance, Ready, WritableProof, readiness

_RETRY_LATER = {"Retry-After": "1"}
_RETRY_AFTER_MAINTENANCE = {"Retry-After": "30"}


@dataclass(frozen=True)
class Api:
    """The endpoints. What they raise is answered by the handlers below them."""

    config: Config
    ledger: Ledger
    cache: Cache
    ready: Ready
    writable: WritableProof
    maintenance: Maintenance
    metrics: Metrics
    once: Once[int, Account]

    async def transfer(self, request: Request) -> Response:
        """Move money, once."""
        if self.maintenance:
            return _maintenance(request)
        order = parsing.transfer(await parsing.body(request))
        try:
            receipt = await self.ledger.transfer(order)
        except UnknownError as unsure:
            self.metrics.unknown_commits.labels(unsure.cause).inc()
            await self._forget(order.source, order.target)  # it may have been applied
            raise
        await self._forget(order.source, order.target)  # a replay too: it may be the first to know of the commit
        answer = {
            "id": str(order.id),
            "applied": receipt.applied,
            "source_version": receipt.source_version,
            "target_version": receipt.target_version,
            "timeline": receipt.timeline,
        }
        return JSONResponse(answer, 201 if receipt.applied else 200)

    async def transfers(self, request: Request) -> Response:
        """What is in the ledger of one run."""
        await self._must_be_current()
        return JSONResponse(await self.ledger.transfers(*parsing.page(request.query_params)))

    async def open_accounts(self, request: Request) -> Response:
        """Open accounts, as far as they do not exist."""
        if self.maintenance:
            return _maintenance(request)
        first, count, opening_balance = parsing.opening(await parsing.body(request))
        try:
            await self.ledger.open_accounts(first, count, opening_balance)
        except UnknownError as unsure:
            self.metrics.unknown_commits.labels(unsure.cause).inc()
            raise
        return JSONResponse({"first": first, "count": count, "opening_balance": opening_balance}, 201)

    async def accounts(self, request: Request) -> Response:
        """Adjacent accounts, from the database."""
        await self._must_be_current()
        balances, versions = await self.ledger.accounts(*parsing.account_range(request.query_params))
        return JSONResponse({"balances": balances, "versions": versions})

    async def account(self, request: Request) -> Response:
        """One account, from the cache if it is there and young enough."""
        account, source = await self._account(parsing.account(request.path_params["number"]))
        self.metrics.cache.labels(source).inc()
        answer = {"id": account.id, "balance": account.balance, "version": account.version}
        return JSONResponse(answer, headers={"X-Cache": source})

    async def _must_be_current(self) -> None:
        """Before a read. Raises ``NotDoneError``."""
        if doubt := await self.writable.current():
            raise NotDoneError(f"this may not be the current state: {doubt}")

    async def _account(self, number: int) -> tuple[Account, str]:
        await self._must_be_current()
        source = "miss"
        try:
            if cached := await self.cache.get(number):
                return cached, "hit"
        except CacheBypassedError:
            source = "bypass"
        return await self.once.ask(number, lambda: self._read(number, keep=source == "miss")), source

    async def _read(self, number: int, *, keep: bool) -> Account:
        account = await self.ledger.account(number)
        if keep:
            await self.cache.put(account)
        return account

    async def _forget(self, *numbers: int) -> None:
        self.once.forget(*numbers)
        await self.cache.forget(*numbers)

    async def health(self, _request: Request) -> Response:
        """Alive, whatever else is wrong: an orchestrator that restarts on a database outage makes it worse."""
        return JSONResponse({"alive": True, "node": self.config.node})

    async def readiness(self, request: Request) -> Response:
        """Whether a load balancer should send clients here."""
        if reasons := await self.ready():
            return error(request.scope, 503, "failed", "; ".join(reasons), _RETRY_LATER)
        return JSONResponse({"ready": True, "node": self.config.node})

    async def numbers(self, _request: Request) -> Response:
        """Metrics for Prometheus."""
        return Response(self.metrics.text(), headers={"Content-Type": self.metrics.content_type})


def create_app(
    config: Config | None = None,
    *,
    ledger: Ledger | None = None,
    cache: Cache | None = None,
    ready: Ready | None = None,
) -> Starlette:
    """The ASGI application, from the environment unless told otherwise; raises ``ConfigError``.

    Ledger, cache and readiness can be exchanged for others that keep the same protocol.
    """
    config = config or Config.from_environment()
    ledger = ledger or PostgresLedger(config)
    cache = cache or (ValkeyCache(config) if config.sentinels else NoCache())
    maintenance, drain = Maintenance(config.maintenance_file), Drain(config.drain_s)
    metrics = Metrics(lambda: ledger.in_use, config.pool_size)
    writable = WritableProof(ledger)
    ready = ready or readiness(writable, maintenance, drain)
    api = Api(config, ledger, cache, ready, writable, maintenance, metrics, Once(config.cache_ttl_s))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        drain.arm()
        await cache.open()
        yield
        await cache.close()
        await ledger.close()

    routes = [
        Route("/api/transfers", api.transfer, methods=["POST"]),
        Route("/api/transfers", api.transfers),
        Route("/api/accounts", api.open_accounts, methods=["POST"]),
        Route("/api/accounts", api.accounts),
        Route("/api/accounts/{number}", api.account),
        Route("/api/health", api.health),
        Route("/api/ready", api.readiness),
        Route("/metrics", api.numbers),
    ]
    names = {route.endpoint: f"{min(route.methods or ())} {route.path}".removeprefix("GET ") for route in routes}
    return Starlette(
        routes=routes,
        middleware=[Middleware(Envelope, metrics=metrics, drain=drain, routes=names)],
        exception_handlers=dict.fromkeys((RefusedError, NotDoneError, UnknownError, HTTPException), _answer),
        lifespan=lifespan,
    )


def _maintenance(request: Request) -> Response:
    return error(
        request.scope, 503, "failed", "maintenance: writes are switched off, reads go on", _RETRY_AFTER_MAINTENANCE
    )


async def _answer(request: Request, problem: Exception) -> Response:
    """Turn what an endpoint raised into the documented body."""
    match problem:
        case RefusedError():
            return error(request.scope, problem.status, "failed", str(problem))
        case UnknownError():
            advice = f"{problem}; send the same transfer again to find out"
            return error(request.scope, 504 if problem.cause == "timeout" else 503, "unknown", advice)
        case HTTPException():
            return error(request.scope, problem.status_code, "failed", problem.detail, problem.headers)
        case _:
            return error(request.scope, 503, "failed", str(problem), _RETRY_LATER)
