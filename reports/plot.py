"""The drawings of a report: a drill's timeline, its miniature, and the runs of a group on one line.

All are inline SVG whose colours are CSS variables of the page, so one drawing serves light, dark and print.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import median
from typing import TYPE_CHECKING, Any

from .svg import Scale, box, broken_line, lanes, number, rule, step_area, text, ticks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH_PX, LEFT_PX, RIGHT_PX = 1000.0, 52.0, 988.0
LANE_PX, BRACKET_PX, TITLE_PX, RATES_PX, GAP_PX, LATENCY_PX, AXIS_PX = 16.0, 20.0, 18.0, 150.0, 30.0, 92.0, 34.0
BEFORE_S, AFTER_S = 6.0, 10.0
"""What is drawn before the fault and after its last event, at least, where there is more; the rest of a long load is
as it was and would only make the fault small."""


@dataclass(frozen=True)
class Course:
    """A recorded timeline with times counted from the first injection."""

    edges: list[float]
    rates: dict[str, list[float]]
    latency_p50_ms: list[float | None]
    latency_p99_ms: list[float | None]
    faults: list[dict[str, Any]]
    low_s: float
    high_s: float

    @property
    def middles(self) -> list[float]:
        """The middle of each bin."""
        return [(a + b) / 2 for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)]


def course(timeline: Mapping[str, Any]) -> Course:
    """The recorded ``timeline`` as rates a second on a clock that starts with the first injection (or the load)."""
    start, bin_s, series = timeline["start_s"], timeline["bin_s"], timeline["series"]
    faults = timeline.get("faults") or []
    zero = min((fault["injected_s"] for fault in faults), default=start)
    edges = [start - zero + bin_s * index for index in range(timeline["bins"] + 1)]
    moments = ("injected_s", "felt_s", "undone_s", "healed_s")
    shifted = [
        fault | {key: None if fault.get(key) is None else fault[key] - zero for key in moments} for fault in faults
    ]
    last = max((fault[key] for fault in shifted for key in moments if fault[key] is not None), default=edges[-1])
    rates = {
        name: [count / bin_s for count in counts] for name, counts in series.items() if not name.startswith("latency")
    }
    return Course(
        edges=edges,
        rates=rates,
        latency_p50_ms=series["latency_p50_ms"],
        latency_p99_ms=series["latency_p99_ms"],
        faults=shifted,
        low_s=max(edges[0], -max(BEFORE_S, 0.2 * last)) if faults else edges[0],
        high_s=min(edges[-1], last + max(AFTER_S, 0.2 * last)) if faults else edges[-1],
    )


def timeline_svg(timeline: Mapping[str, Any], *, key: str, rto_s: float | None, objective_s: float | None) -> str:
    """A drill's timeline: what clients were told a second, and how long they waited, with the fault's stages."""
    drawn = course(timeline)
    x = Scale(drawn.low_s, drawn.high_s, LEFT_PX, RIGHT_PX)
    events = _events(drawn, rto_s, objective_s)
    placed = lanes([(x(at), label) for at, label, _ in events], LEFT_PX, RIGHT_PX)
    lanes_end = LANE_PX * (max((lane for _, lane, _ in placed), default=-1) + 1)
    top = lanes_end + TITLE_PX + (BRACKET_PX if rto_s is not None else 0)
    rates_end = top + RATES_PX
    latency_start = rates_end + GAP_PX
    bottom = latency_start + LATENCY_PX
    parts = [_shades(drawn, x, rto_s, lanes_end, bottom, key)]
    parts += _rates(drawn, x, top, rates_end)
    parts += _latency(drawn, x, latency_start, bottom)
    parts += _axis(drawn, x, bottom)
    # All marks before all labels: a label has a halo, and so stays readable where another's mark passes through it.
    for (at, _, css), (_, lane, _) in zip(events, placed, strict=True):
        parts.append(rule(x(at), LANE_PX * lane + 2.5, x(at), bottom, f"mark {css}"))
    for (_, label, css), (text_x, lane, anchor) in zip(events, placed, strict=True):
        parts.append(text(text_x, LANE_PX * lane + 11.5, label, f"event {css}", anchor))
    parts.append(text(LEFT_PX, top - 6, "writes a second, by what clients were told", "axis-title"))
    if rto_s is not None and drawn.faults and (felt := drawn.faults[0]["felt_s"]) is not None:
        parts.append(_bracket(x(felt), x(felt + rto_s), lanes_end + BRACKET_PX / 2 + 1, f"RTO {rto_s:.1f} s"))
    said = _said(timeline, rto_s)
    return (
        f'<svg viewBox="0 0 {WIDTH_PX:g} {number(bottom + AXIS_PX)}" role="img" class="timeline" '
        f'aria-labelledby="{escape(key)}-t {escape(key)}-d"><title id="{escape(key)}-t">Timeline of {escape(key)}'
        f'</title><desc id="{escape(key)}-d">{escape(said)}</desc>{"".join(parts)}</svg>'
    )


def _events(drawn: Course, rto_s: float | None, objective_s: float | None) -> list[tuple[float, str, str]]:
    events: list[tuple[float, str, str]] = []
    for fault in drawn.faults:
        felt = fault["felt_s"]
        events.append((fault["injected_s"], "injected", "hit"))
        if felt is not None:
            events.append((felt, f"felt {felt - fault['injected_s']:+.2f} s", "hit"))
            if fault is drawn.faults[0] and rto_s is not None:
                events.append((felt + rto_s, f"writes served again {felt + rto_s:+.1f} s", "good"))
            if fault is drawn.faults[0] and objective_s is not None and felt + objective_s < drawn.high_s:
                events.append((felt + objective_s, f"objective {objective_s:g} s", "goal"))
        for name in ("undone", "healed"):
            if (at := fault[f"{name}_s"]) is not None:
                events.append((at, f"{name} {at:+.1f} s", "good" if name == "healed" else "quiet"))
    return sorted(events)


def _shades(drawn: Course, x: Scale, rto_s: float | None, top: float, bottom: float, key: str) -> str:
    """The fault while it lasted, and in it the time until writes were served again."""
    hatch = escape(f"{key}-hatch")
    pattern = f'<pattern id="{hatch}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    parts = [f'<defs>{pattern}<path d="M0 0V7" class="hatch"/></pattern></defs>']
    for fault in drawn.faults:
        end = fault["undone_s"] if fault["undone_s"] is not None else drawn.high_s
        parts.append(box(x(fault["injected_s"]), top, x(end), bottom, "fault"))
    if drawn.faults and (felt := drawn.faults[0]["felt_s"]) is not None:
        back = drawn.high_s if rto_s is None else felt + rto_s
        parts.append(box(x(felt), top, x(back), bottom, "outage"))
        parts.append(box(x(felt), top, x(back), bottom, "").replace('class=""', f'fill="url(#{hatch})"'))
    return "".join(parts)


def _visible(drawn: Course) -> tuple[slice, list[float]]:
    first = next((i for i, edge in enumerate(drawn.edges[1:]) if edge > drawn.low_s), 0)
    last = next((i for i, edge in enumerate(drawn.edges) if edge >= drawn.high_s), len(drawn.edges) - 1)
    return slice(first, last), drawn.edges[first : last + 1]


def _rates(drawn: Course, x: Scale, top: float, bottom: float) -> list[str]:
    part, edges = _visible(drawn)
    acknowledged, failed, unknown = (
        drawn.rates[f"writes_{name}"][part] for name in ("acknowledged", "failed", "unknown")
    )
    with_failed = [a + b for a, b in zip(acknowledged, failed, strict=True)]
    everything = [a + b for a, b in zip(with_failed, unknown, strict=True)]
    # One burst (all that hung is told at once) must not flatten the rest: cap it and say how high it went.
    usual = sorted(everything)[int(0.95 * (len(everything) - 1))] if everything else 1.0
    peak = max(everything, default=1.0)
    high = max(min(peak, 1.8 * usual), 1e-9) * 1.06
    y = Scale(0, high, bottom, top)
    parts = _grid(y, ticks(0, high, 4), "")
    for values, css in ((everything, "unknown"), (with_failed, "failed"), (acknowledged, "acknowledged")):
        if any(values):
            parts.append(f'<path d="{step_area(values, x, y, edges)}" class="area {css}"/>')
    if peak > high:
        at = edges[everything.index(peak)]
        anchor = "start" if x(at) < RIGHT_PX - 90 else "end"
        parts.append(text(x(at) + (4 if anchor == "start" else -4), top + 11, f"↑ {peak:.0f}/s", "tick strong", anchor))
    return parts


def _latency(drawn: Course, x: Scale, top: float, bottom: float) -> list[str]:
    part, _ = _visible(drawn)
    p50, p99, middles = drawn.latency_p50_ms[part], drawn.latency_p99_ms[part], drawn.middles[part]
    known = [value for value in (*p50, *p99) if value is not None and value > 0]
    if not known:
        return [text(LEFT_PX, top - 5, "no write was acknowledged, so there is no latency", "axis-title")]
    powers = [10.0**power for power in range(-2, 7)]
    low = max((power for power in powers if power <= min(known)), default=powers[0])
    high = min((power for power in powers if power >= max(known)), default=powers[-1])
    y = Scale(low, max(high, low * 10), bottom, top, logarithmic=True)
    parts = _grid(y, [power for power in powers if low <= power <= y.high], " ms")
    parts.append(f'<path d="{broken_line(p99, x, y, middles)}" class="line p99"/>')
    parts.append(f'<path d="{broken_line(p50, x, y, middles)}" class="line p50"/>')
    parts.append(text(LEFT_PX, top - 5, "latency of acknowledged writes, from when they were due", "axis-title"))
    return parts


def _grid(y: Scale, values: Sequence[float], unit: str) -> list[str]:
    parts = []
    for value in values:
        at = y(value)
        label = f"{value / 1000:g} s" if unit == " ms" and value >= 1000 else f"{value:g}{unit}"
        parts.append(rule(LEFT_PX, at, RIGHT_PX, at, "grid"))
        parts.append(text(LEFT_PX - 6, at + 3.5, label, "tick", "end"))
    return parts


def _axis(drawn: Course, x: Scale, bottom: float) -> list[str]:
    parts = [rule(LEFT_PX, bottom, RIGHT_PX, bottom, "base")]
    for value in ticks(drawn.low_s, drawn.high_s, 12):
        parts.append(rule(x(value), bottom, x(value), bottom + 4, "base"))
        parts.append(text(x(value), bottom + 16, f"{value:g}", "tick", "middle"))
    origin = "injection" if drawn.faults else "start of the load"
    parts.append(text(RIGHT_PX, bottom + 30, f"seconds from the {origin}", "axis-title", "end"))
    return parts


def _bracket(start: float, end: float, y: float, label: str) -> str:
    width = len(label) * 7.2
    path = f"M{number(start)} {number(y - 4)}v8m0 -4H{number(end)}m0 -4v8"
    fits = end - start > width + 16
    middle = (start + end) / 2 if fits else end + width / 2 + 6
    back = box(middle - width / 2 - 3, y - 8, middle + width / 2 + 3, y + 8, "label-back") if fits else ""
    return f'<path d="{path}" class="bracket"/>{back}{text(middle, y + 4.5, label, "rto", "middle")}'


def _said(timeline: Mapping[str, Any], rto_s: float | None) -> str:
    totals = timeline.get("totals") or {}
    recovery = "" if rto_s is None else f" Writes were served again {rto_s:.1f} s after the fault was felt."
    return (
        f"{totals.get('writes', 0)} writes in {totals.get('duration_s', 0):.0f} s: "
        f"{totals.get('acknowledged', 0)} acknowledged, {totals.get('failed', 0)} refused, "
        f"{totals.get('unknown', 0)} unknown.{recovery}"
    )


def spark_svg(timeline: Mapping[str, Any]) -> str:
    """The miniature of a timeline for the table of drills: acknowledged writes, and the fault behind them."""
    drawn = course(timeline)
    x, part = Scale(drawn.low_s, drawn.high_s, 0, 132), _visible(drawn)
    width = max(len(part[1]) // 66, 1)
    edges = part[1][::width]
    values = [sum(chunk) / len(chunk) for chunk in _chunks(drawn.rates["writes_acknowledged"][part[0]], width)]
    edges = [*edges[: len(values)], part[1][-1]]
    y = Scale(0, max(1.35 * median(values), 0.4 * max(values), 1e-9), 24, 1)  # a burst must not flatten the rest
    shades = "".join(
        box(x(f["injected_s"]), 0, x(drawn.high_s if f["undone_s"] is None else f["undone_s"]), 26, "outage")
        for f in drawn.faults
    )
    area = step_area(values, x, y, edges)
    return (
        f'<svg viewBox="0 0 132 26" class="spark" aria-hidden="true">{shades}'
        f'<path d="{area}" class="area acknowledged"/></svg>'
    )


def _chunks(values: Sequence[float], size: int) -> list[Sequence[float]]:
    return [values[index : index + size] for index in range(0, len(values), size)]


def strip_svg(values: Sequence[float], *, bound: float, objective: float | None, label: str) -> str:
    """The runs of a group as dots on one line, with the median, the bound that is judged and the objective."""
    if not any((*values, bound, objective or 0)):
        return ""  # all runs at zero: a sentence says it better
    middle = median(values)
    x = Scale(0, max([*values, bound, objective or 0, 1e-9]) * 1.04, 8, 612)
    parts = [rule(8, 30, 612, 30, "base")]
    for tick in ticks(0, x.high, 8):
        parts += [rule(x(tick), 30, x(tick), 34, "base"), text(x(tick), 46, f"{tick:g}", "tick", "middle")]
    parts += [f'<circle cx="{number(x(value))}" cy="24" r="4" class="dot"/>' for value in values]
    parts += [rule(x(middle), 15, x(middle), 30, "median"), rule(x(bound), 12, x(bound), 30, "bracket")]
    if objective is not None:
        parts += [rule(x(objective), 6, x(objective), 30, "mark goal")]
    return f'<svg viewBox="0 0 620 50" role="img" class="strip" aria-label="{escape(label)}">{"".join(parts)}</svg>'
