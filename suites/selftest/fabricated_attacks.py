"""Made-up drills without a load, one for each kind of cell that a coverage map can have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fixtures.drill import Drill
from fixtures.faults import (
    BadChange,
    Exhaust,
    Kill,
    Pause,
    Restart,
    Schedule,
    Skew,
    Slow,
    Step,
    ZoneFlapping,
    ZoneOutage,
    ZonePartition,
)
from fixtures.model import Fault, Load, Objectives, Outcome, Scenario, Verdict
from fixtures.run import Run

PASS, FAIL, UNKNOWN, NOT_EXERCISED = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_EXERCISED
OUTSIDE = ("load balancer", "object store")
NODES = tuple(
    {"name": f"{role}-{zone}", "zone": zone, "role": role}
    for zone in "abc"
    for role in ("database", "cache", "sentinel", "consensus", "api")
) + tuple({"name": role.replace(" ", "-"), "zone": "", "role": role} for role in OUTSIDE)


@dataclass(frozen=True)
class Attacked:
    """A drill of a row: its faults in order, and how it ended."""

    row: str
    steps: tuple[Step, ...]
    outcome: Outcome = PASS
    reason: str = ""


def _alone(row: str, fault: Fault, outcome: Outcome = PASS, reason: str = "") -> Attacked:
    return Attacked(row, (Step(fault),), outcome, reason)


ATTACKS = (
    _alone("database-postmaster-kill", Kill("database primary", part="server")),
    _alone("database-patroni-kill", Kill("database primary", part="agent"), FAIL, "12 of 8 231 writes are gone"),
    _alone("database-restart", Restart("database replica")),
    _alone("database-slow", Slow("database primary", 0.4)),
    _alone("database-data-full", Exhaust("database primary", "data volume")),
    _alone("database-wal-full", Exhaust("database primary", "wal volume"), UNKNOWN, "no observer saw it"),
    _alone("database-connections", Exhaust("database primary", "connections")),
    _alone("database-processor", Exhaust("database primary", "processor")),
    _alone("database-memory", Exhaust("database primary", "memory"), NOT_EXERCISED, "needs a delegated memory cgroup"),
    _alone("database-clock", Skew("database primary", ahead_s=3600), NOT_EXERCISED, "libfaketime is not installed"),
    _alone("migration-locks", BadChange("database primary", "table lock")),
    _alone("api-rolling-restart", Restart("api", count=0)),
    _alone("api-descriptors", Exhaust("api", "descriptors")),
    _alone("api-never-ready", BadChange("api", "never ready")),
    _alone("api-slow", Slow("api", 1.5), UNKNOWN, "the load was too thin: 41 writes during the fault, 100 are needed"),
    _alone("cache-slow", Slow("cache primary", 0.2)),
    _alone("cache-pause", Pause("cache primary")),
    _alone("sentinel-kill", Kill("sentinel")),
    _alone("consensus-quorum-lost", Kill("consensus", count=2)),
    _alone("consensus-follower-pause", Pause("consensus follower")),
    _alone("load-balancer-reload", Restart("load balancer")),
    _alone("object-store-gone", Kill("object store")),
    _alone("object-store-slow", Slow("object store", 2.0)),
    _alone("zone-flapping", ZoneFlapping("a")),
    _alone("zone-cut-one-way", ZonePartition("a", direction="inbound")),
    Attacked("cut-then-kill-node", (Step(ZonePartition("a"), for_s=5), Step(Kill("database primary"), at_s=0.7))),
    Attacked("rolling-outage", tuple(Step(ZoneOutage(z), for_s=5, once_healthy=True) for z in "abc")),
)
LEFT_OUT = ({"scenario": "api-clock", "fault": {"fault": "Skew", "node": "api", "ahead_s": 60}},)


def text_of(fault: Fault) -> str:
    """A fault as the lines of a record name it."""
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(fault).__name__)
    return " ".join([words.lstrip("_"), *(f"{key}={value}" for key, value in vars(fault).items() if value != "")])


def targets_of(fault: Fault) -> tuple[str, ...]:
    """The made-up nodes that it hits."""
    fields = vars(fault)
    zone, words = fields.get("zone"), str(fields.get("node"))
    hit = [node["name"] for node in NODES if (node["zone"] == zone if zone else words.startswith(node["role"]))]
    return tuple(hit if zone else hit[: fields.get("count", 1) or None])


def drills() -> Iterator[tuple[Drill, Attacked]]:
    """The drills, as they are planned."""
    for attacked in ATTACKS:
        fault = attacked.steps[0].fault if len(attacked.steps) == 1 else Schedule(attacked.steps)
        row = Scenario(attacked.row, "Made up.", fault, Load(), Objectives(30, 32, 0, 1), ("AWSWA:REL12-BP04",))
        yield Drill(attacked.row, f"suites/chaos/test_faults.py::test_x[{attacked.row}]", row, row.controls), attacked


def run_drill(run: Run, drill: Drill, attacked: Attacked) -> None:
    """Record it: the stages of each fault that went in, and how the drill ended."""
    run.start(drill)
    for step in attacked.steps if attacked.outcome is not NOT_EXERCISED else ():
        for stage in ("planned", "injected", "felt", "undone", "healed"):
            run.record(f"fault_{stage}", drill=drill.id, fault=text_of(step.fault), targets=targets_of(step.fault))
    if attacked.outcome is NOT_EXERCISED:
        drill.troubles.append((NOT_EXERCISED, attacked.reason))
    else:
        drill.verdicts.append(Verdict("no_lost_writes", attacked.outcome, attacked.reason or "Nothing is gone.", {}))
    run.finish(drill)
