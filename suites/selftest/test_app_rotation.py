"""What a process goes by may be another while it is waited for.

An API process follows a rotated secret: the old one can be revoked at once, and no request notices."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from stack.app.config import Watched
from stack.app.migrate import LATEST
from stack.app.readiness import WritableProof
from suites.selftest.local_servers import Api, Postgres, api, postgres, until

_numbers = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        with psycopg.connect(server.dsn, autocommit=True) as session:
            session.execute("CREATE ROLE one LOGIN SUPERUSER PASSWORD 'x'; CREATE ROLE two LOGIN SUPERUSER")
        yield server


def told(server: Postgres, user: str) -> str:
    return server.dsn.replace("user=postgres", f"user={user}")


def swap(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)  # noqa: PTH105


def sessions(server: Postgres) -> set[str]:
    with psycopg.connect(server.dsn, autocommit=True) as session:
        rows = session.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'abacus'")
        return {str(name) for (name,) in rows}


def pay(service: Api) -> int:
    order = {"id": str(UUID(int=(7 << 64) + next(_numbers))), "source": 1, "target": 2, "amount": 1}
    return service.ask("POST", "/api/transfers", order).status


def test_no_request_fails_while_the_secret_is_rotated_and_the_old_one_revoked(
    database: Postgres, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    file.write_text(told(database, "one"))
    over, answers = threading.Event(), []
    with api(database.dsn, tmp_path / "api.log", ABACUS_DATABASE_DSN="", ABACUS_DATABASE_DSN_FILE=file) as service:
        service.ask("POST", "/api/accounts", {"first": 0, "count": 10, "opening_balance": 10**6})

        def clients() -> None:
            while not over.is_set():
                answers.append(pay(service))

        threads = [threading.Thread(target=clients) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(answers) > 20 and sessions(database) == {"one"})
            swap(file, told(database, "two"))
            until(lambda: sessions(database) == {"two"})
            with psycopg.connect(database.dsn, autocommit=True) as session:
                session.execute("ALTER ROLE one NOLOGIN")
            before = len(answers)
            until(lambda: len(answers) > before + 50)
        finally:
            over.set()
            for thread in threads:
                thread.join()
    assert set(answers) == {201}


def test_a_file_that_is_half_written_changes_nothing(database: Postgres, tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text(told(database, "two"))
    with api(database.dsn, tmp_path / "api.log", ABACUS_DATABASE_DSN="", ABACUS_DATABASE_DSN_FILE=file) as service:
        service.ask("POST", "/api/accounts", {"first": 0, "count": 10, "opening_balance": 10**6})
        for broken in ("host=127.0.0.1 port", "", "host=a,b port=1,2,3"):
            swap(file, broken)
            assert pay(service) == 201
        file.unlink()
        assert pay(service) == 201


def test_a_wrong_secret_in_the_file_costs_no_request_while_old_sessions_live(
    database: Postgres, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    file.write_text(told(database, "two"))
    with api(database.dsn, tmp_path / "api.log", ABACUS_DATABASE_DSN="", ABACUS_DATABASE_DSN_FILE=file) as service:
        service.ask("POST", "/api/accounts", {"first": 0, "count": 10, "opening_balance": 10**6})
        assert pay(service) == 201
        swap(file, told(database, "nobody_of_this_name"))
        assert {pay(service) for _ in range(10)} == {201}
        swap(file, told(database, "postgres"))
        until(lambda: (pay(service), sessions(database)) == (201, {"postgres"}))


def test_a_file_is_told_once_for_each_change(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    watched = Watched(file)
    assert watched.changed() == ""
    swap(file, "host=a")
    assert [watched.changed(), watched.changed()] == ["host=a", ""]
    swap(file, "host=b")
    assert [watched.changed(), watched.changed()] == ["host=b", ""]


class _Patient:
    """A ledger that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def prove_writable(self) -> int:
        await self.may_answer.wait()
        return LATEST


def test_whoever_waits_for_an_answer_gets_it_though_the_next_question_is_asked_meanwhile() -> None:
    async def ask() -> str:
        ledger = _Patient()
        proof = WritableProof(ledger)  # type: ignore[arg-type]
        later: list[asyncio.Task[str]] = []
        question = asyncio.create_task(proof._ask())
        proof._asking, proof._asked_s = question, asyncio.get_running_loop().time() - 0.5

        def next_question(_: object) -> None:
            ledger.may_answer.clear()
            later.append(asyncio.create_task(proof()))

        question.add_done_callback(next_question)
        waiting = asyncio.create_task(proof())
        await asyncio.sleep(0)
        ledger.may_answer.set()
        answer = await waiting
        assert later
        assert proof._asking is not question
        ledger.may_answer.set()
        assert await later[0] == ""
        return answer

    assert asyncio.run(ask()) == ""
