"""Connections to the database, kept for reuse, and made anew the moment the database can be reached again.

``psycopg_pool`` waits 1, 2, 4, 8 … s between its attempts to reconnect, and 1 s after a connection that failed its
check. After a failover that waiting would be most of the outage, hence this pool. It has four rules: a request that
finds no connection makes one; while the database cannot be reached one attempt at a time is made, ten a second; a
connection in doubt is asked before a statement is sent on it; when one turns out dead, all idle ones are dropped.

Where the connection string is read from a file, a rotated secret needs no restart: what was made with what the file
said before is replaced, one connection after the other, so that nobody waits for all of them.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .config import Watched

_RETRY_S = 0.1
_SILENT_S = 0.3
"""How long a host may say nothing to a new connection before the next one is asked as well."""
_CHECK_S = 0.25
"""How long a connection in doubt has to answer. On a network a round trip takes a few milliseconds."""
_IDLE_S = 1.0
"""A connection that was idle for longer is in doubt."""

_DEFAULTS = {
    "connect_timeout": "1",
    "target_session_attrs": "read-write",
    "application_name": "abacus",
    "gssencmode": "disable",  # spares a look for Kerberos tickets on every connection
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "3000",  # ms: a peer that acknowledges nothing for so long is gone
}
_Row = tuple[Any, ...]


class NoConnectionError(Exception):
    """No connection could be had in time. Nothing was sent."""


@dataclass(eq=False)
class Link:
    """A connection, what the server warned of on it, and when it last proved to work."""

    connection: psycopg.AsyncConnection[_Row]
    proven_s: float
    edition: int = 0
    """Which connection string it was made with, counted from 0."""
    warnings: list[str] = field(default_factory=list)

    def hang_up(self) -> None:
        """End the connection under a running statement, which then fails at once.

        This is not a cancel: a cancel is a request that hangs where the network is cut, and one that ends the wait for
        the synchronous replica makes a commit visible that only one machine holds.
        """
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    def closed_by_peer(self) -> bool:
        """Whether something came in. On an idle connection that is the server's farewell or the end of the stream."""
        if self.connection.closed:
            return True
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class Connections:
    """At most ``size`` connections to the first host of ``dsn`` that lets itself be written to."""

    def __init__(self, dsn: str, size: int, file: Watched | None = None) -> None:
        self.size = size
        self._targets = _targets(dsn)
        self._file = file
        self._edition = 0
        self._slots = asyncio.Semaphore(size)
        self._connecting = asyncio.Lock()
        self._attempt: asyncio.Task[Link | None] | None = None
        self._idle: list[Link] = []
        self._doubted_s = -1.0
        self._reason = "the database cannot be reached"
        """Why the last attempt to connect failed; all that wait for it are told the same."""
        self.in_use = 0

    async def take(self, deadline_s: float) -> Link:
        """A connection that works, by ``deadline_s`` on the monotonic clock; raises ``NoConnectionError``."""
        try:
            async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
                await self._slots.acquire()
        except TimeoutError:
            raise NoConnectionError(f"all {self.size} database connections are in use") from None
        self.in_use += 1
        try:
            self._renew()
            return await self._renewed_link() or await self._idle_link() or await self._connect(deadline_s)
        except BaseException:
            self._release()
            raise

    async def give_back(self, link: Link, *, works: bool) -> None:
        """Take back what ``take`` gave; it is kept if it works, and if not the others are doubted."""
        self._release()
        if works and not link.connection.closed:
            link.proven_s = time.monotonic()
            self._idle.append(link)
        else:
            self.doubt()
            await link.connection.close()

    def doubt(self) -> None:
        """Have every idle connection answer before it is used again."""
        self._doubted_s = time.monotonic()

    async def close(self) -> None:
        """Drop what is idle."""
        idle, self._idle = self._idle, []
        for link in idle:
            await link.connection.close()

    def _renew(self) -> None:
        """Follow the file, if there is one and it has changed."""
        if self._file and (dsn := self._file.changed()):
            self._targets = _targets(dsn)
            self._edition += 1

    def _release(self) -> None:
        self.in_use -= 1
        self._slots.release()

    async def _renewed_link(self) -> Link | None:
        """A new connection in the place of an idle one of before; one attempt at a time, others use what there is."""
        old = next((link for link in self._idle if link.edition != self._edition), None)
        if old is None or self._connecting.locked():
            return None
        self._idle.remove(old)
        try:
            async with self._connecting:
                link = await self._connect_to(self._targets[0], self._edition)
        except BaseException as error:
            self._idle.append(old)
            if isinstance(error, psycopg.Error | OSError):
                return None  # what the file says now does not work, or not yet
            raise
        await old.connection.close()
        return link

    async def _idle_link(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if not link.closed_by_peer() and await self._answers(link):
                return link
            await link.connection.close()
            await self.close()
        return None

    async def _answers(self, link: Link) -> bool:
        if link.proven_s > self._doubted_s and time.monotonic() - link.proven_s < _IDLE_S:
            return True
        patience = asyncio.get_running_loop().call_later(_CHECK_S, link.hang_up)
        try:
            await link.connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        finally:
            patience.cancel()
        return True

    async def _connect(self, deadline_s: float) -> Link:
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s), self._connecting:
                    if link := await self._attempted():
                        return link
                    await asyncio.sleep(_RETRY_S)
            except TimeoutError:
                break
        raise NoConnectionError(self._reason)

    async def _attempted(self) -> Link | None:
        """What an attempt brings. It goes on where who began it has no time left, and the next in the queue takes it.

        Who comes first in the queue has the least time left, soon less than one silent host costs: if attempts ended
        with those who began them, no host after it would ever be asked.
        """
        self._attempt = attempt = self._attempt or asyncio.create_task(self._reach_one())
        await asyncio.wait([attempt])  # where this is cancelled, the attempt is not
        self._attempt = None
        if (link := attempt.result()) is None:
            return None
        works = False
        try:
            works = await self._answers(link)  # it may have waited for somebody to come
        finally:
            if not works:
                await link.connection.close()
        return link if works else None

    async def _reach_one(self) -> Link | None:
        """A connection to the host that answers first, of those that take writes; they are asked in their order.

        The next one is asked, too, where one has said nothing for a moment: in a zone that is cut off its own database
        may be about to step down, and a load balancer that is silent costs a second.
        """
        self._renew()  # a secret that was refused may be another by now
        edition, targets = self._edition, list(self._targets)
        asked: set[asyncio.Task[Link]] = set()
        try:
            while targets or asked:
                if targets:
                    asked.add(asyncio.create_task(self._connect_to(targets.pop(0), edition)))
                patience_s = _SILENT_S if targets else None
                answered, asked = await asyncio.wait(asked, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                for each in answered:
                    if error := each.exception():
                        self._give_up_on(error)
                    else:
                        asked |= answered - {each}
                        return each.result()
            return None
        finally:
            for each in asked:
                each.cancel()
                each.add_done_callback(_hang_up)

    def _give_up_on(self, error: BaseException) -> None:
        if not isinstance(error, psycopg.Error | OSError):
            raise error
        self._reason = f"the database cannot be reached: {error}".strip()

    async def _connect_to(self, target: dict[str, str], edition: int) -> Link:
        try:
            async with asyncio.timeout(float(target["connect_timeout"])):
                connection = await psycopg.AsyncConnection.connect(**target, autocommit=True)  # type: ignore[arg-type]
        except TimeoutError:
            raise psycopg.OperationalError(f"no answer within {target['connect_timeout']} s") from None
        # The one that answered last is asked first: where the first is cut off, waiting for it once is enough.
        if edition == self._edition:
            self._targets.remove(target)
            self._targets.insert(0, target)
        connection.prepare_threshold = 0
        link = Link(connection, time.monotonic(), edition)
        connection.add_notice_handler(
            lambda notice: (
                link.warnings.append(notice.message_primary or "")
                if notice.severity_nonlocalized == "WARNING"
                else None
            )
        )
        return link


def _hang_up(attempt: asyncio.Task[Link]) -> None:
    """Nobody wants what it brought, where it was too late to be cancelled."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().connection.pgconn.finish()


def _targets(dsn: str) -> list[dict[str, str]]:
    """One set of parameters a host: libpq's own time-out counts for all hosts together and is 2 s at least."""
    given = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    parameters = _DEFAULTS | given
    hosts = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [
        {key: value for key, value in (parameters | {"host": host, "port": port}).items() if value}
        for host, port in zip(hosts, ports, strict=True)
    ]
