"""What is typed by mistake is carried out, whatever the clients are doing at that moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.stacks.embedded.mishaps import mishap

from .local_servers import Postgres, postgres, until

WAITING_FOR_ACCOUNTS = (
    "SELECT count(*) FROM pg_locks "
    "WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'accounts'::regclass"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Postgres]:
    with postgres(tmp_path) as server:
        with psycopg.connect(server.dsn, autocommit=True) as session:
            session.execute("SELECT open_accounts(0, 2, 1000)")
        yield server


def test_table_is_dropped_without_a_deadlock_with_a_transfer(ledger: Postgres) -> None:
    # A transfer has the accounts and wants the transfers, as stack/app's migrations have it. A DROP TABLE by itself has
    # the transfers by then, and wants the accounts.
    with psycopg.connect(ledger.dsn) as client, psycopg.connect(ledger.dsn, autocommit=True) as observer:
        client.execute("SELECT FROM accounts FOR NO KEY UPDATE")
        typing = threading.Thread(target=mishap, args=(ledger.dsn, "table"))
        typing.start()
        until(lambda: observer.execute(WAITING_FOR_ACCOUNTS).fetchone() == (1,), within_s=10.0)
        client.execute("SELECT FROM transfers FOR KEY SHARE")
        client.commit()
        typing.join()
        assert observer.execute("SELECT to_regclass('transfers')").fetchone() == (None,)
        assert observer.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'").fetchone() == (0,)
