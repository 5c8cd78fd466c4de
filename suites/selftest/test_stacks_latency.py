"""The proxy that holds back answers: every answer comes late, whole and in order, and what ends on one side ends."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.stacks import latency

from .drills import REPOSITORY
from .local_servers import free_port, wait_for_port

HOST = "127.0.0.1"
DELAY_S = 0.1
ENDS_WITHIN_S = 10.0
"""Far more than it takes, for a loaded machine."""
BUFFERS_BYTES = 8 * 2**20
"""More than all sockets on the way hold, so that a slow reader makes the proxy wait."""


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that gives each connection to ``serve`` in a thread; yields its port."""
    with socket.create_server((HOST, 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=handle, args=(listening.accept()[0],), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(target: int, delay_s: float = DELAY_S) -> Iterator[int]:
    """The proxy as the stack starts it; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "fixtures.stacks.latency", f"{HOST}:{port}", f"{HOST}:{target}", str(delay_s)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.terminate()
        said = process.communicate(timeout=ENDS_WITHIN_S)[1].decode()
        assert "Error" not in said, said


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=ENDS_WITHIN_S)


def echo(connection: socket.socket) -> None:
    """Answer with what was asked, until the client has no more to say."""
    while piece := connection.recv(2**16):
        connection.sendall(piece)


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    pieces = []
    while piece := connection.recv(2**16):
        pieces.append(piece)
    return b"".join(pieces)


def exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := connection.recv(size - len(found))):
        found += piece
    return found


@pytest.fixture(scope="module")
def echoed() -> Iterator[int]:
    with server(echo) as target, proxy(target) as port:
        yield port


@pytest.fixture(scope="module")
def quick() -> Iterator[int]:
    with server(echo) as target, proxy(target, 0.005) as port:
        yield port


def test_every_answer_takes_at_least_the_delay_longer(echoed: int) -> None:
    took_s = []
    with connect(echoed) as connection:
        for number in range(5):
            begun_s = time.monotonic()
            connection.sendall(b"%d" % number)
            assert exactly(connection, 1) == b"%d" % number
            took_s.append(time.monotonic() - begun_s)
    assert min(took_s) >= DELAY_S
    assert sorted(took_s)[2] < DELAY_S + 0.5, "it holds back, it does not block"


def test_answers_that_wait_do_not_wait_for_each_other(echoed: int) -> None:
    with connect(echoed) as connection:
        begun_s = time.monotonic()
        for number in range(50):
            connection.sendall(b"%02d" % number)
            time.sleep(0.001)  # so that they come as pieces of their own
        assert exactly(connection, 100) == b"".join(b"%02d" % number for number in range(50))
        assert DELAY_S <= time.monotonic() - begun_s < 25 * DELAY_S


def test_a_big_answer_comes_whole_and_in_order(echoed: int) -> None:
    payload = os.urandom(BUFFERS_BYTES)
    with connect(echoed) as connection:
        threading.Thread(target=connection.sendall, args=(payload,), daemon=True).start()
        assert exactly(connection, len(payload)) == payload


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_whatever_is_sent_comes_back_as_it_was(quick: int, pieces: list[bytes]) -> None:
    with connect(quick) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"".join(pieces)


def test_a_slow_reader_that_has_said_all_still_gets_all() -> None:
    """What the proxy has not yet got rid of when the server has ended is not thrown away."""
    pieces = [os.urandom(1000) for _ in range(60)]

    def answer(connection: socket.socket) -> None:
        read_all(connection)
        for piece in pieces:
            connection.sendall(piece)

    async def stand_between(target: int) -> bytes:
        listening = socket.create_server((HOST, 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # full at once, as behind a bad network
        proxying = await asyncio.start_server(latency._serve((HOST, target), 0.001), sock=listening)
        async with proxying:
            return await asyncio.to_thread(read_late, listening.getsockname()[1])

    def read_late(port: int) -> bytes:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(ENDS_WITHIN_S)
            connection.connect((HOST, port))
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.5)
            return read_all(connection)

    with server(answer) as target:
        assert uvloop.run(stand_between(target)) == b"".join(pieces)


# ------------------------------------------------------------------------------------------------ the end


def test_a_client_that_goes_away_is_gone_for_the_server() -> None:
    gone = threading.Event()

    def notice(connection: socket.socket) -> None:
        if not connection.recv(1):
            return  # that was only a look whether somebody listens
        connection.sendall(b"y")
        with suppress(ConnectionError):
            read_all(connection)
        gone.set()

    with server(notice) as target, proxy(target) as port:
        for reset in (False, True):
            gone.clear()
            connection = connect(port)
            connection.sendall(b"x")
            assert exactly(connection, 1) == b"y"
            if reset:  # as a killed process whose kernel had something left to say
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert not gone.is_set()
            connection.close()
            assert gone.wait(ENDS_WITHIN_S)


def test_a_server_that_closes_is_gone_for_the_client_after_its_last_words() -> None:
    with server(lambda connection: connection.sendall(b"bye")) as target, proxy(target) as port:
        begun_s = time.monotonic()
        with connect(port) as connection:
            assert read_all(connection) == b"bye"
        assert time.monotonic() - begun_s >= DELAY_S


def test_a_server_that_dies_or_is_not_there_is_gone_for_the_client() -> None:
    def die(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def ended(port: int) -> bytes:
        with connect(port) as connection, suppress(ConnectionError):
            connection.sendall(b"x")
            return read_all(connection)
        return b""

    with server(die) as target, proxy(target) as port:
        assert ended(port) == b""
    with proxy(free_port()) as port:
        assert ended(port) == b""
