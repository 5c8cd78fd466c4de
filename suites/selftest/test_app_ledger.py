"""The API's promises about money, against a real PostgreSQL: once, and all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import UUID

import psycopg
import pytest

from suites.selftest.local_servers import Api, Postgres, api, at_once, postgres, until

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
    with api(database.dsn, log) as running:
        opened = running.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": OPENING})
        assert opened.status == 201
        yield running


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


@pytest.mark.parametrize(
    ("target", "ends", "status"),
    [(23, "commit", 200), (23, "rollback", 201), (25, "commit", 409), (25, "rollback", 201)],
)
def test_second_of_two_waits_for_how_the_first_ends(
    database: Postgres, service: Api, target: int, ends: str, status: int
) -> None:
    identity = new_id()
    with psycopg.connect(database.dsn) as first, ThreadPoolExecutor(1) as pool:
        first.execute("SELECT transfer(%s, 22, 23, 1::bigint)", [identity])
        second = pool.submit(service.transfer, identity, target - 1, target)
        with psycopg.connect(database.dsn, autocommit=True) as admin:
            waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: bool(admin.execute(waits).fetchall()))
        first.execute(ends)
        assert second.result().status == status


@pytest.mark.parametrize(("source", "target", "amount"), [(20, 21, 2), (21, 20, 1), (20, 22, 1)])
def test_known_id_with_other_content_is_a_conflict(service: Api, source: int, target: int, amount: int) -> None:
    identity = new_id()
    service.transfer(identity, 20, 21, 1)
    answer = service.transfer(identity, source, target, amount)
    assert (answer.status, answer.body["outcome"]) == (409, "failed")


def test_transfers_crossing_each_other_queue_up(service: Api) -> None:
    """None fails by deadlock, and no two answers bear the same version."""
    before = accounts(service, 30, 31)
    answers = at_once(40, lambda i: service.transfer(new_id(), *((30, 31) if i % 2 else (31, 30)), 1))
    assert [answer.status for answer in answers] == [201] * 40
    answered = [answer.body["source_version" if i % 2 else "target_version"] for i, answer in enumerate(answers)]
    assert sorted(answered) == list(range(1, 41))
    assert accounts(service, 30, 31) == [(balance, version + 40) for balance, version in before]


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
        ("/api/accounts/9999999999999999999", 404),
        ("/api/accounts/" + "9" * 5000, 404),
        ("/api/accounts/mine", 404),
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
