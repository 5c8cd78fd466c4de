"""The same rows on the embedded stack and on containers, one after the other: ``python -m benchmarks.stacks``.

Prints a table in Markdown: start, then outcome, RTO, lost writes and wall time of each row. Needs Docker and its images
(docs/docker.md) and an otherwise idle machine to mean anything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ROWS = ("api-kill", "database-primary-kill", "database-server-kill", "zone-loss", "zone-pause", "zone-partition")
STACKS = ("embedded", "docker")
TIMED_ALONE = ("-o", "junit_duration_report=call")
"""Without the start of the stack, which pytest would count to the first row, and its end, to the last."""


@dataclass(frozen=True)
class Measured:
    """What one stack did."""

    start_s: float
    drills: Mapping[str, Mapping[str, object]]
    """By row: outcome, measured."""
    wall_s: Mapping[str, float]
    """By row, with the load before and after and the healing."""


def measure(stack: str, rows: Sequence[str], reports: Path) -> Measured:
    """Drill these rows. Raises RuntimeError where there was no run."""
    test = "suites/chaos/test_fault.py::test_fault_keeps_every_promise"
    options = ["--stack", stack, "--report-dir", str(reports), "-q", *TIMED_ALONE]
    command = [sys.executable, "-m", "pytest", *(f"{test}[{row}]" for row in rows), *options]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    run = reports / "latest"
    if not (run / "summary.json").exists():
        raise RuntimeError(f"{stack}: {(ran.stdout + ran.stderr).strip()[-1500:]}")
    records = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    started = next(record["data"] for record in records if record["kind"] == "stack_started")
    cases = ElementTree.parse(run / "junit.xml").getroot().iter("testcase")  # noqa: S314  # our own file
    return Measured(
        start_s=started["start_s"],
        drills={drill["id"]: drill for drill in json.loads((run / "summary.json").read_text())["drills"]},
        wall_s={case.get("name", "").partition("[")[2].rstrip("]"): float(case.get("time", 0)) for case in cases},
    )


def cell(found: Measured, row: str) -> str:
    """One row on one stack."""
    drill = found.drills.get(row)
    if drill is None:
        return "not run | | |"
    measured = drill["measured"] if isinstance(drill["measured"], dict) else {}
    rto = measured.get("rto_s")
    said = f"{rto:.2f} s" if isinstance(rto, float) else "-"
    return f"{drill['outcome']} | {said} | {measured.get('rpo_writes', '-')} | {found.wall_s.get(row, 0):.0f} s"


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacks", description=__doc__)
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=f"rows of scenarios/ (default: {' '.join(ROWS)})")
    rows: list[str] = parser.parse_args(arguments).rows
    found = {}
    for stack in STACKS:
        with tempfile.TemporaryDirectory() as scratch:
            found[stack] = measure(stack, rows, Path(scratch))
    print("| row |" + "".join(f" {stack} | RTO | lost | wall |" for stack in STACKS))
    print("|---|" + "---|" * 4 * len(STACKS))
    print("| start |" + "".join(f" | {found[stack].start_s:.1f} s | | |" for stack in STACKS))
    for row in rows:
        print(f"| `{row}` |" + "".join(f" {cell(found[stack], row)} |" for stack in STACKS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
