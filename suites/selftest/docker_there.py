"""Whether the tests that need Docker can run: its daemon answers, and its images are there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
import pytest

from fixtures.stacks.docker import preflight
from fixtures.stacks.docker.engine import connect

ANSWERS_WITHIN_S = 5
"""A daemon that hangs does not hold up everybody who has none for a minute."""


def why_not() -> str:
    """Empty when they can; a daemon that is not there is found out in a moment."""
    try:
        connect(answer_within_s=ANSWERS_WITHIN_S).client.close()
        preflight()
    except RuntimeError as error:
        return str(error)
    return ""


@contextmanager
def changed(image: str, change: str) -> Iterator[str]:
    """Another image of the same content, as a line of a Dockerfile changes it; there for as long as the block lasts."""
    with closing(docker.from_env()) as client:
        made = client.containers.create(image)
        try:
            other = made.commit(f"abacus-drills-test/{secrets.token_hex(4)}", changes=[change])
        finally:
            made.remove()
        try:
            yield str(other.tags[0])
        finally:
            client.images.remove(other.tags[0])


REQUIRED = "ABACUS_DOCKER_REQUIRED"
"""Set where Docker was just there, as in CI: what could not be exercised then is a failure."""

_WHY_NOT = why_not()
if _WHY_NOT and os.environ.get(REQUIRED):
    raise RuntimeError(f"{REQUIRED} is set, and {_WHY_NOT}")
needs_docker = pytest.mark.skipif(bool(_WHY_NOT), reason=f"not exercised: {_WHY_NOT}")
