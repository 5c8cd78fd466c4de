"""A zone's supervisor answers who asked, also where somebody was interrupted before they read their answer."""

from __future__ import annotations

import io
import json
from pathlib import Path
from unittest.mock import patch

import pytest

from fixtures.stacks.zone import spawn


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(tmp_path: Path) -> None:
    with spawn(["a"], own_network=False, directory=tmp_path) as zones:
        zone = zones["a"]
        assert zone.process.stdout is not None

        class Interrupted(io.StringIO):
            def readline(self, *_: object) -> str:  # type: ignore[override]
                raise KeyboardInterrupt

        with patch.object(zone.process, "stdout", Interrupted()), pytest.raises(KeyboardInterrupt):
            zone.ask("pids", nodes=None)
        assert zone.ask("instances") == {}
        assert zone.ended() == {}
        assert zone.pids() == []


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
