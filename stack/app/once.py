"""One question for all who ask the same at the same time.

While a cache is cold, or gone, every read of a popular account would ask the database for the same row at once, and
queue for its few connections. Here the first asks and the others wait for its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _Asked(Generic[Answer]):
    answer: asyncio.Task[Answer]
    began_s: float


class Once(Generic[Key, Answer]):
    """Questions that are on their way, by key; a failure is every waiter's failure, and the next one asks anew."""

    def __init__(self, young_s: float) -> None:
        """``young_s``: who asks later than this after the first asks for itself: its answer would be that old."""
        self._young_s = young_s
        self._on_the_way: dict[Key, _Asked[Answer]] = {}

    async def ask(self, key: Key, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to this question, or to the same one that is being asked."""
        asked = self._on_the_way.get(key)
        if asked is None or time.monotonic() - asked.began_s > self._young_s:
            asked = _Asked(asyncio.create_task(_awaited(question)), time.monotonic())
            self._on_the_way[key] = asked
            asked.answer.add_done_callback(lambda _: self._done(key, asked))
        return await asyncio.shield(asked.answer)  # whoever began it may go away: the others still wait

    def forget(self, *keys: Key) -> None:
        """What changed: who asks from now on must not get an answer from before."""
        for key in keys:
            self._on_the_way.pop(key, None)

    def _done(self, key: Key, asked: _Asked[Answer]) -> None:
        if self._on_the_way.get(key) is asked:
            del self._on_the_way[key]
        if not asked.answer.cancelled():
            asked.answer.exception()  # seen, also where nobody waits any more


async def _awaited(question: Callable[[], Awaitable[Answer]]) -> Answer:
    return await question()
