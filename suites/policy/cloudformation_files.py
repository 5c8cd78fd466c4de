"""CloudFormation as it is deployed: the resources of all templates with an environment's parameters filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Entry(NamedTuple):
    """An entry of a template's Resources; ``content`` holds its Properties and policies."""

    type: str
    name: str
    content: dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Knows the short forms: ``!Ref x`` is ``{"Ref": "x"}``."""


def _short(loader: yaml.Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short)


def environment(directory: Path, name: str) -> list[Entry]:
    """Every resource of an environment's stacks, and its parameters as an entry of the type ``parameters``."""
    given = json.loads((directory / "parameters" / f"{name}.json").read_text())["Parameters"]
    found = [Entry("parameters", name, given)]
    for path in sorted(directory.glob("*.yaml")):
        template = yaml.load(path.read_text(), _Loader)  # noqa: S506 - it is the safe loader, with more tags
        if isinstance(template, dict) and "Resources" in template:
            parameters = template.get("Parameters", {})
            values = {key: str(each["Default"]) for key, each in parameters.items() if "Default" in each}
            values |= {key: value for key, value in given.items() if key in parameters}
            found += [Entry(e["Type"], key, filled(e, values)) for key, e in template["Resources"].items()]
    return found


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """A value with the parameters replaced, in ``Ref`` and in ``Fn::Sub``; what else is computed stays as written."""
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Ref"}:
        return known.get(value["Ref"], value)
    if isinstance(text := value.get("Fn::Sub"), str):
        text = re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1], match[0]), text)
        return {"Fn::Sub": text} if "${" in text else text
    return {key: filled(each, known) for key, each in value.items()}
