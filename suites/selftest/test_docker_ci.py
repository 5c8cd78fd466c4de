"""What .ci/docker says and leaves where no drill on containers can be. Needs no Docker, and starts none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .drills import REPOSITORY
from .inner import pytest_in

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
POLICY = Path("/usr/sbin/policy-rc.d")


def is_debian() -> bool:
    """As .ci/docker sees it."""
    release = Path("/etc/os-release")
    return release.exists() and bool({"ID=debian", 'ID="debian"'} & set(release.read_text().splitlines()))


def mounts_of_its_own() -> bool:
    """Whether this process may show another one other files."""
    made = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return os.geteuid() == 0 and made.returncode == 0


on_debian = pytest.mark.skipif(os.geteuid() != 0 or not is_debian(), reason="not exercised: of root on Debian")
remounting = pytest.mark.skipif(not mounts_of_its_own(), reason="not exercised: takes a mount namespace")


def ci(prefix: tuple[str, ...], directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Where no daemon answers, nothing can be installed, and none can be started."""
    fakes = {"apt-get": "echo apt-get was called: $* >&2; exit 1", "iptables-save": "exit 1", "dockerd": "exit 1"}
    for name, script in fakes.items():
        if not (directory / name).exists():
            (directory / name).write_text(f"#!/bin/sh\n{script}\n")
            (directory / name).chmod(0o755)
    path = {"PATH": f"{directory}:{os.environ['PATH']}", "DOCKER_HOST": f"unix://{directory}/none.sock"}
    return subprocess.run(
        [*prefix, str(REPOSITORY / ".ci/docker")],
        env=path | variables,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def remounted(*commands: str) -> tuple[str, ...]:
    """A prefix: with other mounts than this machine's. ``"$@"``, one of the commands, is what follows."""
    return ("unshare", "--mount", "sh", "-c", " && ".join(commands), "sh")


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """It was no failure, and loud."""
    assert ran.returncode == 0, ran.stderr
    assert "NOT EXERCISED: the drills on containers" in ran.stderr
    assert "see docs/docker.md" in ran.stderr.lower()
    return ran.stderr


def test_where_docker_was_just_there_nothing_is_skipped(tmp_path: Path) -> None:
    """As .ci/docker has it of the tests that it calls: a daemon that is gone by then is a failure."""
    without = {"ABACUS_DOCKER_REQUIRED": "1", "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ran = pytest_in(tmp_path, "suites/selftest/test_docker_again.py", "--stack", "none", **without)
    assert ran.code == pytest.ExitCode.INTERRUPTED, ran.output
    assert "ABACUS_DOCKER_REQUIRED is set, and there is no Docker here" in ran.output


def test_it_says_loudly_what_it_does_not_exercise(tmp_path: Path) -> None:
    """As a user who may install nothing; root would install Docker."""
    assert "only root can start one" in said(ci(AS_NOBODY, tmp_path))


@on_debian
@pytest.mark.parametrize("capability", ["sys_admin", "net_admin"])
def test_it_installs_nothing_where_no_daemon_would_run(tmp_path: Path, capability: str) -> None:
    """As root in a container, which may do less than root."""
    stderr = said(ci(("setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"), tmp_path))
    assert "a daemon needs CAP_SYS_ADMIN and CAP_NET_ADMIN here" in stderr
    assert "apt-get was called" not in stderr


@remounting
def test_another_distribution_is_left_alone(tmp_path: Path) -> None:
    """Also one that stands on Debian: its packages are not Debian's."""
    (tmp_path / "release").write_text("ID=ubuntu\nID_LIKE=debian\n")
    stderr = said(ci(remounted(f"mount --bind {tmp_path}/release /etc/os-release", '"$@"'), tmp_path))
    assert "only root can start one, and here only on Debian" in stderr
    assert "apt-get was called" not in stderr


@on_debian
@remounting
@pytest.mark.parametrize(
    ("mounts", "writable"),
    [
        (("mount -t tmpfs -o ro none /sys/fs/cgroup",), True),
        (("mount -t tmpfs none /sys/fs/cgroup", "mkdir /sys/fs/cgroup/one"), True),
        (("mount -t cgroup2 -o ro none /sys/fs/cgroup",), False),
    ],
)
def test_only_cgroups_that_cannot_be_written_to_are_called_so(
    tmp_path: Path, mounts: tuple[str, ...], writable: bool
) -> None:
    """Above cgroups of version 1, systemd puts a tmpfs that is always read-only."""
    stderr = said(ci(remounted("umount -l -R /sys/fs/cgroup", *mounts, '"$@"'), tmp_path))
    assert ("a daemon needs cgroups that it may write to" not in stderr) is writable
    assert ("iptables-save fails here" in stderr) is writable, "what comes next"


@on_debian
def test_what_stands_where_only_root_looks_is_not_missing(tmp_path: Path) -> None:
    """cron and su do not name /usr/sbin: Docker's package would have been taken for missing, for want of iptables."""
    stderr = said(ci((), tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin"))
    assert "apt-get was called" not in stderr


@on_debian
@remounting
def test_only_what_is_missing_is_installed_and_nothing_removed_for_it(tmp_path: Path) -> None:
    """A user's own dockerd stays: Debian's package would take its place."""
    asked = tmp_path / "asked"
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\necho $* >> {asked}; ! case $* in *install*) ;; *) false; esac\n")
    (tmp_path / "apt-get").chmod(0o755)
    hidden = remounted("mount -t tmpfs none /usr/sbin", '"$@"', "ls -A /usr/sbin; true")  # iptables is there
    ran = ci(hidden, tmp_path)
    assert "apt-get could not install: iptables." in said(ran)
    update, install = asked.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends --no-remove iptables")
    assert ran.stdout == "", "policy-rc.d is left"


def test_where_too_little_of_cis_time_is_left_nothing_is_begun(tmp_path: Path) -> None:
    assert "of CI's time 999 s are left, and this takes 1000 s" in said(ci(AS_NOBODY, tmp_path, CI_LEFT_S="999"))
    assert "of CI's time" not in said(ci(AS_NOBODY, tmp_path, CI_LEFT_S="1000"))
