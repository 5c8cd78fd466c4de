"""Good embedded stacks whose runbooks have one wrong page each; ``stacks.py`` offers them beside the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from fixtures.model import Stack
from fixtures.recovery import plugin as recovery
from fixtures.recovery.runbook import RUNBOOKS
from fixtures.sandbox import wants_sandbox
from fixtures.stacks.embedded import embedded


@contextmanager
def _with_a_page(name: str, right: str, wrong: str) -> Iterator[Stack]:
    """Whoever recovers follows runbooks of which one is wrong."""
    with TemporaryDirectory() as directory, patch.object(recovery, "RUNBOOKS", Path(directory)), embedded() as stack:
        shutil.copytree(RUNBOOKS, directory, dirs_exist_ok=True)
        text = (RUNBOOKS / name).read_text()
        assert text.count(right) == 1, f"{name} does not say {right!r} once"
        (Path(directory) / name).write_text(text.replace(right, wrong))
        yield stack


@wants_sandbox
def rescue_overwrites() -> AbstractContextManager[Stack]:
    """The rescue makes the running table what the copy is."""
    insert = "INSERT INTO transfers SELECT"
    return _with_a_page("rescue-table.md", insert, f"TRUNCATE transfers;\n{insert}")


@wants_sandbox
def goes_back_too_far() -> AbstractContextManager[Stack]:
    """The recovery ends three seconds before the moment that was asked for."""
    earlier = '--time "$(date -u -d "$TARGET_TIME 3 seconds ago" +%FT%T.%N+00:00)"'
    return _with_a_page("point-in-time.md", '--time "$TARGET_TIME"', earlier)


@wants_sandbox
def does_not_go_back() -> AbstractContextManager[Stack]:
    """The recovery goes on to the end of the archive, with the mistake in it, whatever moment was asked for."""
    return _with_a_page("point-in-time.md", ' --time "$TARGET_TIME"', "")


@wants_sandbox
def backup_stores_nothing() -> AbstractContextManager[Stack]:
    """The backup says that all went well and stores nothing."""
    backup = """python -m fixtures.recovery backup ''"""
    return _with_a_page("base-backup.md", backup, "sh -c 'sleep 45; echo backup of-today is stored and sealed'")


@wants_sandbox
def snapshot_is_not_laid() -> AbstractContextManager[Stack]:
    """The caches are started on nothing, and nobody looks."""
    fetch = """python -m fixtures.recovery cache fetch "$CACHE_DIRECTORY/dump.rdb" --public-key "$PUBLIC_KEY\""""
    return _with_a_page("cache-lost.md", fetch, "true")


@wants_sandbox
def times_are_made_up() -> AbstractContextManager[Stack]:
    """A command of the runbook says that it took 20 s, which it did not."""
    ready = 'until curl -fsS -o /dev/null -m 2 "$API/api/ready"; do sleep 0.1; done'
    return _with_a_page("database-lost.md", ready, f"{ready}\necho phase fetch 20.0 s")


@wants_sandbox
def new_environment_is_behind() -> AbstractContextManager[Stack]:
    """The new environment is restored to three seconds before the loss, although more was archived."""
    into = '"$DATA_DIRECTORY" --wal-directory "$WAL_DIRECTORY"'
    earlier = f'{into} --time "$(date -u -d "$TARGET_TIME 3 seconds ago" +%FT%T.%N+00:00)"'
    return _with_a_page("environment-lost.md", into, earlier)
