"""PostgreSQL's own tools are heard, and full and incremental backups make a whole that starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.recovery.content import compare
from fixtures.recovery.fingerprint import fingerprint
from fixtures.recovery.incremental import combine, take
from fixtures.recovery.integrity import Soundness, amcheck, checksums, verify_manifest
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.recovery.server import OVERRIDDEN, private_server

from .local_servers import Postgres
from .recovery_servers import small_segments


def flip(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 0x10
    path.write_bytes(body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    running = Postgres(tmp_path_factory.mktemp("integrity") / "data")
    running.create()
    small_segments(running)
    with (running.directory / "postgresql.conf").open("a") as file:
        file.write("summarize_wal = on\nwal_level = replica\nmax_wal_size = 64MB\nmin_wal_size = 8MB\n")
    running.start()
    try:
        with psycopg.connect(running.dsn, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE kept AS SELECT n AS id, 'note ' || n AS note FROM generate_series(1, 2000) AS n"
            )
            connection.execute("ALTER TABLE kept ADD PRIMARY KEY (id)")
        yield running
    finally:
        running.stop()


def test_full_and_incremental_backups_make_a_whole_that_starts(server: Postgres, tmp_path: Path) -> None:
    full = take(server.dsn, tmp_path / "full")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("UPDATE kept SET note = 'changed' WHERE id <= 10")
    first = take(server.dsn, tmp_path / "first", full)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM kept WHERE id > 1990")
    before = fingerprint(server.dsn)
    second = take(server.dsn, tmp_path / "second", first)
    assert second.size_bytes < full.size_bytes / 2
    whole = combine([full, first, second], tmp_path / "whole")
    with private_server(whole.directory, tmp_path / "log") as started:
        started.wait(lambda: "ready to accept" in started.said(), 30.0, "ready")
        assert compare(before, started.dsn(), ignore=OVERRIDDEN) == ()
        assert amcheck(started.dsn()).soundness is Soundness.SOUND
    assert checksums(whole.directory).soundness is Soundness.SOUND
    with pytest.raises(CannotRecover, match="exists: name a directory"):
        combine([full, first], tmp_path / "whole")
    with pytest.raises(CannotRecover, match="pg_combinebackup: ") as caught:
        combine([full, second], tmp_path / "gap")
    assert caught.value.code is Code.DAMAGED
    flip(first.directory / "postgresql.conf", 100)
    with pytest.raises(CannotRecover, match="is not what was backed up: checksum mismatch for file") as caught:
        combine([full, first, second], tmp_path / "flipped")
    assert caught.value.code is Code.DAMAGED
    assert not (tmp_path / "gap").exists()
    assert not (tmp_path / "flipped").exists()


def test_damage_is_named_by_each_tool_and_what_cannot_be_told_is_not_sound(server: Postgres, tmp_path: Path) -> None:
    directory = take(server.dsn, tmp_path / "harmed").directory
    assert checksums(directory).soundness is Soundness.NOT_POSSIBLE  # it was not shut down
    with psycopg.connect(server.dsn) as connection:
        [(table,)] = connection.execute("SELECT pg_relation_filepath('kept')").fetchall()
        [(index,)] = connection.execute("SELECT pg_relation_filepath('kept_pkey')").fetchall()
    with private_server(directory, tmp_path / "first.log") as started:
        started.wait(lambda: "ready to accept" in started.said(), 30.0, "ready")
    assert checksums(directory).soundness is Soundness.SOUND
    flip(directory / table, 8192 * 2 + 5000)
    flip(directory / index, 8192 + 4000)
    harmed = checksums(directory)
    assert harmed.soundness is Soundness.DAMAGED
    assert set(harmed.problems) == {f"{table} block 2", f"{index} block 1"}
    manifest = verify_manifest(directory)
    assert manifest.soundness is Soundness.DAMAGED
    assert any(table in problem for problem in manifest.problems)
    with private_server(directory, tmp_path / "second.log") as started:
        started.wait(lambda: "ready to accept" in started.said(), 30.0, "ready")
        found = amcheck(started.dsn())
        assert found.soundness is Soundness.DAMAGED
        assert any("kept" in problem and "invalid page in block" in problem for problem in found.problems)
        with started.connect() as connection:
            assert connection.execute("SELECT FROM pg_extension WHERE extname = 'amcheck'").fetchone() is None
    (directory / "backup_manifest").unlink()
    assert verify_manifest(directory).problems == ("there is no backup_manifest",)
    assert amcheck("host=127.0.0.1 port=1 user=postgres").soundness is Soundness.NOT_POSSIBLE


def test_an_index_that_lost_a_row_is_found(server: Postgres) -> None:
    """Checksums are right here: only walking table and index together shows it."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE lossy")
    dsn = f"{server.dsn} dbname=lossy"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE words AS SELECT n AS id FROM generate_series(1, 100) AS n")
        connection.execute("CREATE INDEX half ON words (id) WHERE id <= 50")
        connection.execute("UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'half'::regclass")
    try:
        found = amcheck(server.dsn)
        assert found.soundness is Soundness.DAMAGED
        assert "half" in found.problems[0]
        assert "lacks matching index tuple" in found.problems[0]
    finally:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("DROP DATABASE lossy WITH (FORCE)")


def test_without_summaries_the_sentence_says_what_to_set(tmp_path: Path) -> None:
    plain = Postgres(tmp_path / "data")
    plain.create()
    plain.start()
    try:
        full = take(plain.dsn, tmp_path / "full")
        with pytest.raises(CannotRecover, match="set summarize_wal = on and take a full backup first"):
            take(plain.dsn, tmp_path / "next", full)
        assert not (tmp_path / "next").exists()
    finally:
        plain.stop()
        shutil.rmtree(tmp_path / "full")
