"""``stack/cloudformation`` and ``stack/terraform`` say the same. Each fact is read from both; none may be missing."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from suites.policy import cloudformation_files, facts_data, facts_platform, terraform_files
from suites.policy.facts import Fact, Said, written

FACTS = [*facts_data.FACTS, *facts_platform.FACTS]
STACK = Path(__file__).resolve().parents[2] / "stack"
ENVIRONMENTS = ("development", "staging", "production")


@cache
def cloudformation(environment: str) -> Said:
    """What the templates say with an environment's parameters."""
    return Said(cloudformation_files.environment(STACK / "cloudformation", environment))


@cache
def terraform(environment: str) -> Said:
    """What the environment says, with the modules it calls."""
    return Said(terraform_files.environment(STACK / "terraform" / "environments" / environment))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_both_say_the_same(fact: Fact, environment: str) -> None:
    ours = written(fact.cloudformation(cloudformation(environment)))
    theirs = written(fact.terraform(terraform(environment)))
    assert ours, "stack/cloudformation does not say it"
    assert ours == theirs


def test_no_fact_has_the_name_of_another() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)


PRODUCTION = {
    "database: engine_version": "18.6",
    "database: instance_class": "db.r7g.large",
    "database: multi_az": "true",
    "database: replicas": "1",
    "database: backup_retention_period": "35",
    "database: deletion_protection": "true",
    "database: storage_encrypted": "true",
    "cache: engine": "valkey",
    "cache: node_type": "cache.r7g.large",
    "cache: num_cache_clusters": "3",
    "cache: multi_az_enabled": "true",
    "cache: transit_encryption_enabled": "true",
    "cluster: version": "1.34",
    "balancer: TLS, and no plain HTTP": ["['443', 'ELBSecurityPolicy-TLS13-1-2-2021-06']"],
}
"""What was decided for production: two that are equally wrong are wrong."""


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_is_as_decided(name: str) -> None:
    (fact,) = [each for each in FACTS if each.name == name]
    assert written(fact.terraform(terraform("production"))) == PRODUCTION[name]


def test_what_is_missing_is_an_error() -> None:
    empty = Said([])
    for fact in FACTS:
        for read in (fact.cloudformation, fact.terraform):
            with pytest.raises((LookupError, StopIteration)):
                read(empty)
