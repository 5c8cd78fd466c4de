"""There is no Terraform here to ask: every name that ``stack/terraform`` uses is looked up by this file instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suites.policy.terraform_files import Block, read

REPOSITORY = Path(__file__).resolve().parents[2]
TERRAFORM = REPOSITORY / "stack" / "terraform"
MODULES = sorted({path.parent for path in TERRAFORM.rglob("*.tf")})
ENVIRONMENTS = sorted(path for path in (TERRAFORM / "environments").iterdir() if path.is_dir())
META_ARGUMENTS = {"source", "providers", "depends_on", "count", "for_each", "version"}


def expressions(value: Any) -> Iterator[str]:
    """What stands in ``${...}`` anywhere in a value: literals are not looked at."""
    if isinstance(value, dict):
        for each in value.values():
            yield from expressions(each)
    elif isinstance(value, list):
        for each in value:
            yield from expressions(each)
    elif isinstance(value, str) and "${" in value:
        yield value[value.index("${") :]


def names(found: list[Block], kind: str) -> set[str]:
    """The names of the blocks of a kind."""
    return {block.name for block in found if block.type == kind}


def local_names(found: list[Block]) -> set[str]:
    """What the ``locals`` of a module define."""
    return {name for block in found if block.type == "locals" for name in block.content}


def things(found: list[Block]) -> set[str]:
    """Resources, data sources and ephemeral values as references name them."""
    other = {"variable", "output", "module", "provider", "locals", "terraform"}
    return {f"{block.type}.{block.name}" for block in found if block.type not in other}


def references(found: list[Block]) -> dict[str, set[str]]:
    """Everything that a module refers to, by kind; a module's output as ``module.output``."""
    said: dict[str, set[str]] = {"var": set(), "local": set(), "module": set(), "thing": set()}
    for block in found:
        for text in expressions(block.content):
            for match in re.finditer(r"(?<![\w.-])(var|local)\.(\w+)", text):
                said[match[1]].add(match[2])
            said["module"] |= set(re.findall(r"(?<![\w.-])module\.(\w+\.\w+)", text))
            said["thing"] |= set(re.findall(r"(?<![\w.-])((?:(?:data|ephemeral)\.\w+|aws_\w+)\.\w+)", text))
    return said


def problems(directory: Path) -> list[str]:
    """What Terraform would refuse, and what nobody uses."""
    found = read(directory)
    said = references(found)
    declared, defined = names(found, "variable"), local_names(found)
    calls = {block.name: block.content for block in found if block.type == "module"}
    outputs = {name: names(read(directory / content["source"]), "output") for name, content in calls.items()}
    given = {f"{name}.{output}" for name, several in outputs.items() for output in several}
    wrong = [f"var.{name} is not declared" for name in said["var"] - declared]
    wrong += [f"variable {name} is not used" for name in declared - said["var"]]
    wrong += [f"local.{name} is not defined" for name in said["local"] - defined]
    wrong += [f"local {name} is not used" for name in defined - said["local"]]
    wrong += [f"{name} is not defined" for name in said["thing"] - things(found)]
    wrong += [f"module.{name} is no output" for name in said["module"] - given]
    wrong += [f"output {name} is not used" for name in given - said["module"]]
    for name, content in calls.items():
        wrong += [f"module {name}: {problem}" for problem in call_problems(directory, content)]
    return sorted(wrong)


def call_problems(directory: Path, content: dict[str, Any]) -> list[str]:
    """What is wrong with a call: variables that are not passed or not there, providers likewise."""
    called = read(directory / content["source"])
    variables = {block.name: block.content for block in called if block.type == "variable"}
    passed = content.keys() - META_ARGUMENTS
    required = {name for name, each in variables.items() if "default" not in each}
    wrong = [f"{name} is passed but not declared" for name in passed - variables.keys()]
    wrong += [f"{name} is declared but not passed" for name in required - passed]
    aliases = set(re.findall(r"aws\.\w+", str([each.content for each in called if each.type == "terraform"])))
    given = {name.strip("${}") for name in content.get("providers", {})}
    wrong += [f"provider {name} is not passed" for name in aliases - given]
    used = {text.strip("${}") for block in called for text in [block.content.get("provider")] if isinstance(text, str)}
    return wrong + [f"provider {name} is not declared" for name in used - aliases]


