"""Who may import whom, as the top of ``fixtures/model.py`` says, and how long files and functions may be."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "fixtures", "reports", "stack", "suites")
FILES = [REPOSITORY / "conftest.py", *(path for name in PACKAGES for path in sorted((REPOSITORY / name).rglob("*.py")))]
FILE_LINES_MAX = 300
LONG_BY_DESIGN = {"fixtures/model.py"}
"""The nouns stand in one file, which is declarations and what they mean."""
FUNCTION_LINES_MAX = 60
"""Without the docstring: what is explained at length is not long-winded code."""

PURE = {
    "__future__",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "inspect",
    "itertools",
    "math",
    "numpy",
    "typing",
}
"""What a verdict can be computed again with: no clock, no client, no pytest."""
RECORD = ("fixtures.chain", "fixtures.drill", "fixtures.model")
"""The record, and its words."""
AGAIN = (*RECORD, "fixtures.checks", "fixtures.history", "fixtures.repeats", "fixtures.timeline")
"""And what computes it again."""
CHILD = "fixtures.workloads.ledger"


class Import(NamedTuple):
    """One imported name, absolute: ``from . import probes`` in ``fixtures.injection`` is ``fixtures.probes``."""

    name: str
    line: int
    for_types_only: bool


def module_of(path: Path) -> str:
    """``fixtures/faults/__init__.py`` is ``fixtures.faults``."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, module: str, *, package: bool = False) -> Iterator[Import]:
    """Every import of a module, wherever it stands."""
    tree = ast.parse(source)
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typing_only = {child for block in blocks for statement in block.body for child in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: len(module.split(".")) - node.level + package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(name, node.lineno, node in typing_only) for name in names)


