"""The command that compares a user's own databases: mistakes are named, large tables go in parts, it can be stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.recovery import rows
from fixtures.recovery.__main__ import main
from fixtures.recovery.content import compare
from fixtures.recovery.fingerprint import dump, fingerprint, take
from fixtures.recovery.programs import CannotRecover
from fixtures.recovery.rows import snapshot

from .local_servers import ROOT, Postgres, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    running = Postgres(tmp_path_factory.mktemp("command") / "data")
    running.create()
    running.start()
    try:
        with psycopg.connect(running.dsn, autocommit=True) as connection:
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("CREATE TABLE many AS SELECT n AS id, md5(n::text) FROM generate_series(1, 5000) AS n")
            connection.execute("DELETE FROM many WHERE id % 3 = 0")  # pages with holes
            connection.execute("CREATE TABLE few (id int)")
            connection.execute("GRANT SELECT ON many TO reader")
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--exclude", "many"], "--exclude many names no table: expected a pattern of schema.table, there are public."),
        (["--ignore", "settng/*"], "--ignore settng/*: expected KIND/NAME, where KIND is one of table, "),
        (["--ignore", "setting"], "--ignore setting: expected KIND/NAME"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_a_mistake(
    server: Postgres, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["compare", server.dsn, server.dsn, *words]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"compare: {said}")
    assert error.count("\n") == 1


def test_what_a_saved_fingerprint_left_out_need_not_be_there(server: Postgres, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.write_bytes(dump(fingerprint(server.dsn, ["public.few"])))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    found = compare(saved, f"{server.dsn} dbname=bare", ["public.few"])
    assert "table public.many (3334 rows) is missing" in [each.sentence for each in found]


def test_who_may_not_read_is_told_what_to_do(server: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    reader = server.dsn.replace("user=postgres", "user=reader")
    assert main(["compare", reader, reader]) == 4
    assert "permission denied for table pg_largeobject; read it as a superuser, or leave" in capsys.readouterr().err
    assert main(["compare", reader, reader, "--exclude", "public.few", "--exclude", "pg_catalog.*"]) == 0


def test_neither_file_nor_dsn(server: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.fingerprint", server.dsn]) == 4
    assert "old.fingerprint is no file, and no DSN: expected a saved fingerprint, or host=" in capsys.readouterr().err


@pytest.mark.parametrize(("pages", "jobs"), [(1, 1), (1, 3), (7, 2), (40, 1)])
def test_a_table_in_parts_is_what_it_is_as_a_whole(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, pages: int, jobs: int
) -> None:
    whole = fingerprint(server.dsn).tables
    assert whole["public.many"].rows == 3334
    monkeypatch.setattr(rows, "CHUNK_PAGES", pages)
    told: list[tuple[str, int, int]] = []
    in_parts = fingerprint(server.dsn, progress=lambda *each: told.append(each), jobs=jobs).tables
    assert in_parts == whole
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[-1] == told[-1][2] > 0
    assert sum(name == "public.many" for name, _, _ in told) > 1


def test_several_connections_see_one_moment(server: Postgres) -> None:
    def write(*_: object) -> None:
        with psycopg.connect(server.dsn) as other:
            other.execute("INSERT INTO few VALUES (1)")

    before = fingerprint(server.dsn).tables
    assert fingerprint(server.dsn, progress=write, jobs=3).tables == before
    query = "SELECT pg_backend_pid(), count(*) FROM public.few"
    with snapshot(server.dsn) as connection:
        write()
        with rows.at_once(connection, 3) as connections:
            seen = [each.execute(query).fetchall()[0] for each in connections]
    assert len({pid for pid, _ in seen}) == 3
    assert len({count for _, count in seen}) == 1


def test_a_server_before_18_hashes_to_the_same(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    now = fingerprint(server.dsn).tables
    monkeypatch.setattr(rows, "_HALF", rows._HALF_BEFORE_18)
    assert fingerprint(server.dsn).tables == now


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "1000"])
def test_jobs_are_a_number(capsys: pytest.CaptureFixture[str], jobs: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", "host=a", "host=b", "--jobs", jobs])
    assert ended.value.code == 2
    assert f"expected a whole number from 1 to 100, got {jobs}" in capsys.readouterr().err


def test_a_table_that_is_dropped_meanwhile_is_said_as_that(server: Postgres) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as other:
        other.execute("CREATE TABLE zzz (id int)")

        def drop(*_: object) -> None:
            other.execute("DROP TABLE IF EXISTS zzz")

        with (
            pytest.raises(CannotRecover, match=r'"public\.zzz" does not exist; something was dropped or altered while'),
            snapshot(server.dsn) as connection,
        ):
            take(connection, progress=drop)


def test_a_lock_is_said_as_that(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rows.SETTINGS, "lock_timeout", "200ms")
    with psycopg.connect(server.dsn) as other:
        other.execute("LOCK TABLE many")
        with pytest.raises(CannotRecover, match="somebody holds a lock for longer than"):
            fingerprint(server.dsn)


def test_ctrl_c_ends_the_command_and_what_the_server_does_for_it(server: Postgres) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE slow")
        slow = f"{server.dsn} dbname=slow"
        with psycopg.connect(slow, autocommit=True) as made:
            made.execute("CREATE TABLE big AS SELECT n, repeat('x', 500) FROM generate_series(1, 1000000) AS n")
        words = [sys.executable, "-m", "fixtures.recovery", "compare", slow, slow]

        def reading() -> bool:
            found = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fingerprint' AND query ~ 'digests'"
            ).fetchone()
            return found is not None and found[0] > 0

        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
            until(reading, within_s=60.0)
            command.send_signal(signal.SIGINT)
            said = command.communicate(timeout=30)
        assert (command.returncode, said[0]) == (130, b"")
        assert said[1].endswith(b"compare: interrupted before its end\n")
        until(lambda: not reading(), within_s=10.0)
        connection.execute("DROP DATABASE slow WITH (FORCE)")
