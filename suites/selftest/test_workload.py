"""The ledger's clients against a planted API: what they record of each misbehaviour, and that they end in time."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fixtures.history import read_facts, read_history
from fixtures.model import Answer, Kind, Load, Operations, Place
from fixtures.workloads.clients import WorkloadError, client, start
from fixtures.workloads.drive import Patience, ledger
from fixtures.workloads.planted import MODES, PlantedApi
from fixtures.workloads.settings import transfer_id

from .workload_runs import EDGE_S, LIMITS, QUICK, api, mend, settings

__all__ = ["api", "mend"]

# ------------------------------------------------------------------------------------------------ misbehaviour

Windows = dict[str, tuple[float, float]]


@pytest.fixture(scope="module")
def misbehaved(api: PlantedApi, tmp_path_factory: pytest.TempPathFactory) -> tuple[Operations, Windows, Path]:
    """The record of one load during which the API did everything wrong in turn, 0.3 s each; a stall of 1.63 s last."""
    directory = tmp_path_factory.mktemp("load")
    windows: Windows = {}
    with ledger(api.url, Load(), directory, seed=3, patience=QUICK, **LIMITS) as history:
        for mode in MODES[2:]:
            api.mode = mode
            began_s = api.changed_s
            time.sleep(0.3)
            api.mode = "answer"
            windows[mode] = (began_s, api.changed_s)
            time.sleep(0.2)
        api.mode = "stall"
        began_s = api.changed_s
        time.sleep(1.63)
        api.mode = "answer"
        windows["stall"] = (began_s, api.changed_s)
        time.sleep(0.2)
    assert history.operations is not None
    return history.operations, windows, directory


def told(operations: Operations, window: tuple[float, float]) -> Counter[tuple[Answer, int]]:
    inside = (operations.sent_s > window[0] + EDGE_S) & (operations.sent_s < window[1] - EDGE_S)
    rows = inside & (operations.kind == Kind.WRITE)
    assert np.count_nonzero(rows) > 20
    return Counter(zip(map(Answer, operations.answer[rows]), operations.status[rows].tolist(), strict=True))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("unknown", (Answer.UNKNOWN, 503)),
        ("failed", (Answer.FAILED, 503)),
        ("no server", (Answer.FAILED, 503)),
        ("drop", (Answer.UNKNOWN, 0)),
        ("apply and drop", (Answer.UNKNOWN, 0)),
        ("cut short", (Answer.UNKNOWN, 0)),
        ("refuse", (Answer.FAILED, 0)),
    ],
)
def test_each_misbehaviour_is_recorded_as_what_it_means(
    misbehaved: tuple[Operations, Windows, Path], mode: str, expected: tuple[Answer, int]
) -> None:
    operations, windows, _ = misbehaved
    answers = told(operations, windows[mode])
    if mode == "cut short":  # the status may have been read before the end was missed
        assert {answer for answer, _ in answers} == {Answer.UNKNOWN}
    else:
        assert set(answers) == {expected}


def test_no_write_is_ever_sent_again_silently(api: PlantedApi, misbehaved: tuple[Operations, Windows, Path]) -> None:
    operations, _, directory = misbehaved
    run = read_facts(directory)["settings"]["run"]
    sent = operations.number[(operations.kind == Kind.WRITE) | (operations.kind == Kind.REPLAY)]
    recorded = np.bincount(sent)
    delivered = [api.deliveries[transfer_id(run, number)] for number in range(len(recorded))]
    assert all(d <= r for d, r in zip(delivered, recorded.tolist(), strict=True))
    assert sum(delivered) > 0.8 * len(sent)


def test_numbers_are_dense_and_nothing_due_was_skipped(misbehaved: tuple[Operations, Windows, Path]) -> None:
    operations, _, directory = misbehaved
    facts = read_facts(directory)
    writes = np.sort(operations.number[operations.kind == Kind.WRITE])
    assert np.array_equal(writes, np.arange(len(writes)))
    lasted_s = facts["stop_s"] - facts["start_s"]
    assert len(writes) == pytest.approx(200 * lasted_s, abs=2)
    assert facts["counts"]["read"] == pytest.approx(100 * lasted_s, abs=2)
    assert facts["counts"]["ready"] == pytest.approx(5 * lasted_s, abs=2)


def test_arrivals_do_not_wait_for_answers_and_a_time_out_is_unknown(
    misbehaved: tuple[Operations, Windows, Path],
) -> None:
    operations, windows, _ = misbehaved
    began_s, ended_s = windows["stall"]
    rows = (operations.kind == Kind.WRITE) & (operations.due_s > began_s) & (operations.due_s < ended_s)
    assert np.count_nonzero(rows) == pytest.approx(200 * (ended_s - began_s), abs=3)
    late_s = operations.sent_s[rows] - operations.due_s[rows]
    assert np.percentile(late_s, 90) < 0.1  # they were sent while others waited
    early = rows & (operations.sent_s < ended_s - 0.8 - EDGE_S)
    assert set(operations.answer[early]) == {Answer.UNKNOWN}
    waited_s = operations.done_s[early] - operations.sent_s[early]
    assert waited_s.min() > 0.75
    assert waited_s.max() < 1.3
    # Those that were answered when the stall ended waited from when they were due.
    late = rows & (operations.answer == Answer.OK)
    assert np.count_nonzero(late) > 50
    assert np.all(operations.done_s[late] >= ended_s - 0.001)


def test_replays_repeat_what_was_acknowledged_or_unknown_and_never_what_failed(
    misbehaved: tuple[Operations, Windows, Path],
) -> None:
    operations, _, _ = misbehaved
    first = {int(operations.number[k]): k for k in np.flatnonzero(operations.kind == Kind.WRITE)}
    replays = np.flatnonzero(operations.kind == Kind.REPLAY)
    assert len(replays) > 5
    for k in replays:
        original = first[int(operations.number[k])]
        assert operations.answer[original] != Answer.FAILED
        assert operations.due_s[k] == pytest.approx(operations.due_s[original] + 1.0)
        for column in ("source", "target", "amount"):
            assert getattr(operations, column)[k] == getattr(operations, column)[original]


def test_the_fresh_reader_finds_all_that_was_acknowledged(misbehaved: tuple[Operations, Windows, Path]) -> None:
    history = read_history(misbehaved[2])
    found = history.ledgers["api"]
    assert history.operations is not None
    acknowledged = history.operations.number[
        (history.operations.kind == Kind.WRITE) & (history.operations.answer == Answer.OK)
    ]
    assert np.isin(acknowledged, found.number).all()
    assert int(found.balance.sum()) == found.opening_balance * len(found.balance)
    assert int(found.version.sum()) == 2 * len(found.number)


# ------------------------------------------------------------------------------------------------ connections


def test_connections_that_the_server_closed_meanwhile_cost_no_unknown_answers(api: PlantedApi, tmp_path: Path) -> None:
    closings = 8
    with ledger(api.url, Load(50, 0), tmp_path, seed=4, patience=QUICK) as history:
        before = api.connections
        for _ in range(closings):
            api.close_idle_connections()
            time.sleep(0.1)
        assert api.connections - before >= closings / 2  # there was something to close
    assert history.operations is not None
    answers = np.bincount(history.operations.answer, minlength=3)
    assert answers[Answer.FAILED] == 0
    # Each closing would cost one. Some may: a request can be on its way to the server while it closes.
    assert answers[Answer.UNKNOWN] <= closings / 4


def test_nothing_is_sent_that_is_not_recorded(api: PlantedApi, tmp_path: Path) -> None:
    before = api.requests
    with ledger(api.url, Load(100, 100), tmp_path, seed=6, patience=QUICK, **LIMITS) as history:
        api.mode = "drop"  # a client that tries again does so here
        time.sleep(0.4)
        api.mode = "answer"
    assert history.operations is not None
    asked_by_the_parent = 1 + 3 + len(history.ledgers["api"].number) // 10_000 + 1
    assert api.requests - before <= len(history.operations.due_s) + asked_by_the_parent


def test_inside_and_outside_clients_share_one_numbering(api: PlantedApi, tmp_path: Path) -> None:
    marker = tmp_path / "entered"
    with ledger(api.url, Load(100, 0, 40), tmp_path, 5, inside=(api.url, marker.touch), patience=QUICK) as history:
        pass
    assert marker.exists()
    operations = history.operations
    assert operations is not None
    writes = np.sort(operations.number[operations.kind == Kind.WRITE])
    assert np.array_equal(writes, np.arange(len(writes)))
    inside = (operations.kind == Kind.WRITE) & (operations.place == Place.INSIDE)
    assert np.count_nonzero(inside) == pytest.approx(len(writes) * 40 / 140, abs=3)


# ------------------------------------------------------------------------------------------------ floors and ends


def test_a_load_that_is_never_acknowledged_is_no_load(api: PlantedApi, tmp_path: Path) -> None:
    with client(settings(api, tmp_path)) as one:
        api.mode = "unknown"
        with pytest.raises(WorkloadError, match=r"no steady traffic .* within 4 s") as caught:
            start([one], steady_s=0.5, within_s=4)
    assert "UNKNOWN (HTTP 503)" in str(caught.value)
    assert "client.log" in str(caught.value)


def test_no_api_at_all_is_said_at_once(tmp_path: Path) -> None:
    quick = Patience(start_within_s=0.5)
    with (
        pytest.raises(WorkloadError, match=r"accounts of the load could not be opened within 0.5 s: .*refused"),
        ledger("http://127.0.0.1:9", Load(), tmp_path, 1, patience=quick),
    ):
        pass
