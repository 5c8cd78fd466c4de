"""How a fact is read from ``stack/cloudformation`` and from ``stack/terraform``."""

from __future__ import annotations

from collections.abc import Callable, Sequence, ValuesView
from typing import Any, NamedTuple


class Said:
    """What one of the two says, by type of resource. Asking for what is not there raises LookupError."""

    def __init__(self, blocks: Sequence[Any]) -> None:
        self._blocks = blocks

    def all(self, kind: str) -> list[dict[str, Any]]:
        """The contents of all resources of a type; at least one."""
        found = [block.content.get("Properties", block.content) for block in self._blocks if block.type == kind]
        if not found:
            raise LookupError(f"no {kind}")
        return found

    def one(self, kind: str, name: str = "") -> Any:
        """The content of the one resource of a type, or of the named one."""
        found = [b for b in self._blocks if b.type == kind and (not name or b.name == name)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} of {kind} {name}, expected one")
        return found[0].content.get("Properties", found[0].content)

    def named(self, kind: str) -> dict[str, Any]:
        """The contents of all resources of a type by their names."""
        return {b.name: b.content.get("Properties", b.content) for b in self._blocks if b.type == kind}

    def policy(self, kind: str, name: str) -> Any:
        """CloudFormation's DeletionPolicy of a resource."""
        return next(b.content["DeletionPolicy"] for b in self._blocks if b.type == kind and b.name == name)

    def local(self, name: str) -> Any:
        """Terraform's local of that name: the environment's own, or that of the first module that has one."""
        return next(b.content[name] for b in self._blocks if b.type == "locals" and name in b.content)


class Fact(NamedTuple):
    """One thing that both say, and how to read it from each."""

    name: str
    cloudformation: Callable[[Said], Any]
    terraform: Callable[[Said], Any]


def written(value: Any) -> Any:
    """Numbers and booleans as both may write them: CloudFormation's parameters are text."""
    if isinstance(value, list | tuple | set | ValuesView):
        return sorted(map(str, map(written, value)))
    if isinstance(value, dict):
        return {key: written(each) for key, each in value.items()}
    return str(value).lower() if isinstance(value, bool) else str(value)


def properties(subject: str, ours: Callable[[Said], Any], theirs: Callable[[Said], Any], names: str) -> list[Fact]:
    """Facts that are one property on either side: lines of ``CloudFormation terraform``."""

    def fact(line: str) -> Fact:
        aws, hashicorp = line.split()
        return Fact(f"{subject}: {hashicorp}", lambda said: ours(said)[aws], lambda said: theirs(said)[hashicorp])

    return [fact(line) for line in names.strip().splitlines()]
