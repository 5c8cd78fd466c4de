"""After a fault the stack heals, and what kept it from that is told; one that does not ends the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from .injection_runs import outcomes, reason, run


def test_what_kept_a_stack_from_being_healthy_is_on_the_record(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_it(inject, evidence):
        with inject(Kill("api")):
            pass
        evidence.verify(DONE)
    """,
        "heals_late",
    )
    assert outcomes(ran) == {"test_it": "PASS"}
    (healed,) = ran.records("stack_healed")
    assert list(healed["problems_lasted_s"]) == ["api-a does not answer"]
    assert 0.1 < healed["problems_lasted_s"]["api-a does not answer"] <= 0.6
    assert 0.4 < healed["after_s"] < 3
    assert "s after it was undone; the last to go: api-a does not answer" in ran.output


def test_a_stack_that_does_not_heal_ends_the_session(tmp_path: Path) -> None:
    ran = run(
        tmp_path,
        """
    def test_breaks_it(inject, evidence):
        with inject(Kill("api")):
            pass
        evidence.verify(DONE)

    def test_afterwards(evidence):
        evidence.verify(DONE)
    """,
        "does_not_heal",
    )
    assert ran.code not in (pytest.ExitCode.OK, pytest.ExitCode.USAGE_ERROR)
    assert outcomes(ran) == {"test_breaks_it": "FAIL", "test_afterwards": "UNKNOWN"}
    assert "did not heal within 1 s after the fault was undone: api-a does not answer" in reason(ran, "test_breaks_it")
    assert [(line["node"], line["text"]) for line in ran.records("diagnosis")] == [("api-a", "started 1 times")]
    assert ran.records("run_finished")[0]["stopped"] == "the stack did not heal: api-a does not answer"
