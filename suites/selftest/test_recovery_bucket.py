"""The bucket of the embedded stack's backups: who holds the database's key can add to it and take nothing away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
import pytest

from fixtures.recovery.archive import asking, objects
from fixtures.recovery.store_wal import archive_command
from fixtures.stacks.embedded.backups import bucket

from .recovery_servers import object_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_the_databases_key_stores_and_reads_and_cannot_delete(tmp_path: Path) -> None:
    with object_store(tmp_path / "moto.log") as url:
        store = bucket(url, tmp_path / "backups")
        key = f"{store.prefix}/wals/0000000100000000/000000010000000000000001"
        with asking(store) as client:
            version = client.put_object(Bucket=store.name, Key=key, Body=b"wal")["VersionId"]
            refused(lambda: client.delete_object(Bucket=store.name, Key=key))
            refused(lambda: client.delete_object(Bucket=store.name, Key=key, VersionId=version))
            refused(lambda: client.put_bucket_versioning(Bucket=store.name, VersioningConfiguration=SUSPENDED))
            client.put_object(Bucket=store.name, Key=key, Body=b"spoilt")
            assert client.get_object(Bucket=store.name, Key=key, VersionId=version)["Body"].read() == b"wal"
        assert [each.key for each in objects(store)] == [key]
        assert bucket(url, tmp_path / "backups") == store  # asked again, it is as it was
        refused(lambda: client_of(url, "nobody").list_objects_v2(Bucket=store.name))


def test_that_key_is_enough_for_curl(tmp_path: Path) -> None:
    with object_store(tmp_path / "moto.log") as url:
        store, segment = bucket(url, tmp_path / "backups"), tmp_path / "000000010000000000000001"
        command = archive_command(store).replace("%p", str(segment))
        for content, code in ((b"wal", 0), (b"wal", 0), (b"other", 1)):
            segment.write_bytes(content)
            assert subprocess.run(command, shell=True, check=False).returncode == code  # noqa: S602
        [stored] = objects(store)
        assert (stored.key, stored.size_bytes) == ("abacus/wals/0000000100000000/000000010000000000000001", 3)


SUSPENDED: Any = {"Status": "Suspended"}


def client_of(url: str, key: str) -> S3Client:
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="x", region_name="us-east-1")  # noqa: S106
    return session.client("s3", endpoint_url=url)


def refused(call: object) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"AccessDenied|InvalidAccessKeyId"):
        call()  # type: ignore[operator]
