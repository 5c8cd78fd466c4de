"""``python -m stack.frontend``: serve the pages at HOST (127.0.0.1) and PORT (3000) until SIGTERM."""

from __future__ import annotations

import os
import sys

import uvicorn

from .application import create_app

_KEEP_ALIVE_S = 75
"""Longer than load balancers keep an idle connection."""
_GRACE_S = 5
"""Pages are small: whoever is not served by then is gone."""


def main() -> int:
    """Serve; 4 with one sentence on stderr when PORT is no port."""
    given = os.environ.get("PORT", "3000")
    if not given.isdecimal() or not 0 < int(given) < 65536:
        sys.stderr.write(f"stack.frontend: PORT is {given!r}; expected a whole number from 1 to 65535; correct it\n")
        return 4
    uvicorn.run(
        create_app(),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(given),
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
