"""Bring the database's schema up to date: ``python -m stack.app.migrate``, with ABACUS_DATABASE_DSN set.

The files of ``migrations/`` are applied in order, each in a transaction of its own together with its row in
``schema_migrations``. Running it twice, or twice at once, does no harm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

from .config import Config, ConfigError

_LOCK = 0x0ABAC05  # any number that nobody else uses as an advisory lock in this database


def migrations() -> dict[int, Path]:
    """All migrations, by version, ascending. A file is named ``<version>_<what>.sql``."""
    files = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return {int(file.name.partition("_")[0]): file for file in files}


LATEST = max(migrations())


def migrate(dsn: str) -> list[int]:
    """Apply what is missing and return the versions that were applied; raises ``psycopg.Error``."""
    applied = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        known = {version for (version,) in connection.execute("SELECT version FROM schema_migrations")}
        for version, file in migrations().items():
            if version in known:
                continue
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute("INSERT INTO schema_migrations (version) VALUES (%s)", [version])
            applied.append(version)
    return applied


def main() -> int:
    """Migrate the database of the environment; the exit code is 0, or 1 with the reason on stderr."""
    try:
        applied = migrate(Config.from_environment().database_dsn)
    except (ConfigError, psycopg.Error) as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    sys.stdout.write(f"schema version {LATEST}; applied now: {', '.join(map(str, applied)) or 'nothing'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
