"""Files become resources: what each format gives and on which line; what cannot be read is said with its place."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from fixtures.policy.finding import UNREADABLE
from fixtures.policy.read import Contents, from_directory, from_texts, read
from fixtures.policy.resource import Resource


def contents(**texts: str) -> Contents:
    return read(from_texts({name.replace("__", "."): textwrap.dedent(text) for name, text in texts.items()}))


def one(found: Contents, kind: str, type_: str = "") -> Resource:
    matching = [each for each in found.resources if each.kind == kind and type_ in ("", each.type)]
    assert not found.unreadable
    assert len(matching) == 1, [(each.kind, each.type) for each in found.resources]
    return matching[0]


def test_cloudformation_short_forms_are_long_and_defaults_stand_for_references() -> None:
    found = contents(
        stack__yaml="""\
        Parameters:
          Class: {Type: String, Default: db.m7g.large}
          Encrypted: {Type: String, Default: "true"}
          Subnets: {Type: CommaDelimitedList}
        Resources:
          Database:
            Type: AWS::RDS::DBInstance
            DeletionPolicy: Snapshot
            Properties:
              DBInstanceClass: !Ref Class
              StorageEncrypted: !Ref Encrypted
              DBSubnetGroupName: !Ref Group
              KmsKeyId: !GetAtt Key.Arn
              Tags: [{Key: a, Value: !Sub "${AWS::StackName}-a"}]
        """
    )
    database = one(found, "cloudformation", "AWS::RDS::DBInstance")
    assert database.name == "Database"
    assert database.content["DeletionPolicy"] == "Snapshot"
    assert database.content["Properties"] == {
        "DBInstanceClass": "db.m7g.large",
        "StorageEncrypted": True,
        "DBSubnetGroupName": {"Ref": "Group"},
        "KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
        "Tags": [{"Key": "a", "Value": {"Fn::Sub": "${AWS::StackName}-a"}}],
    }
    assert database.line_of("Properties.StorageEncrypted") == 11
    assert database.line_of("Properties.MultiAZ") == 9
    assert database.line_of("Missing") == 6
    assert set(one(found, "cloudformation", "template").content) == {"Parameters"}


def test_terraform_blocks_are_lists_and_variables_their_defaults() -> None:
    found = read(
        from_texts(
            {
                "a/main.tf": textwrap.dedent(
                    """\
                    resource "aws_db_instance" "main" {
                      storage_encrypted = var.encrypted
                      identifier        = "${var.name}-db"
                      kms_key_id        = aws_kms_key.main.arn
                      timeouts {
                        create = "1h"
                      }
                      dynamic "setting" {
                        for_each = [1]
                        content {
                          mode = "on"
                        }
                      }
                    }
                    """
                ),
                "a/variables.tf": 'variable "encrypted" {\n  default = true\n}\n',
                "a/name.tf": 'variable "name" {\n  default = "led"\n}\n',
                "b/variables.tf": 'variable "encrypted" {\n  default = false\n}\n',
            }
        )
    )
    database = one(found, "terraform", "aws_db_instance")
    assert database.content == {
        "storage_encrypted": True,
        "identifier": "led-db",
        "kms_key_id": "${aws_kms_key.main.arn}",
        "timeouts": [{"create": "1h"}],
        "setting": [{"mode": "on"}],
    }
    assert database.line_of("timeouts.0.create") == 6


IAM = {
    "trust.json": '{"Statement": {"Effect": "Allow", "Principal": {"Service": "ecs"}, "Action": "sts:AssumeRole"}}',
    "stack.yaml": """\
Resources:
  Bucket:
    Type: AWS::S3::BucketPolicy
    Properties:
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: s3:GetObject, Resource: "*"}
""",
    "main.tf": """\
