"""A volume is filled to its last byte also while its owner writes on."""

from __future__ import annotations

import errno
import importlib
import os
from pathlib import Path

import pytest

volumes = importlib.import_module("fixtures.stacks.embedded.volumes")  # the package names a function like it


def test_an_owner_that_takes_some_in_between_does_not_keep_a_volume_from_being_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [4096]

    def allocate(_descriptor: int, _offset: int, size: int) -> None:
        taken_by_owner = 1024 if left[0] > 2048 else 0
        left[0] -= taken_by_owner
        if size > left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= size

    monkeypatch.setattr(volumes, "free_bytes", lambda _volume: left[0])
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    volumes.fill(tmp_path)
    assert left == [0]


def test_a_volume_that_does_not_get_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "free_bytes", lambda _volume: 8192)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: None)
    with pytest.raises(OSError, match="8192 bytes stay free after 1000 attempts"):
        volumes.fill(tmp_path)


def test_what_is_no_lack_of_space_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def allocate(*_: object) -> None:
        tries.append(1)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(volumes, "free_bytes", lambda _volume: 8192)
    monkeypatch.setattr(os, "posix_fallocate", allocate)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        volumes.fill(tmp_path)
    assert tries == [1]
