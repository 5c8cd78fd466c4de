"""Numbers and names as a person reads them."""

from __future__ import annotations

import re
from typing import Any

NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""
SIGNS = {"PASS": "✓", "FAIL": "✕", "UNKNOWN": "?", "NOT EXERCISED": NOTHING}
"""Beside every colour stands a sign, for those who do not see the colour."""

_UNITS = {"_s": " s", "_ms": " ms", "_bytes": " bytes", "_rate": ""}

NAMES = {
    "rto_s": "RTO",
    "unavailable_s": "Unavailable",
    "rpo_writes": "Lost writes",
    "rpo_s": "Lost time",
    "stale_reads_s": "Stale reads",
}


def quantity(name: str, value: Any) -> str:
    """A measured number with the unit that ends its name; a dash where it was not measured."""
    if value is None:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    unit = next((shown for suffix, shown in _UNITS.items() if re.search(f"{suffix}(_|$)", name)), "")
    return plain_number(value) + unit


def limit(name: str, value: float | None) -> str:
    """An objective, which somebody wrote as a short number."""
    return NOTHING if value is None else quantity(name, value).replace(plain_number(value), f"{value:g}")


def against(name: str, value: Any, objective: float | None) -> str:
    """What was measured beside what was allowed: ``20.5 s (≤ 30 s)``."""
    allowed = "" if objective is None or value is None else f" (≤ {limit(name, objective)})"
    return quantity(name, value) + allowed


def plain_number(value: float) -> str:
    """Thousands with thin spaces, seconds to what can be told apart."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 10):
        return f"{int(value):,}".replace(",", "\u202f")
    if value == 0:
        return "0"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def title(identity: str) -> str:
    """A drill's id as words: ``zone-loss-2`` is ``Zone loss (run 2)``."""
    match = re.fullmatch(r"(.*?)-(\d+)", identity)
    name, run = match.groups() if match else (identity, "")
    words = re.sub(r"\bapi\b", "API", name.removeprefix("test_").replace("_", " ").replace("-", " ").strip())
    return words[:1].upper() + words[1:] + (f" (run {run})" if run else "")


def sentence_name(check: str) -> str:
    """A check's name as words."""
    return check.replace("_", " ").capitalize()


def definition(docstring: str, parameters: dict[str, Any]) -> str:
    """A check's promise with the numbers it was asked with in place of their names."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        return limit(name, parameters[name]) if name in parameters else name

    return re.sub(r"``(.+?)``", value, docstring)


def measure_name(name: str) -> str:
    """A measured number's name without its unit, as words."""
    bare = re.sub(r"_(s|ms|bytes)(?=_|$)", "", name)
    return NAMES.get(name, bare.replace("_", " "))


def anchor(identity: str) -> str:
    """An id that a link can point to."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", identity).strip("-")


def css(outcome: str) -> str:
    """The class of an outcome."""
    return outcome.replace(" ", "-")


def shorten(sentence: str, limit: int = 150) -> str:
    """The beginning of a long sentence; it stands in full with the drill."""
    return sentence if len(sentence) <= limit else sentence[: limit - 1].rsplit(" ", 1)[0] + " …"


def when(at: str) -> str:
    """An ISO time to the second."""
    return f"{at[:10]} {at[11:19]} UTC" if len(at) >= 19 else at


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as pairs of a dotted name and a text."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flat(item, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list):
        return [(prefix, ", ".join(map(str, value)))] if value else []
    return [] if value is None else [(prefix, str(value))]
