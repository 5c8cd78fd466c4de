"""What an operator of the Docker stack types reaches the right machine, as it was typed. Needs no Docker."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.stacks.docker.backups import _cluster, _on_member
from fixtures.stacks.docker.recipes import BARMAN, recipes
from fixtures.stacks.embedded.layout import lay_out
from fixtures.stacks.embedded.operator import write

BARMANS_OWN = pytest.importorskip("barman.clients").__path__[0]


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """``on-member``, and a ``docker`` that says what it was asked and copies its standard input."""
    machines: Any = {name: SimpleNamespace(name=f"abacus-1-{name}-machine") for name in ("database-a", "database-b")}
    write(tmp_path / "on-member", _on_member(machines))
    write(tmp_path / "docker", "#!/bin/sh\nprintf '<%s>' \"$@\"; cat; exit 3\n")
    return tmp_path


def on_member(commands: Path, *words: str, said: str = "") -> tuple[int, str]:
    path = f"{commands}:{os.environ['PATH']}"
    done = subprocess.run(
        ["on-member", *words],
        input=said,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_command_runs_on_the_members_machine_with_its_words_its_input_and_its_exit_code(commands: Path) -> None:
    code, said = on_member(commands, "database-b", "psql", "-qAtc", "SELECT 1 -- 'two words'", said="COPY me\n")
    assert code == 3
    assert said == (
        "<exec><-i><-e><TARGET_TIME><abacus-1-database-b-machine><psql><-qAtc><SELECT 1 -- 'two words'>COPY me\n"
    )


def test_who_is_no_member_is_named(commands: Path) -> None:
    assert on_member(commands, "cache-a", "true") == (1, "cache-a is no member with a machine\n")


def test_the_operator_asks_the_consensus_store_where_this_machine_reaches_it(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, {"consensus": "abc"}, own_networks=True)
    config: Any = _cluster(SimpleNamespace(layout=layout))  # type: ignore[arg-type]
    assert config["etcd3"]["hosts"].split(",") == [place.at("client") for place in layout.of("consensus")]
    assert config["etcd3"]["use_proxies"] is True


def test_the_machines_image_has_barmans_programs_as_modules_that_are_there() -> None:
    commands = recipes()["operator"].commands
    for end, module in BARMAN.items():
        assert commands[f"barman-cloud-{end}"] == f"python3 -m barman.clients.cloud_{module}"
        assert '__name__ == "__main__"' in (Path(BARMANS_OWN) / f"cloud_{module}.py").read_text()
