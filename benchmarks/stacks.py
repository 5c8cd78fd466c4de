"""The same rows on the embedded stack and on containers, one after the other: ``python -m benchmarks.stacks``.

Without names: all default rows, which takes about half an hour. Prints a table in Markdown: start, then outcome, RTO,
the longest time without a write, lost writes and wall time of each row. Needs Docker and its images (docs/docker.md)
and an otherwise idle machine to mean anything.
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
SUITES = ("suites/chaos", "suites/recovery/test_recovery.py")
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
    """Drill these rows, or all default ones. Raises RuntimeError where there was no run."""
    options = ["--stack", stack, "--report-dir", str(reports), "-q", *TIMED_ALONE]
    if rows:
        chosen = reports / "rows.yaml"
        chosen.write_text(json.dumps({"required": list(rows)}))
        options += ["--rows", str(chosen)]
    command = [sys.executable, "-m", "pytest", *SUITES, *options]
    said = []
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None  # noqa: S101  # it is a pipe
        for line in ran.stdout:
            said.append(line)
            sys.stderr.write(line)
    run = reports / "latest"
    lines = (run / "evidence.jsonl").read_text().splitlines() if (run / "summary.json").exists() else []
    started = next((record["data"] for line in lines if (record := json.loads(line))["kind"] == "stack_started"), None)
    if started is None:
        raise RuntimeError(f"{stack}: {''.join(said).strip()[-1500:]}")
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
        return "not run | | | |"
    measured = drill["measured"] if isinstance(drill["measured"], dict) else {}
    spans = (measured.get(name) for name in ("rto_s", "unavailable_s"))
    said = " | ".join(f"{span:.3g} s" if isinstance(span, float) else "-" for span in spans)
    return f"{drill['outcome']} | {said} | {measured.get('rpo_writes', '-')} | {found.wall_s.get(row, 0):.0f} s"


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stacks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="rows of scenarios/ (default: those of the default selection)")
    rows: list[str] = parser.parse_args(arguments).rows
    found = {}
    for stack in STACKS:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                found[stack] = measure(stack, rows, Path(scratch))
            except RuntimeError as error:
                sys.stderr.write(f"benchmarks.stacks: there was no run to measure on {error}\n")
                return 4
    print("| row |" + "".join(f" {stack} | RTO | unavailable | lost | wall |" for stack in STACKS))
    print("|---|" + "---|" * 5 * len(STACKS))
    print("| start |" + "".join(f" | {found[stack].start_s:.1f} s | | | |" for stack in STACKS))
    for row in rows or sorted({row for stack in STACKS for row in found[stack].drills}):
        print(f"| `{row}` |" + "".join(f" {cell(found[stack], row)} |" for stack in STACKS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
