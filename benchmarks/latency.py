"""What the latency proxy adds by itself: ``python -m benchmarks.latency [--rounds N]``.

Round trips of 100 bytes and of 10 kB with an echo server on loopback: direct, through ``fixtures.stacks.latency``
without a delay, and with one of 20 ms. The three take turns, so that what else the machine does hits all of them alike.
Echo server and proxies run in processes of their own, on ports that the kernel picks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil
import uvloop

HOST = "127.0.0.1"
SIZES_BYTES = (100, 10_000)
DELAY_S = 0.02
AIM_MS = 1.0
"""How far a delay may be off."""
TRIPS, DELAYED_TRIPS = 200, 20
"""In a row, each round."""
WITHIN_S = 10.0


@dataclass(frozen=True)
class Route:
    """A connection to the echo server, and what its round trips took."""

    name: str
    connection: socket.socket
    delay_s: float = 0.0
    took_s: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES_BYTES})
    """By bytes each way."""

    def travel(self, size: int, *, recorded: bool) -> None:
        """So many round trips as one round has, each begun when the one before is back."""
        message, answer = os.urandom(size), bytearray(size)
        for _ in range(DELAYED_TRIPS if self.delay_s else TRIPS):
            begun_s = time.perf_counter()
            self.connection.sendall(message)
            _receive(self.connection, answer)
            took_s = time.perf_counter() - begun_s
            if recorded:
                self.took_s[size].append(took_s)
        if answer != message:
            raise SystemExit(f"{self.name}: what came back is not what was sent")


def _receive(connection: socket.socket, into: bytearray) -> None:
    view = memoryview(into)
    while view:
        received = connection.recv_into(view)
        if not received:
            raise SystemExit("the connection was closed in the middle of a round trip")
        view = view[received:]


@contextmanager
def _listening(module: str, *arguments: str) -> Iterator[int]:
    """A server in a process of its own; its port. Raises SystemExit where it does not come up."""
    with subprocess.Popen([sys.executable, "-m", module, *arguments]) as process:
        try:
            yield _port_of(process)
        finally:
            process.kill()


def _port_of(process: subprocess.Popen[bytes]) -> int:
    """Where it listens, as the kernel tells."""
    deadline_s = time.monotonic() + WITHIN_S
    while process.poll() is None and time.monotonic() < deadline_s:
        for one in psutil.Process(process.pid).net_connections("tcp4"):
            if one.status == psutil.CONN_LISTEN:
                return int(one.laddr.port)
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} did not listen within {WITHIN_S:g} s")


@contextmanager
def _routes() -> Iterator[tuple[Route, ...]]:
    with ExitStack() as stack:

        def connected(name: str, port: int, delay_s: float = 0.0) -> Route:
            connection = stack.enter_context(socket.create_connection((HOST, port), timeout=WITHIN_S))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return Route(name, connection, delay_s)

        def proxied(delay_s: float) -> Route:
            listening = _listening("fixtures.stacks.latency", f"{HOST}:0", f"{HOST}:{echo}", str(delay_s))
            return connected(f"proxy, {delay_s * 1e3:g} ms", stack.enter_context(listening), delay_s)

        echo = stack.enter_context(_listening("benchmarks.latency", "--echo"))
        yield connected("direct", echo), proxied(0.0), proxied(DELAY_S)


def measure(rounds: int) -> None:
    """Travel all routes in turn, after a round to warm up; print the tables."""
    with _routes() as routes:
        for number in range(rounds + 1):
            for size in SIZES_BYTES:
                for route in routes:
                    route.travel(size, recorded=number > 0)
    direct = routes[0]
    print(f"round trips, {rounds} rounds of {TRIPS}, of {DELAYED_TRIPS} where delayed; {os.cpu_count()} cores")
    print(" bytes  route         median us     p99 us    ratio  requests/s")
    for size in SIZES_BYTES:
        plain_s = np.median(direct.took_s[size])
        for route in routes:
            took_s = np.array(route.took_s[size])
            median_s, p99_s = np.percentile(took_s, (50, 99))
            print(
                f"{size:6}  {route.name:12} {median_s * 1e6:10.1f} {p99_s * 1e6:10.1f} "
                f"{median_s / plain_s:8.1f} {len(took_s) / took_s.sum():11.0f}"
            )
    delayed = next(route for route in routes if route.delay_s)
    print(f"\nerror of the delay of {DELAY_S * 1e3:g} ms: a delayed trip less the delay and the median direct trip, ms")
    for size in SIZES_BYTES:
        off_ms = (np.array(delayed.took_s[size]) - np.median(direct.took_s[size]) - DELAY_S) * 1e3
        least, median, p99 = np.percentile(off_ms, (0, 50, 99))
        print(f"{size:6}  median {median:6.2f}   least {least:6.2f}   p99 {p99:6.2f}   aim: within {AIM_MS:g}")


async def _echo() -> None:
    """Send back whatever comes, until the process is ended."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(64 * 1024):
            writer.write(piece)
        writer.close()

    async with await asyncio.start_server(connected, HOST, 0) as server:
        await server.serve_forever()


def main() -> None:
    """Measure, or be the echo server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds: expected 1 or more, got {options.rounds}")
    if options.echo:
        uvloop.run(_echo())
    measure(options.rounds)


if __name__ == "__main__":
    main()
