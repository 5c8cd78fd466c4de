"""What was restored is served by a machine that never saw the original, and is what it was. Needs Docker and images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, LiteralString

import docker
import psycopg
import pytest
import valkey

from fixtures.recovery.content import compare
from fixtures.recovery.fingerprint import dump
from fixtures.recovery.keys import contents
from fixtures.recovery.plan import Target
from fixtures.recovery.restore import restore
from fixtures.recovery.server import OVERRIDDEN
from fixtures.stacks.docker import foreign
from fixtures.stacks.docker.sweep import LABEL
from fixtures.stacks.embedded.binaries import CannotStart

from .docker_there import changed, needs_docker
from .local_servers import valkey_cache
from .recovery_servers import Past, object_store, past

DEAD_WITHIN_S = 30.0
"""testcontainers itself would look for two minutes; disk and container take seconds."""


def labelled() -> set[str]:
    with closing(docker.from_env()) as client:
        found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
        found += [*client.networks.list(filters={"label": LABEL}), *client.volumes.list(filters={"label": LABEL})]
        return {str(each.name) for each in found}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    directory = tmp_path_factory.mktemp("lived")
    with object_store(directory / "moto.log") as url, past(url, directory, "ledger-backups") as found:
        yield found


@pytest.fixture(scope="module")
def data(lived: Past, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("restored") / "data"
    return restore(lived.store, into, Target(time=lived.target)).directory


@needs_docker
def test_a_restored_database_is_what_it_was_on_a_machine_that_never_saw_it(lived: Past, data: Path) -> None:
    before = labelled()
    with foreign.database(data) as dsn:
        assert compare(lived.before, dsn, ignore=OVERRIDDEN) == ()
        differences = compare(lived.after, dsn, ignore=OVERRIDDEN)
        assert "table public.ledger (3500 rows) was not there before" in [each.sentence for each in differences]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DELETE FROM ledger WHERE id = 1")
        with closing(docker.from_env()) as client:
            (network,) = client.networks.list(filters={"label": LABEL, "name": "restored-database"})
            assert network.attrs["Internal"], "a way out"
        assert len(labelled() - before) == 3, "a container, its network, its disk"
    assert labelled() == before
    assert not (data / "postmaster.pid").exists()


@needs_docker
def test_what_was_restored_finds_no_way_out(data: Path, tmp_path: Path) -> None:
    """Not to another network of this machine, from where packets would go on to the world."""
    with valkey_cache(tmp_path) as running, closing(valkey.Valkey(port=running.valkey_port)) as client:
        client.save()
    with foreign.database(data) as dsn, foreign.cache(tmp_path / "dump.rdb") as other:
        assert other.ping(), "this machine reaches it"
        there = other.connection_pool.connection_kwargs["host"]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(connecting_to("127.0.0.1", 5432))
            with pytest.raises(psycopg.errors.ExternalRoutineException, match=r"program .* failed"):
                connection.execute(connecting_to(there, 6379))


def connecting_to(address: str, port: int) -> LiteralString:
    """A statement that fails where the database's machine cannot connect."""
    tries: Any = f"COPY (SELECT 1) TO PROGRAM 'timeout 3 bash -c \"exec 3<>/dev/tcp/{address}/{port}\"'"
    statement: LiteralString = tries
    return statement


