"""A backup comes back: to the latest moment, and to just before a table was dropped, in measured phases."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.recovery import barman
from fixtures.recovery.content import compare, same_as
from fixtures.recovery.integrity import Soundness
from fixtures.recovery.plan import Target
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.recovery.restore import MARKER, Restored, restore
from fixtures.recovery.server import OVERRIDDEN, private_server

from .recovery_servers import Past, object_store, past


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
