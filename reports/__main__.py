"""``python -m reports render RUN`` writes a run's reports again, ``verify RUN`` checks the run, ``gate RUN`` decides
whether what was drilled may be released, ``accept RUN`` stores the run with which the next ones are compared.

RUN is a directory, or the name of one below reports/runs (``latest`` is the last). Exit code 0: done, nothing differs,
released, stored; 1: something differs, stopped, refused; 2: RUN is not a run; 4: a policy or an accepted run cannot be
read, or a file cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .gate_policy import POLICY, SCENARIOS, BadInput, read_policy
from .record import EVIDENCE

RUNS = Path(__file__).parent / "runs"
COMMANDS = {
    "render": "write the reports again",
    "verify": "compute everything again and compare",
    "gate": "decide whether the run lets a release out",
    "accept": "store the run as the one that the next are compared with",
}
BAD_INPUT = 4
"""As pytest's own code for it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.command == "verify" and given.head and (len(given.head) < 8 or not given.head.isalnum()):
        parser.error(f"--head {given.head}: expected at least 8 hexadecimal digits")
    directory = _find(given.run)
    if directory is None:
        parser.error(f"{given.run} is not a run: neither it nor {RUNS / given.run} holds {EVIDENCE}")
    if given.command == "render":
        return _render(directory)
    if given.command == "verify":
        return _verify(directory, given.head)
    return _gate_or_accept(directory, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    added = {name: commands.add_parser(name, help=about, description=about) for name, about in COMMANDS.items()}
    for command in added.values():
        command.add_argument("run", metavar="RUN", help="a run's directory or name; latest is the last one")
    added["verify"].add_argument("--head", default="", help="the last hash of the record, as it was kept elsewhere")
    for name in ("gate", "accept"):
        added[name].add_argument("--policy", type=Path, metavar="FILE", default=POLICY, help=f"default: {POLICY.name}")
        added[name].add_argument(
            "--scenarios", type=Path, metavar="DIR", default=SCENARIOS, help="the rows, if they are not in scenarios/"
        )
    added["gate"].add_argument("--accepted", type=Path, metavar="FILE", help="default: reports/accepted.json, if any")
    added["gate"].add_argument("--out", type=Path, metavar="FILE", help="the decision; default: gate.json in the run")
    added["accept"].add_argument("--to", type=Path, metavar="FILE", help="default: reports/accepted.json")
    added["accept"].add_argument(
        "--anyway", action="store_true", help="also a run that is slower, loses more or is from another stack"
    )
    return parser


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


def _gate_or_accept(directory: Path, given: argparse.Namespace) -> int:
    from .gate_run import NotARun

    try:
        return _gate(directory, given) if given.command == "gate" else _accept(directory, given)
    except NotARun as error:
        print(error, file=sys.stderr)
        return 2
    except BadInput as error:
        print(error, file=sys.stderr)
    except OSError as error:
        file = given.out if given.command == "gate" else given.to
        print(f"{file or error.filename}: cannot be written ({error.strerror}); choose another file", file=sys.stderr)
    return BAD_INPUT


def _gate(directory: Path, given: argparse.Namespace) -> int:
    from .gate import RELEASED
    from .gate_run import decision_path, gate, table, withdraw, write_decision

    path = decision_path(directory, given.out)
    withdraw(directory, path)
    decision = gate(directory, read_policy(given.policy, given.scenarios), given.accepted)
    write_decision(decision, directory, path)
    for line in table(decision):
        print(line)
    print(f"decision: {path}")
    return 0 if decision["decision"] == RELEASED else 1


def _accept(directory: Path, given: argparse.Namespace) -> int:
    from .gate_run import ACCEPTED, accept

    to = given.to or ACCEPTED
    against = accept(directory, read_policy(given.policy, given.scenarios), to, anyway=given.anyway)
    for sentence in against:
        print(f"! {sentence}")
    print(f"REFUSED {directory}" if against else f"accepted {directory}: {to}")
    return 1 if against else 0


if __name__ == "__main__":
    sys.exit(main())
