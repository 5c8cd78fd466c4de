"""What a recovery met: a fault in its backup, an old primary, a cache's snapshot; on hand-written histories."""

from __future__ import annotations

import pytest

from fixtures import checks
from fixtures.model import History, Outcome

from .histories import drill

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("whole", "used", "outcome", "says"),
    [
        (1, 1, PASS, "is whole, and the recovery began with it"),
        (0, 0, PASS, "failed while outage was felt, and said so"),
        (1, 0, FAIL, "called itself whole, and the recovery began with another"),
        (0, 1, FAIL, "failed, and yet the recovery began with it"),
    ],
)
def test_a_backup_that_met_a_fault_is_what_it_says_of_itself(
    whole: int, used: int, outcome: Outcome, says: str
) -> None:
    verdict = checks.backup_met_a_fault(
        drill().history(), began_s=8.0, ended_s=9.0, whole=whole, used=used, chosen_s=20.0
    )
    assert verdict.outcome is outcome
    assert says in verdict.sentence
    assert verdict.measured["faults_met"] == 1


def test_one_that_was_whole_too_late_need_not_be_begun_with() -> None:
    history, ran = drill().history(), {"began_s": 8.0, "ended_s": 20.0}
    verdict = checks.backup_met_a_fault(history, **ran, whole=1, used=0, chosen_s=19.0)
    assert (verdict.outcome, verdict.measured["late"]) == (PASS, 1)
    assert "was whole when the recovery had begun with the one before" in verdict.sentence
    assert checks.backup_met_a_fault(history, **ran, whole=1, used=1, chosen_s=19.0).outcome is PASS
    assert checks.backup_met_a_fault(history, **ran, whole=0, used=1, chosen_s=19.0).outcome is FAIL
    assert checks.backup_met_a_fault(history, **ran, whole=1, used=0, chosen_s=20.0).outcome is FAIL


@pytest.mark.parametrize(("began_s", "ended_s"), [(8.2, 20.0), (1.0, 8.1)])
def test_a_backup_during_which_no_fault_was_felt_is_not_judged(began_s: float, ended_s: float) -> None:
    """It is felt at 8.125 s."""
    history = drill().history()
    assert (
        checks.backup_met_a_fault(history, began_s=began_s, ended_s=ended_s, whole=1, used=1, chosen_s=30.0).outcome
        is UNKNOWN
    )
    assert (
        checks.backup_met_a_fault(History(), began_s=1.0, ended_s=9.0, whole=1, used=1, chosen_s=30.0).outcome
        is UNKNOWN
    )
    lie = checks.backup_met_a_fault(history, began_s=began_s, ended_s=ended_s, whole=1, used=0, chosen_s=30.0)
    assert lie.outcome is FAIL  # whatever it met


@pytest.mark.parametrize(
    ("returned_s", "led", "followed", "outcome"),
    [(20.0, 0, 9, PASS), (20.0, 1, 9, FAIL), (20.0, 0, 0, UNKNOWN), (99.0, 0, 9, UNKNOWN), (99.0, 1, 0, FAIL)],
)
def test_a_member_with_old_data_must_follow_while_clients_ask(
    returned_s: float, led: int, followed: int, outcome: Outcome
) -> None:
    history = drill().history()
    verdict = checks.returned_member_never_led(history, returned_s=returned_s, led=led, followed=followed)
    assert verdict.outcome is outcome
    assert checks.returned_member_never_led(History(), returned_s=1.0, led=0, followed=1).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("held", "loaded", "expired", "found", "limit_s", "outcome", "says"),
    [
        (9, 2, 7, 2, 8.0, PASS, "After 8.000 s the cache had loaded 2 entries of 9 and left out 7 that had expired"),
        (9, 9, 0, 2, 7.9, FAIL, "the limit is 7.9 s"),
        (9, 2, 6, 2, 8.0, FAIL, "Of 9 entries of the snapshot, the cache saw 8."),
        (9, 2, 7, 1, 8.0, FAIL, "Of 2 entries that had to come back, 1 are there."),
        (9, 0, 9, 0, 8.0, FAIL, "Of 2 entries that had to come back, 0 are there."),
        (0, 0, 0, 2, 8.0, UNKNOWN, "The snapshot held fewer entries than were planted, or its head does not say"),
        (1, 1, 0, 2, 8.0, UNKNOWN, "The snapshot held fewer entries than were planted, or its head does not say"),
    ],
)
def test_a_cache_has_all_that_its_snapshot_held(
    held: int, loaded: int, expired: int, found: int, limit_s: float, outcome: Outcome, says: str
) -> None:
    history = drill().history()
    back_s = history.faults[0].injected_s + 8.0
    counts = {"held": held, "loaded": loaded, "expired": expired, "planted": 2, "found": found}
    verdict = checks.cache_came_back(history, limit_s=limit_s, back_s=back_s, **counts)
    assert verdict.outcome is outcome
    assert says in verdict.sentence
    assert checks.cache_came_back(History(), limit_s=8.0, back_s=9.0, **counts).outcome is UNKNOWN
    nothing = counts | {"planted": 0, "found": 0}
    assert checks.cache_came_back(history, limit_s=limit_s, back_s=back_s, **nothing).outcome is UNKNOWN
