"""What the API answers when its database fails: done, surely not done, or unknown; never a guess."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from stack.app.connections import Connections, NoConnectionError
from suites.selftest.local_servers import Api, Postgres, api, at_once, postgres, until

TIMEOUT_S = 0.6
OPENING = 1000
RUN = 8

_numbers = count()


def new_id(run: int = RUN) -> UUID:
    return UUID(int=(run << 64) + next(_numbers))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="module")
def service(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    log = tmp_path_factory.mktemp("api") / "api.log"
    with api(database.dsn, log, ABACUS_DATABASE_TIMEOUT_S=TIMEOUT_S, ABACUS_POOL_SIZE=6) as running:
        opened = running.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": OPENING})
        assert opened.status == 201
        yield running


@pytest.fixture
def admin(database: Postgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        yield connection


@contextmanager
def locked(database: Postgres, account: int) -> Iterator[None]:
    """Whoever wants to change the account waits."""
    with psycopg.connect(database.dsn) as connection:
        connection.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", [account])
        yield


@contextmanager
def setting(admin: psycopg.Connection, name: str, value: str) -> Iterator[None]:
    """The server runs with a setting, until the block is left."""

    def reload(command: str) -> None:
        admin.execute(command)
        admin.execute("SELECT pg_reload_conf()")
        time.sleep(0.1)  # a reload is a signal: nothing tells when every session has seen it

    reload(f"ALTER SYSTEM SET {name} = {value}")
    try:
        yield
    finally:
        reload(f"ALTER SYSTEM RESET {name}")


def accounts(service: Api, *numbers: int) -> list[tuple[int, int]]:
    """Balance and version of each."""
    answer = service.get("/api/accounts?first=0&count=100").body
    return [(answer["balances"][number], answer["versions"][number]) for number in numbers]


def test_silence_is_answered_as_unknown_and_the_statement_goes_on(database: Postgres, service: Api) -> None:
    identity = new_id()
    with locked(database, 60):
        answer = service.transfer(identity, 60, 61)
        assert (answer.status, answer.body["outcome"]) == (504, "unknown")
        assert TIMEOUT_S <= answer.took_s < TIMEOUT_S + 0.3
        assert service.metric("abacus_pool_in_use") == 1
    until(lambda: service.metric("abacus_pool_in_use") == 0)
    assert service.transfer(identity, 60, 61).status == 200


def test_without_a_free_connection_nothing_was_sent(database: Postgres, service: Api) -> None:
    with locked(database, 60), ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(service.transfer, new_id(), 60, 61) for _ in range(6)]
        until(lambda: service.metric("abacus_pool_in_use") == 6)
        answer = service.transfer(new_id(), 62, 63)
        assert (answer.status, answer.body["outcome"]) == (503, "failed")
        assert "in use" in answer.body["error"]
        assert {future.result().body["outcome"] for future in waiting} == {"unknown"}
    until(lambda: service.metric("abacus_pool_in_use") == 0)
    assert accounts(service, 62) == [(OPENING, 0)]


def test_commit_that_no_replica_confirmed_is_unknown_and_so_is_its_replay(
    service: Api, admin: psycopg.Connection
) -> None:
    identity = new_id()
    warned = 'abacus_unknown_commits_total{cause="warning"}'
    before = service.metric(warned)
    with setting(admin, "synchronous_standby_names", "'nobody'"):
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(service.transfer, identity, 64, 65)
            cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            until(lambda: bool(admin.execute(cancel).fetchall()))
            assert (first.result().status, first.result().body["outcome"]) == (503, "unknown")
        assert service.metric(warned) == before + 1
        assert accounts(service, 64) == [(OPENING - 1, 1)], "it is visible here, and on this machine only"
        assert service.transfer(identity, 64, 65).body["outcome"] == "unknown"
        ready = service.get("/api/ready")
        assert ready.status == 503
        assert "did not" in ready.body["error"]
    until(lambda: service.get("/api/ready").status == 200)
    assert service.transfer(identity, 64, 65).status == 200


def test_read_only_server_surely_applied_nothing(service: Api, admin: psycopg.Connection) -> None:
    with setting(admin, "default_transaction_read_only", "on"):
        answer = service.transfer(new_id(), 66, 67)
        assert (answer.status, answer.body["outcome"]) == (503, "failed")
        time.sleep(0.25)
        assert service.get("/api/ready").status == 503
    admin.execute("SET default_transaction_read_only = off")
    until(lambda: service.transfer(new_id(), 66, 67).status == 201, within_s=1.5)


def test_without_its_table_it_is_not_ready(service: Api, admin: psycopg.Connection) -> None:
    """Somebody dropped it: the database confirms writes as before, and no transfer can be one."""
    admin.execute("ALTER TABLE transfers RENAME TO dropped")
    try:
        # An answer stands for 0.2 s: the first may still be of what was before.
        until(lambda: "the table of transfers is gone" in str(service.get("/api/ready").body))
        assert service.get("/api/ready").status == 503
    finally:
        admin.execute("ALTER TABLE dropped RENAME TO transfers")
    until(lambda: service.get("/api/ready").status == 200)


def test_terminated_session_leaves_it_unknown(database: Postgres, service: Api, admin: psycopg.Connection) -> None:
    with locked(database, 68), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.transfer, new_id(), 68, 69)
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: bool(admin.execute(terminate).fetchall()))
        assert (answer.result().status, answer.result().body["outcome"]) == (503, "unknown")


def test_killed_database_is_found_again_at_once(database: Postgres, service: Api) -> None:
    """The outage of 4 s lets a pool with a back-off of 1, 2, 4 s sleep for 3 s more."""
    with ThreadPoolExecutor(6) as pool:
        assert {pool.submit(service.transfer, new_id(), 70 + i, 80).result().status for i in range(6)} == {201}
        with suppress(psycopg.OperationalError), locked(database, 70):
            sent = pool.submit(service.transfer, new_id(), 70, 71)
            until(lambda: service.metric("abacus_pool_in_use") == 1)
            database.kill()
            assert (sent.result().status, sent.result().body["outcome"]) == (503, "unknown")
        down_s = time.monotonic()
        while time.monotonic() < down_s + 4:
            answer = service.transfer(new_id(), 72, 73)
            assert (answer.status, answer.body["outcome"], answer.headers["Retry-After"]) == (503, "failed", "1")
            assert "cannot be reached" in answer.body["error"]
        assert service.get("/api/ready").status == 503
        assert service.get("/api/health").status == 200
        database.start()
        back_s = time.monotonic()
        until(lambda: service.transfer(new_id(), 74, 75).status == 201)
        assert time.monotonic() - back_s < 1.0
        assert service.get("/api/ready").status == 200


@pytest.mark.usefixtures("service")  # which opens the accounts
def test_second_host_is_used_while_the_first_is_silent(database: Postgres, tmp_path: Path) -> None:
    """A silent host costs a moment once, not once a connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"host=127.0.0.1,127.0.0.1 port={silent.getsockname()[1]},{database.port}"
        with api(f"{database.dsn} {hosts}", tmp_path / "api.log") as service:
            began_s = time.monotonic()
            answers = at_once(4, lambda i: service.transfer(new_id(), 82 + i, 90))
            assert [answer.status for answer in answers] == [201] * 4
            assert 0.2 < time.monotonic() - began_s < 0.9


def test_a_silent_host_may_cost_more_time_than_any_request_has(database: Postgres) -> None:
    """As in a queue, where who comes first has the least time left: what one began serves the next."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"host=127.0.0.1,127.0.0.1 port={silent.getsockname()[1]},{database.port}"
        connections = Connections(f"{database.dsn} {hosts}", 2)

        async def taken_by() -> int:
            for number in range(8):
                with suppress(NoConnectionError):
                    link = await connections.take(time.monotonic() + 0.1)
                    await connections.give_back(link, works=True)
                    await connections.close()
                    return number
            return -1

        assert asyncio.run(taken_by()) in (2, 3, 4)


def test_idle_connections_that_died_cost_no_request(database: Postgres, service: Api) -> None:
    at_once(6, lambda i: service.transfer(new_id(), 70 + i, 80))
    database.stop()
    database.start()
    answers = at_once(6, lambda i: service.transfer(new_id(), 70 + i, 80))
    assert [answer.status for answer in answers] == [201] * 6
