"""Where Docker or something of it is missing, one sentence says what and what to do. Needs no Docker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.stacks.docker import engine as engine_module
from fixtures.stacks.docker import images, preflight
from fixtures.stacks.docker.recipes import RECIPE_LABEL, chosen, recipe_hash, recipes
from fixtures.stacks.embedded.binaries import CannotStart

from .drills import REPOSITORY
from .fake_docker import fake_docker
from .inner import pytest_in

HERE = {"DockerRootDir": "/"}


def image_of(role: str) -> dict[str, object]:
    """What Docker says of an image that was built here by today's recipe."""
    return {"Id": "sha256:1", "Config": {"Labels": {RECIPE_LABEL: recipe_hash(recipes()[role])}}}


def test_no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(CannotStart, match=r"there is no Docker here .* apt-get install docker.io"):
        preflight()


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "docker.sock"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(CannotStart, match=r"daemon is not reachable .*Connection refused.*: start it"):
        preflight()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that may not")
def test_no_permission(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        path = f"/tmp/{tmp_path.name}-{os.getpid()}.sock"  # noqa: S108  # where any user may look
        listening.bind(path)
        try:
            listening.listen()
            Path(path).chmod(0o600)
            script = (
                "import os; from fixtures.stacks.docker import preflight; "
                "os.setgroups([]); os.setgid(65534); os.setuid(65534); preflight()"
            )
            ran = subprocess.run(
                [sys.executable, "-c", script],
                cwd=REPOSITORY,
                env=os.environ | {"DOCKER_HOST": f"unix://{path}", "HOME": "/nonexistent"},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            Path(path).unlink()
    assert "CannotStart: this user may not talk to Docker" in ran.stderr
    assert "group docker" in ran.stderr


def test_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_docker({"/info": (200, HERE)}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(
            CannotStart, match=r"no image abacus-drills/base:\w+: run python -m fixtures.stacks.docker.im"
        ):
            preflight()


def test_an_image_of_yesterday(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"Id": "sha256:1", "Config": {"Labels": {RECIPE_LABEL: "older"}}}
    with fake_docker({"/info": (200, HERE), f"/images/{chosen()['zone']}/json": (200, old)}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(CannotStart, match="base:bookworm is of another recipe than today's"):
            preflight()


def test_no_image_and_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACUS_IMAGE_LOAD_BALANCER", "docker.io/library/haproxy:3.0")
    answers = {
        f"/images/{image}/json": (200, image_of(role)) for role, image in chosen().items() if "library" not in image
    }
    refused = (500, {"message": "dial tcp: lookup registry-1.docker.io: no such host"})
    with fake_docker({"/info": (200, HERE), **answers, "/images/create": refused}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(
            CannotStart, match=r"haproxy:3.0 \(ABACUS_IMAGE_LOAD_BALANCER\).*pulled: .*no such host; load"
        ):
            preflight()


def test_a_pull_that_fails_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACUS_IMAGE_ZONE", "mine/zone:1")
    with fake_docker({"/info": (200, HERE), "/images/create": (200, {"error": "no space left on device"})}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(CannotStart, match=r"zone:1 \(ABACUS_IMAGE_ZONE\).*pulled: no space left on device; load"):
            preflight()


def test_an_image_that_goes_while_the_stack_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = (500, {"message": "dial tcp: lookup registry-1.docker.io: no such host"})
    with fake_docker({"/images/create": refused}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        engine = engine_module.Engine(engine_module.connect(), "run")
        said = r"no image mine/etcd:4, of which consensus-a is made.*no such host.*somebody has removed it: python -m"
        with pytest.raises(CannotStart, match=said), engine_module.refusals():
            engine.container("consensus-a", "mine/etcd:4", [])


def test_what_docker_refuses_though_the_image_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "/images/mine/etcd:4/json": (200, {"Id": "sha256:1"}),
        "/create": (409, {"message": "the name is taken"}),
    }
    with fake_docker(answers) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        engine = engine_module.Engine(engine_module.connect(), "run")
        with pytest.raises(CannotStart, match=r"^Docker refused: the name is taken$"), engine_module.refusals():
            engine.container("consensus-a", "mine/etcd:4", [])


def test_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "DISK_BYTES_MIN", 2**60)
    with fake_docker({"/info": (200, HERE)}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(CannotStart, match=r"Docker's / has [\d.]+ GiB free, the stack needs \d+: free some"):
            preflight()


def test_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {f"/images/{image}/json": (200, image_of(role)) for role, image in chosen().items()}
    with fake_docker({"/info": (200, HERE), **answers}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        preflight()


def test_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_docker({}) as address:
        port = address.rpartition(":")[2]
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.2:{port}")
        with pytest.raises(CannotStart, match=r"Docker is at tcp://127.0.0.2:\d+, which is another machine"):
            preflight()


def test_a_drill_ends_with_the_code_for_bad_input(tmp_path: Path) -> None:
    options = ("suites/chaos", "-k", "api-kill", "--stack", "docker")
    ran = pytest_in(tmp_path, *options, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert ran.code == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --stack docker: there is no Docker here" in ran.output
    assert "Traceback" not in ran.output


def test_images_without_their_tool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with fake_docker({}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert images.main([]) == 4
    assert "images: there is no mmdebstrap" in (said := capsys.readouterr().err)
    assert "apt-get install mmdebstrap" in said


def test_images_that_docker_refuses_to_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = (500, {"message": "write /var/lib/docker/overlay2: no space left on device"})
    with fake_docker({"/build": refused}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        assert images.main(["--base", "python:3.11-bookworm"]) == 4
    assert "images: Docker refused: write /var/lib/docker/overlay2: no space left" in (said := capsys.readouterr().err)
    assert "docker system prune" in said
