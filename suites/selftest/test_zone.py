"""A zone's supervisor answers who asked, also where somebody was interrupted before they read their answer."""

from __future__ import annotations

import json
import os
import select
import signal
from pathlib import Path
from unittest.mock import patch

import pytest

from fixtures.stacks import zone as module
from fixtures.stacks.zone import ZoneGone, spawn


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