@pytest.mark.parametrize("directory", MODULES, ids=lambda path: str(path.relative_to(TERRAFORM)))
def test_every_name_resolves_and_is_used(directory: Path) -> None:
    assert problems(directory) == []


@pytest.mark.parametrize("directory", MODULES, ids=lambda path: str(path.relative_to(TERRAFORM)))
def test_versions_are_pinned(directory: Path) -> None:
    (settings,) = [block.content for block in read(directory) if block.type == "terraform"]
    assert re.fullmatch(r"~> \d+\.\d+\.\d+", settings["required_version"])
    for name, provider in settings["required_providers"][0].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", provider["version"]), name


def test_environments_differ_in_their_settings_only() -> None:
    assert [path.name for path in ENVIRONMENTS] == ["development", "production", "staging"]
    first, *others = ENVIRONMENTS
    for name in ("main.tf", "outputs.tf", "variables.tf"):
        assert all((first / name).read_text() == (other / name).read_text() for other in others), name
    settings = [local_names(read(path)) for path in ENVIRONMENTS]
    assert all(each == settings[0] for each in settings)


def test_every_module_of_the_layout_is_called() -> None:
    called = {(ENVIRONMENTS[0] / b.content["source"]).resolve() for b in read(ENVIRONMENTS[0]) if b.type == "module"}
    assert called == set(MODULES) - set(ENVIRONMENTS)


GOOD = {
    "main.tf": """
        module "data" {
          source    = "./data"
          providers = { aws = aws, aws.away = aws.away }
          name      = local.name
        }
        locals { name = "abacus-${var.environment}" }
        variable "environment" { type = string }
        output "database" { value = module.data.id }
    """,
    "data/main.tf": """
        terraform {
          required_providers {
            aws = {
              version               = "6.25.0"
              configuration_aliases = [aws.away]
            }
          }
        }
        variable "name" { type = string }
        variable "size" { default = 20 }
        resource "aws_db_instance" "main" {
          provider          = aws.away
          identifier        = var.name
          allocated_storage = var.size
          kms_key_id        = data.aws_kms_key.main.arn
        }
        data "aws_kms_key" "main" { key_id = "alias/${var.name}.main" }
        output "id" { value = aws_db_instance.main.id }
    """,
}


def problems_of(files: dict[str, str], directory: Path) -> list[str]:
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("\n".join(line.strip() for line in text.splitlines()))
    return [*problems(directory), *problems(directory / "data")]


def test_a_whole_configuration_has_no_problem(tmp_path: Path) -> None:
    assert problems_of(GOOD, tmp_path) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("main.tf", "var.environment", "var.env", "var.env is not declared"),
        ("main.tf", "local.name", "local.title", "local.title is not defined"),
        ("main.tf", "module.data.id", "module.data.arn", "module.data.arn is no output"),
        ("main.tf", "module.data.id", "module.date.id", "module.date.id is no output"),
        ("main.tf", "name      = local.name", "", "module data: name is declared but not passed"),
        ("main.tf", "name      = local.name", "title = local.name", "module data: title is passed but not declared"),
        ("main.tf", ", aws.away = aws.away", "", "module data: provider aws.away is not passed"),
        ("data/main.tf", "= var.size", "= 20", "variable size is not used"),
        ("data/main.tf", "= aws_db_instance.main.id", "= aws_db_instance.other.id", "aws_db_instance.other is not"),
        ("data/main.tf", "= data.aws_kms_key.main", "= data.aws_kms_alias.main", "data.aws_kms_alias.main is not"),
        ("data/main.tf", "provider          = aws.away", "provider = aws.far", "module data: provider aws.far is not"),
    ],
)
def test_a_planted_defect_is_found(path: str, old: str, new: str, expected: str, tmp_path: Path) -> None:
    assert old in GOOD[path]
    found = problems_of(GOOD | {path: GOOD[path].replace(old, new)}, tmp_path)
    assert [problem for problem in found if problem.startswith(expected)], found
