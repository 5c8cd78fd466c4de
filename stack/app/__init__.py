"""The system under test: a small API over a ledger in PostgreSQL, with a read cache in Valkey.

Read ``ledger.py`` first, then ``migrations/0001_ledger.sql``; the API is described in ``docs/api.md``.
"""

from .application import create_app
from .config import Config, ConfigError

__all__ = ["Config", "ConfigError", "create_app"]
