"""Three etcd members on loopback, for tests of what the stack stands on."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fixtures import linux

from .local_servers import free_port


@dataclass(frozen=True)
class Members:
    """Three members of one cluster, on loopback."""

    processes: tuple[subprocess.Popen[bytes], ...]
    clients: tuple[str, ...]

    def ask(self, member: int, path: str, body: Mapping[str, object]) -> Any:
        """What a member answers to a call of etcd's JSON gateway. Raises OSError."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.clients[member]}/v3/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return json.load(answer)

    def leader(self) -> int:
        """The number of the member that leads; waits for one."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for member in range(len(self.clients)):
                try:
                    said = self.ask(member, "maintenance/status", {})
                except OSError:
                    continue
                if said.get("leader") == said["header"]["member_id"]:
                    return member
            time.sleep(0.1)
        raise AssertionError("no member leads after 20 s")


@contextmanager
def three(
    binary: Path, directory: Path, *more: str, hosts: Sequence[str] = ("127.0.0.1",) * 3, networks: Sequence[int] = ()
) -> Iterator[Members]:
    """Started with ``more`` flags; killed at the end, and with whoever started them.

    ``networks``: the pids in whose network namespaces the members run, each at its host; else on free ports.
    """
    ports = [(free_port(), free_port()) if not networks else (2379, 2380) for _ in hosts]
    clients, peers = (
        tuple(f"http://{host}:{pair[side]}" for host, pair in zip(hosts, ports, strict=True)) for side in (0, 1)
    )
    cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
    processes: list[subprocess.Popen[bytes]] = []

    def begin(number: int) -> None:
        if networks:
            linux.enter_network_of(networks[number])
        linux.die_with_parent()

    try:
        for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            urls = {"client-urls": client, "peer-urls": peer}
            flags = [f"--listen-{name}={url}" for name, url in urls.items()]
            flags += [f"--advertise-client-urls={client}", f"--initial-advertise-peer-urls={peer}"]
            flags += [f"--name=m{number}", f"--data-dir={directory / str(number)}", f"--initial-cluster={cluster}"]
            with (directory / f"log-{number}").open("wb") as log:
                started = subprocess.Popen(
                    [binary, *flags, *more], stdout=log, stderr=log, preexec_fn=partial(begin, number)
                )
                processes.append(started)
        yield Members(tuple(processes), clients)
    finally:
        for process in processes:
            process.kill()
            process.wait()
