"""A server that was started to restore leaves nothing, also where whoever started it is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fixtures.linux import may_unshare_user
from fixtures.recovery.programs import postgres_program
from fixtures.recovery.server import private_server

from .local_servers import ROOT, Postgres, until

SOMEBODY = 65534
AS_SOMEBODY = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
RUNNER = """
import sys, time
from pathlib import Path
from fixtures.recovery.server import private_server
with private_server(Path(sys.argv[1]), Path(sys.argv[2])) as server:
    server.wait(lambda: "ready to accept" in server.said(), 60.0, "ready")
    print(server.process.pid, server.socket, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    server = Postgres(tmp_path / "data")
    server.create()
    return server.directory


def owned_by(uid: int, data: Path) -> None:
    for path in (data, *data.rglob("*")):
        os.lchown(path, uid, uid)
    for path in data.parents[:3]:  # pytest's own lets in nobody else
        path.chmod(0o755)


@pytest.mark.parametrize("owner", ["mine", "of somebody else"])
def test_a_killed_runner_leaves_neither_server_nor_socket(data: Path, owner: str) -> None:
    """Somebody else's is the way of root on a machine without user namespaces."""
    if owner == "mine":
        if os.geteuid() == 0 and not may_unshare_user():
            pytest.skip("PostgreSQL does not run as root")
    elif os.geteuid() != 0:
        pytest.skip("only root can act for another user")
    elif subprocess.call([*AS_SOMEBODY, "test", "-x", postgres_program("postgres")]):
        pytest.skip("only root may enter the directory of PostgreSQL's programs, as tox makes .tox")
    else:
        owned_by(SOMEBODY, data)
    command: list[str | Path] = [sys.executable, "-c", RUNNER, data, data.parent / "log"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True) as runner:
        assert runner.stdout is not None
        pid, socket = runner.stdout.readline().decode().split()
        server = psutil.Process(int(pid))
        assert server.name() == "postgres"
        assert server.uids().real == data.stat().st_uid
        assert Path(socket).parent == data.parent
        assert [path.name for path in Path(socket).iterdir() if path.is_socket()] == [".s.PGSQL.5432"]
        runner.send_signal(signal.SIGKILL)
    until(lambda: not psutil.pid_exists(int(pid)) and not Path(socket).exists(), within_s=30.0)
    assert sorted(path.name for path in data.parent.glob("restore-*")) == []
    assert not (data / "postmaster.pid").exists()  # it had time to shut down


def test_where_the_name_would_be_too_long_the_socket_is_a_temporary_one(data: Path) -> None:
    deep = data.parent / ("long-" * 20)
    deep.mkdir()
    moved = Path(shutil.move(data, deep))
    with private_server(moved, deep / "log") as server:
        server.wait(lambda: "ready to accept" in server.said(), 60.0, "ready")
        assert deep not in server.socket.parents
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not server.socket.exists()