resource "aws_iam_policy" "a" {
  policy = jsonencode({
    Statement = [{ Effect = "Allow", Action = "s3:*", Resource = aws_s3_bucket.b.arn }]
  })
}
data "aws_iam_policy_document" "b" {
  statement {
    actions   = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }
}
resource "aws_iam_policy" "c" {
  policy = <<-EOT
    {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
  EOT
}
""",
}


def test_iam_documents_are_found_wherever_they_stand() -> None:
    found = [each for each in read(from_texts(IAM)).resources if each.kind == "iam"]
    said = {
        (each.path, each.line): (each.type, each.content["Statement"][0].get("Action"), each.content["Statement"][0])
        for each in found
    }
    assert {place: value[:2] for place, value in said.items()} == {
        ("trust.json", 1): ("trust", ["sts:AssumeRole"]),
        ("stack.yaml", 5): ("resource-policy", ["s3:GetObject"]),
        ("main.tf", 2): ("policy", ["s3:*"]),
        ("main.tf", 6): ("trust", ["sts:AssumeRole"]),
        ("main.tf", 16): ("policy", ["*"]),
    }
    assert said["stack.yaml", 5][2]["Principal"] == {"AWS": ["*"]}
    assert said["main.tf", 6][2]["Principal"] == {"AWS": ["*"]}


def test_manifests_are_told_apart_by_what_they_say() -> None:
    found = read(
        from_texts(
            {
                "k.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n---\napiVersion: v1\nkind: List\n"
                "items:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n",
                "compose.yaml": "services:\n  api:\n    image: a\n",
                ".github/workflows/ci.yml": "on: push\njobs: {}\n",
                "overlays/a/kustomization.yaml": "resources: [../b]\n",
                "patroni.yml": "scope: ledger\npostgresql: {}\n",
                "other.yaml": "site_name: x\n",
            }
        )
    )
    assert {(each.kind, each.type, each.name) for each in found.resources} == {
        ("kubernetes", "Service", "api"),
        ("kubernetes", "Secret", "s"),
        ("compose", "service", "api"),
        ("compose", "compose", "compose.yaml"),
        ("workflow", "workflow", "ci"),
        ("kustomize", "Kustomization", "a"),
        ("patroni", "patroni", "ledger"),
    }
    workflow = next(each for each in found.resources if each.kind == "workflow")
    assert workflow.content["on"] == "push"
    secret = next(each for each in found.resources if each.type == "Secret")
    assert secret.line_of("metadata.name") == 10


def test_dockerfile_gives_stages() -> None:
    found = contents(
        Dockerfile="""\
        ARG BASE
        FROM debian:12 AS build
        RUN a && \\
            # why
            b
        FROM ${BASE}
        RUN <<EOT
        x
        EOT
        USER 1000
        """
    )
    image = one(found, "dockerfile").content
    assert [(stage["from"], stage["as"]) for stage in image["stages"]] == [("debian:12", "build"), ("${BASE}", "")]
    assert image["stages"][0]["instructions"] == [{"name": "RUN", "value": "a && b", "line": 3}]
    assert [each["line"] for each in image["stages"][1]["instructions"]] == [7, 10]


def test_servers_configuration_is_read() -> None:
    found = contents(
        haproxy__cfg="defaults\n  timeout connect 1s\nbackend api\n  server a 10.0.0.1:80 check # one\n",
        valkey__conf='appendonly yes\nsave 60 1\nsave 300 10\nrequirepass "a b"\n',
        sentinel__conf="sentinel monitor main 10.0.0.1 6379 2\n",
        postgresql__conf="fsync = on # why\nwal_level replica\narchive_command = 'cp %p ''x'''\n",
    )
    backend = one(found, "haproxy").content["sections"][1]
    assert (backend["type"], backend["name"]) == ("backend", "api")
    assert backend["directives"] == [{"name": "server", "words": ["a", "10.0.0.1:80", "check"], "line": 4}]
    valkey = one(found, "valkey", "valkey").content
    assert valkey == {"appendonly": [["yes"]], "save": [["60", "1"], ["300", "10"]], "requirepass": [["a b"]]}
    assert one(found, "valkey", "sentinel").content["sentinel"][0][0] == "monitor"
    assert one(found, "postgresql").content == {"fsync": "on", "wal_level": "replica", "archive_command": "cp %p 'x'"}


BOMB = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10) if n else 'ha'}]" for n in range(10))


@pytest.mark.parametrize(
    ("name", "text", "line", "column", "said"),
    [
        ("a.yaml", "a: 1\nb: [1\nc: 2\n", 3, 2, "is not YAML"),
        ("a.yaml", "a: 1\na: 2\n", 2, 1, "twice"),
        ("a.yaml", "a: *nowhere\n", 1, 4, "not defined"),
        ("a.yaml", "a: &a [*a]\n", 1, 8, "not defined"),
        ("a.yaml", BOMB, 7, 10, "aliases"),
        ("a.yaml", "[" * 150 + "]" * 150, 1, 102, "nested"),
        ("a.yaml", "[" * 100_000, 1, 1001, "nesting"),
        ("a.yaml", "a: \x01\n", 1, 1, "is not YAML"),
        ("a.json", '{"Resources": [1,, 2]}', 1, 18, "is not JSON"),
        ("a.tf", 'resource "a" "b" {\n  x = \n}\n', 2, 7, "is not HCL"),
        ("a.tf", 'resource "a" {', 2, 1, "is not HCL"),
        ("Dockerfile", "FROM a\nRUNN b\n", 2, 1, "no builder knows"),
        ("Dockerfile", "# nothing\n", 1, 1, "no FROM"),
        ("haproxy.cfg", "server a\nbackend b\n", 1, 1, "before any section"),
        ("valkey.conf", 'requirepass "a\n', 1, 1, "quote"),
    ],
)
def test_what_is_malformed_is_a_finding_with_line_and_column(
    name: str, text: str, line: int, column: int, said: str
) -> None:
    (finding,) = read(from_texts({name: text})).unreadable
    assert (finding.rule, finding.path, finding.unknown) == (UNREADABLE, name, True)
    assert said in finding.message
    assert (finding.line, finding.column) == (line, column)


def test_what_stands_before_a_mistake_is_judged() -> None:
    found = contents(a__yaml="apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\na: [\n")
    assert len(found.resources) == len(found.unreadable) == 1


def test_walk_stays_inside_and_out_of_what_others_wrote(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    tree = tmp_path / "tree"
    manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    for directory in (outside, tree, tree / "node_modules" / "x", tree / ".git", tree / "a"):
        directory.mkdir(parents=True)
        (directory / "service.yaml").write_text(manifest)
    (tree / "linked").symlink_to(outside)
    (tree / "linked.yaml").symlink_to(outside / "service.yaml")
    (tree / "loop").symlink_to(tree)
    (tree / "broken.yaml").symlink_to(tree / "nowhere.yaml")
    found = read(from_directory(tree))
    assert [each.path for each in found.resources] == ["service.yaml", "a/service.yaml"]
    assert [each.path for each in found.unreadable] == ["broken.yaml"]


def test_large_and_binary_files_are_refused_politely(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("a: b\n" * 2_100_000)
    (tmp_path / "binary.tf").write_bytes(b"\xff\xfe\x00")
    said = {each.path: each.message for each in read(from_directory(tmp_path)).unreadable}
    assert "10.0 MB and at most 5" in said["large.yaml"]
    assert "not UTF-8" in said["binary.tf"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: chart\n")
    (tmp_path / "chart" / "templates" / "service.yaml").write_text("kind: {{ .Values.kind }}\n")
    (tmp_path / "main.tf.json").write_text("{}")
    found = read(from_directory(tmp_path))
    assert not found.unreadable
    assert [note.partition(":")[0] for note in found.notes] == ["main.tf.json", "chart/Chart.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "statement = null",
        "statement = [1]",
        'statement {\n principals = "x"\n condition = 1\n}',
    ],
)
def test_a_policy_document_of_another_shape_is_no_crash(text: str) -> None:
    found = contents(main__tf=f'data "aws_iam_policy_document" "a" {{\n{text}\n}}\n')
    assert [each.kind for each in found.resources] == ["terraform", "iam"]
