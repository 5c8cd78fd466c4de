"""The sabotaged API variants have their defect, and only that one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from suites.selftest.local_servers import Api, Postgres, api, free_port, postgres, valkey_cache

_numbers = count()

Serve = Callable[..., AbstractContextManager[Api]]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("SELECT open_accounts(0, 100, 1000)")
        yield server


@pytest.fixture
def serve(database: Postgres, tmp_path: Path) -> Serve:
    def start(name: str, dsn: str = database.dsn, **environment: object) -> AbstractContextManager[Api]:
        factory = f"suites.selftest.sabotage.apps:{name}"
        return api(dsn, tmp_path / "api.log", ABACUS_APP=factory, **environment)

    return start


def new_id() -> UUID:
    return UUID(int=(3 << 64) + next(_numbers))


def test_always_ready_is_ready_without_a_database(serve: Serve) -> None:
    with serve("always_ready", f"host=127.0.0.1 port={free_port()}", ABACUS_DATABASE_TIMEOUT_S=0.3) as service:
        assert service.get("/api/ready").status == 200
        assert service.transfer(new_id(), 0, 1).status == 503


def test_acknowledges_before_commit_loses_what_is_under_way(serve: Serve) -> None:
    with serve("acknowledges_before_commit") as service:
        kept, lost = new_id(), new_id()
        assert service.transfer(kept, 2, 3).status == 201
        assert service.get("/api/transfers?run=3&after=-1").body["numbers"] == []
        time.sleep(0.4)
        assert len(service.get("/api/transfers?run=3&after=-1").body["numbers"]) == 1
        assert service.transfer(lost, 2, 3).status == 201
        service.process.kill()
    with serve("always_ready") as service:
        assert service.get("/api/transfers?run=3&after=-1").body["numbers"] == [kept.int & (2**64 - 1)]


def test_applies_twice_moves_money_on_a_replay(serve: Serve) -> None:
    with serve("applies_twice") as service:
        identity = new_id()
        assert [service.transfer(identity, 4, 5).status for _ in range(2)] == [201, 200]
        assert service.get("/api/accounts?first=4&count=2").body == {"balances": [998, 1002], "versions": [2, 2]}
        number = identity.int & (2**64 - 1)
        assert service.get(f"/api/transfers?run=3&after={number - 1}").body["numbers"] == [number]


def test_stale_cache_serves_the_old_balance_for_ever(serve: Serve, tmp_path: Path) -> None:
    with (
        valkey_cache(tmp_path) as store,
        serve("stale_cache", ABACUS_SENTINELS=store.sentinel, ABACUS_CACHE_TTL_S=0.1) as service,
    ):
        while service.get("/api/accounts/6").headers["X-Cache"] != "hit":
            time.sleep(0.02)
        assert service.transfer(new_id(), 6, 7).status == 201
        time.sleep(0.3)
        assert service.get("/api/accounts/6").body == {"id": 6, "balance": 1000, "version": 0}
        assert service.get("/api/accounts?first=6&count=1").body == {"balances": [999], "versions": [1]}


def test_refuses_transfers_and_is_ready(serve: Serve) -> None:
    with serve("refuses_transfers") as service:
        assert service.get("/api/ready").status == 200
        assert service.transfer(new_id(), 40, 41).status == 422
        assert service.get("/api/accounts?first=40&count=2").body["balances"] == [1000, 1000]
