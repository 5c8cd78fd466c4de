"""A server of a wanted size with what restores it: a backup in an object store and the WAL since, a dump, a copy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures import journal
from fixtures.recovery import archive, barman
from fixtures.recovery.barman import Backup, Store
from fixtures.recovery.fingerprint import Fingerprint, fingerprint
from fixtures.recovery.incremental import Taken, take
from fixtures.recovery.lag import prove
from fixtures.recovery.programs import CannotRecover, Code, Ran, as_owner_of, postgres_program, run
from fixtures.recovery.server import Server, private_server
from stack.app.migrate import migrate

ROW_BYTES = 125
"""A transfer with its index entry: 89 rows a page, 31 bytes an entry (measured)."""
DOCUMENT_BYTES = 1190
"""A document with its index entry: 7 rows of 1 kB a page."""
OBJECT_BYTES = 10**9
"""moto holds an object in memory while it is stored or fetched."""
ARCHIVED_WITHIN_S = 1800.0
READY_WITHIN_S = 600.0

FILLING = {
    "wal_level": "minimal",  # what is filled in the transaction that empties it then writes no WAL
    "max_wal_senders": "0",
    "fsync": "off",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "256MB",
}
_TRANSFERS = """
INSERT INTO transfers
SELECT ('0000000000000007' || lpad(to_hex(n), 16, '0'))::uuid, 1 + mod(n * 7919, 10000),
       1 + mod(n * 7919 + 1 + mod(n, 999), 10000), 1 + (random() * 1e6)::int, n, n,
       '2026-01-01'::timestamptz + n * interval '1 ms'
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
_SEEDS = """
CREATE TABLE seeds AS SELECT s, (
  SELECT decode(string_agg(md5(concat(s, ' ', k, random())), ''), 'hex') FROM generate_series(1, 64) AS k) AS body
FROM generate_series(0, 3999) AS s
"""
"""Different documents, 4 MB together: more than a compressor looks back."""
_DOCUMENTS = """
INSERT INTO documents SELECT n, 1 + mod(n, 10000), body
FROM generate_series(1::bigint, %s::bigint) AS n JOIN seeds ON s = mod(n, 4000)
"""


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for everything, moto's objects too, that is gone afterwards, also after SIGKILL."""
    with journal.begun() as run_:
        os.environ["TMPDIR"] = str(run_.run_directory)
        yield run_.run_directory


@dataclass(frozen=True)
class Source:
    """What the ways of restoring begin with. The server still runs."""

    server: Server
    store: Store
    backup: Backup
    before: Fingerprint
    wal_bytes: int
    """Archived since the backup began, and replayed by a restore."""
    dump: Path
    dumped_s: float
    base: Taken

    @property
    def gb(self) -> float:
        """The size of the cluster's files."""
        return self.backup.size_bytes / 1e9


@contextmanager
def source(store: Store, directory: Path, gb: float, changed: float) -> Iterator[Source]:
    """Make one below a directory that exists. ``changed``: which share of it is written after the backup.

    Raises CannotRecover.
    """
    data, log = directory / "source", directory / "source.log"
    create(data)
    rows, documents = int(gb * 1e9 / 2 / ROW_BYTES), int(gb * 1e9 / 2 / DOCUMENT_BYTES)
    with private_server(data, log, FILLING) as server:
        server.wait_until_ready(READY_WITHIN_S)
        fill(server, rows, documents)
    hba = directory / "hba.conf"
    hba.write_text("local all all trust\nlocal replication all trust\n")
    serving = {
        "archive_mode": "on",
        "archive_command": barman.archive_command(store),
        "hba_file": str(hba),
        "wal_level": "replica",
    }
    with private_server(data, log, serving) as server:
        server.wait_until_ready(READY_WITHIN_S)
        backup = barman.back_up(store, server.dsn(), object_bytes=OBJECT_BYTES)
        archive.seal(store, backup)
        change(server, rows, documents, changed)
        before = fingerprint(server.dsn())
        prove(server.dsn(), store, ARCHIVED_WITHIN_S)
        base = take(server.dsn(), directory / "base")
        dump, began_s = directory / "dump", time.monotonic()
        words = ["--format=directory", "--jobs=2", "--compress=0", f"--file={dump}", f"--dbname={server.dsn()}"]
        succeeded(run([postgres_program("pg_dump"), *words]))
        dumped_s = time.monotonic() - began_s
        yield Source(server, store, backup, before, wal_bytes(store, backup), dump, dumped_s, base)


def create(data: Path) -> None:
    """An empty cluster. Raises CannotRecover."""
    words = ["--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8", f"--pgdata={data}"]
    succeeded(run([*as_owner_of(data.parent), postgres_program("initdb"), *words]))


def succeeded(ran: Ran) -> None:
    """Raises CannotRecover with what it said last where it did not."""
    if ran.code != 0:
        full = "No space left on device" in ran.said
        raise CannotRecover(Code.DISK_FULL if full else Code.FAILED, ran.last_line)


def fill(server: Server, rows: int, documents: int) -> None:
    """The ledger's own tables, and documents of 1 kB that do not compress; half of the bytes each."""
    migrate(server.dsn())
    with server.connect() as connection:
        connection.execute("SET session_replication_role = replica")  # foreign keys: right by construction
        connection.execute("INSERT INTO accounts SELECT n, 1000000, 0, 1000000 FROM generate_series(1, 10000) AS n")
        connection.execute(
            "CREATE TABLE documents (id bigint PRIMARY KEY, account bigint NOT NULL REFERENCES accounts, body bytea)"
        )
        connection.execute(_SEEDS)
        with connection.transaction():
            connection.execute("TRUNCATE transfers, documents")
            connection.execute(_TRANSFERS, (1, rows))
            connection.execute(_DOCUMENTS, (documents,))
        connection.execute("VACUUM (FREEZE, ANALYZE)")  # or whoever reads a row first writes its page


def change(server: Server, rows: int, documents: int, share: float) -> None:
    """New transfers and rewritten documents, as many as that share of what is there."""
    with server.connect() as connection:
        connection.execute(_TRANSFERS, (rows + 1, rows + int(rows * share)))
        connection.execute(
            "UPDATE documents SET body = seeds.body FROM seeds WHERE s = mod(id + 1, 4000) AND id <= %s",
            (int(documents * share),),
        )


def wal_bytes(store: Store, backup: Backup) -> int:
    """Archived since the backup began."""
    stored = ((each.key.rpartition("/")[2][8:24], each.size_bytes) for each in archive.objects(store, "wals/"))
    return sum(size for place, size in stored if place >= backup.first_wal[8:])
