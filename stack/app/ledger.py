"""The ledger: accounts and transfers in PostgreSQL, one round trip each.

An answer is one of three. It was done; or it was not done, and that is certain (``RefusedError``, ``NotDoneError``); or
nobody knows (``UnknownError``). Certain is only: nothing was sent, or the server itself reported an error and lives on,
which means that it rolled back. A lost connection, silence, or a warning that came with a success leaves it open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from .config import Config, Watched
from .connections import Connections, Link, NoConnectionError

_PATIENCE_S = 10.0
"""How long a statement that nobody waits for any more may hold its connection."""


_SENDING_SHARE = 0.25
"""How much of its time a request must have left to be sent. Sent later, it would most likely end as unknown."""


class RefusedError(Exception):
    """It was not done and never will be: the request contradicts the ledger."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class NotDoneError(Exception):
    """It was surely not done; it may be tried again."""


class UnknownError(Exception):
    """Nobody knows whether it was done. Only the same transfer sent again, with the same id, finds out."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        """``timeout``, ``connection`` or ``warning``."""


@dataclass(frozen=True)
class Transfer:
    """Money to be moved once, under an id that the client chose."""

    id: UUID
    source: int
    target: int
    amount: int


@dataclass(frozen=True)
class Receipt:
    """A transfer that is in the ledger. A replay bears the versions of the first time."""

    applied: bool
    """Now; False: before."""
    source_version: int
    target_version: int
    timeline: int


@dataclass(frozen=True)
class Account:
    """An account as the database had it at ``read_s`` or later (seconds since 1970)."""

    id: int
    balance: int
    version: int
    read_s: float


class Ledger(Protocol):
    """What the API needs of a ledger. All methods but ``close`` raise the three errors above."""

    @property
    def in_use(self) -> int:
        """Connections that are not idle."""
        ...

    async def transfer(self, order: Transfer) -> Receipt:
        """Move the money, or find that it was moved before."""
        ...

    async def open_accounts(self, first: int, count: int, opening_balance: int) -> None:
        """Open the accounts that do not exist yet."""
        ...

    async def account(self, number: int) -> Account:
        """One account."""
        ...

    async def accounts(self, first: int, count: int) -> tuple[list[int], list[int]]:
        """Balances and versions of accounts with adjacent ids, from one snapshot."""
        ...

    async def transfers(self, run: int, after: int, limit: int) -> dict[str, list[int]]:
        """The transfers of a run with numbers above ``after``, ascending: numbers, sources, targets, amounts."""
        ...

    async def prove_writable(self) -> int:
        """Commit something that leaves no trace but its WAL; return the schema's version, 0 where there is none."""
        ...

    async def close(self) -> None:
        """Let go of all connections."""
        ...


_NEEDS_ROOM = "INSERT INTO room SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 200) RETURNING 1"
"""6,400 bytes, more than half a page, so that each takes a new one."""


