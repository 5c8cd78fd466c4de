"""A backup comes back: to the latest moment, and to just before a table was dropped, in measured phases."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.recovery_drill import timed
from fixtures.recovery import barman, durable, unpack
from fixtures.recovery import restore as restoring
from fixtures.recovery.__main__ import main
from fixtures.recovery.archive import objects
from fixtures.recovery.content import compare, same_as
from fixtures.recovery.durable import settle
from fixtures.recovery.fingerprint import dump, fingerprint
from fixtures.recovery.integrity import Soundness
from fixtures.recovery.plan import Target
from fixtures.recovery.programs import CannotRecover, Code, Ran
from fixtures.recovery.restore import MARKER, Restored, restore
from fixtures.recovery.server import OVERRIDDEN, control, private_server

from .recovery_servers import Past, object_store, past, s3


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    directory = tmp_path_factory.mktemp("restore")
    with object_store(directory / "moto.log") as url, past(url, directory, "ledger-backups") as found:
        yield found


@pytest.fixture(scope="module")
def to_before_the_drop(lived: Past, tmp_path_factory: pytest.TempPathFactory) -> Restored:
    into = tmp_path_factory.mktemp("point-in-time") / "data"
    target = Target(time=lived.target, system_identifier=lived.before.system_identifier)
    return restore(lived.store, into, target, [same_as(lived.before)])


def test_to_just_before_a_drop_every_row_is_back_and_no_later_one(
    lived: Past, to_before_the_drop: Restored, tmp_path: Path
) -> None:
    with private_server(to_before_the_drop.directory, tmp_path / "log") as server:
        server.wait(lambda: "ready to accept" in server.said(), 30.0, "ready")
        assert compare(lived.before, server.dsn(), ignore=OVERRIDDEN) == ()
        with server.connect() as connection:
            assert connection.execute("SELECT count(*), max(id) FROM ledger").fetchone() == (3500, 3500)
            assert connection.execute("SELECT count(*) FROM audit WHERE id > 20").fetchone() == (0,)
        sentences = [each.sentence for each in compare(lived.after, server.dsn(), ignore=OVERRIDDEN)]
    assert "table public.ledger (3500 rows) was not there before" in sentences
    assert any(each.startswith("table public.audit: 30 rows before, 20 now: 10 missing (") for each in sentences)


def test_what_a_restore_says_of_itself(lived: Past, to_before_the_drop: Restored) -> None:
    assert to_before_the_drop.backup == lived.backup
    assert to_before_the_drop.timeline == 2
    assert to_before_the_drop.sealed
    assert to_before_the_drop.last_transaction_at is not None
    assert lived.target - timedelta(seconds=60) < to_before_the_drop.last_transaction_at <= lived.target
    assert {each.tool: each.soundness for each in to_before_the_drop.integrity} == {
        "pg_amcheck": Soundness.SOUND,
        "pg_checksums": Soundness.SOUND,
    }
    phases = asdict(to_before_the_drop.phases)
    assert all(each_s > 0 for each_s in phases.values())
    assert to_before_the_drop.phases.total_s == pytest.approx(sum(phases.values()))


def test_nothing_of_the_restore_stays_behind(to_before_the_drop: Restored) -> None:
    directory = to_before_the_drop.directory
    assert list(directory.parent.iterdir()) == [directory]
    assert not (directory / "recovery.signal").exists()
    left = (directory / "postgresql.auto.conf").read_text()
    assert "recovery_target" not in left
    assert "restore_command" not in left


def test_to_the_latest_moment_nothing_that_was_archived_is_missing(lived: Past, tmp_path: Path) -> None:
    done = restore(lived.store, tmp_path / "data", checks=[same_as(lived.after)])
    assert done.last_transaction_at is not None
    assert done.last_transaction_at > lived.target


def test_what_fails_a_check_is_not_put_in_place_and_cleared_by_the_next(lived: Past, tmp_path: Path) -> None:
    into = tmp_path / "data"
    with pytest.raises(CannotRecover, match=r"table public.ledger \(3500 rows\) is missing") as caught:
        restore(lived.store, into, checks=[same_as(lived.before)])  # the latest moment is not the one before the drop
    assert caught.value.code is Code.NOT_WHAT_IT_WAS
    assert not into.exists()
    assert '"in_service": false' in (tmp_path / "data.unverified" / MARKER).read_text()
    (tmp_path / "data.unverified" / MARKER).unlink()
    with pytest.raises(CannotRecover, match="is no leftover of a restore: move it away"):
        restore(lived.store, into)
    (tmp_path / "data.unverified" / MARKER).touch()
    with pytest.raises(CannotRecover, match="there is no whole backup 20200101T000000: there are"):
        restore(lived.store, into, Target(backup_id="20200101T000000"))


@pytest.mark.parametrize("full", [False, True])
def test_what_the_disk_does_not_take_is_not_put_in_place(
    lived: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """It was verified in memory; a crash would leave less."""
    said = "error: could not fsync file: " + ("No space left on device" if full else "Input/output error")
    monkeypatch.setattr(durable, "run", lambda *_: Ran(1, said))
    with pytest.raises(CannotRecover, match="is not on the disk: error: could not fsync") as caught:
        restore(lived.store, tmp_path / "data", Target(time=lived.target))
    assert caught.value.code is (Code.DISK_FULL if full else Code.FAILED)
    assert not (tmp_path / "data").exists()


def test_everything_is_forced_to_the_disk_before_it_is_in_place(
    lived: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into, seen = tmp_path / "data", []

    def noted(data: Path) -> None:
        seen.append((control(data)["Database cluster state"], into.exists()))
        settle(data)

    monkeypatch.setattr(restoring, "settle", noted)
    done = restore(lived.store, into, Target(time=lived.target))
    assert seen[-1] == ("shut down", False)
    assert "fsync" not in (done.directory / "postgresql.auto.conf").read_text()  # it was off for that server only
    with pytest.raises(CannotRecover, match="is not on the disk"):
        settle(tmp_path / "absent")


def contents(directory: Path) -> dict[str, tuple[int, bytes | None]]:
    """By path, the mode and what is in it."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in directory.rglob("*")
    }


