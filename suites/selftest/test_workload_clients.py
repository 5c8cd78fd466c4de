"""The ledger's client processes end in time: when they die, when they are told to, when their parent is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from fixtures.history import read_history, read_operations
from fixtures.model import Answer, History, Kind, Load
from fixtures.workloads.clients import Client, WorkloadError, client, start, stop
from fixtures.workloads.drive import lag_ms, ledger
from fixtures.workloads.planted import PlantedApi

from .workload_runs import LIMITS, QUICK, api, mend, settings

__all__ = ["api", "mend"]


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
