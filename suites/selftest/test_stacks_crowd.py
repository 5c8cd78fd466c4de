"""The crowd that takes a server's connections: as many as it was told, again where they are closed, gone when ended."""

from __future__ import annotations

import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .drills import REPOSITORY
from .local_servers import free_port

HOST = "127.0.0.1"
COUNT = 25
WITHIN_S = 15.0
"""The interpreter and psycopg take a second to start, on a loaded machine some."""


class Held:
    """A server that holds what connects to it."""

    def __init__(self, port: int = 0) -> None:
        self._listening = socket.create_server((HOST, port))
        self._listening.setblocking(False)
        self._connections: set[socket.socket] = set()
        self.port = int(self._listening.getsockname()[1])
        self.accepted = 0

    def close_some(self, count: int) -> None:
        """As a server whose patience with silent clients is over."""
        for _ in range(count):
            self._connections.pop().close()

    def close(self) -> None:
        """Be gone."""
        self.close_some(len(self._connections))
        self._listening.close()

    def count(self) -> int:
        """How many connections there are now."""
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.add(connection)
                self.accepted += 1
        with selectors.DefaultSelector() as selector:
            for connection in self._connections:
                selector.register(connection, selectors.EVENT_READ)
            for key, _ in selector.select(0):  # they never say anything, so that is an end
                assert isinstance(key.fileobj, socket.socket)
                self._connections.discard(key.fileobj)
                key.fileobj.close()
        return len(self._connections)


@contextmanager
def crowd(port: int, count: int = COUNT, descriptors: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """As the stack starts it, until the block ends. ``descriptors``: the soft limit that it is started with."""
    command = [sys.executable, "-m", "fixtures.stacks.crowd", "tcp", HOST, str(port), str(count)]
    shell = ["sh", "-c", f'ulimit -S -n {descriptors}; exec "$@"', "sh"] if descriptors else []
    process = subprocess.Popen([*shell, *command], cwd=REPOSITORY)
    try:
        yield process
        assert process.poll() is None, "it ended by itself"
    finally:
        process.kill()
        process.wait()


def becomes(found: Callable[[], int], wanted: int) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while found() != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_holds_as_many_as_it_was_told_and_no_more() -> None:
    server = Held()
    with crowd(server.port):
        assert becomes(server.count, COUNT)
        time.sleep(0.3)
        assert server.count() == COUNT
        assert server.accepted == COUNT, "it holds them, it does not open them again and again"
    assert becomes(server.count, 0), "what is held goes with the crowd"
    server.close()


def test_what_the_server_closes_is_opened_again() -> None:
    server = Held()
    with crowd(server.port):
        assert becomes(server.count, COUNT)
        for _ in range(3):
            server.close_some(7)
            assert becomes(server.count, COUNT)
        server.close_some(COUNT)
        assert becomes(server.count, COUNT)
        assert server.accepted == COUNT + 3 * 7 + COUNT
    server.close()


def test_a_server_that_goes_and_comes_is_crowded_again() -> None:
    port = free_port()
    with crowd(port, 5):
        time.sleep(0.5)  # nobody listens yet
        for _ in range(2):
            server = Held(port)
            assert becomes(server.count, 5)
            server.close()


def test_a_logins_soft_limit_does_not_hold_it_back() -> None:
    many = 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > 3 * many, "this machine's hard limit is too low to tell"
    server = Held()
    with crowd(server.port, many, descriptors=256):
        assert becomes(server.count, many)
    server.close()