class PostgresLedger:
    """The ledger itself."""

    def __init__(self, config: Config) -> None:
        self._timeout_s = config.database_timeout_s
        self._full = False
        """A write found no room; it stands until one finds some."""
        self._running: set[asyncio.Task[list[Any]]] = set()
        self._busy: set[Link] = set()
        file = Watched(config.database_dsn_file) if config.database_dsn_file else None
        self.connections = Connections(config.database_dsn, config.pool_size, file)

    @property
    def in_use(self) -> int:
        """Connections that are not idle."""
        return self.connections.in_use

    async def transfer(self, order: Transfer) -> Receipt:
        """Move the money once; raises all three errors."""
        values = (order.id, order.source, order.target, order.amount)
        [(verdict, *answer)] = await self.execute("SELECT * FROM transfer(%s, %s, %s, %s)", values)
        match verdict:
            case "applied" | "known":
                return Receipt(verdict == "applied", *answer)
            case "conflict":
                raise RefusedError(409, f"transfer {order.id} was applied before with other content")
            case _:
                raise RefusedError(422, f"{verdict}: {order.amount} from {order.source} to {order.target}")

    async def open_accounts(self, first: int, count: int, opening_balance: int) -> None:
        """Open accounts; raises all three errors."""
        [(differing,)] = await self.execute("SELECT open_accounts(%s, %s, %s)", (first, count, opening_balance))
        if differing:
            raise RefusedError(409, f"{differing} of these accounts exist with another opening balance")

    async def account(self, number: int) -> Account:
        """One account; raises ``RefusedError`` (404) and ``NotDoneError``."""
        read_s = time.time()  # taken before the question is sent, so that an age is never counted too young
        rows = await self._read("SELECT balance, version FROM accounts WHERE id = %s", (number,))
        if not rows:
            raise RefusedError(404, f"there is no account {number}")
        [(balance, version)] = rows
        return Account(number, balance, version, read_s)

    async def accounts(self, first: int, count: int) -> tuple[list[int], list[int]]:
        """Adjacent accounts; raises ``RefusedError`` (404) and ``NotDoneError``."""
        query = (
            "SELECT array_agg(balance ORDER BY id), array_agg(version ORDER BY id)"
            " FROM accounts WHERE id BETWEEN %s AND %s"
        )
        [(balances, versions)] = await self._read(query, (first, first + count - 1))
        if len(balances or ()) != count:
            raise RefusedError(
                404, f"{count - len(balances or ())} of the {count} accounts from {first} on do not exist"
            )
        return balances, versions

    async def transfers(self, run: int, after: int, limit: int) -> dict[str, list[int]]:
        """A run's transfers; raises ``NotDoneError``. The run is the id's high 64 bits, the number its low ones."""
        query = (
            "SELECT ('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint, source, target, amount"
            " FROM transfers WHERE id BETWEEN %s AND %s ORDER BY id LIMIT %s"
        )
        first, last = UUID(int=(run << 64) + after + 1), UUID(int=(run << 64) + 2**63 - 1)
        rows = await self._read(query, (first, last, limit))
        columns = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])
        return dict(zip(("numbers", "sources", "targets", "amounts"), columns, strict=True))

    async def prove_writable(self) -> int:
        """Commit a message that nobody reads; raises ``NotDoneError`` and ``UnknownError``.

        Its commit waits for the synchronous replica like that of a transfer, so it succeeds where a transfer would. No
        row is written and nothing is left to vacuum. A replica cannot do it; a primary set to read-only could, and
        is therefore asked.
        """
        if self._full:
            # The message needs no room beyond the write-ahead log's, a transfer does.
            await self.execute(_NEEDS_ROOM, ())
            self._full = False
            await self.execute("TRUNCATE room", ())
        query = (
            "SELECT max(version), to_regclass('transfers') IS NULL, current_setting('transaction_read_only')::boolean,"
            " pg_logical_emit_message(true, 'abacus ready', '') FROM schema_migrations"
        )
        try:
            [(version, gone, read_only, _)] = await self.execute(query, ())
        except NotDoneError as error:
            if isinstance(error.__cause__, psycopg.errors.UndefinedTable):
                return 0
            raise
        if gone:  # asked of the catalogue, which a lock on the table does not hide
            raise NotDoneError("the table of transfers is gone")
        if read_only:
            raise NotDoneError("the database is read-only")
        return version or 0

    async def close(self) -> None:
        """Hang up on what still runs; its outcome was answered as unknown long ago."""
        for link in self._busy:
            link.hang_up()
        if self._running:
            await asyncio.wait(self._running)
        await self.connections.close()

    async def _read(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            return await self.execute(query, values)
        except UnknownError as error:  # a read changes nothing, so there is nothing to be unsure of
            raise NotDoneError(str(error)) from error

    async def execute(self, query: str, values: Sequence[object]) -> list[Any]:
        """Run one statement, a transaction of its own; return its rows; raises ``NotDoneError``, ``UnknownError``."""
        deadline_s = time.monotonic() + self._timeout_s
        try:
            link = await self.connections.take(deadline_s - self._timeout_s * _SENDING_SHARE)
        except NoConnectionError as error:
            raise NotDoneError(str(error)) from error
        # In a task of its own, so that neither a time-out nor a cancelled request touches it: psycopg answers a
        # cancelled wait by cancelling the statement in the server (see Link.hang_up for why that must not be).
        statement = asyncio.create_task(self._finish(link, query, values))
        self._running.add(statement)
        statement.add_done_callback(self._running.discard)
        statement.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait({statement}, timeout=max(0.0, deadline_s - time.monotonic()))
        if not statement.done():
            self.connections.doubt()
            raise UnknownError("timeout", f"the database did not answer within {self._timeout_s:g} s")
        return statement.result()

    async def _finish(self, link: Link, query: str, values: Sequence[object]) -> list[Any]:
        """See a statement to its end, however long it takes, and give the connection back."""
        patience = asyncio.get_running_loop().call_later(self._timeout_s + _PATIENCE_S, link.hang_up)
        link.warnings.clear()
        self._busy.add(link)
        works = False
        try:
            cursor = await link.connection.execute(query, values, binary=True)
            rows = await cursor.fetchall()
            works = True
        except psycopg.Error as error:
            self._full = self._full or isinstance(error, psycopg.errors.DiskFull)
            rolled_back = link.connection.pgconn.transaction_status == TransactionStatus.IDLE
            # A server that became read-only lives on, but the next statement belongs to the new primary.
            works = rolled_back and not isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
            if rolled_back and error.diag.severity_nonlocalized == "ERROR":
                raise NotDoneError(f"the database refused: {error}") from error
            raise UnknownError("connection", f"the connection to the database broke: {error}") from error
        finally:
            patience.cancel()
            self._busy.discard(link)
            await self.connections.give_back(link, works=works)
        # No statement of ours warns. PostgreSQL does when the wait for the synchronous replica was cancelled: the
        # commit then stands on one machine only, and the next failover may take it away.
        if link.warnings:
            raise UnknownError("warning", f"the database warned: {link.warnings[0]}")
        return rows