def test_what_tar_unpacks_is_what_barman_unpacks(lived: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = replace(lived.store, server="parts")
    backup = barman.back_up(store, lived.server.dsn, object_bytes=6 * 2**20)
    tars = [each.key for each in objects(store, "base/") if each.key.endswith(".tar")]
    assert len(tars) > 1
    for name in ("tar", "barman"):
        (tmp_path / name).mkdir()
    barman.fetch(store, backup.id, tmp_path / "barman")
    by_barman = barman.fetch
    monkeypatch.setattr(barman, "fetch", lambda *_: pytest.fail("it is not compressed"))
    unpack.fetch(store, backup.id, tmp_path / "tar")
    assert contents(tmp_path / "tar") == contents(tmp_path / "barman")
    assert len(contents(tmp_path / "tar")) > 900
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=tars[-1])  # holds what is stored last
    (tmp_path / "short").mkdir()
    with pytest.raises(CannotRecover, match="lacks backup_label") as caught:
        unpack.fetch(store, backup.id, tmp_path / "short")
    assert caught.value.code is Code.DAMAGED
    compressed = barman.back_up(store, lived.server.dsn, compression="gzip")
    asked = []

    def noted(store: barman.Store, backup_id: str, into: Path) -> None:
        asked.append(backup_id)
        by_barman(store, backup_id, into)

    monkeypatch.setattr(barman, "fetch", noted)
    (tmp_path / "gzip").mkdir()
    unpack.fetch(store, compressed.id, tmp_path / "gzip")
    assert asked == [compressed.id]
    assert (tmp_path / "gzip" / "global" / "pg_control").is_file()


def test_a_standby_exports_no_snapshot_and_is_read_on_one_connection(
    lived: Past, to_before_the_drop: Restored, tmp_path: Path
) -> None:
    shutil.copytree(to_before_the_drop.directory, tmp_path / "data")
    (tmp_path / "data" / "standby.signal").touch()
    with private_server(tmp_path / "data", tmp_path / "log") as server:
        server.wait(lambda: "ready to accept read-only" in server.said(), 30.0, "ready")
        assert fingerprint(server.dsn(), jobs=2).tables == lived.before.tables


def test_the_command_puts_nothing_in_place_that_is_not_what_the_fingerprint_says(
    lived: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (
        ("BACKUP_BUCKET", lived.store.bucket),
        ("BACKUP_SERVER", lived.store.server),
        ("BACKUP_ENDPOINT", lived.store.endpoint_url),
        ("AWS_SHARED_CREDENTIALS_FILE", str(lived.store.credentials)),
    ):
        monkeypatch.setenv(name, value)
    saved, into = tmp_path / "before", tmp_path / "data"
    saved.write_bytes(dump(lived.before))
    assert main(["restore", str(into), "--same-as", str(saved)]) == 4  # the latest moment is after the drop
    assert "table public.ledger (3500 rows) is missing" in capsys.readouterr().err
    assert not into.exists()
    saved.write_bytes(dump(lived.after))
    assert main(["restore", str(into), "--same-as", str(saved)]) == 0
    said = capsys.readouterr().out
    measured = timed(99.0, said).phases_s
    assert list(measured) == ["start", "decide", "fetch", "replay", "promote", "verify", "serve"]
    assert sum(measured.values()) == pytest.approx(99.0)
    assert re.search(r"^the largest phase was (\w+) with ", said, re.MULTILINE)
    assert main(["restore", str(tmp_path / "other"), "--same-as", str(tmp_path / "absent")]) == 4
    assert "cannot be read" in capsys.readouterr().err


def test_the_target_is_asked_for_clearly(lived: Past, tmp_path: Path) -> None:
    with pytest.raises(CannotRecover, match="has no time zone"):
        restore(lived.store, tmp_path / "data", Target(time=lived.target.replace(tzinfo=None)))
    with pytest.raises(CannotRecover, match="no backup ended before") as caught:
        restore(lived.store, tmp_path / "data", Target(time=lived.backup.began_at - timedelta(hours=1)))
    assert caught.value.code is Code.NO_BACKUP
    with pytest.raises(CannotRecover, match="exists: name a directory"):
        restore(lived.store, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_secret_is_in_the_commands(lived: Past) -> None:
    for command in (barman.archive_command(lived.store), barman.restore_command(lived.store)):
        assert "not-a-secret" not in command
        assert "not-a-secret" not in repr(lived.store)


def test_a_store_that_cannot_be_asked_ends_a_recovery_and_does_not_shorten_it(lived: Past, tmp_path: Path) -> None:
    """PostgreSQL would take barman's 4 for the end of the WAL, and promote without what was archived."""

    def code(store: barman.Store, wal: str) -> int:
        command = barman.restore_command(store).replace("%f", wal).replace("%p", str(tmp_path / "wal"))
        return subprocess.run(command, shell=True, check=False, stderr=subprocess.DEVNULL).returncode  # noqa: S602

    assert code(lived.store, lived.backup.first_wal) == 0
    assert code(lived.store, "0000000100000000000000EE") == 1
    assert code(replace(lived.store, endpoint_url="http://127.0.0.1:1"), lived.backup.first_wal) == 255
    assert code(replace(lived.store, bucket="no-such-bucket"), lived.backup.first_wal) == 255
