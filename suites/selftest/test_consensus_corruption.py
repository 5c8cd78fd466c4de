"""A consensus member whose data came to differ is told by etcd itself, and is a problem of the stack's status."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fixtures.stacks.embedded.layout import Layout, Place
from fixtures.stacks.embedded.newer_etcd import built
from fixtures.stacks.embedded.observe import Observer

from .etcd_members import Members, three

FLAGS = ("--experimental-initial-corrupt-check=true", "--experimental-corrupt-check-time=1s")
VALUE, ANOTHER = b"ABACUS" * 40, b"SABACU" * 40


def _coded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def _observed(members: Members, directory: Path) -> Layout:
    places = []
    for number, client in enumerate(members.clients):
        address = urlsplit(client)
        ports = {"client": address.port or 0}
        places.append(Place(f"m{number}", "consensus", "a", str(address.hostname), ports, directory / str(number)))
    return Layout(tuple(places), own_networks=False)


def _problems(observer: Observer) -> list[str]:
    return observer._problems({place.name: observer.ask(place) for place in observer.layout.places})


def test_a_member_whose_data_differ_is_a_problem(tmp_path: Path) -> None:
    if not built().exists():
        pytest.skip(f"not exercised: {built()} is not built: python -m fixtures.stacks.embedded")
    with three(built(), tmp_path, *FLAGS) as members, ThreadPoolExecutor(3) as pool:
        observer = Observer(_observed(members, tmp_path), "off", pool)
        leader = members.leader()
        members.ask(leader, "kv/put", {"key": _coded(b"mine"), "value": _coded(VALUE)})
        time.sleep(3)  # several comparisons of members that are the same
        assert not [problem for problem in _problems(observer) if "CORRUPT" in problem]

        database = tmp_path / str((leader + 1) % 3) / "member" / "snap" / "db"
        damaged = database.read_bytes().replace(VALUE, ANOTHER)
        assert damaged != database.read_bytes()
        with database.open("r+b") as pages:  # in place: the member has these pages mapped into its memory
            pages.write(damaged)
        deadline = time.monotonic() + 20
        while not (found := [problem for problem in _problems(observer) if "CORRUPT" in problem]):
            assert time.monotonic() < deadline, "the members never came to differ for the observer"
            time.sleep(0.2)
    assert found
