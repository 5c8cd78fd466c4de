"""How a duration grows with a size: a straight line, how far the runs are off it, and what it says of larger sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.svg import Scale, number, rule, text

_STUDENT = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom; beyond, the last is a little too wide."""
DECADES = (0.1, 1.0, 10.0, 100.0, 1000.0)
WIDTH_PX, HEIGHT_PX, LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 760.0, 420.0, 62.0, 610.0, 34.0, 366.0
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.grid{stroke:#d0d7de;fill:none}.band{opacity:.16}"
    ".line{fill:none;stroke-width:2}.beyond{stroke-dasharray:5 4}.s0{stroke:#0969da;fill:#0969da}"
    ".s1{stroke:#bc4c00;fill:#bc4c00}.s2{stroke:#6e7781;fill:#6e7781}.line,.grid{fill:none}.band{stroke:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}}"
)


@dataclass(frozen=True)
class Expected:
    """What a line says of one size, in s: the middle, and where one further run is with 95 %."""

    middle_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True)
class Line:
    """``constant_s + s_per_gb * size``, fitted to runs whose scatter grows with their duration."""

    constant_s: float
    s_per_gb: float
    covariance: NDArray[np.float64]
    """Of the two, 2 x 2, estimated from the scatter."""
    scatter: float
    """Standard deviation of a run, as a share of its duration; 0 where there are too few runs to tell."""
    off: float
    """The run that is farthest from the line, as a share of its duration."""
    runs: int

    @property
    def mb_per_s(self) -> float:
        """How fast it goes once the constant part is over; infinite where size does not matter."""
        return 1000.0 / self.s_per_gb if self.s_per_gb > 0 else float("inf")

    def at(self, gb: float) -> Expected | None:
        """What to expect of a size; None with fewer than 3 runs, from which no interval can be had."""
        free = self.runs - 2
        if free < 1:
            return None
        where = np.array([1.0, gb])
        middle_s = self.constant_s + self.s_per_gb * gb
        spread_s = float(np.sqrt((self.scatter * middle_s) ** 2 + where @ self.covariance @ where))
        half_s = _STUDENT[min(free, len(_STUDENT)) - 1] * spread_s
        return Expected(middle_s, max(middle_s - half_s, 0.0), middle_s + half_s)


def fit(gb: Sequence[float], took_s: Sequence[float]) -> Line:
    """Least squares with weights 1 / duration^2, as a run of ten times the size also scatters ten times as far.

    The prediction interval is that of the linear model (Draper and Smith, Applied Regression Analysis, section 1.4),
    weighted. Raises ValueError with fewer than two different sizes.
    """
    if len(set(gb)) < 2:
        raise ValueError("a line needs runs of at least two sizes")
    sizes = np.column_stack((np.ones(len(gb)), np.asarray(gb, np.float64)))
    took = np.asarray(took_s, np.float64)
    weights = 1.0 / np.maximum(took, 1e-3) ** 2
    inverse = np.asarray(np.linalg.inv(sizes.T @ (sizes * weights[:, None])), np.float64)
    constant_s, s_per_gb = inverse @ sizes.T @ (weights * took)
    relative = (took - sizes @ np.array([constant_s, s_per_gb])) * np.sqrt(weights)
    free = len(gb) - 2
    variance = float(relative @ relative) / free if free else 0.0
    return Line(
        constant_s=float(constant_s),
        s_per_gb=float(s_per_gb),
        covariance=inverse * variance,
        scatter=float(np.sqrt(variance)),
        off=float(np.abs(relative).max()),
        runs=len(gb),
    )


def duration(seconds: float) -> str:
    """For people: two digits that count."""
    for unit, size_s in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.{1 if seconds < 10 * size_s else 0}f} {unit}"
    return f"{seconds:.{1 if seconds < 10 else 0}f} s"


def plot(runs: Mapping[str, Sequence[tuple[float, float]]], title: str) -> str:
    """A drawing on two logarithmic axes: by way of restoring, its runs as (GB, s), its line, and its interval.

    The line is broken beyond the largest run. The SVG stands alone, in light and dark.
    """
    lines = {name: fit(*zip(*points, strict=True)) for name, points in runs.items()}
    x = Scale(DECADES[0], DECADES[-1], LEFT_PX, RIGHT_PX, logarithmic=True)
    highest = max(each.at(DECADES[-1]).high_s if each.runs > 2 else 1e4 for each in lines.values())  # type: ignore[union-attr]
    y = Scale(0.1, max(highest, 10.0), BOTTOM_PX, TOP_PX, logarithmic=True)
    parts = [text(LEFT_PX, 16, title, "title")]
    for gb in DECADES:
        parts += [
            rule(x(gb), TOP_PX, x(gb), BOTTOM_PX, "grid"),
            text(x(gb), BOTTOM_PX + 18, _size(gb), "tick", "middle"),
        ]
    for seconds in (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 360_000.0):
        if seconds <= y.high:
            parts += [rule(LEFT_PX, y(seconds), RIGHT_PX, y(seconds), "grid")]
            parts += [text(LEFT_PX - 6, y(seconds) + 4, duration(seconds), "tick", "end")]
    names = sorted(lines, key=lambda name: lines[name].constant_s + lines[name].s_per_gb * DECADES[-1])
    previous_px = HEIGHT_PX
    for name in names:
        css = f"s{list(runs).index(name)}"
        parts += _drawn(lines[name], runs[name], x, y, css)
        end_px = min(y(lines[name].constant_s + lines[name].s_per_gb * DECADES[-1]) + 4, previous_px - 15)
        parts.append(text(RIGHT_PX + 8, end_px, name, "name"))
        previous_px = end_px
    parts.append(text(RIGHT_PX, BOTTOM_PX + 40, "size of the cluster; broken: beyond what was run", "tick", "end"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX:g} {HEIGHT_PX:g}" role="img" '
        f'aria-label="{title}"><style>{STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _size(gb: float) -> str:
    return f"{gb * 1000:g} MB" if gb < 1 else f"{gb:g} GB" if gb < 1000 else f"{gb / 1000:g} TB"


def _drawn(line: Line, points: Sequence[tuple[float, float]], x: Scale, y: Scale, css: str) -> list[str]:
    sizes = [float(gb) for gb in np.geomspace(DECADES[0], DECADES[-1], 60)]
    largest = max(gb for gb, _ in points)
    middles = [(gb, line.constant_s + line.s_per_gb * gb) for gb in sizes]
    run, beyond = ([each for each in middles if (each[0] <= largest) is inside] for inside in (True, False))
    parts = []
    expected = [(gb, found) for gb in sizes if (found := line.at(gb)) is not None]
    if expected:
        edge = [(gb, each.high_s) for gb, each in expected] + [(gb, each.low_s) for gb, each in reversed(expected)]
        parts.append(f'<path d="{_path(edge, x, y)}Z" class="band {css}"/>')
    for part, extra in ((run, ""), ([*run[-1:], *beyond], " beyond")):
        parts.append(f'<path d="{_path(part, x, y)}" class="{css} line{extra}"/>')
    parts += [f'<circle cx="{number(x(gb))}" cy="{number(y(s))}" r="3.5" class="{css}"/>' for gb, s in points]
    return parts


def _path(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    return "M" + "L".join(f"{number(x(gb))} {number(y(seconds))}" for gb, seconds in points)
