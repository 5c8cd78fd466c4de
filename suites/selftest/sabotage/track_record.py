"""The table of planted defects, and the README's track record made from a run of it.

``python -m suites.selftest.sabotage.track_record RESULTS`` writes the table between the README's markers; RESULTS is
the directory in which ``test_sabotage.py`` left one JSON file a defect.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"
BEGIN, END = "<!-- track record: begin -->", "<!-- track record: end -->"


@dataclass(frozen=True)
class Defect:
    """One planted defect and exactly what must go red because of it."""

    name: str
    """A provider in ``stacks.py``, or ``good`` for a good stack under a bad load."""
    says: str
    """The defect, for the table."""
    row: str
    """The scenario that meets it: a row of ``scenarios/``, or of ``rows/`` here."""
    red: frozenset[str]
    """The checks that must not be PASS; every other check must be."""
    since: str
    """When it was first caught; empty until then, and the table leaves it out."""
    telling: str
    """The measured number that tells the story."""

    @property
    def id(self) -> str:
        """The stack and the drill, which together are unique."""
        return f"{self.name}-{self.row}"


def _defect(name: str, says: str, row: str, red: str, telling: str, since: str = "2026-11-24") -> Defect:
    return Defect(name, says, row, frozenset(red.split()), since, telling)


_NEEDS_WRITES = (
    "no_lost_writes applied_once balances_conserved unavailable_at_most recovered_within served_once_healed "
    "no_split_brain reads_never_stale_beyond ready_is_honest"
)
"""Nothing that is said of writes may pass where there were none."""

DEFECTS = (
    _defect("asynchronous", "asynchronous replication", "cut-then-kill", "no_lost_writes", "rpo_writes"),
    _defect("kill_does_nothing", "a kill that does nothing", "api-kill", "fault_was_felt", "faults_felt"),
    _defect(
        "cut_does_nothing",
        "a cut that cuts nothing",
        "cut-then-kill",
        "fault_was_felt",
        "faults_felt",
        since="2026-11-28",
    ),
    _defect("always_ready", "readiness that always says yes", "zone-loss", "ready_is_honest", "ready_while_unwritable"),
    _defect(
        "acknowledges_before_commit",
        "an API that acknowledges before it commits",
        "database-primary-kill",
        "no_lost_writes",
        "rpo_writes",
    ),
    _defect("applies_twice", "a transfer applied twice", "api-kill", "applied_once", "wrong_balances"),
    _defect("makes_money", "a replay that creates money", "api-kill", "applied_once balances_conserved", "drift"),
    _defect(
        "goes_on_alone",
        "a primary that goes on without a standby",
        "database-replicas-kill",
        "refused_at_least",
        "refused_s",
        since="2026-11-28",
    ),
    _defect("stale_cache", "a cache that serves stale balances", "api-kill", "reads_never_stale_beyond", "stale_max_s"),
    _defect("good", "a load that sends no writes", "no-writes", f"load_was_enough {_NEEDS_WRITES}", "before"),
    _defect(
        "kill_hits_a_neighbour",
        "a kill that ends a neighbour, too",
        "api-kill",
        "nothing_else_touched",
        "beyond_the_plan",
    ),
    _defect(
        "generator_stalls",
        "a load's generator that stalls for 0.8 s",
        "api-kill",
        "load_kept_schedule",
        "lag_p99_s",
        since="2026-11-28",
    ),
    _defect(
        "comes_back_wrong",
        "an API process that comes back and refuses writes",
        "api-kill",
        "served_once_healed",
        "healed_unserved",
        since="2026-11-28",
    ),
    _defect(
        "restarts_without_draining",
        "a release that does not drain",
        "api-rolling-restart",
        "failed_requests_at_most",
        "failed_requests",
    ),
    _defect("balancer_asks_nobody", "a load balancer that asks nobody", "api-slow", "recovered_within", "rto_s"),
    *(
        _defect("nothing_gets_worse", f"{what} that does nothing", row, "fault_was_felt", "faults_felt", "2026-11-25")
        for what, row in (
            ("a slowdown", "api-slow"),
            ("a full volume", "database-data-full"),
            ("a bad release", "release-fails"),
            ("a wrong clock", "api-clock"),
        )
    ),
    _defect(
        "one_database_zone",
        "one zone holding both database members",
        "zone-loss",
        "unavailable_at_most recovered_within",
        "unavailable_s",
    ),
    _defect(
        "nobody_fences",
        "an old primary that still accepts writes",
        "zone-partition-inside",
        "no_lost_writes no_split_brain",
        "split_writes",
    ),
    _defect(
        "nothing_gets_worse",
        "a rotation that leaves the old secret valid",
        "secret-rotation",
        "fault_was_felt",
        "faults_felt",
        since="2026-11-27",
    ),
    _defect(
        "needs_a_restart_for_a_secret",
        "an API that needs a restart for a new secret",
        "secret-rotation",
        "recovered_within unavailable_at_most failed_requests_at_most",
        "failed_requests",
        since="2026-11-27",
    ),
    _defect(
        "failover_asks_aws",
        "a failover that asks AWS first",
        "failover-without-aws",
        "recovered_within unavailable_at_most",
        "unavailable_s",
        since="2026-11-27",
    ),
    _defect(
        "rescue_overwrites",
        "a rescue that overwrites what was written since",
        "rows-deleted",
        "rescued_within no_lost_writes applied_once",
        "since_missing",
        since="2026-11-28",
    ),
    _defect(
        "goes_back_too_far",
        "a recovery that goes back three seconds too far",
        "table-dropped",
        "writes_kept_until no_lost_writes loss_spans_at_most",
        "not_kept",
        since="2026-11-28",
    ),
    _defect(
        "times_are_made_up",
        "a recovery that took less time than it says",
        "database-lost",
        "phases_add_up",
        "rest_s",
        since="2026-11-28",
    ),
    _defect(
        "does_not_go_back",
        "a recovery that goes on to the end of the archive",
        "migration-goes-back",
        "nothing_kept_after applied_once",
        "too_late_and_kept",
        since="2026-11-28",
    ),
    _defect(
        "backup_stores_nothing",
        "a backup that says it is whole and stores nothing",
        "backup-during-failover",
        "backup_met_a_fault",
        "used",
        since="2026-11-28",
    ),
    _defect(
        "new_environment_is_behind",
        "a new environment that is three seconds behind what was archived",
        "environment-lost",
        "writes_kept_until",
        "not_kept",
        since="2026-11-28",
    ),
    _defect(
        "server_starts_by_itself",
        "a machine that comes back and starts its old PostgreSQL unasked",
        "old-primary-returns",
        "returned_member_never_led",
        "returned_led",
        since="2026-11-28",
    ),
    _defect(
        "snapshot_is_not_laid",
        "caches that are started without their snapshot",
        "cache-lost",
        "cache_came_back",
        "loaded",
        since="2026-11-28",
    ),
)


def table(results: dict[str, dict[str, float]]) -> str:
    """The Markdown table; ``results`` maps a defect's id to what was measured."""
    lines = [
        "| planted defect | drill | turned red, and nothing else | measured | caught since |",
        "|---|---|---|---|---|",
    ]
    for defect in (each for each in DEFECTS if each.since):
        measured = results[defect.id].get(defect.telling)
        number = f"{measured:g}" if isinstance(measured, int | float) else "-"
        red = ", ".join(f"`{check}`" for check in sorted(defect.red))
        lines.append(f"| {defect.says} | `{defect.row}` | {red} | `{defect.telling}` {number} | {defect.since} |")
    return "\n".join(lines)


def main(results: Path) -> None:
    """Write the table of a run into the README."""
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
