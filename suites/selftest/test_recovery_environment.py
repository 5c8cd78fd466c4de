"""The parts of building an environment anew: where it stands, its configuration, its passwords, what is compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fixtures.faults import EnvironmentLoss
from fixtures.model import NodeStatus, Status
from fixtures.recovery.__main__ import main
from fixtures.recovery.configuration import differences
from fixtures.recovery.programs import CannotRecover
from fixtures.rows import SCENARIOS, BadRow, read_scenario
from fixtures.stacks.embedded.balancer import balancer_configuration
from fixtures.stacks.embedded.binaries import CannotStart
from fixtures.stacks.embedded.layout import PLACEMENT, Layout, in_place_of, lay_out
from fixtures.stacks.embedded.rebuild import moved

from .local_servers import Postgres
from .toy_stack import provide


def layouts(tmp_path: Path, *, own_networks: bool) -> tuple[Layout, Layout]:
    old = lay_out(tmp_path / "old", PLACEMENT, own_networks=own_networks)
    return old, in_place_of(old, tmp_path / "new", PLACEMENT)


@pytest.mark.parametrize("own_networks", [True, False])
def test_the_new_environment_shares_its_front_and_the_object_store_and_nothing_else(
    tmp_path: Path, own_networks: bool
) -> None:
    old, new = layouts(tmp_path, own_networks=own_networks)
    assert [place.name for place in new.places] == [place.name for place in old.places]
    assert new.one("object store") == old.one("object store")
    assert new.one("load balancer").at("http") == old.one("load balancer").at("http")
    zones_old, zones_new = ({place.address for place in each.places if place.zone} for each in (old, new))
    assert len(zones_new) == len(zones_old)
    assert not zones_old & zones_new
    assert new.secret != old.secret
    apart = [place.directory for place in new.places if place.role != "object store"]
    assert all(path.is_relative_to(tmp_path / "new") for path in apart)
    third = in_place_of(new, tmp_path / "third", PLACEMENT)
    assert not zones_new & {place.address for place in third.places if place.zone}


def test_the_balancers_file_of_then_is_the_one_that_the_new_addresses_need(tmp_path: Path) -> None:
    old, new = layouts(tmp_path, own_networks=True)
    addresses = {place.name: place.address for place in old.places}
    saved = balancer_configuration(old, health_checks=True)
    assert moved(saved, addresses, new) == balancer_configuration(new, health_checks=True) != saved
    with pytest.raises(
        CannotStart, match="the saved configuration names database-z, which the new environment has not"
    ):
        moved(saved, {**addresses, "database-z": "192.0.2.99"}, new)


def test_addresses_that_are_swapped_or_begin_alike_are_moved_right(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, PLACEMENT, own_networks=True)
    first, second = layout.of("database")[:2]
    was = {first.name: second.address, second.name: first.address}
    assert moved(f"{second.address}:1 {first.address}:2", was, layout) == f"{first.address}:1 {second.address}:2"
    longer = replace(layout, places=(replace(first, address="10.0.0.9"),))
    assert moved("192.0.2.1 192.0.2.11", {first.name: "192.0.2.11"}, longer) == "192.0.2.1 10.0.0.9"


def test_roles_get_new_passwords_and_the_old_ones_open_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Postgres(tmp_path / "data")
    server.create()
    (server.directory / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    secrets = tmp_path / "secrets"
    secrets.mkdir()

    def given(value: str) -> str:
        (secrets / "postgres").write_text(f"{value}\n")
        assert main(["passwords", str(server.directory), str(secrets)]) == 0
        return make_conninfo(server.dsn, password=value)

    old = given("it's old")
    new = given("it's new")
    assert capsys.readouterr().out == "new passwords for postgres\n" * 2
    server.start()
    try:
        with psycopg.connect(new) as session:
            assert session.execute(
                "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE oid = 10"
            ).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(old)
        assert main(["passwords", str(server.directory), str(secrets)]) == 4
        assert "a server runs on" in capsys.readouterr().err
    finally:
        server.stop()
    (server.directory / "postmaster.pid").unlink(missing_ok=True)
    (secrets / "nobody").write_text("x")
    assert main(["passwords", str(server.directory), str(secrets)]) == 4
    assert 'cannot be set: role "nobody" does not exist' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "holds no file: expected one for each role"), ({"postgres": ""}, "postgres is empty: expected the new")],
)
def test_a_mistake_with_passwords_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert main(["passwords", str(tmp_path / "data"), str(tmp_path)]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert main(["passwords", str(tmp_path / "data"), str(tmp_path / "none")]) == 4


def test_each_setting_that_is_not_what_was_saved_is_named(tmp_path: Path) -> None:
    def saved(name: str, value: object) -> bytes:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(value))
        return json.dumps(value).encode()

    same = saved("cluster/dynamic.json", {"ttl": 20})
    saved("database/settings.json", {"fsync": "on", "port": 5432, "work_mem": "4MB"})
    saved("database/access.json", [["host", "all"]])
    now = {
        "cluster/dynamic.json": same,
        "database/settings.json": json.dumps({"fsync": "off", "port": 5433, "max_connections": 1}).encode(),
        "database/access.json": json.dumps([["host", "all"], ["local", "all"]]).encode(),
    }
    assert differences(tmp_path, now, ["port", "work_*"]) == [
        'database/settings fsync: was "on", is "off"',
        "database/settings max_connections: was not there, is 1",
        'database/access rules: was [["host", "all"]], is [["host", "all"], ["local", "all"]]',
    ]
    assert differences(tmp_path, {"cluster/dynamic.json": same}) == []
    with pytest.raises(CannotRecover, match=r"cluster/other\.json cannot be read"):
        differences(tmp_path, {"cluster/other.json": same})


def test_a_stack_that_cannot_be_built_anew_is_not_exercised_and_one_that_survived_was_not_lost() -> None:
    fault = EnvironmentLoss()
    with provide() as stack:
        assert "from its object store alone" in fault.lacking(stack)
    up, down = NodeStatus(answers=True), NodeStatus(answers=False)
    before = Status(0.0, {"a": up, "b": up}, True, ())
    assert fault.felt(before, Status(1.0, {"a": down, "b": down}, False, ()), ("a", "b"))
    assert not fault.felt(before, Status(1.0, {"a": down, "b": up}, False, ()), ("a", "b"))


def test_a_row_without_a_way_back_is_refused(tmp_path: Path) -> None:
    row = (SCENARIOS / "environment-lost.yaml").read_text().replace("recovery:\n  runbook: environment-lost\n", "")
    (tmp_path / "row.yaml").write_text(row)
    with pytest.raises(
        BadRow, match=r"nothing undoes environment_loss; add recovery: \{runbook: \.\.\.\} that says how"
    ):
        read_scenario(tmp_path / "row.yaml")
