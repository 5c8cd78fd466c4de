"""Where user namespaces are forbidden, partitions are NOT EXERCISED and all else runs; PostgreSQL is never root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .drills import drill
from .seccomp import DOCKER_CAPABILITIES, forbid_user_namespaces


def _as_in_a_container() -> list[str]:
    """Root of a default container has fewer capabilities than root of this machine."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux) to give capabilities up")
    kept = ",".join(f"+{capability}" for capability in DOCKER_CAPABILITIES)
    return ["setpriv", f"--bounding-set=-all,{kept}", f"--inh-caps=-all,{kept}"]


def test_without_user_namespaces_partitions_are_not_exercised_and_the_rest_runs(tmp_path: Path) -> None:
    ran = drill(
        ["zone-partition", "api-kill", "database-replica-pause"],
        tmp_path,
        prefix=_as_in_a_container(),
        preexec=forbid_user_namespaces,
    )

    ended = {record["drill"]: record for record in ran.records("drill_finished")}
    assert ended["api-kill"]["outcome"] == "PASS", ran.output
    assert ended["database-replica-pause"]["outcome"] == "PASS", ran.output
    assert ended["zone-partition"]["outcome"] == "NOT EXERCISED", ran.output
    assert "forbids user namespaces" in ended["zone-partition"]["reason"]
    assert ran.code == pytest.ExitCode.OK, ran.output
