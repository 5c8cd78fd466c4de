"""Configuration: the environment, read once, and nothing else."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

_EXPECTED = "expected a PostgreSQL connection string such as 'host=lb,db port=5000,5432 dbname=abacus'"


def _checked(dsn: str) -> None:
    """Raises ValueError for what is no connection string."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.Error as error:
        raise ValueError(str(error).strip()) from None
    hosts, ports = (str(given.get(key, "")).count(",") + 1 for key in ("host", "port"))
    if not given:
        raise ValueError("it is empty")
    if ports not in {1, hosts}:
        raise ValueError(f"{hosts} hosts but {ports} ports")


class ConfigError(ValueError):
    """A variable of the environment is missing or cannot be used; the message says which, and what was expected."""


@dataclass
class Watched:
    """A file that holds a connection string, and may be replaced by another one, as a rotation does."""

    path: Path
    seen: tuple[int, int, int] = (0, 0, 0)
    """Which file was read last: inode, time of change in ns, size."""

    def changed(self) -> str:
        """The string, where it is another file than at the last call; empty where not, or where it cannot be used."""
        try:
            found = self.path.stat()
            this = (found.st_ino, found.st_mtime_ns, found.st_size)
            if this == self.seen:
                return ""
            text = self.path.read_text(encoding="utf-8").strip()
            _checked(text)
        except (OSError, UnicodeDecodeError, ValueError):
            return ""  # asked again at the next call: whoever replaces it may be in the middle of it
        self.seen = this
        return text


@dataclass(frozen=True)
class Config:
    """All that an API process is told. Each field is the variable ``ABACUS_<FIELD>`` in capitals."""

    database_dsn: str
    """A libpq connection string; may name several hosts, tried in order."""
    database_dsn_file: Path | None = None
    """A file that holds it instead, read again whenever it has changed: a rotated secret needs no restart."""
    sentinels: tuple[tuple[str, int], ...] = ()
    """Where the Sentinels listen. None: reads are not cached."""
    cache_name: str = "cache"
    """The name under which the Sentinels know the cache."""
    cache_password: str = field(default="", repr=False)
    """Of the cache, not of the Sentinels; empty: it asks for none."""
    cache_ttl_s: float = 1.0
    """No read is served from an entry older than this."""
    cache_timeout_s: float = 0.1
    """How long a read waits for the cache before it asks the database."""
    node: str = ""
    """This node's name, for logs and metrics."""
    database_timeout_s: float = 2.0
    """How long a request waits for the database, from asking for a connection to the answer."""
    pool_size: int = 8
    """Connections to the database, at most."""
    drain_s: float = 10.0
    """How long the process goes on serving after SIGTERM, at most."""
    maintenance_file: Path | None = None
    """While this file exists, writes are refused."""
    host: str = "127.0.0.1"
    """Where ``python -m stack.app`` listens."""
    port: int = 0
    """0: any free port, named in the log."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Config:
        """Read the variables; raises ``ConfigError``."""
        read = _Reader(os.environ if environment is None else environment)
        file, dsn_file = read.text("ABACUS_MAINTENANCE_FILE", ""), read.text("ABACUS_DATABASE_DSN_FILE", "")
        return cls(
            database_dsn=read.dsn_in(dsn_file) if dsn_file else read.dsn("ABACUS_DATABASE_DSN"),
            database_dsn_file=Path(dsn_file) if dsn_file else None,
            sentinels=read.addresses("ABACUS_SENTINELS"),
            cache_name=read.text("ABACUS_CACHE_NAME", cls.cache_name),
            cache_password=read.text("ABACUS_CACHE_PASSWORD", ""),
            cache_ttl_s=read.number("ABACUS_CACHE_TTL_S", cls.cache_ttl_s),
            cache_timeout_s=read.number("ABACUS_CACHE_TIMEOUT_S", cls.cache_timeout_s, least=0.001),
            node=read.text("ABACUS_NODE", socket.gethostname()),
            database_timeout_s=read.number("ABACUS_DATABASE_TIMEOUT_S", cls.database_timeout_s, least=0.001),
            pool_size=read.whole("ABACUS_POOL_SIZE", cls.pool_size, 1, 1000),
            drain_s=read.number("ABACUS_DRAIN_S", cls.drain_s),
            maintenance_file=Path(file) if file else None,
            host=read.text("ABACUS_HOST", cls.host),
            port=read.whole("ABACUS_PORT", cls.port, 0, 65535),
        )


@dataclass(frozen=True)
class _Reader:
    """Variables by type. An empty variable counts as not set."""

    environment: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        return self.environment.get(name, "").strip() or default

    def dsn(self, name: str) -> str:
        text = self.text(name, "")
        if not text:
            raise ConfigError(f"{name} is not set, nor is {name}_FILE; {_EXPECTED}")
        try:
            _checked(text)
        except ValueError as error:
            raise ConfigError(f"{name} cannot be used: {error}; {_EXPECTED}") from None
        return text

    def dsn_in(self, path: str) -> str:
        if self.text("ABACUS_DATABASE_DSN", ""):
            raise ConfigError("ABACUS_DATABASE_DSN and ABACUS_DATABASE_DSN_FILE are both set; give one of them")
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
            _checked(text)
        except (OSError, ValueError) as error:
            raise ConfigError(f"ABACUS_DATABASE_DSN_FILE: {path} cannot be used: {error}; {_EXPECTED}") from None
        return text

    def number(self, name: str, default: float, least: float = 0.0) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise ConfigError(f"{name} is {text!r}; expected seconds as a number from {least:g}, such as {default}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ConfigError(f"{name} is {text!r}; expected a whole number from {least} to {most}, such as {default}")
        return int(text)

    def addresses(self, name: str) -> tuple[tuple[str, int], ...]:
        found = []
        for item in filter(None, (part.strip() for part in self.text(name, "").split(","))):
            host, colon, port = item.rpartition(":")
            if not (host and colon and port.isdecimal() and 0 < int(port) <= 65535):
                raise ConfigError(f"{name} holds {item!r}; expected host:port, separated by commas")
            found.append((host.strip("[]"), int(port)))
        return tuple(found)
