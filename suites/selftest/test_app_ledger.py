"""The API's promises about money, against a real PostgreSQL: once, all or nothing, and never a guess."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from suites.selftest.local_servers import Answer, Api, Postgres, api, postgres

TIMEOUT_S = 0.6
OPENING = 1000
RUN = 7

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
        assert (
            running.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": OPENING}).status == 201
        )
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


def at_once(times: int, ask: Callable[[int], Answer]) -> list[Answer]:
    """The same moment, as far as threads can."""
    start = threading.Barrier(times)

    def go(number: int) -> Answer:
        start.wait()
        return ask(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(go, range(times)))


def until(question: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline_s, f"still not so after {within_s} s"
        time.sleep(0.02)


def accounts(service: Api, *numbers: int) -> list[tuple[int, int]]:
    """Balance and version of each."""
    answer = service.get("/api/accounts?first=0&count=100").body
    return [(answer["balances"][number], answer["versions"][number]) for number in numbers]


# ------------------------------------------------------------------------------------------------ exactly once


def test_replay_moves_nothing_and_answers_alike(service: Api) -> None:
    identity = new_id()
    before = accounts(service, 0, 1)
    first, middle, again = (service.transfer(i, 0, 1, 5) for i in (identity, new_id(), identity))
    assert (first.status, middle.status, again.status) == (201, 201, 200)
    assert first.body == {
        "id": str(identity),
        "applied": True,
        "source_version": before[0][1] + 1,
        "target_version": before[1][1] + 1,
        "timeline": 1,
    }
    assert again.body == first.body | {"applied": False}
    assert accounts(service, 0, 1) == [(before[0][0] - 10, before[0][1] + 2), (before[1][0] + 10, before[1][1] + 2)]


def test_same_transfer_sent_at_once_is_applied_once(service: Api) -> None:
    identity = new_id()
    [before] = accounts(service, 2)
    answers = at_once(12, lambda _: service.transfer(identity, 2, 3, 5))
    assert sorted(answer.status for answer in answers) == [200] * 11 + [201]
    assert len({(answer.body["source_version"], answer.body["target_version"]) for answer in answers}) == 1
    assert accounts(service, 2) == [(before[0] - 5, before[1] + 1)]


def test_last_money_spent_at_once_under_one_id_is_no_refusal(service: Api) -> None:
    """The one that waited finds the funds gone, but they went for itself."""
    identity = new_id()
    answers = at_once(6, lambda _: service.transfer(identity, 4, 5, OPENING))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [201]


def test_same_id_with_other_content_at_once_lets_one_win(service: Api) -> None:
    identity = new_id()
    answers = at_once(5, lambda i: service.transfer(identity, 10 + 2 * i, 11 + 2 * i, 7))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 4
    moved = [balance for balance, _ in accounts(service, *range(10, 20)) if balance != OPENING]
    assert sorted(moved) == [OPENING - 7, OPENING + 7]


@pytest.mark.parametrize(("source", "target", "amount"), [(20, 21, 2), (21, 20, 1), (20, 22, 1)])
def test_known_id_with_other_content_is_a_conflict(service: Api, source: int, target: int, amount: int) -> None:
    identity = new_id()
    service.transfer(identity, 20, 21, 1)
    answer = service.transfer(identity, source, target, amount)
    assert (answer.status, answer.body["outcome"]) == (409, "failed")


def test_transfers_crossing_each_other_do_not_deadlock(service: Api) -> None:
    before = accounts(service, 30, 31)
    answers = at_once(24, lambda i: service.transfer(new_id(), *((30, 31) if i % 2 else (31, 30)), 1))
    assert [answer.status for answer in answers] == [201] * 24
    assert accounts(service, 30, 31) == [(balance, version + 24) for balance, version in before]


# ------------------------------------------------------------------------------------------------ refusals and reads

GOOD = {"id": "00000000-0000-0007-0000-0000ffffffff", "source": 40, "target": 41, "amount": 1}


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (GOOD | {"target": 10**12}, 422, "unknown account"),
        (GOOD | {"amount": OPENING * 9}, 422, "insufficient funds"),
        (GOOD | {"amount": 0}, 422, "amount is 0"),
        (GOOD | {"amount": True}, 422, "amount is True"),
        (GOOD | {"amount": 1.5}, 422, "amount is 1.5"),
        (GOOD | {"amount": 2**63}, 422, "amount is"),
        (GOOD | {"target": 40}, 422, "the same account"),
        (GOOD | {"id": "seven"}, 422, "expected a UUID"),
        ({}, 422, "expected a UUID"),
        ([], 422, "not a JSON object"),
        (b"\xff{", 422, "not JSON"),
        (b"[" * 5000, 422, "not JSON"),
        (b" " * 70_000, 413, "larger than"),
    ],
)
def test_bad_transfer_is_refused_for_good(service: Api, content: object, status: int, words: str) -> None:
    answer = service.ask("POST", "/api/transfers", content)
    assert answer.status == status
    assert set(answer.body) == {"outcome", "error", "request_id"}
    assert answer.body["outcome"] == "failed"
    assert words in answer.body["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/accounts/999999", 404),
        ("/api/accounts/99999999999999999999", 404),
        ("/api/accounts?first=90&count=11", 404),
        ("/api/accounts?first=0&count=10001", 422),
        ("/api/accounts", 422),
        ("/api/transfers?run=-1", 422),
        ("/api/transfers?run=1&after=x", 422),
        ("/nothing", 404),
    ],
)
def test_bad_read_is_refused(service: Api, path: str, status: int) -> None:
    answer = service.get(path)
    assert (answer.status, answer.body["outcome"]) == (status, "failed")


def test_accounts_are_opened_once_or_not_at_all(service: Api) -> None:
    content = {"first": 1000, "count": 10, "opening_balance": 5}
    assert [service.ask("POST", "/api/accounts", content).status for _ in range(2)] == [201, 201]
    assert service.ask("POST", "/api/accounts", content | {"count": 20, "opening_balance": 6}).status == 409
    assert service.get("/api/accounts/1000").body == {"id": 1000, "balance": 5, "version": 0}
    assert service.get("/api/accounts/1010").status == 404


def test_transfers_are_listed_by_run_in_order_and_in_pages(service: Api) -> None:
    for number in (2, 0, 1):
        service.transfer(UUID(int=(99 << 64) + number), 50, 51, number + 1)
    service.transfer(UUID(int=(98 << 64) + 5), 50, 51)
    everything = service.get("/api/transfers?run=99").body
    assert everything == {"numbers": [0, 1, 2], "sources": [50] * 3, "targets": [51] * 3, "amounts": [1, 2, 3]}
    assert service.get("/api/transfers?run=99&after=0&limit=1").body["numbers"] == [1]
    assert service.get("/api/transfers?run=99&after=2&limit=1").body["numbers"] == []


# ------------------------------------------------------------------------------------------------ unknown, and failed


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


def test_second_host_is_used_while_the_first_is_silent(database: Postgres, tmp_path: Path) -> None:
    """A silent host costs its second once, not once a connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"host=127.0.0.1,127.0.0.1 port={silent.getsockname()[1]},{database.port}"
        with api(f"{database.dsn} {hosts}", tmp_path / "api.log") as service:
            began_s = time.monotonic()
            answers = at_once(4, lambda i: service.transfer(new_id(), 82 + i, 90))
            assert [answer.status for answer in answers] == [201] * 4
            assert 0.9 < time.monotonic() - began_s < 1.5


def test_idle_connections_that_died_cost_no_request(database: Postgres, service: Api) -> None:
    at_once(6, lambda i: service.transfer(new_id(), 70 + i, 80))
    database.stop()
    database.start()
    answers = at_once(6, lambda i: service.transfer(new_id(), 70 + i, 80))
    assert [answer.status for answer in answers] == [201] * 6
