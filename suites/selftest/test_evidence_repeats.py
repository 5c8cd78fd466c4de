"""What repeated runs say together, held against the definition of the bound."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.model import Outcome
from fixtures.repeats import judge, spread

OBJECTIVES = {"rto_s": 30.0, "unavailable_s": 32.0, "rpo_writes": 0}


def runs(*rto_s: float | None, lost: int = 0, outcome: Outcome = Outcome.PASS) -> list[dict[str, Any]]:
    return [
        {"drill": f"d-{n}", "outcome": outcome, "measured": {"rto_s": value, "rpo_writes": lost}}
        for n, value in enumerate(rto_s, 1)
    ]


def test_bound_of_known_samples() -> None:
    # By hand: P(Binomial(5, 1/2) < 5) = 31/32; P(Binomial(8, 1/2) < 7) = 1 - 9/256; < 6 is only 219/256.
    five = spread([5.0, 1.0, 4.0, 2.0, 3.0])
    assert five is not None
    assert (five.median, five.low, five.high, five.upper) == (3.0, 1.0, 5.0, 5.0)
    assert five.confidence == pytest.approx(31 / 32)
    eight = spread([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert eight is not None
    assert eight.upper == 7.0
    assert eight.confidence == pytest.approx(1 - 9 / 256)
    assert "order statistic 7 of 8" in eight.method


@pytest.mark.parametrize(("n", "confidence"), [(1, "50%"), (2, "75%"), (4, "94%")])
def test_too_few_runs_say_so_and_judge_the_largest(n: int, confidence: str) -> None:
    few = spread([float(value) for value in range(1, n + 1)])
    assert few is not None
    assert few.upper == n
    assert "too few runs" in few.method
    assert f"this one has {confidence}" in few.method


def test_lost_writes_are_judged_by_the_largest() -> None:
    found = spread([0, 0, 0, 0, 0, 0, 0, 0, 0, 3], count=True)
    assert found is not None
    assert found.upper == 3


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_bound_lies_between_median_and_largest(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.low <= found.median <= found.upper <= found.high
    assert found.confidence >= 0.95 or (found.upper == found.high and len(values) < 5)


def test_group_passes_within_and_fails_above_its_objectives() -> None:
    assert judge("row", OBJECTIVES, runs(20.0, 21.0, 22.0, 23.0, 24.0))["outcome"] is Outcome.PASS
    late = judge("row", OBJECTIVES, runs(20.0, 21.0, 22.0, 23.0, 31.0))
    assert late["outcome"] is Outcome.FAIL
    assert late["sentence"] == "RTO judged 31 s, above the objective of 30 s"
    assert judge("row", OBJECTIVES, runs(1.0, 1.0, lost=2))["outcome"] is Outcome.FAIL


def test_group_is_no_better_than_its_worst_run() -> None:
    for outcome in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_EXERCISED):
        mixed = runs(20.0, 20.0) + runs(20.0, outcome=outcome)
        assert judge("row", OBJECTIVES, mixed)["outcome"] is outcome


def test_run_without_the_number_makes_the_group_unknown() -> None:
    group = judge("row", OBJECTIVES, runs(20.0, None, 20.0))
    assert group["outcome"] is Outcome.UNKNOWN
    assert "RTO is missing in 1 of 3 runs" in group["sentence"]
    assert group["measured"]["rto_s"].missing == 1


def test_group_without_any_number_is_unknown() -> None:
    assert judge("row", OBJECTIVES, [{"drill": "d-1", "outcome": "PASS", "measured": {}}])["outcome"] is Outcome.UNKNOWN