@needs_docker
def test_what_differs_is_said_by_the_command(
    lived: Past, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, taken in (("before", lived.before), ("after", lived.after)):
        (tmp_path / name).write_bytes(dump(taken))
    assert foreign.main([str(data), str(tmp_path / "before")]) == 0
    assert foreign.main([str(data), str(tmp_path / "after")]) == 1
    assert "table public.ledger (3500 rows) was not there before" in capsys.readouterr().out


@needs_docker
def test_a_directory_that_is_not_served_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("18\n")
    before, begun_s = labelled(), time.monotonic()
    assert foreign.main([str(tmp_path / "data"), str(tmp_path / "none")]) == 4
    assert time.monotonic() - begun_s < DEAD_WITHIN_S
    assert "the container of restored-database ended while it started: exit code" in (said := capsys.readouterr().err)
    assert "postgresql.conf" in said
    assert labelled() == before


@needs_docker
def test_an_image_that_is_not_there_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ABACUS_IMAGE_RESTORED_DATABASE", "localhost:1/postgres:18")
    assert foreign.main([str(data), str(tmp_path / "none")]) == 4
    assert "there is no image localhost:1/postgres:18, of which restored-database" in capsys.readouterr().err


def test_what_is_no_data_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="is no data directory of PostgreSQL"), foreign.database(tmp_path):
        pass
    (tmp_path / "PG_VERSION").touch()
    (tmp_path / "postmaster.pid").touch()
    with pytest.raises(CannotStart, match="was not shut down"), foreign.database(tmp_path):
        pass
    (tmp_path / "dump.rdb").write_text("nothing")
    with pytest.raises(CannotStart, match="is no dump of Valkey or Redis"), foreign.cache(tmp_path / "dump.rdb"):
        pass


@needs_docker
def test_a_dumped_cache_is_what_it_was_on_a_machine_that_never_saw_it(tmp_path: Path) -> None:
    with valkey_cache(tmp_path) as running, closing(valkey.Valkey(port=running.valkey_port)) as client:
        fill(client)
        client.save()
        before = contents(client)
        client.set("later", "than the dump")
        after = contents(client)
    with foreign.cache(tmp_path / "dump.rdb") as restored:
        found = contents(restored)
    assert len(before) == 7
    assert found == before
    assert found != after


@needs_docker
def test_an_image_that_wants_volumes_of_its_own_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As upstream's do."""

    def volumes() -> set[str]:
        with closing(docker.from_env()) as client:
            return {volume.name for volume in client.volumes.list()}

    with valkey_cache(tmp_path) as running, closing(valkey.Valkey(port=running.valkey_port)) as client:
        client.save()
    before = volumes()
    with changed(foreign.image("cache"), "VOLUME /elsewhere") as image:
        monkeypatch.setenv(foreign.IMAGE_VARIABLES["cache"], image)
        with foreign.cache(tmp_path / "dump.rdb"):
            assert len(volumes() - before) == 2, "its disk, and what the image wants"
        assert volumes() == before


def fill(client: valkey.Valkey) -> None:
    """A key of each type, and one that goes by itself."""
    client.set("string", b"\x00\xff")
    client.set("expires", 1, ex=3600)
    client.rpush("list", *range(300))
    client.sadd("set", *range(300))
    client.hset("hash", mapping={str(n): n for n in range(300)})
    client.zadd("zset", {str(n): n / 3 for n in range(300)})
    client.xadd("stream", {"a": 1})


def valkey_command(client: Any, *words: str) -> None:
    """What nobody has typed."""
    client.execute_command(*words)


@pytest.mark.parametrize(
    "change", ["set string 1", "persist expires", "lset list 0 x", "zadd zset 9 1", "hset hash 1 x"]
)
def test_a_changed_key_is_seen(tmp_path: Path, change: str) -> None:
    with valkey_cache(tmp_path) as running, closing(valkey.Valkey(port=running.valkey_port)) as client:
        fill(client)
        before = contents(client)
        assert contents(client) == before
        valkey_command(client, *change.split())
        changed = {key for key, value in contents(client).items() if before[key] != value}
    assert changed == {change.split()[1].encode()}


def test_a_value_that_cannot_be_compared_is_no_match() -> None:
    class Odd:
        """A client of a server with types of its own."""

        def scan_iter(self, count: int) -> list[bytes]:
            return [b"x"] * (count > 0)

        def type(self, key: bytes) -> bytes:
            return b"odd" if key else b"none"

    with pytest.raises(ValueError, match="b'x' is a odd: it cannot be compared here"):
        contents(Odd())
