"""``python -m stack.docker env [--by-tag]``: write ``.env`` and ``.secrets`` for Compose.

``… secrets`` makes ``.secrets`` alone. ``… resolve`` asks the registries for digests. ``… args`` prints
``NAME=reference`` lines, for a build's ``--build-arg`` or a workflow's environment.
"""

from __future__ import annotations

import argparse
import sys

from .images import ENVIRONMENT, SECRETS, ImagesError, locked, references, resolve, write_environment, write_secrets


def main() -> int:
    """Do it; 4 with one sentence on stderr where a digest is missing or a registry does not answer."""
    parser = argparse.ArgumentParser(prog="python -m stack.docker", description=__doc__)
    parser.add_argument("do", choices=("env", "secrets", "args", "resolve"))
    parser.add_argument("--by-tag", action="store_true", help="the tags as they are today, for a try")
    given = parser.parse_args()
    if given.do == "secrets":
        write_secrets()
        print(f"{SECRETS} holds them")
        return 0
    try:
        found = references(resolve()) if given.do == "resolve" else references(locked(), by_tag=given.by_tag)
    except ImagesError as error:
        sys.stderr.write(f"stack.docker: {error}\n")
        return 4
    if given.do == "env":
        write_environment(found)
        write_secrets()
        print(f"{ENVIRONMENT} is written")
    else:
        print("\n".join(f"{name}={reference}" for name, reference in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
