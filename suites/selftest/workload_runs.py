"""Short loads against a planted API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.workloads.drive import Patience
from fixtures.workloads.planted import PlantedApi, planted_api
from fixtures.workloads.reader import open_accounts
from fixtures.workloads.settings import Settings

QUICK = Patience(start_within_s=20.0, steady_s=0.3, after_s=0.3, read_within_s=2.0)
LIMITS: dict[str, Any] = {"connection_timeout_s": 0.5, "request_timeout_s": 0.8, "replay_after_s": 1.0}
EDGE_S = 0.05
"""Left out at both ends of a planted window: what is under way then may be told either way."""


@pytest.fixture(scope="module")
def api() -> Iterator[PlantedApi]:
    with planted_api() as planted:
        yield planted


@pytest.fixture(autouse=True)
def mend(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "api" in request.fixturenames:
        request.getfixturevalue("api").mode = "answer"


def settings(api: PlantedApi, directory: Path, **more: Any) -> Settings:
    made = Settings(run=int.from_bytes(os.urandom(7)), seed=1, url=api.url, directory=str(directory), **LIMITS | more)
    open_accounts(api.url, made.run, made.accounts, made.opening_balance)
    return made
