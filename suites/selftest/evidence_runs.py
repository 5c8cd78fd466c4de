"""Made-up test sessions with the plugin that keeps the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.record import read_record

if TYPE_CHECKING:
    from reports.record import Record

PLUGINS = ("-p", "fixtures.evidence", "-p", "reports.plugin", "-p", "no:locust", "-p", "no:cacheprovider")
HEAD = """
import pytest
from fixtures.model import Load, Objectives, Outcome, Scenario, Verdict

def verdict(outcome, **measured):
    return Verdict("no_lost_writes", outcome, f"ended {outcome.value}", measured)
"""
SCENARIO = """
ROW = Scenario("zone_outage", "why", None, Load(), Objectives(30.0, 32.0, 0, 1.0), ("SOC2:A1.2",))
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugins but ours, and nobody's CI."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTOR", "ABACUS_APPROVER", "ABACUS_PLAN_VERSION"):
        monkeypatch.delenv(name, raising=False)


def run(pytester: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(HEAD + body)
    return pytester.runpytest_inprocess(*PLUGINS, "--report-dir", "runs", *arguments, no_reraise_ctrlc=True)


def record_of(pytester: pytest.Pytester) -> Record:
    return read_record(pytester.path / "runs" / "latest")


def outcomes(pytester: pytest.Pytester) -> dict[str, str]:
    return {drill.id: drill.outcome.value for drill in record_of(pytester).drills.values()}
