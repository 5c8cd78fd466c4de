"""A cold cache is no stampede: who reads the same account at the same time asks the database once, and sees no past."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stack.app import Config
from stack.app.application import Api
from stack.app.cache import CacheBypassedError
from stack.app.ledger import Account, NotDoneError
from stack.app.once import Once


class Slow:
    """A ledger that answers when it is told to, and counts."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.go = asyncio.Event()
        self.version = 0
        self.fails = False

    async def account(self, number: int) -> Account:
        """As it was when it was asked."""
        self.asked.append(number)
        version = self.version
        await self.go.wait()
        if self.fails:
            raise NotDoneError("away")
        return Account(number, 1000, version, 0.0)


class Empty:
    """A cache that holds nothing, and is there or not."""

    def __init__(self, *, there: bool) -> None:
        self.there, self.kept = there, 0

    async def get(self, _: int) -> None:
        """Nothing."""
        if not self.there:
            raise CacheBypassedError

    async def put(self, _: Account) -> None:
        """Count."""
        self.kept += 1


class Current:
    """A proof that the database is the current one."""

    async def current(self) -> str:
        """No doubt."""
        return ""


def made(ledger: Slow, cache: Empty, young_s: float = 10.0) -> Api:
    fakes: Any = {"ledger": ledger, "cache": cache, "writable": Current()}
    unused: Any = dict.fromkeys(("ready", "maintenance", "metrics"))
    return Api(Config("host=x"), once=Once(young_s), **fakes, **unused)


async def settled() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(10):
            await test()

    asyncio.run(within())


@pytest.mark.parametrize(("there", "source"), [(True, "miss"), (False, "bypass")])
def test_two_hundred_reads_of_an_account_are_one_question(there: bool, source: str) -> None:
    async def test() -> None:
        ledger, cache = Slow(), Empty(there=there)
        api = made(ledger, cache)
        reads = [asyncio.create_task(api._account(number)) for number in [7] * 200 + [8]]
        await settled()
        assert ledger.asked == [7, 8]
        ledger.go.set()
        assert {(account.id, said) for account, said in await asyncio.gather(*reads)} == {(7, source), (8, source)}
        assert cache.kept == (2 if there else 0)
        await api._account(7)
        assert ledger.asked == [7, 8, 7], "an answer that was given is not given again"

    run(test)


def test_who_reads_after_a_transfer_gets_no_answer_from_before() -> None:
    async def test() -> None:
        ledger = Slow()
        api = made(ledger, Empty(there=False))
        early = asyncio.create_task(api._account(7))
        await settled()
        ledger.version = 1
        api.once.forget(7)
        late = asyncio.create_task(api._account(7))
        await settled()
        ledger.go.set()
        assert ((await early)[0].version, (await late)[0].version) == (0, 1)

    run(test)


def test_who_comes_too_late_asks_again() -> None:
    async def test() -> None:
        ledger = Slow()
        api = made(ledger, Empty(there=False), young_s=0.0)
        first = asyncio.create_task(api._account(7))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(api._account(7))
        await settled()
        assert ledger.asked == [7, 7]
        ledger.go.set()
        await asyncio.gather(first, second)

    run(test)


def test_a_failure_is_everybodys_and_the_next_one_asks_anew() -> None:
    async def test() -> None:
        ledger = Slow()
        ledger.fails = True
        api = made(ledger, Empty(there=True))
        reads = [asyncio.create_task(api._account(7)) for _ in range(3)]
        await settled()
        ledger.go.set()
        assert all(isinstance(said, NotDoneError) for said in await asyncio.gather(*reads, return_exceptions=True))
        ledger.fails = False
        assert (await api._account(7))[0].id == 7
        assert ledger.asked == [7, 7]

    run(test)


def test_whoever_began_may_go_away() -> None:
    async def test() -> None:
        ledger = Slow()
        api = made(ledger, Empty(there=True))
        first, second = (asyncio.create_task(api._account(7)) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        ledger.go.set()
        assert (await second)[0].id == 7
        assert ledger.asked == [7]

    run(test)
