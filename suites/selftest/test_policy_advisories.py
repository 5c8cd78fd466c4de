"""What a database of advisories at hand knows of the pinned packages is found, and an empty one finds nothing out."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from fixtures.policy.advisories import holds, main, pins
from fixtures.policy.inventory import REPOSITORY


def _advisory(**more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "1.4.2"}, {"introduced": "2.0"}, {"fixed": "2.1"}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Bad_Package"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}, {"type": "GIT", "events": [{"introduced": "0"}]}],
        "versions": ["3.0.post1"],
    }
    common = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "modified": "2026-11-01T00:00:00Z"}
    return {**common, "summary": "It gives everything away.", "affected": [affected]} | more


@pytest.fixture
def database(tmp_path: Path) -> Path:
    directory = tmp_path / "vulns" / "bad-package"
    directory.mkdir(parents=True)
    (directory / "PYSEC-2026-1.json").write_text(json.dumps(_advisory()))
    return tmp_path / "vulns"


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        *[(version, True) for version in ("0.dev1", "0.1", "1.4.1", "2.0", "2.0.9", "3.0.post1")],
        *[(version, False) for version in ("1.4.2", "1.9", "2.0rc1", "2.1", "3.0")],
    ],
)
def test_a_version_is_affected_as_osv_evaluates_it(version: str, *, affected: bool) -> None:
    assert holds(_advisory()["affected"][0], Version(version)) is affected


def test_the_last_affected_version_is_affected() -> None:
    events = [{"introduced": "1.0"}, {"last_affected": "1.5"}]
    part = {"ranges": [{"type": "ECOSYSTEM", "events": events}]}
    assert [holds(part, Version(each)) for each in ("0.9", "1.0", "1.5", "1.5.1")] == [False, True, True, False]


def _asked(tmp_path: Path, database: Path, text: str, *more: str) -> int:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(text)
    return main([str(database), "--constraints", str(constraints), *more])


def test_a_pin_with_a_known_vulnerability_is_found(
    tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _asked(tmp_path, database, "# a comment\nfine==1.0\nbad.package==1.4.1  # since then\n") == 1
    said = capsys.readouterr().out
    assert (
        "constraints.txt:3: bad-package 1.4.1: PYSEC-2026-1 (CVE-2026-1): It gives everything away.; mended in" in said
    )
    assert "1 known of 2 pins; 1 advisories, the newest of 2026-11-01" in said
    assert _asked(tmp_path, database, "bad.package==1.4.1\n", "--ignore", "CVE-2026-1") == 0
    assert _asked(tmp_path, database, "bad.package==1.4.2\n") == 0


def test_a_zip_is_read_and_a_withdrawn_advisory_is_not(tmp_path: Path, database: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(next(database.rglob("*.json")), "PYSEC-2026-1.json")
    assert _asked(tmp_path, archive, "bad-package==1.0\n") == 1
    withdrawn = _advisory(id="PYSEC-2026-2", withdrawn="2026-11-02T00:00:00Z")
    (database / "PYSEC-2026-2.json").write_text(json.dumps(withdrawn))
    next(database.rglob("PYSEC-2026-1.json")).write_text(json.dumps(_advisory(affected=[])))
    assert _asked(tmp_path, database, "bad-package==1.0\n") == 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("broken.json", "{", "no advisory: Expecting"),
        ("npm.json", json.dumps({"id": "GHSA-1", "affected": []}), "holds no advisory about PyPI"),
    ],
)
def test_a_database_that_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, said: str
) -> None:
    (tmp_path / "vulns").mkdir()
    (tmp_path / "vulns" / name).write_text(text)
    assert _asked(tmp_path, tmp_path / "vulns", "a==1\n") == 4
    assert said in capsys.readouterr().err


def test_what_is_no_database_and_what_is_no_version_is_refused(tmp_path: Path, database: Path) -> None:
    (tmp_path / "text").write_text("none")
    assert _asked(tmp_path, tmp_path / "text", "a==1\n") == 4
    assert _asked(tmp_path, tmp_path / "nowhere", "a==1\n") == 4
    assert _asked(tmp_path, database, "a==one\n") == 4


def test_every_pin_of_this_repository_can_be_asked_for() -> None:
    assert len(list(pins(REPOSITORY / "constraints.txt"))) > 100
