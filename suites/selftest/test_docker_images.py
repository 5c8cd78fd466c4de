"""An image that is being built leaves nothing here, however that ends. Needs no Docker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from .drills import REPOSITORY
from .fake_docker import fake_docker

WITHIN_S = 60.0


def test_sigkill_of_a_build_ends_what_it_runs_and_removes_what_it_has_made(tmp_path: Path) -> None:
    state, pid = tmp_path / "state", tmp_path / "pid"
    (tmp_path / "tmp").mkdir()
    (tmp_path / "mmdebstrap").write_text(f"#!/bin/sh\nmktemp -d; echo $$ > {pid}.; mv {pid}. {pid}; exec sleep 600\n")
    (tmp_path / "mmdebstrap").chmod(0o755)
    with fake_docker({}) as address:
        given = {
            "DOCKER_HOST": address,
            "ABACUS_STATE_DIRECTORY": str(state),
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
        }
        command = [sys.executable, "-m", "fixtures.stacks.docker.images"]
        build = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | given | {"TMPDIR": str(tmp_path / "tmp")})
        try:
            deadline = time.monotonic() + WITHIN_S
            while not pid.exists():
                assert build.poll() is None
                assert time.monotonic() < deadline, "it begins nothing"
                time.sleep(0.05)
            working = psutil.Process(int(pid.read_text()))
            assert any(state.glob("*/images-*/*")), "what a program makes for a while does not lie there"
        finally:
            build.kill()
            build.wait()
    deadline = time.monotonic() + WITHIN_S
    while working.is_running() or any(state.iterdir()):
        assert time.monotonic() < deadline, f"left: {working}, {[path.name for path in state.iterdir()]}"
        time.sleep(0.05)
    assert not any((tmp_path / "tmp").iterdir())
