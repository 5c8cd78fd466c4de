"""How an API process starts, is watched, and leaves."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from stack.app import Config, ConfigError
from stack.app.migrate import LATEST, migrate
from suites.selftest.local_servers import ROOT, Api, Postgres, api, free_port, postgres

_numbers = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator") / "maintenance"


@pytest.fixture(scope="module")
def service(database: Postgres, switch: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    log = tmp_path_factory.mktemp("api") / "api.log"
    with api(database.dsn, log, ABACUS_MAINTENANCE_FILE=switch) as running:
        running.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": 1000})
        yield running


def new_id() -> UUID:
    return UUID(int=(2 << 64) + next(_numbers))


def logged(service: Api, request_id: str) -> dict[str, str]:
    """The first log line of a request; it is written after the answer was sent."""
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        for line in service.log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and (entry := json.loads(line)).get("request_id") == request_id:
                return dict(entry)
        time.sleep(0.01)
    raise AssertionError(f"nothing was logged of request {request_id}")


# ------------------------------------------------------------------------------------------------ configuration

MINIMAL = {"ABACUS_DATABASE_DSN": "host=db"}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "ABACUS_DATABASE_DSN is not set"),
        (MINIMAL | {"ABACUS_POOL_SIZE": "0"}, "ABACUS_POOL_SIZE is '0'; expected a whole number from 1 to 1000"),
        (MINIMAL | {"ABACUS_CACHE_TTL_S": "nan"}, "ABACUS_CACHE_TTL_S is 'nan'; expected seconds"),
        (MINIMAL | {"ABACUS_DATABASE_TIMEOUT_S": "0"}, "ABACUS_DATABASE_TIMEOUT_S is '0'"),
        (MINIMAL | {"ABACUS_SENTINELS": "a:1,b"}, "ABACUS_SENTINELS holds 'b'; expected host:port"),
        (MINIMAL | {"ABACUS_PORT": "70000"}, "ABACUS_PORT is '70000'"),
        ({"ABACUS_DATABASE_DSN_FILE": "/nowhere"}, "ABACUS_DATABASE_DSN_FILE: /nowhere cannot be used"),
        ({"ABACUS_DATABASE_DSN": "host=db", "ABACUS_DATABASE_DSN_FILE": "/nowhere"}, "are both set"),
        ({"ABACUS_DATABASE_DSN": "hots=db"}, "ABACUS_DATABASE_DSN cannot be used"),
        ({"ABACUS_DATABASE_DSN": "host=a,b port=1,2,3"}, "ABACUS_DATABASE_DSN cannot be used"),
    ],
)
def test_bad_environment_is_explained(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_environment(environment)
    assert words in str(raised.value)


def test_environment_is_read() -> None:
    config = Config.from_environment(MINIMAL | {"ABACUS_SENTINELS": "a:1, [::1]:2", "ABACUS_DRAIN_S": "2.5"})
    assert config.sentinels == (("a", 1), ("::1", 2))
    assert (config.drain_s, config.cache_ttl_s, config.pool_size) == (2.5, 1.0, 8)


@pytest.mark.parametrize(
    "environment",
    [{"ABACUS_DRAIN_S": "soon"}, {"ABACUS_APP": "stack.nothing:app"}, {"ABACUS_APP": "stack.app:nothing"}],
)
def test_process_with_a_bad_environment_says_why_and_ends(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "stack.app"]
    ended = subprocess.run(
        command,
        env=os.environ | MINIMAL | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("stack.app: ")


def test_migrations_are_applied_once_even_at_once(database: Postgres) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE fresh")
    dsn = f"{database.dsn} dbname=fresh"
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [dsn] * 4))
    assert sorted(applied) == [[], [], [], list(range(1, LATEST + 1))]


# ------------------------------------------------------------------------------------------------ watching


def test_without_migrations_it_is_alive_but_not_ready(database: Postgres, tmp_path: Path) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE bare")
    with api(f"{database.dsn} dbname=bare", tmp_path / "api.log") as service:
        assert service.get("/api/health").status == 200
        ready = service.get("/api/ready")
        assert (ready.status, ready.body["outcome"]) == (503, "failed")
        assert "python -m stack.app.migrate" in ready.body["error"]
        migrate(f"{database.dsn} dbname=bare")
        time.sleep(0.25)
        assert service.get("/api/ready").status == 200


def test_probes_share_one_question_to_the_database(database: Postgres, service: Api) -> None:
    with psycopg.connect(database.dsn, autocommit=True) as admin:

        def commits() -> int:
            admin.execute("SELECT pg_stat_force_next_flush()")
            [(number,)] = admin.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()
            return int(number)

        before = commits()
        began_s = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            assert {answer.status for answer in pool.map(service.get, ["/api/ready"] * 200)} == {200}
        questions = 1 + (time.monotonic() - began_s) / 0.2
        assert commits() - before < 200 * (questions + 1), "a question writes about 100 bytes of WAL"


def test_maintenance_refuses_writes_and_serves_reads(service: Api, switch: Path) -> None:
    switch.touch()
    try:
        for path in ("/api/transfers", "/api/accounts"):
            answer = service.ask("POST", path, {})
            assert (answer.status, answer.body["outcome"], answer.headers["Retry-After"]) == (503, "failed", "30")
            assert "maintenance" in answer.body["error"]
        assert service.get("/api/accounts/1").status == 200
        assert service.get("/api/health").status == 200
        ready = service.get("/api/ready")
        assert (ready.status, "maintenance" in ready.body["error"]) == (503, True)
    finally:
        switch.unlink()
    assert service.get("/api/ready").status == 200
    assert service.transfer(new_id(), 1, 2).status == 201


def test_request_id_is_taken_or_made_and_logged(service: Api, switch: Path) -> None:
    assert service.ask("GET", "/api/health", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = {service.ask("GET", "/api/health", headers=h).headers["X-Request-Id"] for h in ({}, {"X-Request-Id": "a b"})}
    assert len(made) == 2
    assert all(len(identity) == 16 for identity in made)
    switch.touch()
    try:
        answer = service.ask("POST", "/api/transfers", {}, headers={"X-Request-Id": "find-me"})
    finally:
        switch.unlink()
    assert answer.body["request_id"] == "find-me"
    line = logged(service, "find-me")
    assert (line["level"], line["node"]) == ("warning", "api-test")
    assert line["message"].startswith("POST /api/transfers: 503 failed after")


def test_metrics_count_requests_by_route_and_outcome(service: Api) -> None:
    names = [f'abacus_requests_total{{outcome="{how}",route="POST /api/transfers"}}' for how in ("ok", "failed")]
    before = [service.metric(name) for name in names]
    service.transfer(new_id(), 3, 4)
    service.transfer(new_id(), 3, 3)
    assert [service.metric(name) for name in names] == [number + 1 for number in before]
    seconds = 'abacus_request_seconds_count{route="POST /api/transfers"}'
    assert service.metric(seconds) == sum(service.metric(name) for name in names)
    assert service.metric('abacus_requests_total{outcome="ok",route="/api/health"}') > 0
    assert service.metric("abacus_pool_size") == 8


# ------------------------------------------------------------------------------------------------ leaving


def test_drain_costs_a_client_behind_a_load_balancer_no_request(database: Postgres, tmp_path: Path) -> None:
    with ExitStack() as running:
        pair = [running.enter_context(api(database.dsn, tmp_path / f"{i}.log", ABACUS_DRAIN_S=5)) for i in range(2)]
        leaving, staying = pair
        leaving.ask("POST", "/api/accounts", {"first": 500, "count": 6, "opening_balance": 10**6})
        in_rotation = {leaving.port, staying.port}
        stop = threading.Event()
        failures: list[object] = []
        served = dict.fromkeys(in_rotation, 0)

        def balance() -> None:
            """Ask twice a second, like a load balancer."""
            while not stop.wait(0.5):
                for member in pair:
                    try:
                        ready = member.get("/api/ready").status == 200
                    except OSError:
                        ready = False
                    (in_rotation.add if ready else in_rotation.discard)(member.port)

        def press(client: int) -> None:
            connections = {port: http.client.HTTPConnection("127.0.0.1", port, timeout=5) for port in served}
            for turn in count():
                if stop.is_set():
                    break
                ports = sorted(in_rotation)
                port = ports[turn % len(ports)]
                connection = connections[port]
                content = {"id": str(new_id()), "source": client, "target": client + 3, "amount": 1}
                try:
                    connection.request("POST", "/api/transfers", json.dumps(content))
                    response = connection.getresponse()
                    response.read()
                    served[port] += 1
                    if response.status != 201:
                        failures.append(response.status)
                except (OSError, http.client.HTTPException) as error:
                    failures.append(error)
                time.sleep(0.005)
            for connection in connections.values():
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            running_work = [pool.submit(balance), *(pool.submit(press, client) for client in (500, 501, 502))]
            time.sleep(0.7)
            began_s = time.monotonic()
            leaving.process.terminate()
            leaving.process.wait(10)
            took_s = time.monotonic() - began_s
            stop.set()
            for work in running_work:
                work.result()
        assert failures == []
        assert min(served.values()) > 20
        assert took_s < 4


def test_request_in_flight_is_finished_and_readiness_goes_first(database: Postgres, tmp_path: Path) -> None:
    with (
        api(database.dsn, tmp_path / "api.log", ABACUS_DRAIN_S=5) as service,
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database.dsn) as lock,
    ):
        service.ask("POST", "/api/accounts", {"first": 0, "count": 100, "opening_balance": 1000})
        lock.execute("SELECT FROM accounts WHERE id = 9 FOR UPDATE")
        waiting = pool.submit(service.transfer, new_id(), 9, 10)
        while service.metric("abacus_pool_in_use") == 0:
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        ready = service.get("/api/ready")
        assert (ready.status, ready.headers["Connection"]) == (503, "close")
        assert "draining" in ready.body["error"]
        time.sleep(1.5)
        lock.rollback()
        assert waiting.result().status == 201
        service.process.wait(5)


def test_second_sigterm_ends_it_at_once_under_plain_uvicorn_too(database: Postgres) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "stack.app:create_app", "--port", str(port)]
    environment = os.environ | {"ABACUS_DATABASE_DSN": database.dsn, "ABACUS_DRAIN_S": "30"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        service = Api(process, port, Path())
        assert process.stderr is not None
        while b"running on" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert service.get("/api/ready").status == 503
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        assert time.monotonic() - began_s < 1
