"""Runs a drill as a user does, in a process of its own, and reads what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
TEST = "suites/chaos/test_fault.py::test_fault_keeps_every_promise"


@dataclass(frozen=True)
class Ran:
    """A run that has ended."""

    code: int
    output: str
    reports: Path

    @property
    def run(self) -> Path:
        """Its run directory."""
        return self.reports / "latest"

    def records(self, kind: str) -> list[Mapping[str, Any]]:
        """The evidence of one kind, in order."""
        lines = (self.run / "evidence.jsonl").read_text().splitlines()
        return [record["data"] for line in lines if (record := json.loads(line))["kind"] == kind]


def command(rows: Sequence[str], reports: Path, *options: str) -> list[str]:
    """The command line of a run of some rows."""
    return [sys.executable, "-m", "pytest", *(f"{TEST}[{row}]" for row in rows), "--report-dir", str(reports), *options]


def environment() -> dict[str, str]:
    """This process' environment without what a run of the suite around it put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ABACUS_", "GITHUB_", "PYTEST_"))}


def drill(
    rows: Sequence[str],
    reports: Path,
    *options: str,
    within: float = 240.0,
    prefix: Sequence[str] = (),
    preexec: Callable[[], None] | None = None,
) -> Ran:
    """Run some rows to their end; ``prefix`` and ``preexec`` take away from the process what it must do without."""
    result = subprocess.run(
        [*prefix, *command(rows, reports, *options)],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=within,
        check=False,
        preexec_fn=preexec,
    )
    return Ran(result.returncode, result.stdout, reports)
