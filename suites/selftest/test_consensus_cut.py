"""A consensus member that was cut off is back as soon as it can be reached, not when its kernel next tries.

That is the second mend of ``newer_etcd``. After this cut, an etcd without it needs 12 s more (measured): the kernel has
last tried just before its end, and waits twice as long each time. ``ABACUS_ETCD`` names another etcd to be tried.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import linux
from fixtures.stacks.embedded.newer_etcd import built

CUT_S = 15.5
BACK_WITHIN_S = 6.0
"""A new connection is tried for at most 2 s before the next one is; then comes an election time-out of 1-2 s."""


def test_a_member_that_was_cut_off_is_back_soon(tmp_path: Path) -> None:
    binary = Path(os.environ.get("ABACUS_ETCD", built()))
    if not binary.exists():
        pytest.skip(f"not exercised: {binary} is not built: python -m fixtures.stacks.embedded")
    if not linux.may_unshare_user():
        pytest.skip("not exercised: no user namespaces here, and so no networks to cut")
    command = [sys.executable, "-m", "suites.selftest.consensus_cut", str(binary), str(tmp_path), str(CUT_S)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) <= BACK_WITHIN_S
