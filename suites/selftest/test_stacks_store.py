"""The embedded stack's object store alone: it answers, fails as AWS does, is mended, dies and comes back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.model import NodeStatus
from fixtures.stacks.embedded.closer import look_closer
from fixtures.stacks.embedded.layout import OUTSIDE, PLACEMENT, lay_out
from fixtures.stacks.embedded.node import Surroundings
from fixtures.stacks.embedded.observe import _ASK
from fixtures.stacks.embedded.programs import object_store, write_files
from fixtures.stacks.embedded.store import StoreNode
from fixtures.stacks.zone import spawn

from .local_servers import until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreNode]:
    layout = lay_out(tmp_path, PLACEMENT, own_networks=False)
    place = layout.one("object store")
    program = object_store(place, sys.executable)
    write_files(place, program)
    with spawn([OUTSIDE], own_network=False, directory=tmp_path) as zones:
        zone = zones[OUTSIDE]
        yield StoreNode(place, zone, program, Surroundings(layout, zone, ""))


def test_it_answers_fails_is_mended_dies_and_comes_back(store: StoreNode) -> None:
    def seen() -> NodeStatus:
        return _ASK[store.role](store.place)

    def look(aspect: str) -> float | None:
        return look_closer(aspect, store.place, store._around)

    store.start()
    until(lambda: seen().answers, within_s=120)
    assert look("aws throttle any s3 PutObject") == 0
    store.fail_aws({"how": "throttle", "service": "s3"})
    assert look("aws throttle any s3 PutObject") == 1
    assert seen().answers  # the emulator's own page is no call to AWS
    store.mend_aws()
    store.mend_aws()
    assert look("aws throttle any s3 PutObject") == 0

    store.kill()
    assert not seen().answers
    store.mend_aws()  # whoever is gone has nothing to mend
    store.start()
    until(lambda: seen().answers, within_s=120)
    assert look("aws reset any * *") == 0
