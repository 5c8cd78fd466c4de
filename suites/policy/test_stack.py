"""What this repository deploys, or ``--target DIR``, breaks no rule but those that the baseline accepts for a while."""

from __future__ import annotations

from typing import Any


def test_no_rule_is_broken_that_is_not_accepted(policy: Any) -> None:
    assert policy.resources, "nothing was found that could be judged"
    assert not policy.found, "\n".join(policy.found)


def test_the_baseline_holds_nothing_that_is_over_or_unused(policy: Any) -> None:
    assert not policy.baseline, "\n".join(policy.baseline)


def test_every_linter_looked(policy: Any) -> None:
    assert not policy.not_judged, "\n".join(policy.not_judged)
