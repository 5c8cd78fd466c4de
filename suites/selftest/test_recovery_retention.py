"""What a retention policy keeps can be restored, the rest is gone, and it never takes the last good one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from fixtures.recovery import barman
from fixtures.recovery.archive import asking, objects, seal
from fixtures.recovery.barman import Backup, Store, back_up
from fixtures.recovery.content import same_as
from fixtures.recovery.fingerprint import Fingerprint, fingerprint
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.recovery.restore import Target, restore
from fixtures.recovery.retention import expire
from fixtures.stacks.embedded.backups import bucket

from .recovery_servers import archived, archived_server, change, copied, object_store, s3
from .sabotage import recovery_record

POLICY = "REDUNDANCY 2"


@dataclass(frozen=True)
class Years:
    """A server with three backups, rows between them, and WAL from before the first to after the last."""

    store: Store
    backups: tuple[Backup, ...]
    early: datetime
    """A moment between the first two backups."""
    middle: datetime
    """A moment between the last two."""
    then: Fingerprint
    """At that moment."""
    now: Fingerprint


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Years]:
    directory = tmp_path_factory.mktemp("years")
    with object_store(directory / "moto.log") as url:
        with archived_server(url, directory, "years") as (server, store):
            lived = live(server.dsn, store)
        yield lived  # nothing is archived any more: a vacuum fills segments whenever it likes


def live(dsn: str, store: Store) -> Years:
    """Write and back up in turn."""
    with psycopg.connect(dsn, autocommit=True) as session:

        def more(rows: int) -> datetime:
            session.execute("INSERT INTO ledger SELECT n, repeat('x', 400) FROM generate_series(1, %s) n", [rows])
            archived(dsn)
            [(at,)] = session.execute("SELECT clock_timestamp()").fetchall()
            session.execute("SELECT pg_sleep(0.05)")
            return datetime.fromisoformat(at.isoformat())

        session.execute("CREATE TABLE ledger (id int, note text)")
        more(5000)
        first = back_up(store, dsn)
        early = more(5000)
        second = back_up(store, dsn)
        middle = more(500)
        then = fingerprint(dsn)
        third = back_up(store, dsn)
        more(100)
        return Years(store, (first, second, third), early, middle, then, fingerprint(dsn))


def copy_of(years: Years, name: str) -> Store:
    copy = copied(years.store, name)
    for each in years.backups:
        seal(copy, each)
    return copy


def keys(store: Store) -> set[str]:
    return {each.key for each in objects(store)}


def test_what_is_kept_can_be_restored_and_the_rest_is_gone(years: Years, tmp_path: Path) -> None:
    store = copy_of(years, "kept")
    first, second, third = years.backups
    there = keys(store)
    done = expire(store, POLICY)
    assert (done.kept, done.gone, done.versions) == ((second.id, third.id), (first.id,), 0)
    left = keys(store)
    assert not [key for key in left if first.id in key]
    wal = sorted(key.rpartition("/")[2] for key in left if "/wals/" in key)
    before = sorted(key.rpartition("/")[2] for key in there if "/wals/" in key)
    assert wal == [name for name in before if name >= second.first_wal] != before
    assert expire(store, POLICY).gone == ()  # again: there is nothing more to do

    restore(store, tmp_path / "then", Target(time=years.middle, backup_id=second.id), [same_as(years.then)])
    restore(store, tmp_path / "now", Target(backup_id=second.id), [same_as(years.now)])
    with pytest.raises(CannotRecover, match=f"there is no whole backup {first.id}: there are {second.id}, {third.id}"):
        restore(store, tmp_path / "gone", Target(backup_id=first.id))
    with pytest.raises(CannotRecover, match=f"no backup ended before .*: the oldest, {second.id}, ended at"):
        restore(store, tmp_path / "early", Target(time=years.early))


def cut(store: Store, backup: Backup) -> None:
    key = next(each.key for each in objects(store, f"base/{backup.id}/") if each.key.endswith(".tar"))
    change(store, key, lambda body: body[:-512])


def lose_wal(store: Store, backup: Backup) -> None:
    key = next(each.key for each in objects(store, "wals/") if backup.first_wal in each.key)
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=key)


@pytest.mark.parametrize(("harm", "code"), [(cut, Code.DAMAGED), (lose_wal, Code.MISSING_WAL)])
def test_a_backup_that_would_stay_and_is_worth_nothing_stops_it(
    years: Years, harm: Callable[[Store, Backup], None], code: Code
) -> None:
    store = copy_of(years, f"harmed-{harm.__name__.replace('_', '-')}")
    second = years.backups[1]
    harm(store, second)
    there = keys(store)
    said = f"nothing was deleted, as backup {second.id}, which {POLICY} keeps, cannot be restored: "
    with pytest.raises(CannotRecover, match=said) as caught:
        expire(store, POLICY)
    assert caught.value.code is code
    assert keys(store) == there
    recovery_record.caught("retention-damaged" if harm is cut else "retention-wal", caught.value)


def takes_too_much(store: Store, policy: str, minimum: int) -> None:
    delete(store, policy, minimum)
    lose_wal(store, barman.list_backups(store)[0])


def takes_nothing(*_: object) -> None:
    """As a deletion that a bucket's policy swallows."""


