"""Negative controls: what is wrong with a backup is found before or while it is restored, and said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from fixtures.linux import may_unshare_user
from fixtures.recovery import barman
from fixtures.recovery.content import same_as
from fixtures.recovery.lag import lag, prove
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.recovery.restore import Target, restore

from .local_servers import ROOT, until
from .recovery_servers import Past, change, copied, nothing_was_fetched, object_store, past, refused, s3
from .sabotage import recovery_record


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    directory = tmp_path_factory.mktemp("controls")
    with object_store(directory / "moto.log") as url, past(url, directory, "ledger-backups") as found:
        yield found


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]


def base(lived: Past) -> str:
    return f"ledger/base/{lived.backup.id}/data.tar"


def wal(number: int) -> str:
    return f"ledger/wals/0000000100000000/0000000100000000{number:08X}"


def number_of(name: str) -> int:
    return int(name[16:24], 16)


def test_a_flipped_byte_in_a_sealed_base_backup_is_found_before_it_is_fetched(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "flipped-sealed", lived.backup)
    change(store, base(lived), lambda body: flipped(body, len(body) // 2))
    error = refused(store, tmp_path / "data", control="flipped-sealed")
    assert error.code is Code.DAMAGED
    assert "data.tar was overwritten with other content" in str(error)
    assert nothing_was_fetched(tmp_path / "data")


def test_a_flipped_byte_in_a_page_is_found_by_its_checksum(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "flipped")
    # Of a page that WAL rewrites as a whole, hint bits included, damage in the base backup would not survive.
    change(store, base(lived), lambda body: flipped(body, body.index(b"unmoved 17")))
    error = refused(store, tmp_path / "data", Target(time=lived.target), control="flipped-page")
    assert error.code is Code.DAMAGED
    assert "pg_amcheck found damage" in str(error)
    assert "invalid page in block" in str(error)


@pytest.mark.parametrize("part", [0.3, 0.999])
def test_a_truncated_base_backup_is_found(lived: Past, tmp_path: Path, part: float) -> None:
    store = copied(lived.store, f"truncated-{int(part * 1000)}", lived.backup)
    change(store, base(lived), lambda body: body[: int(len(body) * part)])
    error = refused(store, tmp_path / "data", control="truncated")
    assert error.code is Code.DAMAGED
    assert "bytes, had" in str(error)
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=f"ledger/seals/{lived.backup.id}.json")
    error = refused(store, tmp_path / "data")
    assert error.code is Code.DAMAGED


def test_a_missing_segment_is_found_before_anything_is_fetched(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "gap")
    name = lived.backup.first_wal
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=wal(number_of(name)))
    error = refused(store, tmp_path / "data", control="missing-wal")
    assert error.code is Code.MISSING_WAL
    assert name in str(error)
    assert nothing_was_fetched(tmp_path / "data")


def test_an_archive_that_ends_before_the_target_is_no_point_in_time(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "tail-lost")
    last = number_of(lived.backup.last_wal)
    gone = [{"Key": wal(each)} for each in range(last + 1, last + 40)]
    s3(store.endpoint_url).delete_objects(Bucket=store.name, Delete={"Objects": gone})  # type: ignore[typeddict-item]
    error = refused(store, tmp_path / "data", Target(time=lived.target), control="tail-lost")
    assert error.code is Code.TARGET_NOT_REACHED
    assert "the archive ends before the target time" in str(error)


def test_a_truncated_segment_is_found_before_anything_is_fetched(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "short-wal")
    change(store, wal(number_of(lived.backup.last_wal)), lambda body: body[:5000])
    error = refused(store, tmp_path / "data", control="truncated-wal")
    assert error.code is Code.DAMAGED
    assert "has 5000 bytes in the archive, expected 1048576" in str(error)
    assert nothing_was_fetched(tmp_path / "data")


def test_a_flipped_byte_in_wal_does_not_pass_for_its_end(lived: Past, tmp_path: Path) -> None:
    """PostgreSQL itself promotes there, and says nothing that stops anybody."""
    store = copied(lived.store, "flipped-wal")
    client, first = s3(store.endpoint_url), number_of(lived.backup.last_wal) + 1

    def holds_a_row(key: str) -> bool:  # usually the first; on a slow machine, vacuum wrote before
        return b"later" in client.get_object(Bucket=store.name, Key=key)["Body"].read()

    held = next(key for key in map(wal, range(first, first + 40)) if holds_a_row(key))
    change(store, held, lambda body: flipped(body, body.index(b"later")))
    error = refused(store, tmp_path / "data", control="flipped-wal")
    assert error.code is Code.DAMAGED
    assert "archived WAL is damaged: incorrect resource manager data checksum" in str(error)


def test_wal_of_another_cluster_is_found(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "foreign-wal")
    # XLogLongPageHeaderData: the system identifier stands 24 bytes into a segment (access/xlog_internal.h)
    change(store, wal(number_of(lived.backup.last_wal) + 1), lambda body: flipped(body, 24))
    error = refused(store, tmp_path / "data", control="foreign-wal")
    assert error.code is Code.OTHER_CLUSTER
    assert "WAL file is from different database system" in str(error)


def test_a_backup_of_another_cluster_is_found(lived: Past, tmp_path: Path) -> None:
    error = refused(
        lived.store, tmp_path / "data", Target(system_identifier="7000000000000000001"), control="other-cluster"
    )
    assert error.code is Code.OTHER_CLUSTER
    assert nothing_was_fetched(tmp_path / "data")
    store = copied(lived.store, "renamed-cluster")
    real = lived.backup.system_identifier.encode()
    change(store, f"ledger/base/{lived.backup.id}/backup.info", lambda body: body.replace(real, real[::-1]))
    error = refused(store, tmp_path / "data")
    assert error.code is Code.OTHER_CLUSTER
    assert f"its files are of {real.decode()}" in str(error)


def test_tablespaces_are_not_restored_over_the_ones_in_use(lived: Past, tmp_path: Path) -> None:
    store = copied(lived.store, "tablespaces")
    there = b"tablespaces=[('fast', 16400, '/srv/fast')]"
    change(store, f"ledger/base/{lived.backup.id}/backup.info", lambda body: body.replace(b"tablespaces=None", there))
    error = refused(store, tmp_path / "data")
    assert (error.code, "has 1 tablespaces" in str(error)) == (Code.BAD_INPUT, True)
    assert nothing_was_fetched(tmp_path / "data")


def test_an_empty_bucket_a_missing_one_and_an_unknown_server(lived: Past, tmp_path: Path) -> None:
    s3(lived.store.endpoint_url).create_bucket(Bucket="empty-bucket")
    for control, harmed, code, said in (
        ("empty-bucket", {"bucket": "empty-bucket"}, Code.NO_BACKUP, "holds no whole backup of server ledger"),
        ("", {"server": "legder"}, Code.NO_BACKUP, "holds no whole backup of server legder"),
        ("missing-bucket", {"bucket": "no-such-bucket"}, Code.MISSING_BUCKET, "no-such-bucket does not exist"),
        ("unreachable", {"endpoint_url": "http://127.0.0.1:1"}, Code.UNREACHABLE, "127.0.0.1:1 cannot be reached"),
    ):
        error = refused(replace(lived.store, **harmed), tmp_path / "data", control=control)  # type: ignore[arg-type]
        assert error.code is code
        assert said in str(error)
    with pytest.raises(CannotRecover) as caught:
        barman.fetch(lived.store, "20200101T000000", tmp_path / "data")
    assert caught.value.code is Code.UNKNOWN_BACKUP
    with pytest.raises(CannotRecover) as caught:
        barman.back_up(replace(lived.store, bucket="no-such-bucket"), lived.server.dsn)
    assert caught.value.code is Code.MISSING_BUCKET


def test_a_wrong_timeline_is_refused(lived: Past, tmp_path: Path) -> None:
    error = refused(lived.store, tmp_path / "data", Target(timeline=7))
    assert (error.code, str(error)) == (
        Code.WRONG_TIMELINE,
        "the archive holds no timeline 7: it holds [1]",
    )
    store = copied(lived.store, "failed-over")
    history = {"Bucket": store.name, "Key": "ledger/wals/0000000200000000/00000002.history"}
    s3(store.endpoint_url).put_object(**history, Body=b"1\t0/3000000\tno recovery target specified\n")  # type: ignore[arg-type]
    error = refused(store, tmp_path / "data", Target(timeline=1), control="wrong-timeline")
    assert error.code is Code.WRONG_TIMELINE
    assert "timeline 1 was left for timeline 2 at" in str(error)
    s3(store.endpoint_url).put_object(**history, Body=b"9\t0/3000000\tno recovery target specified\n")  # type: ignore[arg-type]
    error = refused(store, tmp_path / "data")
    assert error.code is Code.WRONG_TIMELINE
    assert "from which timeline 2 does not come" in str(error)
    assert nothing_was_fetched(tmp_path / "data")


def test_an_archive_that_silently_stopped_is_found(lived: Past) -> None:
    with psycopg.connect(lived.server.dsn, autocommit=True) as connection:

        def command(is_now: str) -> None:
            connection.execute(f"ALTER SYSTEM SET archive_command = '{is_now}'")
            connection.execute("SELECT pg_reload_conf()")
            until(lambda: connection.execute("SHOW archive_command").fetchone() == (is_now,))

        assert prove(lived.server.dsn, lived.store, within_s=60.0) > 0
        healthy = lag(lived.server.dsn, lived.store, within_s=60.0)
        assert healthy.stopped == ""
        assert healthy.newest_age_s is not None
        assert healthy.newest_age_s < 60
        command("/bin/true")
        with pytest.raises(
            CannotRecover, match="the store has never seen it: archive_command stores nothing"
        ) as caught:
            prove(lived.server.dsn, lived.store, within_s=2.0)
        assert caught.value.code is Code.ARCHIVE_STOPPED
        recovery_record.caught("archive-stopped", caught.value)
        command("/bin/false")
        with pytest.raises(CannotRecover, match="archiving fails: 0000"):
            prove(lived.server.dsn, lived.store, within_s=4.0)
        command("")
        assert "nothing is archived" in lag(lived.server.dsn, lived.store, 60.0).stopped
        command("/bin/sleep 30")
        connection.execute("SELECT pg_stat_reset_shared('archiver')")
        connection.execute("CREATE TABLE IF NOT EXISTS more AS SELECT generate_series(1, 5000)")
        assert "bytes are unstored" in lag(lived.server.dsn, lived.store, 0.0).stopped


FULL = """
import pathlib, subprocess, sys
from fixtures.recovery import barman, restore, unpack
from fixtures.recovery.programs import CannotRecover
small = pathlib.Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", small], check=True)
store = barman.Store("ledger-backups", "ledger", sys.argv[2], credentials=pathlib.Path(sys.argv[3]))
for attempt in (
    lambda: restore.restore(store, small / "data"),
    lambda: ((small / "half").mkdir(), unpack.fetch(store, sys.argv[4], small / "half")),
):
    try:
        attempt()
    except CannotRecover as error:
        print(error.code, error)
print((small / "data").exists())
"""


@pytest.mark.skipif(not may_unshare_user(), reason="needs user namespaces for a small disk of its own")
def test_a_full_disk_is_said_before_the_fetch_and_during_it(lived: Past, tmp_path: Path) -> None:
    words = [tmp_path, lived.store.endpoint_url, lived.store.credentials, lived.backup.id]
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL]
    said = subprocess.run([*own_mounts, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = said.stdout.splitlines()
    assert len(lines) == 3, said
    assert lines[0].startswith("disk_full ")
    assert lines[0].endswith("free some, or restore elsewhere; nothing was fetched")
    assert lines[1].startswith("disk_full the disk is full: ")
    assert lines[2] == "False"
    recovery_record.caught("full-disk", CannotRecover(Code(lines[0].split()[0]), lines[0]))


def test_the_unharmed_copy_comes_back(lived: Past, tmp_path: Path) -> None:
    """Without it, a control that refuses everything would look just as good."""
    store = copied(lived.store, "unharmed", lived.backup)
    assert restore(store, tmp_path / "data", Target(time=lived.target), [same_as(lived.before)]).sealed
