"""The read cache: Valkey behind Sentinel, and never trusted.

Cache-aside: a read that misses fills the entry, a committed transfer deletes it. The classic race remains: a read asks
the database, a transfer commits and deletes the entry, and only then the read stores its older row. Therefore each
entry says when the database was asked, and one older than the TTL is not served, whatever Valkey's own expiry says: no
read is staler than the TTL. Where the API's machines disagree about the time, it is the TTL plus that difference.

Valkey may be slow, frozen, cut off or gone. The reads that notice wait for ``cache_timeout_s``; from then on all go
past the cache, and one task asks once a second whether it is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from valkey.asyncio import Valkey
from valkey.asyncio.retry import Retry
from valkey.asyncio.sentinel import Sentinel
from valkey.backoff import NoBackoff

from .config import Config
from .ledger import Account

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_REVIVE_S = 1.0
"""How often a cache that failed is asked whether it is back, and how long it may take to say so."""
_FORGET_S = 0.005
"""How long the answer to a transfer waits for the invalidation; it goes on in the background."""


class CacheBypassedError(Exception):
    """The cache was not asked, or did not answer in time."""


class Cache(Protocol):
    """What the API needs of a cache. Only ``get`` raises, and only ``CacheBypassedError``."""

    async def get(self, number: int) -> Account | None:
        """An account no older than the TTL, or None."""
        ...

    async def put(self, account: Account) -> None:
        """Keep what was just read."""
        ...

    async def forget(self, *numbers: int) -> None:
        """Drop accounts that just changed, as far as that is possible at once."""
        ...

    async def open(self) -> None:
        """Start; the cache need not be there yet."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


class NoCache:
    """A cache that is never there."""

    async def get(self, number: int) -> Account | None:  # noqa: ARG002
        """Raise ``CacheBypassedError``."""
        raise CacheBypassedError

    async def put(self, account: Account) -> None:
        """Keep nothing."""

    async def forget(self, *numbers: int) -> None:
        """Nothing was kept."""

    async def open(self) -> None:
        """Start nothing."""

    async def close(self) -> None:
        """Nothing was opened."""


class ValkeyCache:
    """The cache itself."""

    def __init__(self, config: Config) -> None:
        self._ttl_s = config.cache_ttl_s
        self._timeout_s = config.cache_timeout_s
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            config.sentinels,
            # Sentinels are asked one after the other: all of them must fit into the time that a revival has.
            sentinel_kwargs=_impatient(_REVIVE_S / (len(config.sentinels) + 1)),
            password=config.cache_password or None,
            **_impatient(_REVIVE_S),
        )
        self._valkey: Valkey = self._sentinel.master_for(config.cache_name)
        self._answers = False
        self._reviving: asyncio.Task[None] | None = None
        self._forgetting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Look for the cache in the background."""
        self._reviving = asyncio.create_task(self._revive())

    async def close(self) -> None:
        """End what runs in the background and let go of all connections."""
        tasks = [*self._forgetting, *([self._reviving] if self._reviving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in (self._valkey, *self._sentinel.sentinels):
            await client.connection_pool.disconnect()

    async def get(self, number: int) -> Account | None:
        """An account no older than the TTL, or None; raises ``CacheBypassedError``."""
        text = await self._ask(self._valkey.get(_key(number)))
        if text is None:
            return None
        try:
            account = Account(*json.loads(text))
            fresh = 0 <= time.time() - account.read_s <= self._ttl_s
        except (TypeError, ValueError):
            return None  # written by another version of this program
        return account if fresh and account.id == number else None

    async def put(self, account: Account) -> None:
        """Keep an account for the rest of its TTL."""
        left_s = account.read_s + self._ttl_s - time.time()
        if left_s < 0.001:
            return
        text = json.dumps([account.id, account.balance, account.version, account.read_s])
        with suppress(CacheBypassedError):
            await self._ask(self._valkey.set(_key(account.id), text, px=int(left_s * 1000)))

    async def forget(self, *numbers: int) -> None:
        """Drop accounts; returns after 5 ms at the latest and goes on in the background."""
        task = asyncio.create_task(self._delete(numbers))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)
        await asyncio.wait({task}, timeout=_FORGET_S)

    async def _delete(self, numbers: tuple[int, ...]) -> None:
        with suppress(CacheBypassedError):
            await self._ask(self._valkey.delete(*map(_key, numbers)))

    async def _ask(self, command: Any) -> Any:
        if not self._answers:
            command.close()
            raise CacheBypassedError
        try:
            return await _within(self._timeout_s, command)
        except Exception as error:  # whatever the client raises: the database can always be asked instead
            self._fail(error)
            raise CacheBypassedError from error

    def _fail(self, error: Exception) -> None:
        if self._answers:
            self._answers = False
            _log.warning("the cache is bypassed: %s", error or type(error).__name__)
            self._reviving = asyncio.create_task(self._revive())

    async def _revive(self) -> None:
        """Ask until the cache answers. Finding the new master may take longer than any read would wait."""
        while True:
            began_s = time.monotonic()
            try:
                await _within(_REVIVE_S, self._valkey.ping())
            except Exception:  # whatever it is, it must not end this task
                # Those in use end by themselves. Closed under whoever is just opening one, they have the client
                # (valkey 6.1) raise an AttributeError: one read in 9000 failed so, as all caches died.
                await self._valkey.connection_pool.disconnect(inuse_connections=False)
                await asyncio.sleep(max(0.1, began_s + _REVIVE_S - time.monotonic()))
            else:
                self._answers = True
                _log.info("the cache is used")
                return


async def _within(timeout_s: float, command: Awaitable[_T]) -> _T:
    async with asyncio.timeout(timeout_s):
        return await command


def _impatient(timeout_s: float) -> dict[str, Any]:
    """Connection settings: fail in time and try nothing twice, since the database can always be asked instead."""
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _key(number: int) -> str:
    return f"abacus:account:{number}"
