"""Terraform as it is written: blocks of a module, and an environment with its modules' variables filled in."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import hcl2


class Block(NamedTuple):
    """A block at the top of a file: ``aws_vpc`` ``main``, ``variable`` ``name``, ``locals`` without a name."""

    type: str
    name: str
    content: dict[str, Any]


@functools.cache
def read(directory: Path) -> list[Block]:
    """The blocks of a module. They are read as they stand: ``fixtures.policy`` forgets what judging does not need."""
    return [block for path in sorted(directory.glob("*.tf")) for block in blocks(hcl2.loads(path.read_text()))]


def blocks(file: dict[str, Any]) -> Iterator[Block]:
    """The blocks of a file; a resource's type is its first label."""
    prefix = {"resource": "", "data": "data.", "ephemeral": "ephemeral."}
    for kind, several in plain(file).items():
        for block in several:
            if kind in prefix:
                (label,) = block
                yield from (Block(f"{prefix[kind]}{label}", name, content) for name, content in block[label].items())
            elif kind in {"locals", "terraform"}:
                yield Block(kind, "", block)
            else:
                yield from (Block(kind, name, content) for name, content in block.items())


def plain(value: Any) -> Any:
    """Without the quotes, marks and comments that the parser leaves."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(each) for key, each in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value[1:-1] if isinstance(value, str) and value.startswith('"') else value


def environment(directory: Path) -> list[Block]:
    """Every block of an environment and of the modules it calls, with variables and locals replaced where known."""
    own = read(directory)
    known = _locals(own, {})
    found = [Block(block.type, block.name, filled(block.content, known)) for block in own]
    for call in [block for block in found if block.type == "module"]:
        module = read((directory / call.content["source"]).resolve())
        defaults = {b.name: b.content["default"] for b in module if b.type == "variable" and "default" in b.content}
        values = {f"var.{name}": value for name, value in {**defaults, **call.content}.items()}
        values = _locals(module, values)
        found += [Block(block.type, block.name, filled(block.content, values)) for block in module]
    return found


def _locals(module: list[Block], known: Mapping[str, Any]) -> dict[str, Any]:
    """``known`` and the module's locals, which may refer to each other."""
    values = dict(known)
    for _ in range(3):
        for block in module:
            if block.type == "locals":
                values |= {f"local.{name}": filled(value, values) for name, value in block.content.items()}
    return values


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """A value with ``var.x`` and ``local.x`` replaced, and sums and products of numbers worked out."""
    if isinstance(value, dict):
        return {key: filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    if (whole := re.fullmatch(r"\$\{((?:var|local)\.\w+)\}", value)) and whole[1] in known:
        return known[whole[1]]

    def written(match: re.Match[str]) -> str:
        each = known.get(match[1] or match[2])
        if each is None or (isinstance(each, str) and "${" in each):
            return match[0]
        return str(each) if match[1] and isinstance(each, str) else json.dumps(each)

    text = re.sub(r"\$\{((?:var|local)\.\w+)\}|(?<![\w.-])((?:var|local)\.\w+)", written, value)
    if computed := re.fullmatch(r"\$\{(\d+) ([+*]) (\d+)\}", text):
        left, right = int(computed[1]), int(computed[3])
        return left + right if computed[2] == "+" else left * right
    return text
