"""Writes a run's files from its evidence: ``summary.json``, ``report.html``, ``report.md``, ``SHA256SUMS``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import wording
from .markdown import markdown
from .record import read_record
from .summary import summary_text
from .view import view

if TYPE_CHECKING:
    from .record import Record

TEMPLATES = Path(__file__).parent / "templates"
SUMS = "SHA256SUMS"


def render(directory: Path) -> Record:
    """Write the four files anew and return what was read.

    Raises FileNotFoundError where the directory is no run, OSError where it cannot be written. A broken chain is
    rendered too: the page then says so at its top.
    """
    record = read_record(directory)
    _write(directory / "summary.json", summary_text(record))
    _write(directory / "report.html", html(record))
    _write(directory / "report.md", markdown(record))
    _write(directory / SUMS, sums(directory))
    return record


def html(record: Record) -> str:
    """The page: one file, no network, no scripts; the same evidence gives the same page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    environment.filters |= {
        "css": wording.css,
        "sign": wording.SIGNS.__getitem__,
        "anchor": wording.anchor,
        "shorten": wording.shorten,
    }
    content = view(record)
    # The drawings are made of numbers and of texts that svg.py has escaped.
    for drill in content["drills"]:
        drill["spark"], drill["timeline"] = Markup(drill["spark"]), Markup(drill["timeline"])  # noqa: S704
    for group in content["groups"]:
        for row in group["rows"]:
            row["strip"] = Markup(row["strip"])  # noqa: S704
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    return environment.get_template("report.html.j2").render(style=style, **content)


def sums(directory: Path) -> str:
    """The SHA-256 of every file of the run, in the form that ``sha256sum -c`` reads."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(f"{_sha256(path)}  {path.relative_to(directory).as_posix()}\n" for path in paths)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: str) -> None:
    """Replace in one step: a reader sees the old file or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(content, encoding="utf-8")
    fresh.replace(path)
