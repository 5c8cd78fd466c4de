"""A base backup that is under way when something happens is whole, or it failed, says so, and nobody begins with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.recovery import barman
from fixtures.recovery.barman import Store
from fixtures.recovery.programs import postgres_program
from fixtures.recovery.runbook import RUNBOOKS
from fixtures.recovery.underway import Underway
from fixtures.stacks.embedded.operator import words

from .local_servers import ROOT, Postgres
from .recovery_servers import archived_server, object_store


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[Postgres, Store]]:
    """A server without a standby that archives."""
    with object_store(tmp_path / "moto.log") as url, archived_server(url, tmp_path, "under-way") as running:
        yield running


def begun(store: Store, commands: Path) -> Underway:
    programs = [str(commands), str(Path(sys.executable).parent), str(postgres_program("psql").parent)]
    environment = os.environ | {
        "PATH": ":".join([*programs, os.environ["PATH"]]),
        "MEMBERS": "a",
        "PYTHONPATH": str(ROOT),
        "BACKUP_BUCKET": store.bucket,
        "BACKUP_SERVER": store.server,
        "BACKUP_ENDPOINT": store.endpoint_url,
        "AWS_SHARED_CREDENTIALS_FILE": str(store.credentials),
    }
    taking = Underway(RUNBOOKS / "base-backup.md", store, environment, frozenset(), print)
    taking.begin()
    return taking


def member(server: Postgres) -> dict[str, dict[str, str]]:
    return {"a": {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres", "PGDATABASE": "postgres"}}


def test_one_that_ends_is_whole_and_known_by_its_name(alone: tuple[Postgres, Store], tmp_path: Path) -> None:
    server, store = alone
    with words(tmp_path / "words", {}, member(server)) as commands:
        taking = begun(store, commands)
        assert taking.ended_s == 0.0, taking.failed  # it was seen to arrive while it ran
        found = taking.end(["/srv/data is backup of-yesterday with WAL up to 0/1, verified"])
    [backup] = barman.list_backups(store)
    assert (found.whole, found.used, taking.sealed) == (True, False, backup.id)
    assert found.began_s < found.ended_s
    assert taking.end([f"/srv/data is backup {backup.id} with WAL up to 0/1, verified"]).used


def test_one_whose_server_ends_meanwhile_failed_and_is_not_there(alone: tuple[Postgres, Store], tmp_path: Path) -> None:
    server, store = alone
    with words(tmp_path / "words", {}, member(server)) as commands:
        taking = begun(store, commands)
        assert taking.ended_s == 0.0, taking.failed
        server.kill()
        found = taking.end(["/srv/data is backup of-yesterday with WAL up to 0/1, verified"])
    assert not found.whole
    assert "base-backup.md, step 2" in taking.failed
    assert barman.list_backups(store) == ()
    assert found.used  # of what was not known before, which would be this one


def test_one_that_never_arrives_met_nothing(alone: tuple[Postgres, Store], tmp_path: Path) -> None:
    server, store = alone
    server.kill()
    with words(tmp_path / "words", {}, member(server)) as commands:
        found = begun(store, commands).end()
    assert not found.whole
    assert found.began_s == found.ended_s > 0  # no fault lies between