def leaves_a_part(store: Store, policy: str, minimum: int) -> None:
    oldest = barman.list_backups(store)[0]
    delete(store, policy, minimum)
    s3(store.endpoint_url).put_object(Bucket=store.name, Key=f"{store.prefix}/base/{oldest.id}/data.tar", Body=b"x")


delete = barman.delete_obsolete


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (takes_too_much, "REDUNDANCY 2 took what backup .* needs: "),
        (takes_nothing, "REDUNDANCY 2 was to keep .*; there are "),
        (leaves_a_part, "of what REDUNDANCY 2 was to delete .*data.tar and 0 more are left"),
    ],
)
def test_a_deletion_that_goes_wrong_is_found(
    years: Years, monkeypatch: pytest.MonkeyPatch, how: Callable[..., None], said: str
) -> None:
    store = copy_of(years, how.__name__.replace("_", "-"))
    monkeypatch.setattr(barman, "delete_obsolete", how)
    with pytest.raises(CannotRecover, match=said):
        expire(store, POLICY)


@pytest.mark.parametrize("policy", ["EVERYTHING", "REDUNDANCY none"])
def test_what_is_no_policy_deletes_nothing(years: Years, policy: str) -> None:
    there = keys(years.store)
    with pytest.raises(CannotRecover, match=f"Could not create retention policy {policy}|Cannot parse option"):
        expire(years.store, policy)
    assert keys(years.store) == there


def test_in_a_locked_bucket_only_the_keeper_deletes_and_the_versions_stay(years: Years, tmp_path: Path) -> None:
    """Last: from here on this object store looks at keys and policies."""
    client = s3(years.store.endpoint_url)
    bodies = {
        each.key: client.get_object(Bucket=years.store.name, Key=each.key)["Body"].read()
        for each in objects(years.store)
    }
    archiver = replace(bucket(years.store.endpoint_url, tmp_path / "backups"), server=years.store.server)
    with asking(archiver) as stores:
        for key, body in bodies.items():
            stores.put_object(Bucket=archiver.name, Key=key, Body=body)
    for each in years.backups:
        seal(archiver, each)
    there = keys(archiver)
    with pytest.raises(CannotRecover) as caught:
        expire(archiver, POLICY)
    assert caught.value.code is Code.WRONG_CREDENTIALS
    assert keys(archiver) == there

    keeper = replace(archiver, credentials=tmp_path / "backups" / "keeper")
    done = expire(keeper, POLICY)
    assert done.gone == (years.backups[0].id,)
    assert done.versions >= done.objects > 0
    with asking(keeper) as client_of_keeper:
        first = next(iter(there - keys(keeper)))
        version = client_of_keeper.list_object_versions(Bucket=keeper.name, Prefix=first)["Versions"][0]
        assert version["Key"] == first
    with pytest.raises(CannotRecover) as caught, asking(keeper) as client_of_keeper:
        client_of_keeper.delete_object(Bucket=keeper.name, Key=first, VersionId=version["VersionId"])
    assert caught.value.code is Code.WRONG_CREDENTIALS
    with asking(keeper) as client_of_keeper:
        got = client_of_keeper.get_object(Bucket=keeper.name, Key=first, VersionId=version["VersionId"])
        assert got["Body"].read() == bodies.get(first, got["Body"].read())
