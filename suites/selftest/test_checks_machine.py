"""Whether the stack had the machine: judged where it was measured, and never a FAIL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures import checks
from fixtures.model import History, Outcome

from .histories import OBJECTIVES, drill


@pytest.mark.parametrize(
    ("share", "outcome", "says"),
    [
        (0.0, Outcome.PASS, "Other programs used 0.0% of the machine's processors."),
        (0.25, Outcome.PASS, "Other programs used 25.0%"),
        (0.26, Outcome.UNKNOWN, "26.0% of the machine's processors, more than 25%: the stack had to share them."),
        (None, Outcome.UNKNOWN, "was not measured"),
    ],
)
def test_a_stack_that_had_to_share_the_machine_is_not_judged(share: float | None, outcome: Outcome, says: str) -> None:
    verdict = checks.machine_was_free(History(others_share=share), others_share=checks.OTHERS_SHARE)
    assert verdict.outcome is outcome
    assert says in verdict.sentence


def test_it_is_asked_where_the_stack_runs_on_this_machine() -> None:
    history = drill().history()
    assert "machine_was_free" in [v.check for v in checks.promised(OBJECTIVES, history)]
    elsewhere = replace(history, others_share=None)
    assert "machine_was_free" not in [v.check for v in checks.promised(OBJECTIVES, elsewhere)]