def within(name: str, *modules: str) -> bool:
    """Whether a name is one of these modules or in one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def broken_rule(module: str, imported: Import) -> str:
    """Which rule an import breaks; empty for none."""
    name, top = imported.name, imported.name.partition(".")[0]
    ours = top in PACKAGES
    own = ".".join(module.split(".")[:2])
    if within(name, "locust", "gevent", "geventhttpclient") and module != CHILD:
        return "locust and gevent patch what they touch: only the load's child process imports them"
    if within(name, CHILD):
        return "the load's child process is run, never imported"
    if within(module, "suites.selftest", "benchmarks", "conftest"):
        return ""  # they judge the suite itself
    if within(module, "suites") and ours:
        allowed = ("fixtures.checks", "fixtures.probes", "fixtures.faults", "fixtures.model", "suites")
        return "" if within(name, *allowed) else "suites know checks, probes, faults and the model"
    if module == "fixtures.model":
        is_fine = top in sys.stdlib_module_names or (imported.for_types_only and top == "numpy")
        return "" if is_fine else "the model knows the standard library only"
    if within(module, "fixtures.checks", "fixtures.probes"):
        return "" if within(name, *PURE, "fixtures.model", own) else "a verdict is computed from the record alone"
    if within(module, "fixtures") and ours:
        return "" if top == "fixtures" else "fixtures know neither suites nor reports, and run the stack as processes"
    if within(module, "reports") and ours:
        allowed = ("reports", *(AGAIN if module == "reports.verify" else RECORD))
        return "" if within(name, *allowed) else "reports read the record; only reports.verify computes it again"
    return (
        "the system under test knows nothing of its judges"
        if within(module, "stack") and ours and top != "stack"
        else ""
    )


def too_long(source: str) -> list[str]:
    """What is longer than it may be."""
    lines = len(source.splitlines())
    found = [f"{lines} lines, expected fewer than {FILE_LINES_MAX}"] if lines >= FILE_LINES_MAX else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                long -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            if long >= FUNCTION_LINES_MAX:
                found.append(f"{node.name} is {long} lines, expected fewer than {FUNCTION_LINES_MAX}")
    return found


def test_every_import_keeps_the_rules() -> None:
    broken = []
    for path in FILES:
        module = module_of(path)
        for imported in imports(path.read_text(), module, package=path.name == "__init__.py"):
            if rule := broken_rule(module, imported):
                broken.append(f"{path.relative_to(REPOSITORY)}:{imported.line}: imports {imported.name}: {rule}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_functions_stay_short(path: Path) -> None:
    found = too_long(path.read_text())
    if str(path.relative_to(REPOSITORY)) in LONG_BY_DESIGN:
        found = [each for each in found if "is" in each.split()]
    assert not found


def test_nothing_installed_takes_our_names() -> None:
    installed = importlib.metadata.packages_distributions()
    assert {name: installed[name] for name in ("fixtures", "reports", "stack") if name in installed} == {}


@pytest.mark.parametrize(
    ("module", "source", "rule"),
    [
        ("suites.chaos.test_x", "from fixtures.stacks import embedded", "suites know"),
        ("suites.chaos.test_x", "def f():\n    from fixtures import stacks", "suites know"),
        ("suites.chaos.test_x", "import fixtures", "suites know"),
        ("suites.chaos.test_x", "from reports import verify", "suites know"),
        ("fixtures.checks.ledger", "import time", "a verdict is computed"),
        ("fixtures.checks.ledger", "from ..history import read_history", "a verdict is computed"),
        ("fixtures.checks.ledger", "if TYPE_CHECKING:\n    import pytest", "a verdict is computed"),
        ("fixtures.probes", "from . import injection", "a verdict is computed"),
        ("fixtures.model", "import numpy", "the model knows"),
        ("fixtures.model", "from . import probes", "the model knows"),
        ("fixtures.scenario", "from reports.controls import catalogue", "fixtures know neither"),
        ("fixtures.stacks.embedded.start", "from stack.app import migrate", "fixtures know neither"),
        ("fixtures.workloads.drive", "from .ledger import LedgerUser", "never imported"),
        ("fixtures.workloads.drive", "import locust.clients", "only the load's child"),
        ("suites.selftest.test_x", "from gevent import monkey", "only the load's child"),
        ("reports.view", "from fixtures.history import read_history", "reports read the record"),
        ("reports.view", "from fixtures import checks", "reports read the record"),
        ("reports.verify", "from fixtures import injection", "reports read the record"),
        ("stack.app.ledger", "from fixtures.model import Kind", "knows nothing of its judges"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str, rule: str) -> None:
    assert [broken for each in imports(source, module) if rule in (broken := broken_rule(module, each))]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("suites.chaos.test_x", "from fixtures import checks, probes\nfrom fixtures.faults import Kill\nimport time"),
        ("suites.selftest.test_x", "from fixtures.stacks import embedded"),
        ("fixtures.checks.ledger", "import numpy as np\nfrom ..model import History\nfrom .record import told"),
        ("fixtures.model", "import enum\nif TYPE_CHECKING:\n    import numpy as np"),
        ("fixtures.workloads.ledger", "import gevent\nfrom locust import task"),
        ("reports.verify", "from fixtures import checks"),
    ],
)
def test_an_allowed_import_is_let_pass(module: str, source: str) -> None:
    assert not [broken for each in imports(source, module) if (broken := broken_rule(module, each))]


def test_relative_imports_of_packages_start_at_the_package() -> None:
    found = [
        each.name for each in imports("from .nodes import Kill\nfrom .. import model", "fixtures.faults", package=True)
    ]
    assert found == ["fixtures.faults.nodes.Kill", "fixtures.model"]


def test_what_is_too_long_is_found() -> None:
    body = "\n".join(["    pass"] * 59)
    assert too_long(f"def f():\n{body}") == ["f is 60 lines, expected fewer than 60"]
    assert not too_long(f'def f():\n    """Says\n    much."""\n{body[9:]}')
    assert too_long("x = 1\n" * 300) == ["300 lines, expected fewer than 300"]
