"""The small parts of a drawing: scales, step areas, lines with gaps, labels that do not cover each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHARACTER_PX = 6.1
"""Mean width of a character of the labels (11.5 px, system fonts), rounded up."""


@dataclass(frozen=True)
class Scale:
    """Maps a number to a coordinate; a logarithmic one needs numbers above 0."""

    low: float
    high: float
    start_px: float
    end_px: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The coordinate, held inside the drawing."""
        transform: Callable[[float], float] = math.log10 if self.logarithmic else float
        low, high = transform(self.low), transform(self.high)
        share = (transform(max(value, self.low)) - low) / ((high - low) or 1.0)
        return self.start_px + min(max(share, 0.0), 1.0) * (self.end_px - self.start_px)


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel, as short as it can be."""
    return f"{value:.1f}".removesuffix(".0")


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two numbers, about as many as asked for."""
    raw = max((high - low) / max(about, 1), 1e-9)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def step_area(values: Sequence[float], x: Scale, y: Scale, edges: Sequence[float]) -> str:
    """The path of a filled step line over ``edges`` (one more than values); equal neighbours become one step."""
    base = number(y(0))
    parts = [f"M{number(x(edges[0]))} {base}"]
    previous = ""
    for index, value in enumerate(values):
        level = number(y(value))
        if level != previous:
            if previous:
                parts.append(f"H{number(x(edges[index]))}")
            parts.append(f"V{level}")
            previous = level
    parts.append(f"H{number(x(edges[-1]))}V{base}Z")
    return "".join(parts)


def broken_line(values: Sequence[float | None], x: Scale, y: Scale, middles: Sequence[float]) -> str:
    """The path of a line that is interrupted where there is no value; a lone value becomes a dot."""
    parts: list[str] = []
    joined = False
    for index, value in enumerate(values):
        if value is None:
            joined = False
            continue
        alone = not joined and (index + 1 == len(values) or values[index + 1] is None)
        point = f"{number(x(middles[index]))} {number(y(value))}"
        parts.append(f"{'L' if joined else 'M'}{point}" + ("h.1" if alone else ""))
        joined = True
    return "".join(parts)


def lanes(labels: Sequence[tuple[float, str]], left_px: float, right_px: float) -> list[tuple[float, int, str]]:
    """For each label (its mark's x, text): where its text starts, in which lane, and the anchor.

    A text stands right of its mark, or left of it where the drawing ends, in the first lane where nothing else stands.
    """
    taken: list[list[tuple[float, float]]] = []
    placed = []
    for mark_px, text in labels:
        width = len(text) * CHARACTER_PX + 10
        anchor = "start" if mark_px + width < right_px else "end"
        span = (mark_px, mark_px + width) if anchor == "start" else (max(mark_px - width, left_px), mark_px)
        lane = next(
            (n for n, spans in enumerate(taken) if all(span[1] <= s or span[0] >= e for s, e in spans)), len(taken)
        )
        if lane == len(taken):
            taken.append([])
        taken[lane].append(span)
        placed.append((mark_px + (4 if anchor == "start" else -4), lane, anchor))
    return placed


def text(x: float, y: float, content: str, css: str, anchor: str = "start") -> str:
    """A text element."""
    return f'<text x="{number(x)}" y="{number(y)}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<path d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}" class="{css}"/>'


def box(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A rectangle between two corners."""
    width, height = max(x2 - x1, 0.8), max(y2 - y1, 0.0)
    return f'<rect x="{number(x1)}" y="{number(y1)}" width="{number(width)}" height="{number(height)}" class="{css}"/>'
