"""A zone's supervisor answers who asked, also where somebody was interrupted before they read their answer."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from fixtures.stacks import zone as module
from fixtures.stacks.zone import Zone, ZoneGone, spawn

from .local_servers import until


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        zone = zones["a"]
        with patch.object(select, "select", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            zone.ask("pids", nodes=None)
        assert zone.ask("instances") == {}
        assert zone.ended() == {}
        assert zone.pids() == []


def test_requests_that_come_at_once_are_all_answered(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        zone = zones["a"]
        os.kill(zone.pid, signal.SIGSTOP)
        with patch.object(select, "select", side_effect=KeyboardInterrupt):
            for _ in range(2):
                with pytest.raises(KeyboardInterrupt):
                    zone.ask("pids", nodes=None)
        os.kill(zone.pid, signal.SIGCONT)
        with patch.object(module, "ANSWERS_WITHIN_S", 10.0):
            assert zone.ask("instances") == {}


def test_a_supervisor_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        os.kill(zones["a"].pid, signal.SIGSTOP)
        with (
            patch.object(module, "ANSWERS_WITHIN_S", 0.2),
            pytest.raises(ZoneGone, match=r"zone 'a' .* has not answered for 0.2 s"),
        ):
            zones["a"].pids()
        os.kill(zones["a"].pid, signal.SIGCONT)
        assert zones["a"].pids() == []


def test_a_supervisor_that_hangs_is_ended_with_its_zones(tmp_path: Path) -> None:
    with patch.object(module, "ENDS_WITHIN_S", 3.0), spawn(["a", "b"], own_network=False, directory=tmp_path) as zones:
        os.kill(zones["b"].pid, signal.SIGSTOP)
    assert [zone.process.returncode for zone in zones.values()] == [0, -signal.SIGKILL]


def test_what_the_supervisor_cannot_do_is_said_in_its_words(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        with pytest.raises(RuntimeError, match="zone 'a' could not melt: KeyError: 'melt'"):
            zones["a"].ask("melt")
        assert json.dumps(zones["a"].ask("instances")) == "{}"


def test_a_request_may_bring_a_number_of_its_own(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        with pytest.raises(RuntimeError, match="zone 'a' could not signal_root: KeyError: 'nobody'"):
            zones["a"].ask("signal_root", node="nobody", number=0)
        assert zones["a"].pids() == []


def failing(counter: Path, times: int, code: int = 1) -> list[str]:
    """A program that ends so often, counting, and then goes on."""
    count = f"n=$(cat {counter} 2>/dev/null || echo 0); echo $((n + 1)) > {counter}"
    return ["sh", "-c", f"{count}; test $n -ge {times} || exit {code}; exec sleep 600"]


def launched(zone: Zone, counter: Path, argv: list[str], *, again: bool = True) -> None:
    log = str(counter.with_suffix(".log"))
    zone.ask("start", node="n", argv=argv, env=dict(os.environ), cwd=str(counter.parent), log=log, again=again)


def times(counter: Path) -> int:
    return int(counter.read_text() or 0) if counter.exists() else 0


def test_what_ends_by_itself_with_an_error_is_started_again_and_what_is_killed_is_not(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        zone = zones["a"]
        launched(zone, counter, failing(counter, 2))
        until(lambda: times(counter) == 3, within_s=10.0)
        assert zone.ended() == {}
        assert len(zone.pids(["n"])) == 1
        zone.kill(["n"])
        time.sleep(1.5)
        assert zone.ended() == {"n": -signal.SIGKILL}
        launched(zone, counter, failing(counter, 2))
        until(lambda: times(counter) == 4)
        zone.ask("kill_part", node="n", part="agent")
        time.sleep(1.5)
        assert zone.ended() == {"n": -signal.SIGKILL}
        assert times(counter) == 4


def test_one_that_is_to_be_started_again_is_not_once_it_is_killed(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        launched(zones["a"], counter, failing(counter, 9))
        until(lambda: times(counter) == 1, within_s=5.0)
        time.sleep(0.2)
        assert zones["a"].ended() == {}
        zones["a"].kill(["n"])
        time.sleep(1.5)
        assert times(counter) == 1
        assert zones["a"].ended() == {"n": 1}


def test_one_that_cannot_be_started_again_ends_no_zone(tmp_path: Path) -> None:
    place = tmp_path / "lost"
    place.mkdir()
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        launched(zones["a"], place / "count", ["sh", "-c", "rm -r ../lost; exit 1"])
        until(lambda: not place.exists())
        time.sleep(1.5)
        assert zones["a"].pids() == []
        until(lambda: zones["a"].ended() == {"n": 1}, within_s=15.0)


@pytest.mark.parametrize(("argv", "runs"), [("exit 0", 1), ("exit 3", 6)])
def test_one_that_ends_well_or_too_often_has_ended(tmp_path: Path, argv: str, runs: int) -> None:
    counter = tmp_path / "count"
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        launched(zones["a"], counter, failing(counter, 9, int(argv.split()[1])))
        until(lambda: "n" in zones["a"].ended(), within_s=15.0)
        assert times(counter) == runs
        launched(zones["a"], counter, failing(counter, 99), again=False)
        until(lambda: zones["a"].ended() == {"n": 1}, within_s=0.9)
