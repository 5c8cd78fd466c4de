"""Whatever a file holds, the command ends with a finding: ten megabytes, aliases without end, nonsense; any format."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.policy.__main__ import main

NAMES = (
    "template.yaml",
    "template.json",
    "main.tf",
    "Dockerfile",
    "compose.yaml",
    ".github/workflows/deploy.yml",
    "kustomization.yaml",
    "patroni.yaml",
    "haproxy.cfg",
    "valkey.conf",
    "postgresql.conf",
    "baseline.template",
)
WITHIN_S = 20.0
"""All of it; a refusal takes milliseconds, the rest is reading the rules on a busy machine."""

LAUGHS = "Resources:\n  a0: &a0 {Type: AWS::S3::Bucket}\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
"""10^11 values in a few hundred bytes."""


def found(directory: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = main([str(directory), "--no-linters", "--format", "json"])
    assert code == 1
    assert time.monotonic() - began_s < WITHIN_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "KiB"
    return list(json.loads(capsys.readouterr().out)["findings"])


def put(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_ten_megabytes_are_refused_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        put(tmp_path, name, "# padding\n" * 1_050_000)
    said = {each["path"]: each for each in found(tmp_path, capsys) if each["rule"] == "unreadable"}
    assert set(said) == set(NAMES)
    assert all("at most 5" in each["message"] and each["line"] == 1 for each in said.values())


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith((".yaml", ".yml", ".template"))])
def test_aliases_without_end_are_refused_where_they_end(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, name, LAUGHS)
    (said,) = found(tmp_path, capsys)
    assert (said["rule"], said["path"], said["unknown"]) == ("unreadable", name, True)
    assert "aliases" in said["message"]
    assert said["line"] > 1
    assert said["column"] > 1


BROKEN = {
    "template.yaml": ("Resources:\n  A:\n    Type: AWS::S3::Bucket\n   Properties: {}\n", 4),
    "stack.template": ("Resources:\n  A: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub 'a}\n", 3),
    "template.json": ('{"Resources": {\n  "A": {"Type": "AWS::S3::Bucket",}\n}}', 2),
    "main.tf": ('resource "aws_s3_bucket" "a" {\n  bucket = "a\n}\n', 2),
    "modules/a/main.tf": ('resource "aws_s3_bucket" "a" {\n  bucket = [\n}\n', 3),
    "Dockerfile": ("FROM scratch\nCOPPY . .\n", 2),
    "compose.yaml": ("services:\n  a: {image: b\n  c: d}\n", 3),
    ".github/workflows/deploy.yml": ("on: push\njobs:\n\ta: {}\n", 3),
    "kustomization.yaml": ("resources: [a.yaml\n", 2),
    "patroni.yaml": ("scope: a\nbootstrap: {dcs: {ttl: 30}\n", 3),
    "haproxy.cfg": ('frontend a\n  bind *:80\n  log-format "open\n', 3),
    "valkey.conf": ('port 6379\nrequirepass "open\n', 2),
    "postgresql.conf": ("fsync = on\nssl_cert_file = 'open\n", 2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_malformed_is_named_with_its_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, line = BROKEN[name]
    put(tmp_path, name, text)
    put(
        tmp_path,
        "whole.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {a: b}, ports: []}\n",
    )
    said = {each["path"]: each for each in found(tmp_path, capsys) if each["rule"] == "unreadable"}
    assert set(said) == {name}
    assert said[name]["line"] == line
    assert said[name]["column"] >= 1
