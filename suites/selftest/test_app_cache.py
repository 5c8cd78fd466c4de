"""The read cache, against a real Valkey and Sentinel: never wrong for longer than the TTL, never in the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from itertools import count
from uuid import UUID

import pytest
import valkey

from stack.app.cache import CacheBypassedError, ValkeyCache
from stack.app.config import Config
from suites.selftest.local_servers import Api, Cache, api, free_port, postgres, until, valkey_cache

TTL_S = 1.0

_numbers = count()


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        yield server.dsn


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with valkey_cache(tmp_path_factory.mktemp("cache")) as running:
        yield running


@pytest.fixture(scope="module")
def service(dsn: str, store: Cache, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    log = tmp_path_factory.mktemp("api") / "api.log"
    with api(dsn, log, ABACUS_SENTINELS=store.sentinel, ABACUS_CACHE_TTL_S=TTL_S) as running:
        running.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": 1000})
        until(lambda: running.get("/api/accounts/0").headers["X-Cache"] != "bypass")
        yield running


@pytest.fixture
def entries(store: Cache) -> Iterator[valkey.Valkey]:
    with valkey.Valkey(port=store.valkey_port) as client:
        client.flushall()
        yield client


def move(service: Api, source: int, target: int) -> float:
    """Transfer 1 and return how long it took."""
    answer = service.transfer(UUID(int=(1 << 64) + next(_numbers)), source, target)
    assert answer.status == 201
    return answer.took_s


def read(service: Api, account: int) -> tuple[int, str]:
    answer = service.get(f"/api/accounts/{account}")
    assert answer.status == 200
    return answer.body["balance"], answer.headers["X-Cache"]


@pytest.mark.usefixtures("entries")
def test_read_is_cached_and_a_transfer_invalidates_it(service: Api) -> None:
    assert [read(service, account) for account in (1, 1, 2)] == [(1000, "miss"), (1000, "hit"), (1000, "miss")]
    move(service, 1, 2)
    assert [read(service, account) for account in (1, 2)] == [(999, "miss"), (1001, "miss")]


def test_entry_older_than_the_ttl_is_not_served_though_the_cache_kept_it(service: Api, entries: valkey.Valkey) -> None:
    read(service, 3)
    key = b"abacus:account:3"
    assert entries.keys() == [key]
    assert 0 < entries.execute_command("PTTL", key) <= TTL_S * 1000  # type: ignore[no-untyped-call]
    entries.persist(key)
    assert read(service, 3)[1] == "hit"
    time.sleep(TTL_S)
    assert read(service, 3)[1] == "miss"


@pytest.mark.parametrize(
    ("content", "age_s"),
    [
        ([5, 5, 5], 2 * TTL_S),
        ([5, 5, 5], -TTL_S),
        ([4, 5, 5], 0),
        ([5, 5], 0),
        ([5, 5, 5, 5], 0),
    ],
    ids=["old", "from the future", "of another account", "too short", "too long"],
)
def test_strange_entry_is_not_served(service: Api, entries: valkey.Valkey, content: list[int], age_s: float) -> None:
    entries.set("abacus:account:5", json.dumps([*content, time.time() - age_s]))
    assert read(service, 5) == (1000, "miss")


@pytest.mark.parametrize("entry", ["not json", "5", '{"balance": 5}', '["5", 5, 5, null]'])
def test_entry_that_is_none_is_not_served(service: Api, entries: valkey.Valkey, entry: str) -> None:
    entries.set("abacus:account:5", entry)
    assert read(service, 5) == (1000, "miss")


def test_ranges_and_lists_never_come_from_the_cache(service: Api, entries: valkey.Valkey) -> None:
    entries.set("abacus:account:6", json.dumps([6, 5, 5, time.time()]))
    assert read(service, 6) == (5, "hit")
    assert service.get("/api/accounts?first=6&count=1").body == {"balances": [1000], "versions": [0]}


@pytest.mark.usefixtures("entries")
def test_frozen_cache_delays_one_read_shortly_and_no_transfer(service: Api, store: Cache) -> None:
    for account in (10, 11, 12):
        read(service, account)
    os.kill(store.valkey.pid, signal.SIGSTOP)
    try:
        assert move(service, 12, 13) < 0.1
        first = service.get("/api/accounts/10")
        assert (first.status, first.headers["X-Cache"]) == (200, "bypass")
        assert first.took_s < 0.3
        began_s = time.monotonic()
        for _ in range(20):
            assert read(service, 10) == (1000, "bypass")
            move(service, 10, 11)
            move(service, 11, 10)
        assert time.monotonic() - began_s < 1.0
        assert service.get("/api/ready").status == 200
    finally:
        os.kill(store.valkey.pid, signal.SIGCONT)
    until(lambda: read(service, 10)[1] == "hit")
    assert read(service, 12)[0] == 999, "what it kept while it was frozen is too old by now"


def test_cache_that_was_never_there_is_done_without(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("api") / "api.log"
    with api(dsn, log, ABACUS_SENTINELS=f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}") as service:
        assert read(service, 20) == (1000, "bypass")
        assert move(service, 20, 21) < 0.2
        assert service.get("/api/ready").status == 200
        assert service.metric('abacus_cache_reads_total{result="bypass"}') == 1


@pytest.mark.usefixtures("entries")
def test_killed_cache_is_done_without(service: Api, store: Cache) -> None:
    read(service, 30)
    store.valkey.kill()
    store.valkey.wait()
    assert read(service, 30) == (1000, "bypass")
    assert move(service, 30, 31) < 0.1
    assert read(service, 30) == (999, "bypass")


@pytest.mark.parametrize("error", [AttributeError("'NoneType' object has no attribute 'writelines'"), OSError()])
def test_whatever_the_client_raises_the_database_is_asked(error: Exception) -> None:
    """As it does where a connection is closed that is just being opened."""

    async def ask() -> None:
        cache = ValkeyCache(Config("", sentinels=(("127.0.0.1", free_port()),)))
        cache._answers = True
        monkeypatch.setattr(cache._valkey, "get", broken)
        with pytest.raises(CacheBypassedError):
            await cache.get(1)
        await cache.close()

    async def broken(_key: str) -> None:
        raise error

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(ask())
