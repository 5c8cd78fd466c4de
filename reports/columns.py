"""``coverage.yaml``: the components and kinds of fault of the coverage map, and what is not attacked and why."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from .attacks import Attack

CATALOGUE = Path(__file__).parent / "coverage.yaml"
SECTIONS = ("components", "faults", "absent", "spared")
ZONE = "zone"
"""The component that the faults of whole zones hit."""


@dataclass(frozen=True)
class Rule:
    """Which fault is of a kind: one name of scenario rows, all of it or where fields have one of these values."""

    column: str
    fault: str
    fields: Mapping[str, tuple[str, ...]]

    def fits(self, attack: Attack) -> bool:
        """Whether the attack is such a fault."""
        return attack.fault == self.fault and all(attack.fields.get(key) in ok for key, ok in self.fields.items())


@dataclass(frozen=True)
class Excuse:
    """Why some cells are not attacked."""

    components: tuple[str, ...]
    columns: tuple[str, ...]
    reason: str
    environment: str
    """Where it is true; empty: everywhere."""
    absent: bool
    """There is nothing to attack."""


@dataclass(frozen=True)
class Catalogue:
    """The frame of the map."""

    components: Mapping[str, str]
    """What each is, in a few words."""
    columns: Mapping[str, str]
    """What each kind of fault means."""
    rules: tuple[Rule, ...]
    excuses: tuple[Excuse, ...]

    def columns_of(self, attack: Attack) -> tuple[str, ...]:
        """The kinds of fault that an attack is of, by the rules that ask for most; empty where no rule fits."""
        fitting = [rule for rule in self.rules if rule.fits(attack)]
        most = max((len(rule.fields) for rule in fitting), default=0)
        return tuple(dict.fromkeys(rule.column for rule in fitting if len(rule.fields) == most))

    def excuse(self, component: str, column: str, environment: str) -> Excuse | None:
        """Why the catalogue says that a cell is not attacked."""
        return next(
            (
                excuse
                for excuse in self.excuses
                if component in excuse.components
                and column in excuse.columns
                and excuse.environment in ("", environment)
            ),
            None,
        )


@cache
def catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read the file. Raises ValueError that names file and key, what was expected and what to do."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error
    sections = _mapping(content, str(path), SECTIONS, required=SECTIONS)
    components = _texts(sections["components"], f"{path}: components")
    if ZONE not in components:
        raise ValueError(f"{path}: components: {ZONE!r} is missing; the faults of whole zones would have no row")
    columns, rules = {}, []
    for name, entry in _mapping(sections["faults"], f"{path}: faults").items():
        where = f"{path}: faults: {name}"
        entry = _mapping(entry, where, ("means", "faults"), required=("means", "faults"))
        columns[name] = _text(entry["means"], f"{where}: means")
        rules += [_rule(name, given, f"{where}: faults") for given in _list(entry["faults"], f"{where}: faults")]
    excuses = [
        excuse
        for section in ("absent", "spared")
        for number, given in enumerate(_list(sections[section], f"{path}: {section}"), start=1)
        for excuse in _excuses(given, f"{path}: {section}: entry {number}", components, columns, section == "absent")
    ]
    _refuse_doubles(excuses, str(path))
    return Catalogue(components, columns, tuple(rules), tuple(excuses))


def _rule(column: str, given: Any, where: str) -> Rule:
    if isinstance(given, str):
        return Rule(column, given, {})
    entry = _mapping(given, where)
    if len(entry) != 1:
        raise ValueError(f"{where}: expected a fault's name, or one such as {{kill: {{part: server}}}}, got {given!r}")
    ((fault, fields),) = entry.items()
    fields = _mapping(fields, f"{where}: {fault}")
    if not fields:
        raise ValueError(f"{where}: {fault}: no field is named; write the bare name to take all of that fault")
    return Rule(column, fault, {key: tuple(_values(value)) for key, value in fields.items()})


def _values(given: Any) -> Iterator[str]:
    for value in given if isinstance(given, list) else [given]:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def _excuses(
    given: Any, where: str, components: Collection[str], columns: Collection[str], absent: bool
) -> Iterator[Excuse]:
    """One for each environment."""
    keys = ("components", "faults", "reason", "environment")
    entry = _mapping(given, where, keys, required=keys[:3])
    environments = entry.get("environment", [""])
    for environment in environments if isinstance(environments, list) else [environments]:
        yield Excuse(
            _known(entry["components"], f"{where}: components", components),
            _known(entry["faults"], f"{where}: faults", columns),
            _text(entry["reason"], f"{where}: reason"),
            _text(environment, f"{where}: environment") if "environment" in entry else "",
            absent,
        )


def _refuse_doubles(excuses: Collection[Excuse], where: str) -> None:
    seen: set[tuple[str, str, str]] = set()
    for excuse in excuses:
        for cell in ((c, f, excuse.environment) for c in excuse.components for f in excuse.columns):
            if cell in seen:
                raise ValueError(f"{where}: {cell[0]} x {cell[1]} has two reasons; keep the one that is true")
            seen.add(cell)


# ------------------------------------------------------------------------------------------------ forms


def _mapping(
    given: Any, where: str, known: Collection[str] | None = None, required: Collection[str] = ()
) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        keys = f" {', '.join(known)}" if known else ""
        raise ValueError(f"{where}: expected keys{keys}, got {given!r}")
    for key in given:
        if known is not None and key not in known:
            raise ValueError(f"{where}: unknown key {key!r}{_hint(key, known)}")
    for key in required:
        if key not in given:
            raise ValueError(f"{where}: {key!r} is missing; expected keys {', '.join(required)}")
    return given


def _list(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list):
        raise ValueError(f"{where}: expected a list, got {given!r}")  # noqa: TRY004  # one kind of error for a wrong file
    return given


def _known(given: Any, where: str, known: Collection[str]) -> tuple[str, ...]:
    names = _list(given, where)
    if not names:
        raise ValueError(f"{where}: is empty; name what the reason is about, or drop the entry")
    for name in names:
        if name not in known:
            raise ValueError(f"{where}: there is no {name!r}{_hint(str(name), known)}")
    return tuple(names)


def _texts(given: Any, where: str) -> Mapping[str, str]:
    return {key: _text(value, f"{where}: {key}") for key, value in _mapping(given, where).items()}


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"{where}: expected a text, got {given!r}")
    return given


def _hint(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return (f"; did you mean {close[0]!r}?" if close else ";") + f" Known: {', '.join(known)}"
