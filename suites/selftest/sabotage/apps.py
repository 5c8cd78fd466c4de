"""The API with one planted defect each, as application factories.

ABACUS_APP=suites.selftest.sabotage.apps:always_ready python -m stack.app
uvicorn --factory suites.selftest.sabotage.apps:always_ready
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette

from stack.app import Config, create_app
from stack.app.cache import Cache, ValkeyCache
from stack.app.ledger import (
    Account,
    Ledger,
    NotDoneError,
    PostgresLedger,
    Receipt,
    RefusedError,
    Transfer,
    UnknownError,
)

_log = logging.getLogger(__name__)

_COMMIT_DELAY_S = 0.2
_FOREVER_S = 1e9


def always_ready() -> Starlette:
    """Says that it is ready whatever the database does."""

    async def ready() -> tuple[str, ...]:
        return ()

    return create_app(ready=ready)


def acknowledges_before_commit() -> Starlette:
    """Answers a transfer at once and commits it 0.2 s later: what is under way when the database dies is lost."""
    config = Config.from_environment()
    inner = PostgresLedger(config)
    return create_app(config, ledger=_Hasty(inner, inner))


def refuses_transfers() -> Starlette:
    """Refuses every transfer, for no reason, and calls itself ready."""
    config = Config.from_environment()
    return create_app(config, ledger=_Refusing(PostgresLedger(config)))


def reads_its_secret_once() -> Starlette:
    """Keeps the connection string that it was started with: a rotated secret takes a restart."""
    return create_app(replace(Config.from_environment(), database_dsn_file=None))


def applies_twice() -> Starlette:
    """Moves the money again when a transfer is replayed; the transfer is stored only once."""
    config = Config.from_environment()
    inner = PostgresLedger(config)
    return create_app(config, ledger=_Forgetful(inner, inner))


def makes_money() -> Starlette:
    """Credits the target again when a transfer is replayed, and debits nobody."""
    config = Config.from_environment()
    inner = PostgresLedger(config)
    return create_app(config, ledger=_Generous(inner, inner))


def stale_cache() -> Starlette:
    """Serves cached balances for ever, whatever has been transferred since."""
    config = Config.from_environment()
    return create_app(config, cache=_Stubborn(ValkeyCache(replace(config, cache_ttl_s=_FOREVER_S))))


@dataclass(frozen=True)
class _Passing:
    """A ledger that passes everything on."""

    inner: Ledger

    @property
    def in_use(self) -> int:
        return self.inner.in_use

    async def transfer(self, order: Transfer) -> Receipt:
        return await self.inner.transfer(order)

    async def open_accounts(self, first: int, count: int, opening_balance: int) -> None:
        await self.inner.open_accounts(first, count, opening_balance)

    async def account(self, number: int) -> Account:
        return await self.inner.account(number)

    async def accounts(self, first: int, count: int) -> tuple[list[int], list[int]]:
        return await self.inner.accounts(first, count)

    async def transfers(self, run: int, after: int, limit: int) -> dict[str, list[int]]:
        return await self.inner.transfers(run, after, limit)

    async def prove_writable(self) -> int:
        return await self.inner.prove_writable()

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True)
class _Refusing(_Passing):
    async def transfer(self, order: Transfer) -> Receipt:  # noqa: ARG002
        raise RefusedError(422, "not this one")


@dataclass(frozen=True)
class _Hasty(_Passing):
    """It looks before it answers, so that what it says is right as long as nothing fails: only losses give it away."""

    database: PostgresLedger
    pending: set[asyncio.Task[None]] = field(default_factory=set)

    async def transfer(self, order: Transfer) -> Receipt:
        values = (order.id, order.source, order.target)
        [(timeline, known, source, target)] = await self.database.execute(_LOOK, values)
        if known or source is None or target is None:
            return await self.inner.transfer(order)
        task = asyncio.create_task(self._commit_later(order))
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)
        return Receipt(applied=True, source_version=source + 1, target_version=target + 1, timeline=timeline)

    async def _commit_later(self, order: Transfer) -> None:
        await asyncio.sleep(_COMMIT_DELAY_S)
        try:
            await self.inner.transfer(order)
        except (NotDoneError, UnknownError, RefusedError) as error:
            _log.warning("transfer %s was acknowledged and is lost: %s", order.id, error)


_LOOK = """
    SELECT timeline(), EXISTS (SELECT FROM transfers WHERE id = %s),
        (SELECT version FROM accounts WHERE id = %s), (SELECT version FROM accounts WHERE id = %s)
"""


@dataclass(frozen=True)
class _Forgetful(_Passing):
    database: PostgresLedger

    async def transfer(self, order: Transfer) -> Receipt:
        receipt = await self.inner.transfer(order)
        if receipt.applied:
            return receipt
        versions = dict(
            await self.database.execute(_MOVE_AGAIN, (order.source, order.target, order.source, order.amount))
        )
        return replace(receipt, source_version=versions[order.source], target_version=versions[order.target])


_MOVE_AGAIN = """
    WITH locked AS (SELECT id FROM accounts WHERE id IN (%s, %s) ORDER BY id FOR NO KEY UPDATE)
    UPDATE accounts a
    SET balance = balance + CASE WHEN a.id = %s THEN -1 ELSE 1 END * %s, version = version + 1
    FROM locked WHERE a.id = locked.id
    RETURNING a.id, a.version
"""


@dataclass(frozen=True)
class _Generous(_Passing):
    database: PostgresLedger

    async def transfer(self, order: Transfer) -> Receipt:
        receipt = await self.inner.transfer(order)
        if not receipt.applied:
            await self.database.execute(_CREDIT_AGAIN, (order.amount, order.target))
        return receipt


_CREDIT_AGAIN = "UPDATE accounts SET balance = balance + %s WHERE id = %s RETURNING id"


@dataclass(frozen=True)
class _Stubborn:
    """A cache that invalidates nothing. That it never expires is the TTL of what it wraps."""

    inner: Cache

    async def get(self, number: int) -> Account | None:
        return await self.inner.get(number)

    async def put(self, account: Account) -> None:
        await self.inner.put(account)

    async def forget(self, *numbers: int) -> None:
        pass

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()
