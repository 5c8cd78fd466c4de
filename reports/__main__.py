"""``python -m reports render RUN`` writes a run's reports again, ``python -m reports verify RUN`` checks the run.

RUN is a directory, or the name of one below reports/runs (``latest`` is the last). Exit code 0: done, or nothing
differs; 1: something differs; 2: RUN is not a run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .record import EVIDENCE

RUNS = Path(__file__).parent / "runs"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("render", "write the reports again"), ("verify", "compute everything again and compare")):
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("run", metavar="RUN", help="a run's directory or name; latest is the last one")
        if name == "verify":
            command.add_argument("--head", default="", help="the last hash of the record, as it was kept elsewhere")
    given = parser.parse_args(arguments)
    if given.command == "verify" and given.head and (len(given.head) < 8 or not given.head.isalnum()):
        parser.error(f"--head {given.head}: expected at least 8 hexadecimal digits")
    directory = _find(given.run)
    if directory is None:
        parser.error(f"{given.run} is not a run: neither it nor {RUNS / given.run} holds {EVIDENCE}")
    return _render(directory) if given.command == "render" else _verify(directory, given.head)


def _find(run: str) -> Path | None:
    places = (Path(run), RUNS / run)
    return next((place.resolve() for place in places if (place / EVIDENCE).is_file()), None)


def _render(directory: Path) -> int:
    from .render import render  # jinja2, which verifying does not need

    record = render(directory)
    print(f"{record.outcome.value} {directory / 'report.html'}")
    for problem in record.problems:
        print(f"  {problem}")
    return 1 if record.problems else 0


def _verify(directory: Path, head: str) -> int:
    from .verify import verify  # numpy and the checks, which rendering does not need

    problems, found = verify(directory, head=head)
    for sentence in found:
        print(f"  {sentence}")
    for problem in problems:
        print(f"! {problem}")
    print(f"{'DIFFERS: ' + str(len(problems)) + ' found' if problems else 'OK'} {directory}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
