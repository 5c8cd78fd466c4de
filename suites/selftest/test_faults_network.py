"""When a zone is felt to have little bandwidth, and when not."""

from __future__ import annotations

import pytest

from fixtures.faults import ZoneBandwidth
from fixtures.model import NodeStatus, Status

LIMIT = 125_000.0
"""1000 kbit/s, in bytes."""
TARGETS = ("api-a1", "api-a2", "database-a")


def status(*rates: float | None) -> Status:
    """Of the two APIs of a zone and its database, which gives no long answers."""
    measures = [{} if rate is None else {"bytes_per_s": rate} for rate in (*rates, None)]
    nodes = {name: NodeStatus(answers=True, measures=each) for name, each in zip(TARGETS, measures, strict=True)}
    return Status(0.0, nodes, True, ())


@pytest.mark.parametrize(
    ("before", "now", "felt"),
    [
        ((1e6, 1e6), (6e4, 9e4), True),
        ((1e6, 1e6), (None, 9e4), True),
        ((1e6, 1e6), (None, None), False),  # gone, not narrow
        ((1e6, 1e6), (6e4, 9e5), False),
        ((1e6, 1e6), (1e6, 1e6), False),
        ((None, None), (6e4, 6e4), False),
        ((1.1 * LIMIT, 1.1 * LIMIT), (0.9 * LIMIT, 0.9 * LIMIT), False),  # as any load could do
    ],
)
def test_a_long_answer_comes_no_faster_than_is_allowed(
    before: tuple[float, ...], now: tuple[float, ...], felt: bool
) -> None:
    assert ZoneBandwidth("a", 1000).felt(status(*before), status(*now), TARGETS) is felt
