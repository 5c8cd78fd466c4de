"""The schedule: exact rate, dense numbers over all clients, fixed by the seed, never two arrivals far apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.model import Kind
from fixtures.workloads.schedule import BLOCK, arrivals, reads, replay, writes
from fixtures.workloads.settings import Settings, first_account, read_settings, transfer_id, write_settings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(run=2**62 + 5, seed=11, url="http://127.0.0.1:1", directory="/nowhere", accounts=50)


def test_arrivals_keep_the_rate_and_are_never_far_apart() -> None:
    requests = list(islice(writes(SETTINGS, 100.0), 3 * BLOCK))
    assert requests[0].due_s >= 100.0
    assert requests[-1].due_s == pytest.approx(100.0 + 3 * BLOCK / 200, abs=0.01)
    gaps = [later.due_s - earlier.due_s for earlier, later in pairwise(requests)]
    assert min(gaps) > 0
    assert max(gaps) < 1.2 / 200
    assert len({round(gap, 6) for gap in gaps}) > 100  # not evenly spaced


def test_the_seed_fixes_everything_but_the_start() -> None:
    one, two, other = (
        list(islice(writes(replace(SETTINGS, seed=seed), start_s), 200))
        for seed, start_s in ((1, 0.0), (1, 7.0), (2, 0.0))
    )
    assert [r._replace(due_s=0.0) for r in one] == [r._replace(due_s=0.0) for r in two]
    assert [r.source for r in one] != [r.source for r in other]
    assert [r.due_s + 7.0 for r in one] == pytest.approx([r.due_s for r in two])


@pytest.mark.parametrize(("outside", "inside"), [(200.0, 50.0), (100.0, 100.0), (3.0, 7.0), (0.0, 20.0)])
def test_the_clients_of_a_load_share_one_dense_numbering_at_their_own_rates(outside: float, inside: float) -> None:
    settings = replace(SETTINGS, writes_per_s=outside, inside_writes_per_s=inside)
    until_s = 30.0
    found: dict[str, list[int]] = {}
    for place in ("OUTSIDE", "INSIDE"):
        stream = writes(replace(settings, place=place), 0.0)
        found[place] = []
        # Without a rate outside the stream would look for its first number for ever.
        while not (place == "OUTSIDE" and outside == 0):
            request = next(stream)
            if request.due_s >= until_s:
                break
            found[place].append(request.number)
    assert sorted(found["OUTSIDE"] + found["INSIDE"]) == list(range(int(until_s * (outside + inside))))
    assert len(found["INSIDE"]) == pytest.approx(until_s * inside, abs=2)


def test_transfers_go_between_two_accounts_of_the_load_and_about_one_in_fifty_is_replayed() -> None:
    requests = list(islice(writes(SETTINGS, 0.0), 10_000))
    assert all(r.source != r.target for r in requests)
    assert {r.source for r in requests} == {r.target for r in requests} == set(range(50))
    assert {r.amount for r in requests} == set(range(1, 101))
    assert 150 < sum(r.replayed for r in requests) < 250


def test_a_replay_is_the_same_transfer_due_later_and_is_not_replayed_itself() -> None:
    request = next(r for r in writes(SETTINGS, 0.0) if r.replayed)
    again = replay(request, SETTINGS)
    assert again == request._replace(due_s=request.due_s + 5.0, kind=Kind.REPLAY, replayed=False)


def test_half_of_the_reads_go_to_a_tenth_of_the_accounts() -> None:
    sources = [r.source for r in islice(reads(replace(SETTINGS, accounts=1000), 0.0), 10_000)]
    assert 0.52 < sum(s < 100 for s in sources) / len(sources) < 0.58
    assert max(sources) > 900


def test_only_the_outside_client_reads() -> None:
    kinds = {place: {next(s).kind for s in arrivals(replace(SETTINGS, place=place, inside_writes_per_s=1.0), 0.0)}
             for place in ("OUTSIDE", "INSIDE")}  # fmt: skip
    assert kinds == {"OUTSIDE": {Kind.WRITE, Kind.READ, Kind.READY}, "INSIDE": {Kind.WRITE}}


def test_identities() -> None:
    run = 0x1234_5678_9ABC_DEF0
    assert transfer_id(run, 7) == "12345678-9abc-def0-0000-000000000007"
    assert first_account(run) == (run % 2**40) * 10_000
    assert first_account(2**63 - 1) + 10_000 < 2**63


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": 3}, "unknown key speed"),
        ({"seed": None}, "seed is missing"),
        ({"writes_per_s": -1}, "writes_per_s: -1"),
        ({"place": "MOON"}, "'MOON', expected one of OUTSIDE, INSIDE"),
        ({"accounts": 1}, "a transfer needs two"),
        ({"replay_after_s": 1.0}, "expected more than request_timeout_s"),
    ],
)
def test_wrong_settings_are_refused_with_file_and_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    import json

    path = tmp_path / "settings.json"
    write_settings(path, SETTINGS)
    assert read_settings(path) == SETTINGS
    values = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    with pytest.raises(ValueError, match=message) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
