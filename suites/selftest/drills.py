"""Runs a drill as a user does, in a process of its own, and reads what it left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.rows import SCENARIOS

REPOSITORY = Path(__file__).resolve().parents[2]
TEST = "suites/chaos/test_fault.py::test_fault_keeps_every_promise"
RECOVERY_TEST = "suites/recovery/test_recovery.py::test_recovery_keeps_every_promise"


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
    where = Path(options[options.index("--scenarios") + 1]) if "--scenarios" in options else SCENARIOS
    tests = [f"{_test_of(where / f'{row}.yaml')}[{row}]" for row in rows]
    return [sys.executable, "-m", "pytest", *tests, "--report-dir", str(reports), *options]


def _test_of(row: Path) -> str:
    """Who comes back by a runbook is drilled by another test."""
    recovers = row.is_file() and re.search("^recovery:", row.read_text(), re.MULTILINE)
    return RECOVERY_TEST if recovers else TEST


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
