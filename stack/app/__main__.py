"""``python -m stack.app``: serve the API as the environment says, until SIGTERM.

ABACUS_APP names another factory of the application as ``module:function``.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys

import uvicorn

from .config import Config, ConfigError
from .logs import configure_logs

_KEEP_ALIVE_S = 75
"""Longer than load balancers keep an idle connection, so that none sends a request into one that we just closed."""


def main() -> int:
    """Serve; the exit code is 0, or 2 with the reason on stderr when the environment is wrong."""
    try:
        config = Config.from_environment()
        configure_logs(config.node)
        module, _, factory = os.environ.get("ABACUS_APP", "stack.app:create_app").partition(":")
        app = getattr(importlib.import_module(module), factory or "create_app")()
    except (ConfigError, ImportError, AttributeError) as error:
        sys.stderr.write(f"stack.app: {error}\n")
        return 2
    logging.getLogger("uvicorn.access").disabled = True
    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(config.drain_s)),
    )
    gc.collect()
    gc.freeze()  # what lives as long as the process need not be looked at again while requests wait
    uvicorn.Server(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
