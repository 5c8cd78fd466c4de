"""WAL that is stored by curl is stored, or PostgreSQL is told that it is not; and barman restores it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from fixtures.aws.proxy import Proxied, Rule, Rules, proxied
from fixtures.recovery import store_wal
from fixtures.recovery.archive import objects, seal
from fixtures.recovery.barman import Store, archive_file, back_up
from fixtures.recovery.content import same_as
from fixtures.recovery.fingerprint import fingerprint
from fixtures.recovery.lag import prove
from fixtures.recovery.programs import CannotRecover, Code, Ran
from fixtures.recovery.restore import restore

from .local_servers import Postgres
from .recovery_servers import keys_that_count, make_store, object_store, s3, small_segments

SEGMENT = "0000000100000000000000AA"
BODY = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("moto") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def aws(moto: str) -> Iterator[Proxied]:
    with proxied(moto) as running:
        yield running


@pytest.fixture
def store(moto: str, tmp_path: Path) -> Store:
    made = make_store(moto, tmp_path, f"bucket-{uuid4().hex}")
    return replace(made, bucket=f"{made.bucket}/eu")


def stored(store: Store, path: Path, body: bytes | None = BODY) -> int:
    """The exit code that PostgreSQL sees."""
    if body is not None:
        path.write_bytes(body)
    command = store_wal.archive_command(store).replace("%p", str(path)).replace("%%", "%")
    return subprocess.run(command, shell=True, check=False, timeout=120).returncode  # noqa: S602


def there(store: Store) -> dict[str, int]:
    return {each.key: each.size_bytes for each in objects(store)}


def test_a_segment_and_a_history_lie_where_barman_would_lay_them(store: Store, tmp_path: Path) -> None:
    history = tmp_path / "00000002.history"
    assert stored(store, tmp_path / SEGMENT) == 0
    assert stored(store, history, b"1\t0/3000000\tno recovery target specified\n") == 0
    by_barman = replace(store, server="barman")
    for path in (tmp_path / SEGMENT, history):
        archive_file(by_barman, path)
    assert there(store) == {
        key.replace("/barman/", "/ledger/"): size for key, size in there(by_barman).items() if size > 0
    }
    key = f"eu/ledger/wals/0000000100000000/{SEGMENT}"
    assert s3(store.endpoint_url).get_object(Bucket=store.name, Key=key)["Body"].read() == BODY


def test_what_is_there_already_is_stored_and_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    assert stored(store, tmp_path / SEGMENT) == 0
    assert stored(store, tmp_path / SEGMENT) == 0  # the answer to the first may have been lost
    for other in (BODY[:-1] + b"x", BODY[:4096], BODY + b"x", b""):
        assert stored(store, tmp_path / SEGMENT, other) != 0
    [key] = there(store)
    assert s3(store.endpoint_url).get_object(Bucket=store.name, Key=key)["Body"].read() == BODY


@pytest.mark.parametrize(
    "rule",
    [
        Rule("throttle", service="s3"),
        Rule("expired", service="s3"),
        Rule("deny", service="s3", action="PutObject"),
        Rule("error", service="s3", status=500),
        Rule("reset", service="s3"),
    ],
    ids=lambda rule: rule.how,
)
def test_a_store_that_does_not_take_it_is_an_error(store: Store, aws: Proxied, tmp_path: Path, rule: Rule) -> None:
    through = replace(store, endpoint_url=aws.url)
    aws.follow(Rules((rule,)))
    assert stored(through, tmp_path / SEGMENT) != 0
    assert there(store) == {}
    aws.follow(Rules())
    assert stored(through, tmp_path / SEGMENT) == 0
    assert len(there(store)) == 1


def test_no_store_no_bucket_no_file_and_no_key_are_errors(store: Store, tmp_path: Path) -> None:
    assert stored(replace(store, endpoint_url="http://127.0.0.1:1"), tmp_path / SEGMENT) != 0
    assert stored(replace(store, bucket="no-such-bucket"), tmp_path / SEGMENT) != 0
    assert stored(store, tmp_path / "absent", None) != 0
    assert stored(replace(store, credentials=tmp_path / "absent"), tmp_path / SEGMENT) != 0
    assert there(store) == {}


def test_the_signature_is_right_and_a_wrong_key_is_refused(store: Store, moto: str, tmp_path: Path) -> None:
    allowed = {"Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{store.name}/*"}
    with keys_that_count(moto, "archiver", allowed, tmp_path) as (right, wrong):
        assert stored(replace(store, credentials=wrong), tmp_path / SEGMENT) != 0
        assert stored(replace(store, credentials=right), tmp_path / SEGMENT) == 0
    assert len(there(store)) == 1


def test_no_secret_is_in_the_command(store: Store) -> None:
    assert "not-a-secret" not in store_wal.archive_command(store)
    assert store_wal.url(replace(store, endpoint_url="", region="eu-west-1")) == (
        f"https://{store.name}.s3.eu-west-1.amazonaws.com/eu/ledger"
    )
    with pytest.raises(CannotRecover, match="reads its key from a file") as caught:
        store_wal.archive_command(replace(store, credentials=None))
    assert caught.value.code is Code.BAD_INPUT


def test_an_old_curl_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_wal, "run", lambda *_: Ran(0, "curl 7.74.0 (x86_64-pc-linux-gnu) libcurl/7.74.0"))
    with pytest.raises(CannotRecover, match=r"needs curl 7\.88 or later, there is 'curl 7\.74\.0 "):
        store_wal.archive_command(store)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(CannotRecover, match="curl is not installed"):
        store_wal.archive_command(store)


def test_barman_restores_what_curl_stored(store: Store, tmp_path: Path) -> None:
    server = Postgres(tmp_path / "source")
    server.create()
    small_segments(server)
    with (server.directory / "postgresql.conf").open("a") as file:
        file.write(f"archive_mode = on\narchive_command = '{store_wal.archive_command(store)}'\n")
    server.start()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n")
            seal(store, back_up(store, server.dsn))
            connection.execute("INSERT INTO kept SELECT n, 'later' FROM generate_series(1, 20000) AS n")
        prove(server.dsn, store, within_s=120.0)
        before = fingerprint(server.dsn)
    finally:
        server.stop()
    assert restore(store, tmp_path / "restored", checks=[same_as(before)]).sealed
