"""Toy stacks with one defect each: providers for ``--stack suites.selftest.toy_defects:…``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fixtures.model import Stack, Status
from fixtures.powers import Change, Resource

from .toy_stack import Open, Plain, Powerful, Toy, running


@contextmanager
def powerless() -> Iterator[Stack]:
    """A stack that can only be looked at."""
    with running(Plain, Toy) as stack:
        yield stack


@contextmanager
def sees_little() -> Iterator[Stack]:
    """All powers of nodes, and an observer that cannot look closer."""
    with running(Powerful, Toy) as stack:
        yield stack


# ------------------------------------------------------------------------------------------------ defects of nodes


@dataclass(frozen=True)
class Immortal(Powerful):
    """A node whose kill does nothing and says that it did."""

    def kill(self) -> None:
        """Do nothing."""


@contextmanager
def kill_does_nothing() -> Iterator[Stack]:
    """Killing reports success and kills nothing."""
    with running(Immortal) as stack:
        yield stack


@dataclass(frozen=True)
class Frail(Powerful):
    """A node that does not come back."""

    def start(self) -> None:
        """Do nothing."""


@contextmanager
def does_not_heal() -> Iterator[Stack]:
    """What was killed stays so."""
    with running(Frail) as stack:
        yield stack


@dataclass(frozen=True)
class Slowly(Powerful):
    """A node that comes back after a while."""

    def start(self) -> None:
        """Begin to come back."""
        threading.Timer(0.4, Powerful.start, (self,)).start()


@contextmanager
def heals_late() -> Iterator[Stack]:
    """What was killed is back after 0.4 s."""
    with running(Slowly) as stack:
        yield stack


@dataclass(frozen=True)
class Clumsy(Powerful):
    """A node that takes another one along."""

    neighbour: Plain | None = None

    def kill(self) -> None:
        """End both; the other one comes back by itself."""
        super().kill()
        if self.neighbour is not None:
            self.neighbour.machine.stop()
            self.neighbour.machine.start()


@contextmanager
def kill_hits_a_neighbour() -> Iterator[Stack]:
    """Whoever kills the first node restarts the second one."""
    with running(Powerful) as stack:
        first, second, *others = stack.nodes
        yield Open((Clumsy(**vars(first), neighbour=second), second, *others))


@dataclass(frozen=True)
class Numb(Powerful):
    """A node that reports success whatever is done to it, and stays as it was."""

    def slow(self, delay_s: float) -> None:
        """Do nothing."""

    def change(self, change: Change) -> None:
        """Do nothing."""

    def skew(self, offset_s: float) -> None:
        """Do nothing."""

    def restart(self) -> None:
        """Do nothing."""


class NumbZones(Open):
    """A stack that reports success whatever is done to a zone's network, and leaves it as it was."""

    def lose_packets(self, zone: str, one_in: int) -> None:
        """Do nothing."""

    def narrow_zone(self, zone: str, bytes_per_s: float) -> None:
        """Do nothing."""


@contextmanager
def nothing_bites() -> Iterator[Stack]:
    """Slowness, changes, wrong clocks, restarts and bad networks are accepted and do not happen."""
    with running(Numb, NumbZones) as stack:
        yield stack


@dataclass(frozen=True)
class Stubborn(Powerful):
    """A node that stays what it was made, and says that it does not."""

    def relieve(self, resource: Resource) -> None:
        """Do nothing."""

    def revert(self, change: Change) -> None:
        """Do nothing."""

    def unskew(self) -> None:
        """Do nothing."""


class StubbornZones(Open):
    """A stack whose zones stay as narrow as they were made."""

    def widen_zone(self, zone: str) -> None:
        """Do nothing."""


@contextmanager
def nothing_is_undone() -> Iterator[Stack]:
    """What is exhausted, changed, set wrong or narrow stays so."""
    with running(Stubborn, StubbornZones) as stack:
        yield stack


@dataclass(frozen=True)
class Sticky(Powerful):
    """A node that cannot be made fast again, and says so."""

    def unslow(self) -> None:
        """Fail."""
        raise RuntimeError("it stays slow")


@contextmanager
def undo_fails() -> Iterator[Stack]:
    """What is slow stays slow."""
    with running(Sticky) as stack:
        yield stack


# ------------------------------------------------------------------------------------------------ defects of the stack


@dataclass(frozen=True)
class Careless(Toy):
    """A stack whose status never mentions a problem."""

    def status(self) -> Status:
        """Whatever there is, all is well."""
        return replace(super().status(), problems=())


@contextmanager
def sees_no_problem() -> Iterator[Stack]:
    """Its status says that all is well, always."""
    with running(Powerful, Careless) as stack:
        yield stack


@dataclass(frozen=True)
class Forgetful(Open):
    """A stack that tells the same program for ever."""

    def instances(self) -> Mapping[str, str]:
        """As if nothing had been started anew."""
        return dict.fromkeys(super().instances(), "the one and only")


@contextmanager
def tells_no_restart() -> Iterator[Stack]:
    """A node that was killed and started is called the same program."""
    with running(Powerful, Forgetful) as stack:
        yield stack


@contextmanager
def two_of_a_name() -> Iterator[Stack]:
    """Two nodes are called the same."""
    with running(Powerful) as stack:
        first, second, *others = stack.nodes
        yield Toy((replace(first, name=second.name), second, *others))
