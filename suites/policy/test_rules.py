"""Every rule is red on its bad examples and green on its good ones, and on what only looks bad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_rule_is_red_on_every_bad_example(policy_rule: Any, judged: Callable[..., Any]) -> None:
    for number, example in enumerate(policy_rule.examples):
        said = judged(policy_rule, example.bad)
        assert not said.unknown, f"examples.{number}.bad: could not be judged"
        assert said.resources, f"examples.{number}.bad: holds nothing that the rule could judge"
        assert said.found, f"examples.{number}.bad: nothing was found"


def test_rule_is_green_on_every_good_example(policy_rule: Any, judged: Callable[..., Any]) -> None:
    for number, example in enumerate(policy_rule.examples):
        said = judged(policy_rule, example.good)
        assert not said.unknown, f"examples.{number}.good: could not be judged"
        assert said.resources, f"examples.{number}.good: holds nothing that the rule could judge"
        assert not said.found, f"examples.{number}.good: expected no finding"


def test_rule_lets_pass_what_only_looks_bad(policy_rule: Any, judged: Callable[..., Any]) -> None:
    for number, files in enumerate(policy_rule.near):
        said = judged(policy_rule, files)
        assert not said.unknown, f"near.{number}: could not be judged"
        assert not said.found, f"near.{number}: expected no finding"
