"""Parity: what is lost is found, what cannot be judged is UNKNOWN, and an emulator is never taken at its word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.aws import act, emulated
from fixtures.aws.emulated import Account
from fixtures.aws.parity import compare, not_modelled, verdict
from fixtures.aws.properties import BY_NAME, PROPERTIES, Unasked, arguments_for, properties_of, split
from fixtures.model import Outcome

ASKED = {each.argument: "something" for each in PROPERTIES if each.argument}
ALL = {each.name: f"value of {each.name}" for each in PROPERTIES}


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulated.account() as fresh:
        yield fresh


def outcomes(before: dict[str, Any], after: dict[str, Any], **given: Any) -> dict[str, Outcome]:
    given = {"asked": ASKED, "environment": "production", **given}
    return {each.property: each.outcome for each in compare(before, after, **given)}


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize("environment", ["production", "emulated"])
def test_each_property_that_changed_is_lost_and_no_other(name: str, environment: str) -> None:
    found = outcomes(ALL, {**ALL, name: "another"}, environment=environment)
    assert [each for each, outcome in found.items() if outcome is Outcome.FAIL] == [name]


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_property_that_is_no_longer_reported_is_lost(name: str) -> None:
    assert outcomes(ALL, {**ALL, name: None}, environment="emulated")[name] is Outcome.FAIL


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_what_is_never_reported_is_unknown_in_an_emulator(name: str) -> None:
    silent = {**ALL, name: None}
    assert outcomes(silent, silent, environment="emulated")[name] is Outcome.UNKNOWN
    real = outcomes(silent, silent)[name]
    assert real is (Outcome.PASS if BY_NAME[name].absent_is else Outcome.UNKNOWN)


@pytest.mark.parametrize("each", PROPERTIES, ids=lambda each: each.name)
def test_equality_that_nobody_asked_for_proves_nothing_in_an_emulator(each: Any) -> None:
    expected = {Unasked.KEPT: Outcome.PASS, Unasked.DEFAULT: Outcome.FAIL, Unasked.UNSAID: Outcome.UNKNOWN}
    assert outcomes(ALL, ALL, asked={}, environment="emulated")[each.name] is expected[each.unasked]
    assert outcomes(ALL, ALL, asked={})[each.name] is Outcome.PASS, "a real account is taken at its word"


def test_a_default_is_no_loss_where_the_original_had_it() -> None:
    plain = {**ALL, "multi_az": False}
    assert outcomes(plain, plain, asked={}, environment="emulated")["multi_az"] is Outcome.PASS


def test_what_is_not_modelled_is_unknown_whatever_it_shows() -> None:
    blind = not_modelled({"multi_az": True, "port": 6432}, {"multi_az": False, "port": 6432})
    assert list(blind) == ["multi_az"]
    assert outcomes(ALL, {**ALL, "multi_az": "another"}, blind=blind)["multi_az"] is Outcome.UNKNOWN


def test_verdict_is_the_worst_and_nothing_compared_is_unknown() -> None:
    assert verdict("check", (), {}, "staging").outcome is Outcome.UNKNOWN
    kept = compare(ALL, ALL, ASKED, "production")
    assert verdict("check", kept, {"restore": 1.5}, "staging").measured["restore_s"] == 1.5
    assert verdict("check", kept, {}, "staging").outcome is Outcome.PASS
    lost = compare(ALL, {**ALL, "port": 1}, ASKED, "production")
    judged = verdict("check", lost, {}, "staging")
    assert judged.outcome is Outcome.FAIL
    assert judged.measured["lost"] == 1
    assert judged.sentence.startswith("port: expected value of port, found 1")
    assert verdict("check", lost, {}, "emulated").sentence == f"emulated: {judged.sentence}"


def test_original_is_made_with_a_value_for_every_property(account: Account) -> None:
    assert set(account.made_with) == set(BY_NAME)


def test_emulator_is_known_for_what_it_does_not_model(account: Account) -> None:
    insights = {name for name in BY_NAME if name.startswith("performance_insights")}
    # A newer moto may model more; what it models less must be looked at.
    assert set(account.blind) <= insights | {"storage_throughput_mibps", "network_type", "auto_minor_version_upgrade"}
    assert all("emulator" in reason for reason in account.blind.values())


def test_whatever_a_restore_forgets_to_ask_for_is_found(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of ``procedures.restore``: each argument is left out once."""
    for number, each in enumerate(each for each in PROPERTIES if each.argument and each.unasked is not Unasked.KEPT):

        def forgetful(wanted: Any, drill: str, without: str = each.argument) -> dict[str, Any]:
            together = {"MonitoringInterval", "MonitoringRoleArn"}  # moto refuses one without the other
            left_out = together if without in together else {without}
            return {name: value for name, value in arguments_for(wanted, drill).items() if name not in left_out}

        monkeypatch.setattr(act, "arguments_for", forgetful)
        findings = account.perform("restore", drill=f"forgets-{number}").findings
        (found,) = (finding for finding in findings if finding.property == each.name)
        assert found.outcome is not Outcome.PASS, each.name
        assert found.outcome is not Outcome.UNKNOWN or each.unasked is Unasked.UNSAID or each.name in account.blind


def test_arguments_are_split_by_what_the_restore_takes() -> None:
    arguments = {"MultiAZ": True, "Tags": [], "EnableCloudwatchLogsExports": ["postgresql"], "Port": 1}
    assert split(arguments, arguments) == (arguments, {})
    first, later = split(arguments, {"MultiAZ", "Tags"})
    assert first == {"MultiAZ": True, "Tags": []}
    logs = {"EnableLogTypes": ["postgresql"]}
    assert later == {"CloudwatchLogsExportConfiguration": logs, "DBPortNumber": 1}
    assert "Tags" not in split(arguments, ())[1], "a modification takes no tags"


@pytest.mark.parametrize(
    ("storage", "asked"),
    [
        ({"storage_type": "gp3", "allocated_storage_gib": 100}, set()),
        ({"storage_type": "gp3", "allocated_storage_gib": 400}, {"Iops", "StorageThroughput"}),
        ({"storage_type": "io1", "allocated_storage_gib": 100}, {"Iops"}),
    ],
)
def test_speed_of_storage_is_asked_for_where_it_can_be_set(storage: dict[str, Any], asked: set[str]) -> None:
    arguments = arguments_for({**storage, "iops": 3000, "storage_throughput_mibps": 125}, "drill")
    assert {"Iops", "StorageThroughput"} & set(arguments) == asked


def test_properties_are_plain_and_sorted_and_leave_out_the_drill_itself() -> None:
    found = properties_of(
        {
            "TagList": [
                {"Key": key, "Value": value}
                for key, value in (("b", "2"), ("abacus-drill", "x"), ("aws:cloudformation:stack-id", "y"), ("a", "1"))
            ],
            "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-2"}, {"VpcSecurityGroupId": "sg-1"}],
            "DBParameterGroups": [{"DBParameterGroupName": "ledger", "ParameterApplyStatus": "pending-reboot"}],
        }
    )
    assert found["tags"] == [["a", "1"], ["b", "2"]]
    assert found["security_groups"] == ["sg-1", "sg-2"]
    assert (found["parameter_group"], found["parameter_group_state"]) == ("ledger", "pending-reboot")
    assert found["multi_az"] is None
