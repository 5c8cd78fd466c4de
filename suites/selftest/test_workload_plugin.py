"""The fixture ``load``, with a fake stack and a fake evidence."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.history import read_history
from fixtures.model import FaultWindow, History, Load, Objectives, Scenario
from fixtures.workloads import plugin
from fixtures.workloads.clients import WorkloadError
from fixtures.workloads.drive import Patience
from fixtures.workloads.planted import planted_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAULT: Any = SimpleNamespace(targets=lambda *_: ())
SCENARIO = Scenario("partition", "", FAULT, Load(1, 1, 1), Objectives(1, 1, 1, 1), ())
QUICK = Patience(steady_s=0.2, after_s=0.1)


class FakeEvidence:
    """Keeps what it is told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seed = 9
        self.history: History | None = None
        self.recorded: dict[str, dict[str, Any]] = {}
        self.sealed = False

    def record(self, kind: str, **data: Any) -> None:
        """Remember."""
        self.recorded[kind] = data

    def seal(self) -> None:
        """Only once all is written."""
        assert (self.directory / "history.json").exists()
        self.sealed = True


@pytest.fixture
def evidence(tmp_path: Path) -> FakeEvidence:
    return FakeEvidence(tmp_path)


@pytest.fixture
def stack() -> Iterator[SimpleNamespace]:
    with planted_api() as api:
        yield SimpleNamespace(name="fake", endpoint=lambda _: api.url, status=lambda: None, nodes=())


@pytest.fixture
def tell() -> Callable[[str], None]:
    return print


load = plugin.load


def test_a_drill_gets_its_history_and_leaves_it_on_disk(load: Callable[..., Any], evidence: FakeEvidence) -> None:
    history: History
    with load(Load(100, 20), patience=QUICK, database=None) as history:
        assert evidence.history is history
        assert history.operations is None
        history.faults.append(FaultWindow("kill", ("a/api-1",), 1.0))
    assert history.operations is not None
    written = read_history(evidence.directory)
    assert written.faults == history.faults
    assert written.ledgers.keys() == {"api"}
    assert evidence.recorded["load"]["settings"]["seed"] == 9
    assert evidence.recorded["load"]["generator_lag_ms_p99"] >= 0
    assert evidence.sealed


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("leger",), {}, r"load\('leger'\): expected a Load, a Scenario or one of 'ledger'"),
        ((Load(1, 1, 1),), {}, "say where"),
        ((SCENARIO,), {}, "'partition' has load.inside_writes_per_s, but its fault hits no zone"),
    ],
)
def test_a_load_that_cannot_be_made_says_why(
    load: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message), load(*arguments, **options):
        pass


def test_clients_inside_a_stack_that_cannot_hold_them_are_not_exercised(load: Callable[..., Any]) -> None:
    with (
        pytest.raises(pytest.skip.Exception, match="not exercised: the stack 'fake' cannot place clients"),
        load(Load(1, 1, 1), inside_zone="a"),
    ):
        pass


def test_clients_inside_stand_in_the_zone_that_the_fault_hits(stack: SimpleNamespace) -> None:
    stack.nodes = (SimpleNamespace(name="x", zone="b"), SimpleNamespace(name="y", zone="c"))
    fault: Any = SimpleNamespace(targets=lambda *_: ("x",))
    fake: Any = stack
    assert plugin._zone_hit(replace(SCENARIO, fault=fault), fake) == "b"
