"""Runs pytest inside pytest, with the project's plugins, on tests that are written for the occasion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from .drills import REPOSITORY, Ran, environment

TOY = "suites.selftest.toy_stack"
DEFECTS = "suites.selftest.toy_defects"


def inner(directory: Path, source: str, *options: str, conftest: str = "", **variables: str) -> Ran:
    """Run ``source`` as a test module in ``directory``; state, temporary files and reports stay below it."""
    (directory / "test_inner.py").write_text(dedent(source))
    if conftest:
        (directory / "conftest.py").write_text(dedent(conftest))
    return pytest_in(directory, str(directory / "test_inner.py"), *options, **variables)


def pytest_in(directory: Path, *options: str, **variables: str) -> Ran:
    """Run pytest with these options to its end."""
    (directory / "state").mkdir(exist_ok=True)
    private = {"ABACUS_STATE_DIRECTORY": str(directory / "state"), "PYTHONPATH": str(REPOSITORY)}
    private |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # hypothesis and locust alone take a second to import
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "--rootdir", str(REPOSITORY)]
    command += ["-c", str(REPOSITORY / "pyproject.toml"), "--report-dir", str(directory / "reports"), *options]
    result = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment() | private | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(result.returncode, result.stdout, directory / "reports")
