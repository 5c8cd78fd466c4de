"""The Compose stack comes up on images that take no registry, and serves. Needs Docker, its images, and Compose."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures import journal
from fixtures.stacks.docker.images import for_compose

from .docker_there import needs_docker
from .drills import REPOSITORY
from .local_servers import free_port

UP_WITHIN_S = 300
"""Twenty-one containers, and a database cluster that is made anew."""
FILES = [REPOSITORY / "stack" / "docker" / name for name in ("docker-compose.yml", "docker-compose.built.yml")]


def has_compose() -> bool:
    try:
        found = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return found.returncode == 0


pytestmark = [needs_docker, pytest.mark.skipif(not has_compose(), reason="not exercised: there is no docker compose")]


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("ABACUS_HTTP_PORT", "ABACUS_DATABASE_PORT", "ABACUS_OBJECT_STORE_PORT")}


@pytest.fixture(scope="module")
def compose(ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The stack, up; yields the words that every command about it begins with."""
    environment = tmp_path_factory.mktemp("compose") / "env"
    environment.write_text("".join(f"{name}={value}\n" for name, value in {**for_compose(), **ports}.items()))
    subprocess.run([sys.executable, "-m", "stack.docker", "secrets"], cwd=REPOSITORY, check=True, timeout=60)
    command = ["docker", "compose", "--project-name", f"abacus-{secrets.token_hex(4)}", "--env-file", str(environment)]
    command += [word for file in FILES for word in ("--file", str(file))]
    down = [*command, "down", "--volumes", "--timeout", "5"]
    with journal.begun() as run, run.undoing("command", *down):
        up = subprocess.run(
            [*command, "up", "--no-build", "--wait"], capture_output=True, text=True, timeout=UP_WITHIN_S, check=False
        )
        assert up.returncode == 0, up.stderr[-3000:] + said(command, "logs", "--tail", "5")[-5000:]
        yield command


def said(command: list[str], *words: str) -> str:
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=True).stdout


def ask(port: int, path: str, body: object = None) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return answer.read()


def test_every_container_is_healthy(compose: list[str]) -> None:
    found = [json.loads(line) for line in said(compose, "ps", "--all", "--format", "json").splitlines()]
    states = {each["Service"]: each.get("Health") or f"{each['State']} {each['ExitCode']}" for each in found}
    assert states.pop("migrate") == "exited 0"
    assert set(states.values()) == {"healthy"}, states
    assert len(states) == 20


def test_the_front_door_serves_pages_and_keeps_money(compose: list[str], ports: dict[str, int]) -> None:
    assert compose
    port = ports["ABACUS_HTTP_PORT"]
    assert b"<html" in ask(port, "/").lower()
    ask(port, "/api/accounts", {"first": 0, "count": 2, "opening_balance": 10})
    transfer = {"id": "00000000-0000-4000-8000-000000000001", "source": 0, "target": 1, "amount": 3}
    ask(port, "/api/transfers", transfer)
    assert json.loads(ask(port, "/api/accounts/1"))["balance"] == 13


def test_what_is_published_is_published_on_loopback(compose: list[str]) -> None:
    found = [json.loads(line) for line in said(compose, "ps", "--format", "json").splitlines()]
    published = [each for container in found for each in container["Publishers"] or [] if each["PublishedPort"]]
    assert {each["URL"] for each in published} == {"127.0.0.1"}
    assert len(published) == 3


def test_the_object_store_answers(compose: list[str], ports: dict[str, int]) -> None:
    assert compose
    assert ask(ports["ABACUS_OBJECT_STORE_PORT"], "/moto-api/data.json")


def test_it_lies_where_only_its_owner_looks() -> None:
    directory = REPOSITORY / "stack" / "docker" / ".secrets"
    assert directory.stat().st_mode & 0o077 == 0
    ignored = subprocess.run(["git", "check-ignore", "-q", directory / "cache"], cwd=REPOSITORY, check=False)
    assert ignored.returncode == 0 or not Path(REPOSITORY / ".git").exists()
