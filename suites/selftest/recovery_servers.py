"""An object store, a server that archives into it, and what it held at which moment; on loopback and not durable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import boto3
import psycopg
import pytest

from fixtures import linux
from fixtures.recovery.archive import objects, seal
from fixtures.recovery.barman import Backup, Store, archive_command, back_up
from fixtures.recovery.fingerprint import Fingerprint, fingerprint
from fixtures.recovery.plan import LATEST, Target
from fixtures.recovery.programs import CannotRecover, as_owner_of, postgres_program, run
from fixtures.recovery.restore import restore

from .local_servers import Postgres, free_port, until, wait_for_port
from .sabotage import recovery_record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = {"aws_access_key_id": "drill", "aws_secret_access_key": "not-a-secret"}


@contextmanager
def object_store(log: Path) -> Iterator[str]:
    """A running moto; its URL. It takes any credentials until it is told otherwise."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
            env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "false"},
            preexec_fn=linux.die_with_parent,
        )
        try:
            wait_for_port(port, process, within_s=60.0)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def s3(endpoint_url: str) -> S3Client:
    """A client of it."""
    return boto3.Session(**KEYS, region_name="us-east-1").client("s3", endpoint_url=endpoint_url)  # type: ignore[arg-type]


@contextmanager
def keys_that_count(
    endpoint_url: str, user: str, allowed: Mapping[str, object], directory: Path
) -> Iterator[tuple[Path, Path]]:
    """Meanwhile moto looks at keys and policies. Yields the user's credentials, and wrong ones."""
    iam = boto3.client("iam", endpoint_url=endpoint_url, region_name="us-east-1", **KEYS)  # type: ignore[call-overload]
    iam.create_user(UserName=user)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **allowed}]}
    iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    right, wrong = directory / "right", directory / "wrong"
    for file, secret in ((right, key["SecretAccessKey"]), (wrong, "another")):
        file.write_text(
            "[other]\naws_access_key_id = x\n"
            f"[default]\naws_access_key_id={key['AccessKeyId']}\naws_secret_access_key = {secret}\n[more]\n"
        )

    def authenticate(after: str) -> None:
        url, kind = f"{endpoint_url}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urlopen(Request(url, after.encode(), kind, method="POST")).close()  # noqa: S310

    authenticate("0")
    try:
        yield right, wrong
    finally:
        authenticate("inf")


def make_store(endpoint_url: str, directory: Path, bucket: str, server: str = "ledger") -> Store:
    """A new bucket, and its credentials in a file."""
    credentials = directory / "credentials"
    credentials.write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in KEYS.items()))
    s3(endpoint_url).create_bucket(Bucket=bucket)
    return Store(bucket=bucket, server=server, endpoint_url=endpoint_url, credentials=credentials)


def copied(store: Store, bucket: str, backup: Backup | None = None) -> Store:
    """The same objects in a bucket of their own, to be harmed; the backup is sealed there if it is given."""
    client = s3(store.endpoint_url)
    client.create_bucket(Bucket=bucket)
    for each in objects(store):
        if "/seals/" not in each.key:
            client.copy_object(Bucket=bucket, Key=each.key, CopySource={"Bucket": store.name, "Key": each.key})
    copy = replace(store, bucket=bucket)
    if backup is not None:
        seal(copy, backup)
    return copy


def change(store: Store, key: str, how: Callable[[bytes], bytes]) -> None:
    """Harm one object."""
    client = s3(store.endpoint_url)
    body = client.get_object(Bucket=store.name, Key=key)["Body"].read()
    client.put_object(Bucket=store.name, Key=key, Body=how(body))


def archiving(server: Postgres, store: Store) -> None:
    """Have a server that was created archive from its start on."""
    with (server.directory / "postgresql.conf").open("a") as file:
        file.write(f"archive_mode = on\narchive_command = '{archive_command(store)}'\nwal_level = replica\n")
        file.write("max_wal_size = 64MB\nmin_wal_size = 8MB\nsummarize_wal = on\n")


def small_segments(server: Postgres) -> None:
    """WAL in segments of 1 MB, so that moving them costs little. For a server that never ran."""
    owner = as_owner_of(server.directory)
    assert run([*owner, postgres_program("pg_resetwal"), "--wal-segsize=1", "-D", server.directory]).code == 0


def archived(dsn: str) -> None:
    """Complete the current segment and return when it is in the archive."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_logical_emit_message(true, 'test', 'end')")
        [(name,)] = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchall()

        def there() -> bool:
            [(last,)] = connection.execute("SELECT last_archived_wal FROM pg_stat_archiver").fetchall()
            return last is not None and last[:24] >= name

        until(there, within_s=60.0)


@dataclass(frozen=True)
class Past:
    """A server's past: a backup, then more rows, then a moment, then a table dropped and other rows written."""

    server: Postgres
    store: Store
    backup: Backup
    target: datetime
    """Just before the table was dropped."""
    before: Fingerprint
    """At the target."""
    after: Fingerprint
    """At the end."""


@contextmanager
def archived_server(endpoint_url: str, directory: Path, bucket: str) -> Iterator[tuple[Postgres, Store]]:
    """A new server that archives into a new bucket from its first start on; ended, unless somebody ended it."""
    store = make_store(endpoint_url, directory, bucket)
    server = Postgres(directory / "source")
    server.create()
    small_segments(server)
    archiving(server, store)
    server.start()
    try:
        yield server, store
    finally:
        with suppress(AssertionError):  # a test may have ended it
            server.stop()


@contextmanager
def past(endpoint_url: str, directory: Path, bucket: str) -> Iterator[Past]:
    """Live through it; the server still runs."""
    with archived_server(endpoint_url, directory, bucket) as (server, store):
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE ledger (id bigserial PRIMARY KEY, amount numeric, note text)")
            connection.execute(
                "INSERT INTO ledger (amount, note) SELECT n, 'row ' || n FROM generate_series(1, 3000) AS n"
            )
            connection.execute("CREATE TABLE audit (id int PRIMARY KEY, at timestamptz DEFAULT now())")
            connection.execute("CREATE TABLE still AS SELECT 'unmoved ' || n AS note FROM generate_series(1, 100) AS n")
            connection.execute("VACUUM (FREEZE) still")
            connection.execute("CREATE ROLE teller LOGIN PASSWORD 'x'")
            backup = back_up(store, server.dsn)
            seal(store, backup)
            connection.execute("INSERT INTO ledger (amount, note) SELECT n, 'later' FROM generate_series(1, 500) AS n")
            connection.execute("INSERT INTO audit SELECT generate_series(1, 20)")
            before = fingerprint(server.dsn, keep_rows=True)
            [(target,)] = connection.execute("SELECT clock_timestamp()").fetchall()
            connection.execute("SELECT pg_sleep(0.05)")
            connection.execute("DROP TABLE ledger")
            connection.execute("INSERT INTO audit SELECT generate_series(21, 30)")
        archived(server.dsn)
        yield Past(server, store, backup, target, before, fingerprint(server.dsn, keep_rows=True))


def refused(store: Store, into: Path, target: Target = LATEST, control: str = "") -> CannotRecover:
    """It must not come back, and must not be in place. ``control``: its name in the record."""
    with pytest.raises(CannotRecover) as caught:
        restore(store, into, target)
    assert not into.exists()
    assert "\n" not in str(caught.value)
    if control:
        recovery_record.caught(control, caught.value, before=nothing_was_fetched(into))
    return caught.value


def nothing_was_fetched(into: Path) -> bool:
    """Whether a restore was refused before."""
    return not into.with_name(f"{into.name}.unverified").exists()
