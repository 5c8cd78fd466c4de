"""The coverage map: each kind of cell, schedules, what wins, the totals, and what a report shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.chain import Chain
from reports import columns
from reports.attacks import Attack, injected, planned, said
from reports.coverage import Cell, CoverageMap, State, coverage, remainder, summarised, total
from reports.markdown import markdown
from reports.record import read_record
from reports.render import html, render
from reports.summary import summary
from suites.selftest.fabricated_attacks import NODES
from suites.selftest.fabricated_run import write_run

SCHEMA = json.loads((Path(columns.__file__).parent / "summary.schema.json").read_text())
API_CLOCK = {"scenario": "api-clock", "fault": {"fault": "Skew", "node": "api"}}
KILL = {"fault": "Kill", "node": "database primary", "part": "", "count": 1}


def drill(
    id_: str, fault: dict[str, Any] | None, *went_in: tuple[str, str], outcome: str = "PASS", reason: str = ""
) -> dict[str, Any]:
    """A drill of a row, the faults that went in and the node that each hit."""
    return {"id": id_, "fault": fault, "went_in": went_in, "outcome": outcome, "reason": reason}


def written(directory: Path, *drills: dict[str, Any], environment: str = "embedded", **started: Any) -> Path:
    """The record of a run of these drills."""
    chain = Chain(directory / "evidence.jsonl")
    plans = [{"drill": each["id"], "scenario": each["id"], "fault": each["fault"]} for each in drills]
    chain.append("run_started", {"run": "made-up", "planned": plans, **started})
    chain.append("stack_started", {"stack": "made up", "environment": environment, "nodes": NODES})
    for each, plan in zip(drills, plans, strict=True):
        chain.append("drill_started", plan)
        for fault, target in each["went_in"]:
            for stage in ("planned", "injected", "undone"):
                chain.append(f"fault_{stage}", {"drill": each["id"], "fault": fault, "targets": target.split(",")})
        end = {"drill": each["id"], "outcome": each["outcome"], "reason": each["reason"], "measured": {}}
        chain.append("drill_finished", end)
    chain.append("run_finished", {"outcome": "UNKNOWN", "stopped": ""})
    chain.close()
    return directory


def drawn(directory: Path, *drills: dict[str, Any], **started: Any) -> CoverageMap:
    return coverage(read_record(written(directory, *drills, **started)))


def cell(map_: CoverageMap, component: str, fault: str) -> Cell:
    return next(each for each in map_.cells if (each.component, each.fault) == (component, fault))


# ------------------------------------------------------------------------------------------------ kinds of cells


def test_attacked_cell_shows_outcome_and_drills(tmp_path: Path) -> None:
    map_ = drawn(tmp_path, drill("k", KILL, ("kill node=database primary count=1", "database-b")))
    found = cell(map_, "database", "killed")
    assert (found.state, found.outcome, found.drills, found.reason) == (State.ATTACKED, "PASS", ("k",), "")
    assert len(map_.of(State.ATTACKED)) == 1


@pytest.mark.parametrize(("other", "worse"), [("FAIL", "FAIL"), ("UNKNOWN", "UNKNOWN"), ("PASS", "PASS")])
def test_worst_outcome_wins_whatever_the_order(tmp_path: Path, other: str, worse: str) -> None:
    hit = ("kill node=database primary", "database-a")
    drills = [
        drill("good", KILL, hit),
        drill("bad", KILL, hit, outcome=other, reason="12 are gone"),
        drill("last", KILL, hit),
    ]
    found = cell(drawn(tmp_path, *drills), "database", "killed")
    assert (found.outcome, found.drills) == (worse, ("good", "bad", "last"))
    assert found.reason == ("" if other == "PASS" else "bad: 12 are gone")


def test_drill_that_the_stack_cannot_suffer_says_why(tmp_path: Path) -> None:
    fault = {"fault": "Exhaust", "node": "cache primary", "resource": "memory"}
    map_ = drawn(tmp_path, drill("m", fault, outcome="NOT EXERCISED", reason="no cgroup was delegated"))
    found = cell(map_, "cache", "memory")
    assert (found.state, found.outcome, found.drills) == (State.PREVENTED, "NOT EXERCISED", ("m",))
    assert found.reason == "not exercised: no cgroup was delegated"


def test_fault_that_never_went_in_is_no_attack(tmp_path: Path) -> None:
    reason = "the run was stopped before this drill began"
    found = cell(drawn(tmp_path, drill("k", KILL, outcome="UNKNOWN", reason=reason)), "database", "killed")
    assert (found.state, found.outcome) == (State.PREVENTED, "NOT EXERCISED")
    assert reason in found.reason


def test_drill_that_ran_wins_over_one_that_could_not(tmp_path: Path) -> None:
    idle = drill("a", KILL, outcome="NOT EXERCISED", reason="no power")
    found = cell(drawn(tmp_path, idle, drill("b", KILL, ("kill node=database", "database-a"))), "database", "killed")
    assert (found.outcome, found.drills) == ("PASS", ("b",))


def test_injection_that_failed_half_way_was_an_attack(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "evidence.jsonl")
    for kind in ("fault_planned", "fault_undone"):
        chain.append(kind, {"drill": "r", "fault": "restart node=api count=0", "targets": ["api-a", "api-b"]})
    chain.close()
    (attack,) = injected(read_record(tmp_path).drills["r"])
    assert attack == Attack("restart", {"node": "api", "count": "0"}, ("api-a", "api-b"))


@pytest.mark.parametrize(
    ("left_out", "state", "reason"),
    [
        ([API_CLOCK], State.LEFT_OUT, "not selected in this run (api-clock)"),
        ([], State.OPEN, "no row attacks this"),
        (None, State.OPEN, "no drill of this run attacks this"),
    ],
)
def test_gap_says_whether_a_row_would_close_it(
    tmp_path: Path, left_out: list[dict[str, Any]] | None, state: State, reason: str
) -> None:
    map_ = drawn(tmp_path, **({} if left_out is None else {"left_out": left_out}))
    found = cell(map_, "api", "clock")
    assert (found.state, found.outcome, found.reason) == (state, "NOT EXERCISED", f"not exercised: {reason}")


def test_catalogue_speaks_only_for_its_environment(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    there, elsewhere = drawn(tmp_path), drawn(tmp_path / "staging", environment="staging")
    assert cell(there, "api", "certificate").state is State.SPARED
    assert "TLS" in cell(there, "api", "certificate").reason
    assert cell(elsewhere, "api", "certificate").state is State.OPEN
    assert cell(elsewhere, "zone", "bad change").state is State.ABSENT


def test_drill_wins_over_the_catalogue(tmp_path: Path) -> None:
    fault = {"fault": "Exhaust", "node": "database primary", "resource": "memory"}
    map_ = drawn(tmp_path, drill("m", fault, ("exhaust node=database primary resource=memory", "database-a")))
    assert cell(map_, "database", "memory").outcome == "PASS"


def test_component_that_the_stack_has_not_is_absent(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "evidence.jsonl")
    chain.append("stack_started", {"environment": "x", "nodes": [{"name": "q", "zone": "", "role": "queue"}]})
    chain.close()
    map_ = coverage(read_record(tmp_path))
    assert {each.component for each in map_.counted} == {"queue"}, "and a role of its own has a row"
    assert cell(map_, "zone", "killed").reason == "This stack has none."


# ------------------------------------------------------------------------------------------------ faults to cells


def places(directory: Path, fault: str, target: str) -> set[tuple[str, str]]:
    map_ = drawn(directory, drill("d", None, (fault, target)))
    assert not map_.unplaced
    return {(each.component, each.fault) for each in map_.of(State.ATTACKED)}


@pytest.mark.parametrize(
    ("fault", "target", "expected"),
    [
        ("kill node=database primary part=agent count=1", "database-a", {("database", "process part killed")}),
        ("kill node=load balancer", "load-balancer", {("load balancer", "killed")}),
        ("zone_outage zone=database primary", "database-a,cache-a", {("zone", "killed")}),
        ("cut_then_kill zone=a cut_s=0.7", "database-a", {("zone", "cut off"), ("zone", "killed")}),
        ("zone_partition zone=a reachable_by_clients=True direction=both", "api-a", {("zone", "cut off")}),
        ("zone_partition zone=a direction=outbound", "api-a", {("zone", "one-way cut")}),
        ("exhaust node=cache primary resource=log volume", "cache-b", {("cache", "storage full")}),
        ("skew node=consensus leader ahead_s=60.0 behind_s=0.0", "gone-node", {("consensus", "clock")}),
    ],
)
def test_fault_belongs_to_its_cells(tmp_path: Path, fault: str, target: str, expected: set[tuple[str, str]]) -> None:
    assert places(tmp_path, fault, target) == expected


def steps(*faults_: dict[str, Any]) -> dict[str, Any]:
    return {"fault": "Schedule", "steps": [{"fault": fault, "at_s": 0.7, "for_s": 5.0} for fault in faults_]}


def test_each_step_of_a_schedule_counts_for_its_own_cell(tmp_path: Path) -> None:
    went_in = [("zone_partition zone=a direction=both", "database-a"), ("kill node=database primary", "database-a")]
    fault = steps({"fault": "ZonePartition", "zone": "a"}, KILL)
    map_ = drawn(tmp_path, drill("s", fault, *went_in, outcome="FAIL", reason="lost"))
    assert [(c.component, c.fault, c.outcome) for c in map_.of(State.ATTACKED)] == [
        ("database", "killed", "FAIL"),
        ("zone", "cut off", "FAIL"),
    ]


def test_step_that_was_not_reached_is_no_attack(tmp_path: Path) -> None:
    fault = steps({"fault": "ZonePause", "zone": "a"}, KILL)
    map_ = drawn(tmp_path, drill("s", fault, ("zone_pause zone=a", "api-a"), outcome="UNKNOWN", reason="aborted"))
    assert cell(map_, "zone", "frozen").outcome == "UNKNOWN"
    assert cell(map_, "database", "killed").state is State.PREVENTED
    assert "s never went in: aborted" in cell(map_, "database", "killed").reason


def test_what_the_map_has_no_place_for_is_said(tmp_path: Path) -> None:
    nameless = {"fault": "Schedule", "steps": [{"fault": {"node": "api"}, "at_s": 0}]}
    drills = [
        drill("new", None, ("melt node=api", "api-a")),
        drill("lost", None, ("kill node=teapot", "teapot-a")),
        drill("old", nameless, outcome="NOT EXERCISED", reason="x"),
    ]
    map_ = drawn(tmp_path, *drills)
    assert len(map_.unplaced) == 3
    assert "new: the map has no kind of fault for 'melt'" in map_.unplaced
    assert "Not on the map: new: the map has no kind of fault" in html(read_record(tmp_path))
    assert not map_.of(State.ATTACKED)


def test_plan_reads_as_words() -> None:
    (step,) = planned(steps({"fault": "ZonePartition", "zone": "a", "reachable_by_clients": True}))
    assert said(step) == "zone_partition (zone a, reachable_by_clients true) at 0.7 s for 5 s"
    assert planned({}) == []


# ------------------------------------------------------------------------------------------------ totals


def test_totals_count_what_can_be_attacked(tmp_path: Path) -> None:
    killed = drill("k", KILL, ("kill node=database", "database-a"))
    paused = drill("p", {"fault": "Pause", "node": "api"}, ("pause node=api", "api-a"), outcome="FAIL")
    map_ = drawn(tmp_path, killed, paused, left_out=[])
    counted = len(map_.components) * len(map_.faults) - len(map_.of(State.ABSENT))
    assert total(map_) == f"2 of {counted} cells attacked: 1 PASS, 1 FAIL"
    numbers = [int(number) for number in re.findall(r"\d+", remainder(map_))]
    assert sum(numbers) == counted - 2
    assert len(summarised(map_)) == counted


def test_nothing_attacked_is_no_success(tmp_path: Path) -> None:
    map_ = drawn(tmp_path)
    assert total(map_) == f"0 of {len(map_.counted)} cells attacked"
    page = html(read_record(tmp_path))
    assert 'id="coverage"' not in page
    assert "Cells attacked" not in page


# ------------------------------------------------------------------------------------------------ the reports


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_run(tmp_path_factory.mktemp("runs"), writes_per_s=60.0, attacks=True)
    render(directory)
    return directory


def test_page_shows_the_map(run: Path) -> None:
    page, map_ = (run / "report.html").read_text(), coverage(read_record(run))
    section = page[page.index('id="coverage"') : page.index('id="not-exercised"')]
    assert total(map_) in section
    tile = f"<dt>Cells attacked</dt><dd>{len(map_.of(State.ATTACKED))} <small>of {len(map_.counted)}</small></dd>"
    assert tile in page
    assert len(re.findall(r"<td class=", section)) >= len(map_.cells)
    assert section.count('aria-label="') == len(map_.cells), "each cell says in words what its sign means"
    ids, targets = set(re.findall(r'id="([^"]+)"', page)), set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= ids
    assert "Zone, killed: FAIL in 3 drills: Zone outage, Cut then kill, Rolling outage" in section
    assert not map_.unplaced


def test_summary_lists_the_cells(run: Path) -> None:
    found = summary(read_record(run))
    jsonschema.validate(found, SCHEMA)
    by_place = {(each["component"], each["fault"]): each for each in found["coverage"]}
    assert len(by_place) == len(found["coverage"])
    assert by_place["zone", "frozen"]["outcome"] == "FAIL"
    assert by_place["zone", "frozen"]["drills"] == ["zone_pause"]
    assert by_place["database", "killed"] == {
        "component": "database", "fault": "killed", "outcome": "PASS",
        "drills": ["database_primary_kill", "cut-then-kill-node"], "reason": "",
    }  # fmt: skip
    assert by_place["api", "clock"]["reason"] == "not exercised: not selected in this run (api-clock)"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"coverage": [{"component": "x", "fault": "y"}]}, SCHEMA)
    jsonschema.validate({key: value for key, value in found.items() if key != "coverage"}, SCHEMA)  # as it was before


def test_markdown_names_the_cells_that_are_not_green(run: Path) -> None:
    lines = markdown(read_record(run)).splitlines()
    assert any(line.startswith(f"**{total(coverage(read_record(run)))}.**") for line in lines)
    assert "- ✕ FAIL, zone, frozen: zone\\_pause" in lines
    assert not [line for line in lines if line.startswith("- ✓")]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>'
    render(
        written(tmp_path, drill(f"d{evil}", KILL, (f"kill node={evil}", "database-a")), drill(evil, None, (evil, evil)))
    )
    assert "<script" not in (tmp_path / "report.html").read_text()
    assert "<script" not in (tmp_path / "report.md").read_text()
