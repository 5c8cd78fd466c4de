"""What a run of containers has made is removed, also where it was ended in the middle of making it. Needs no Docker."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.stacks import docker as provider
from fixtures.stacks.docker import sweep

from .fake_docker import Answer, fake_docker


class Networks:
    """The networks of a daemon that takes its time to make one, and of which one was asked for before the sweep."""

    def __init__(self, makes_s: float = 0.0, late_s: float | None = None, dropped: int = 0) -> None:
        self.makes_s, self.dropped = makes_s, dropped
        self.there: dict[str, str] = {}
        if late_s is not None:
            threading.Timer(late_s, self.there.setdefault, ("late", "late")).start()

    def all(self, _method: str, _path: str) -> Answer:
        """What is there now."""
        return 200, [{"Id": key, "Name": name} for key, name in dict(self.there).items()]

    def make(self, _method: str, _path: str) -> Answer:
        """As POST /networks/create."""
        time.sleep(self.makes_s)
        self.there["made"] = "made"
        return 201, {"Id": "made"}

    def one(self, method: str, path: str) -> Answer:
        """Look at one, or remove it."""
        key = path.rpartition("/")[2]
        if method == "DELETE":
            if self.dropped:
                self.dropped -= 1
                raise ConnectionError
            self.there.pop(key, None)
            return 204, ""
        return 200, {"Id": key, "Name": key}

    def answers(self) -> dict[str, Any]:
        """For ``fake_docker``."""
        nothing = {"/containers/json": (200, []), "/volumes": (200, {"Volumes": None})}
        return {**nothing, "/networks": self.all, "/networks/create": self.make, "/made": self.one, "/late": self.one}


def test_the_slower_docker_is_the_longer_is_looked() -> None:
    """A network that comes into being later than a quick daemon would have made it."""
    networks = Networks(makes_s=0.5, late_s=1.2)
    with fake_docker(networks.answers()) as address:
        assert sweep.sweep(address, "run", quiet_s=0.3) == []
        gone_after_s = time.monotonic()
        while "late" not in networks.there and time.monotonic() - gone_after_s < 1.5:
            time.sleep(0.02)
    assert networks.there == {}


def test_a_run_in_good_order_has_its_sweep_look_once() -> None:
    networks = Networks()
    networks.there["late"] = "left"
    with fake_docker(networks.answers()) as address:
        begun_s = time.monotonic()
        assert sweep.sweep(address, "run", quiet_s=0.0) == []
        assert time.monotonic() - begun_s < sweep.QUIET_S
    assert not networks.there


def test_a_sweep_that_could_not_look_long_enough_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the warden tries again."""
    monkeypatch.setattr(sweep, "WITHIN_S", 0.5)
    with fake_docker(Networks().answers()) as address:
        assert sweep.sweep(address, "run", quiet_s=5.0) == [sweep.NOT_QUIET]


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    networks = Networks(dropped=2)
    networks.there["late"] = "left"
    with fake_docker(networks.answers()) as address:
        assert sweep.sweep(address, "run", quiet_s=0.0) == []
    assert not networks.there


def test_a_daemon_that_is_gone_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["tcp://127.0.0.1:1", "run"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("what carries abacus-drills.run=run cannot be removed: Docker at tcp://127.0.0.1:1 does not")
    assert "Traceback" not in said


def test_who_is_interrupted_while_it_makes_containers_sweeps_when_they_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SIGTERM's KeyboardInterrupt comes in the middle of it; what the pool's threads have begun, Docker finishes."""
    done: list[str] = []

    def make() -> None:
        time.sleep(0.5)
        done.append("made")

    def making(_engine: object, _settings: object, pool: Any, *_: object) -> None:
        pool.submit(make)
        signal.raise_signal(signal.SIGINT)

    def swept(*_: object, **__: object) -> list[str]:
        done.append("swept")
        return []

    monkeypatch.setenv("ABACUS_STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("ABACUS_JOURNAL", raising=False)
    monkeypatch.setattr(provider, "_make", making)
    monkeypatch.setattr(sweep, "sweep", swept)
    with fake_docker({}) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(KeyboardInterrupt), provider.docker():
            pass
    assert done == ["made", "swept"]
