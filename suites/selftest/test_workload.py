"""The ledger's clients against a planted API: what they record of each misbehaviour, and that they end in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from fixtures.history import read_facts, read_history, read_operations
from fixtures.model import Answer, History, Kind, Load, Operations, Place
from fixtures.workloads.clients import Client, WorkloadError, client, start, stop
from fixtures.workloads.drive import Patience, lag_ms, ledger
from fixtures.workloads.planted import MODES, PlantedApi, planted_api
from fixtures.workloads.reader import open_accounts
from fixtures.workloads.settings import Settings, transfer_id

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = Patience(start_within_s=20.0, steady_s=0.3, after_s=0.3, read_within_s=2.0)
LIMITS: dict[str, Any] = {"connection_timeout_s": 0.5, "request_timeout_s": 0.8, "replay_after_s": 1.0}
EDGE_S = 0.05
"""Left out at both ends of a planted window: what is under way then may be told either way."""


@pytest.fixture(scope="module")
def api() -> Iterator[PlantedApi]:
    with planted_api() as planted:
        yield planted


@pytest.fixture(autouse=True)
def _mend(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "api" in request.fixturenames:
        request.getfixturevalue("api").mode = "answer"


def settings(api: PlantedApi, directory: Path, **more: Any) -> Settings:
    made = Settings(run=int.from_bytes(os.urandom(7)), seed=1, url=api.url, directory=str(directory), **LIMITS | more)
    open_accounts(api.url, made.run, made.accounts, made.opening_balance)
    return made


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


def test_a_client_that_dies_at_start_is_reported_at_once_with_its_log(api: PlantedApi, tmp_path: Path) -> None:
    broken = settings(api, tmp_path)
    began_s = time.monotonic()
    with client(broken) as one:
        (tmp_path / "settings.json").write_text(
            "{}"
        )  # before it gets to read it: the interpreter takes longer to start
        with pytest.raises(WorkloadError, match="ended with exit code 1 while it was needed") as caught:
            start([one], steady_s=1, within_s=30)
    assert time.monotonic() - began_s < 10
    assert "is missing" in str(caught.value)


def clients_of(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(directory) in process.environ().get("ABACUS_LOAD", "") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_a_client_that_is_killed_during_the_drill_spoils_it(api: PlantedApi, tmp_path: Path) -> None:
    def drill() -> None:
        with ledger(api.url, Load(), tmp_path, 1, patience=QUICK):
            (process,) = clients_of(tmp_path)
            time.sleep(0.6)
            process.kill()

    with pytest.raises(WorkloadError, match="ended with exit code -9"):
        drill()
    rows = read_operations(tmp_path / "clients" / "outside" / "operations")
    assert len(rows.due_s) > 20  # what was flushed is there


def test_a_failing_drill_keeps_its_history(api: PlantedApi, tmp_path: Path) -> None:
    history = History()
    with (
        pytest.raises(pytest.fail.Exception, match="too slow"),
        ledger(api.url, Load(), tmp_path, 1, patience=QUICK, history=history, **LIMITS),
    ):
        pytest.fail("too slow")
    assert history.operations is not None
    assert read_history(tmp_path).ledgers.keys() == {"api"}
    assert clients_of(tmp_path) == []


def flowing(stack: ExitStack, api: PlantedApi, directory: Path) -> Client:
    one = stack.enter_context(client(settings(api, directory)))
    start([one], steady_s=0.2, within_s=15)
    return one


def test_sigterm_ends_a_client_in_order(api: PlantedApi, tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = flowing(stack, api, tmp_path)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(5) == 0
        assert one.summary()["ok"] == len(read_operations(tmp_path / "operations").due_s)


def test_stopping_waits_for_what_is_under_way(api: PlantedApi, tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = flowing(stack, api, tmp_path)
        api.mode = "stall"
        time.sleep(0.2)
        began_s = time.monotonic()
        stop([one])
        assert time.monotonic() - began_s < 4
    operations = read_operations(tmp_path / "operations")
    assert operations.answer[-1] == Answer.UNKNOWN
    writes = np.sort(operations.number[operations.kind == Kind.WRITE])
    assert np.array_equal(writes, np.arange(len(writes)))


def test_no_client_outlives_a_killed_parent(api: PlantedApi, tmp_path: Path) -> None:
    made = settings(api, tmp_path)
    parent = textwrap.dedent(f"""
        import time
        from fixtures.workloads.clients import client, start
        from fixtures.workloads.settings import Settings, transfer_id
        with client({made!r}) as one:
            start([one], steady_s=0.2, within_s=15)
            print("flows", flush=True)
            time.sleep(60)
    """)
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flows\n"
        (child,) = clients_of(tmp_path)
        process.kill()
    child.wait(5)
    assert (tmp_path / "summary.json").exists()  # it ended in order and lost nothing
    assert lag_ms(read_operations(tmp_path / "operations"), 50) < 100


def test_locust_is_never_imported_here() -> None:
    assert not {"locust", "gevent", "fixtures.workloads.ledger"} & sys.modules.keys()
