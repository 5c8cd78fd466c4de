"""``python -m suites.selftest.consensus_cut ETCD DIRECTORY CUT_S``: cut one of three members off, and time its return.

In a network of its own for each member, made in private namespaces; prints the seconds from the end of the cut until
the member has a leader again.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from fixtures import linux
from fixtures.sandbox import make_hub
from fixtures.stacks import network

from .etcd_members import Members, three

HOSTS = tuple(f"192.0.2.{11 + number}" for number in range(3))
WITHIN_S = 90.0


def _hold_a_network() -> subprocess.Popen[bytes]:
    def begin() -> None:
        linux.unshare(linux.CLONE_NEWNET)
        linux.die_with_parent()

    # Popen returns once the program has been started, and so in its network.
    return subprocess.Popen(["sleep", "infinity"], preexec_fn=begin)


def _led(members: Members, member: int) -> bool:
    try:
        return int(members.ask(member, "maintenance/status", {}).get("leader", 0)) != 0
    except OSError:
        return False


def _returned_after_s(members: Members, member: int, pid: int, cut_s: float) -> float:
    peers = [host for host in HOSTS if host != HOSTS[member]]
    network.cut(pid, peers)
    time.sleep(cut_s)
    if _led(members, member):
        raise SystemExit("the member still has a leader: the cut did nothing")
    network.mend(pid)
    mended_s = time.monotonic()
    while not _led(members, member):
        if time.monotonic() - mended_s > WITHIN_S:
            raise SystemExit(f"the member has no leader {WITHIN_S:g} s after the cut")
        time.sleep(0.05)
    return time.monotonic() - mended_s


def main(binary: Path, directory: Path, cut_s: float) -> None:
    """Print how long it took. Raises SystemExit with a sentence."""
    linux.unshare_user(inside_uid=0, flags=linux.CLONE_NEWNET)
    make_hub()
    holders = [_hold_a_network() for _ in HOSTS]
    try:
        for number, (host, holder) in enumerate(zip(HOSTS, holders, strict=True)):
            network.plug_in(f"m{number}", holder.pid, host)
        with three(binary, directory, hosts=HOSTS, networks=[holder.pid for holder in holders]) as members:
            leader = members.leader()
            sys.stdout.write(f"{_returned_after_s(members, leader, holders[leader].pid, cut_s):.2f}\n")
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
