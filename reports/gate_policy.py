"""The release gate's policy, ``gate.yaml``: which rows a release must show, how often, and how much slower is too slow.

Every mistake in it is one clear sentence with file and key: a policy that is read wrongly lets everything out.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

POLICY = Path(__file__).parent / "gate.yaml"
SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
KEYS = ("required", "repeat", "margin", "margins")
OPTIONAL = frozenset({"margins"})
MARGIN_KEYS = ("absolute_s", "relative")
REPEAT_MAX = 1000
MARGIN_MAX = {"absolute_s": 86_400.0, "relative": 10.0}
"""A day, and eleven times as slow: beyond them a margin is a typing error, and infinity would switch the gate off."""


class BadInput(ValueError):
    """A policy or an accepted run that cannot be read; the message says file, key, what was expected, what to do."""


@dataclass(frozen=True)
class Margin:
    """How much slower than the accepted run a run may be: the larger of the two."""

    absolute_s: float
    relative: float
    """Of the accepted median: 0.1 is a tenth."""

    def of(self, accepted_s: float) -> float:
        """In seconds, for an accepted median of ``accepted_s``."""
        return max(self.absolute_s, self.relative * accepted_s)


@dataclass(frozen=True)
class Policy:
    """What ``gate.yaml`` says."""

    required: tuple[str, ...]
    """Rows, each of which must have passed ``repeat`` times."""
    repeat: int
    margin: Margin
    margins: Mapping[str, Margin]
    """By row, in place of ``margin``."""
    file: str = ""
    sha256: str = ""
    """Of the file's content: which policy a decision was made by."""
    objectives: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By required row, what its file promises."""
    sha256_of_rows: Mapping[str, str] = field(default_factory=dict)
    """By required row, of its file."""

    def margin_of(self, row: str) -> Margin:
        """The row's own margin, else that of all."""
        return self.margins.get(row, self.margin)


def read_policy(path: Path = POLICY, scenarios: Path = SCENARIOS) -> Policy:
    """Read a policy; its rows must be those of the directory ``scenarios``. Raises BadInput."""
    content, text = _parsed(path)
    content = _mapping(content, f"{path}", KEYS, OPTIONAL)
    required = _required(content["required"], path, scenarios)
    margins = content.get("margins", {})
    if not isinstance(margins, Mapping):
        raise BadInput(f"{path}: margins: expected a margin by row, got {margins!r}")
    for row in margins:
        if row not in required:
            raise BadInput(f"{path}: margins.{row}: is not one of the required rows{_did_you_mean(row, required)}")
    return Policy(
        required=required,
        repeat=_repeat(content["repeat"], path),
        margin=_margin(content["margin"], f"{path}: margin"),
        margins={row: _margin(value, f"{path}: margins.{row}") for row, value in margins.items()},
        file=str(path),
        sha256=hashlib.sha256(text).hexdigest(),
        objectives={row: _objectives(scenarios / f"{row}.yaml") for row in required},
        sha256_of_rows={row: _sha256(scenarios / f"{row}.yaml") for row in required},
    )


def _sha256(row: Path) -> str:
    return hashlib.sha256(row.read_bytes()).hexdigest()


def _objectives(row: Path) -> Mapping[str, float]:
    content, _ = _parsed(row, "a row with objectives")
    found = content.get("objectives") if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping):
        raise BadInput(f"{row}: objectives: expected what the row promises, got {found!r}")
    return found


def _parsed(path: Path, expected: str = f"a policy such as {POLICY}") -> tuple[Any, bytes]:
    try:
        text = path.read_bytes()
        _refuse_doubles(yaml.compose(text.decode("utf-8"), yaml.SafeLoader), path)
        return yaml.safe_load(text), text
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    except BadInput:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no UTF-8, impossible dates, bottomless nesting
        said = " ".join(str(error).split())
        raise BadInput(f"{path}: not valid YAML, expected {expected}: {said}") from error


def _refuse_doubles(node: yaml.Node | None, path: Path) -> None:
    """PyYAML takes the last of two equal keys: the other, perhaps stricter number would be dropped without a word."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise BadInput(f"{path}: line {line}: the key {key.value!r} is given twice; keep one")
            seen.add(key.value)
        _refuse_doubles(value, path)


def _required(value: Any, path: Path, scenarios: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(row, str) for row in value):
        raise BadInput(f"{path}: required: expected a list of rows of {scenarios}, at least one, got {value!r}")
    rows = {row.stem for row in scenarios.glob("*.yaml")}
    if not rows:
        raise BadInput(f"{scenarios}: no scenario rows (*.yaml) in here; name their directory with --scenarios DIR")
    for number, row in enumerate(value):
        if row not in rows:
            raise BadInput(f"{path}: required: {row!r} is not a row of {scenarios}{_did_you_mean(row, sorted(rows))}")
        if row in value[:number]:
            raise BadInput(f"{path}: required: {row!r} stands there twice; keep one")
    return tuple(value)


def _repeat(value: Any, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= REPEAT_MAX:
        raise BadInput(f"{path}: repeat: expected a whole number from 1 to {REPEAT_MAX}, got {value!r}")
    return value


def _margin(value: Any, where: str) -> Margin:
    given = _mapping(value, where, MARGIN_KEYS)
    for name, number in given.items():
        numeric = isinstance(number, int | float) and not isinstance(number, bool)
        if not numeric or not 0 <= number <= MARGIN_MAX[name]:
            raise BadInput(f"{where}.{name}: expected a number from 0 to {MARGIN_MAX[name]:g}, got {number!r}")
    return Margin(**{name: float(number) for name, number in given.items()})


def _mapping(
    value: Any, where: str, known: tuple[str, ...], optional: frozenset[str] = frozenset()
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: expected the keys {', '.join(known)}, got {value!r}")
    for key in value:
        if key not in known:
            raise BadInput(f"{where}: unknown key {key!r}{_did_you_mean(key, known)}")
    for key in known:
        if key not in value and key not in optional:
            raise BadInput(f"{where}: {key!r} is missing; nothing has a default here: say what a release must keep")
    return value


def _did_you_mean(word: object, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(str(word), names, n=1)
    return (f"; did you mean {close[0]!r}?" if close else ".") + f" Known: {', '.join(names)}"
