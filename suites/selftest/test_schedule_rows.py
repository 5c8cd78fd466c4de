"""Rows whose fault is a schedule: what is read, every mistake as one sentence, and the schema agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.drill import named
from fixtures.faults import FAULTS, Kill, Schedule, Step, ZonePartition
from fixtures.model import Abort
from fixtures.scenario import BadRow, read_scenario, read_scenarios
from fixtures.schema import schema
from fixtures.stacks.embedded.layout import ROLES, ZONES

from .test_scenario_rows import GOOD, written

KILL = {"kill": {"node": "api"}}
CUT = {"zone_partition": {"zone": "a", "reachable_by_clients": True, "direction": "outbound"}}


def scheduled(steps: Any) -> dict[str, Any]:
    """GOOD with a schedule."""
    return GOOD | {"fault": {"schedule": steps}}


BAD = {
    "no list": (scheduled(KILL), "fault.schedule: expected a list of steps such as `- {at_s: 5, kill: {node: api}}`"),
    "no step": (scheduled([]), "fault.schedule: expected a list of steps such as"),
    "nothing": (scheduled(None), "fault.schedule: expected a list of steps such as"),
    "step as text": (scheduled([KILL, "kill"]), "fault.schedule.1: expected keys at_s, for_s, once_healthy, kill"),
    "two faults": (
        scheduled([KILL, KILL | CUT]),
        "fault.schedule.1: expected one fault in each step, got kill, zone_partition",
    ),
    "no fault": (scheduled([{"at_s": 1}]), "fault.schedule.0: expected one fault in each step, got none"),
    "fault unknown": (
        scheduled([{"kil": {"node": "api"}}]),
        "fault.schedule.0: unknown key 'kil'; did you mean 'kill'?",
    ),
    "time unknown": (
        scheduled([KILL | {"at": 3}]),
        "fault.schedule.0: unknown key 'at'; did you mean 'at_s'?",
    ),
    "schedule in a schedule": (scheduled([{"schedule": [KILL]}]), "fault.schedule.0: unknown key 'schedule'"),
    "fault beside it": (GOOD | {"fault": {"schedule": [KILL], **KILL}}, "fault: expected one fault with its fields"),
    "field of the fault": (
        scheduled([{"kill": {"nod": "api"}}]),
        "fault.schedule.0.kill: unknown key 'nod'; did you mean 'node'?",
    ),
    "field missing": (scheduled([{"kill": {}}]), "fault.schedule.0.kill.node is missing"),
    "word": (
        scheduled([KILL, {"kill": {"node": "api", "part": "agnet"}}]),
        "fault.schedule.1.kill.part: 'agnet' is none of the words that are known here; did you mean 'agent'?",
    ),
    "negative": (scheduled([KILL | {"at_s": -1}]), "fault.schedule.0.at_s: expected a number of 0 or more, got -1"),
    "text as time": (scheduled([KILL | {"for_s": "5 s"}]), "fault.schedule.0.for_s: expected a number, got '5 s'"),
    "number as wait": (
        scheduled([KILL | {"for_s": 1}, KILL | {"once_healthy": 1}]),
        "fault.schedule.1.once_healthy: expected true or false, got 1",
    ),
}
BEYOND_THE_SCHEMA = {
    "out of order": (
        scheduled([KILL | {"at_s": 5}, KILL | {"at_s": 4.5}]),
        "fault.schedule.1.at_s: 4.5 is before the step above; put steps in order",
    ),
    "waits for ever": (
        scheduled([KILL | {"for_s": 5}, KILL, KILL | {"for_s": 5}, KILL | {"once_healthy": True}]),
        "fault.schedule.3.once_healthy: an earlier step stays until the drill ends, so the stack would never be",
    ),
    "endless": (scheduled([KILL | {"for_s": float("inf")}]), "fault.schedule.0.for_s: expected a number, got inf"),
}


@pytest.mark.parametrize("name", [*BAD, *BEYOND_THE_SCHEMA])
def test_a_mistake_is_one_sentence_with_file_and_key(tmp_path: Path, name: str) -> None:
    row, message = (BAD | BEYOND_THE_SCHEMA)[name]
    path = written(tmp_path, row)
    with pytest.raises(BadRow) as raised:
        read_scenario(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("name", BAD)
def test_the_schema_refuses_what_the_loader_refuses(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(BAD[name][0], schema())


@pytest.mark.parametrize("name", BEYOND_THE_SCHEMA)
def test_what_the_schema_cannot_say_it_lets_pass(name: str) -> None:
    jsonschema.validate(BEYOND_THE_SCHEMA[name][0], schema())


def test_a_schedule_is_read_in_order(tmp_path: Path) -> None:
    row = scheduled([CUT | {"for_s": 5}, KILL | {"at_s": 0.7, "for_s": 20}, KILL | {"at_s": 1, "once_healthy": True}])
    jsonschema.validate(row, schema())
    read = read_scenario(written(tmp_path, row))
    assert read.fault == Schedule(
        (
            Step(ZonePartition("a", reachable_by_clients=True, direction="outbound"), 0.0, 5.0),
            Step(Kill("api"), 0.7, 20.0),
            Step(Kill("api"), 1.0, 0.0, once_healthy=True),
        )
    )
    assert (read.nightly, read.abort, read.objectives.failed_requests) == (False, Abort(), None)
    first, second, _ = named(read.fault)["steps"]
    assert first["fault"]["direction"] == "outbound"
    assert (second["at_s"], second["fault"]) == (0.7, {"fault": "Kill", "node": "api", "part": "", "count": 1})


def test_when_it_runs_when_it_stops_and_what_may_fail_are_read(tmp_path: Path) -> None:
    row = GOOD | {
        "nightly": True,
        "abort": {"unwritable_s": 40, "url": "http://127.0.0.1/health"},
        "objectives": GOOD["objectives"] | {"failed_requests": 0},
    }
    jsonschema.validate(row, schema())
    read = read_scenario(written(tmp_path, row))
    assert (read.nightly, read.abort) == (True, Abort(40.0, "http://127.0.0.1/health"))
    assert read.objectives.failed_requests == 0


def test_a_word_that_names_nothing_is_found_in_any_step() -> None:
    schedule = Schedule((Step(Kill("api")), Step(Kill("databse primary"))))
    assert schedule.misnamed(ROLES, ZONES).startswith("1.node: this stack has no 'databse primary'; did you mean")
    assert not Schedule((Step(Kill("api")), Step(ZonePartition("database primary")))).misnamed(ROLES, ZONES)


def test_every_fault_has_a_row_and_each_kind_of_schedule_too() -> None:
    rows = read_scenarios().values()
    steps = [step for row in rows if isinstance(row.fault, Schedule) for step in row.fault.steps]
    single = {type(row.fault) for row in rows if not isinstance(row.fault, Schedule)}
    assert single | {type(step.fault) for step in steps} == set(FAULTS.values())
    assert any(step.once_healthy for step in steps)
    assert any(row.nightly for row in rows)
    assert any(not row.nightly for row in rows)
    assert any(row.objectives.failed_requests is not None for row in rows)
