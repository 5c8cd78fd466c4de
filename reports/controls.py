"""The catalogue of controls: which ids a test or a scenario may name, and what each stands for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CATALOGUE = Path(__file__).parent / "controls.yaml"


@dataclass(frozen=True)
class Control:
    """One control of one version of one framework."""

    id: str
    """With the framework's prefix: ``SOC2:A1.2``."""
    framework: str
    version: str
    as_of: str
    title: str
    """In our own words."""
    source: str
    original: bool
    """Whether the standard itself was read for this entry."""


@cache
def catalogue(path: Path = CATALOGUE) -> Mapping[str, Control]:
    """All controls by id, in the order of the file. Raises ValueError naming the file and the key that is wrong."""
    controls: dict[str, Control] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        missing = {"framework", "prefix", "version", "as_of", "original", "source", "controls"} ^ set(entry)
        if missing:
            name = entry.get("framework", "an entry")
            raise ValueError(f"{path}: {name}: missing or unknown: {', '.join(sorted(map(str, missing)))}")
        for id_, title in entry["controls"].items():
            control = Control(
                id=f"{entry['prefix']}:{id_}",
                framework=entry["framework"],
                version=str(entry["version"]),
                as_of=str(entry["as_of"]),
                title=str(title),
                source=entry["source"],
                original=entry["original"],
            )
            if control.id in controls:
                raise ValueError(f"{path}: the control {control.id} stands there twice")
            controls[control.id] = control
    return controls


def unknown_control(ids: Iterable[str]) -> str:
    """One sentence about the first id that is not in the catalogue, with close matches; empty where all are."""
    known = catalogue()
    for id_ in ids:
        if id_ in known:
            continue
        close = difflib.get_close_matches(id_, known, n=3, cutoff=0.6) or [
            name for name in known if name.partition(":")[0] == id_.partition(":")[0]
        ]
        prefixes = ", ".join(dict.fromkeys(name.partition(":")[0] for name in known))
        hint = f"did you mean {', '.join(close)}?" if close else f"known are the prefixes {prefixes}"
        return f"the control {id_!r} is not in reports/controls.yaml; {hint}"
    return ""
