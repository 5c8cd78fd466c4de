"""Rows that a mistake took are found in WAL, read from a copy beside the server, and brought back by the runbook."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from fixtures.recovery import archive, barman, rescue
from fixtures.recovery.programs import CannotRecover, Code, postgres_program
from fixtures.recovery.runbook import RUNBOOKS, Step, follow, read
from fixtures.stacks.embedded.operator import words
from stack.app.migrate import migrate

from .local_servers import ROOT, Postgres, until
from .recovery_servers import archiving, make_store, object_store, small_segments

OPENED_WITH = 1000
ACCOUNTS = 4
BEFORE = 40
"""Transfers that the copy holds."""


class Bench:
    """A ledger of four accounts, and what a client was told of it."""

    def __init__(self, directory: Path) -> None:
        self.server = Postgres(directory / "source")
        self.scratch = directory / "scratch"
        self.began_at = datetime.now(UTC)

    def go_on_from(self, stopped: Postgres) -> None:
        """Start where another one stopped, with a copy of that moment beside it, as a restore would lay it there."""
        shutil.copytree(stopped.directory, self.server.directory)
        shutil.copytree(stopped.directory, self.scratch / "copy")
        with (self.server.directory / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.server.port}\n")
        self.server.start()

    def wal(self) -> Path:
        """Where the server's is."""
        return self.server.directory / "pg_wal"

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.server.dsn, autocommit=True) as session:
            return session.execute(query).fetchall()

    def do(self, statement: str) -> None:
        """Carry out a statement."""
        with psycopg.connect(self.server.dsn, autocommit=True) as session:
            session.execute(statement)

    def transfer(self, number: int) -> str:
        """Move ``number`` from one account to the next, under the id of that number."""
        source = number % ACCOUNTS
        moved = f"transfer('{UUID(int=number)}', {source}, {(source + 1) % ACCOUNTS}, {number})"
        return str(self.ask(f"SELECT verdict FROM {moved}")[0][0])  # noqa: S608

    def wrong(self) -> list[tuple[object, ...]]:
        """The accounts whose version or balance is not what the transfers make it."""
        return self.ask(
            "SELECT a.id FROM accounts a LEFT JOIN transfers t ON a.id IN (t.source, t.target) GROUP BY a.id HAVING "
            "a.version <> count(t.id) OR a.balance <> a.opening_balance + coalesce(sum(CASE WHEN t.target = a.id "
            "THEN t.amount ELSE -t.amount END), 0)"
        )


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    made = Bench(tmp_path_factory.mktemp("ledger"))
    made.server.create()
    small_segments(made.server)
    made.server.start()
    migrate(made.server.dsn)
    made.do(f"SELECT open_accounts(0, {ACCOUNTS}, {OPENED_WITH})")
    for number in range(1, BEFORE + 1):
        assert made.transfer(number) == "applied"
    made.server.stop("fast")
    return made.server


@pytest.fixture
def bench(stopped: Postgres, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.go_on_from(stopped)
    try:
        yield made
    finally:
        made.server.stop()


def bring_back(bench: Bench, tmp_path: Path, rows: str = "") -> list[str]:
    """Follow the runbook from where the copy lies there."""
    steps = [step for step in read(RUNBOOKS / "rescue-table.md") if step.number >= 4]
    page = tmp_path / "page.md"
    page.write_text("".join(map(_written, steps, range(1, len(steps) + 1))))
    return _follow(page, bench, tmp_path, {"primary": "a", "beside": "a"} | ({"ROWS": rows} if rows else {}))


def _follow(page: Path, bench: Bench, tmp_path: Path, given: Mapping[str, str]) -> list[str]:
    member = {
        "WAL_DIRECTORY": str(bench.wal()),
        "SCRATCH_DIRECTORY": str(bench.scratch),
        "PGHOST": "127.0.0.1",
        "PGPORT": str(bench.server.port),
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
        "PYTHONPATH": str(ROOT),
    }
    with words(tmp_path / "words", {}, {"a": member}) as commands:
        programs = [str(commands), str(Path(sys.executable).parent), str(postgres_program("psql").parent)]
        environment = os.environ | {"PATH": ":".join([*programs, os.environ["PATH"]])}
        return follow(page, environment | dict(given), lambda _: None).said


def _written(step: Step, number: int) -> str:
    return f"## {number}. {step.title} ({step.phase})\n\n```sh\n{step.script}```\n\n"


def test_the_whole_page_loses_nothing_of_what_a_client_was_told(bench: Bench, tmp_path: Path) -> None:
    """A client writes all the while: before the statement, while it runs, and until the rows are back."""
    told: list[int] = []
    enough = threading.Event()

    def write() -> None:
        with psycopg.connect(bench.server.dsn, autocommit=True) as session:
            for number in itertools.count(BEFORE + 1):
                source = number % ACCOUNTS
                session.execute("SELECT transfer(%s, %s, %s, 1)", (UUID(int=number), source, (source + 1) % ACCOUNTS))
                told.append(number)
                if enough.is_set():
                    return

    with object_store(tmp_path / "moto.log") as url:
        store = make_store(url, tmp_path, "rescue")
        archiving(bench.server, store)
        bench.server.stop("fast")
        bench.server.start()
        archive.seal(store, barman.back_up(store, bench.server.dsn))
        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: len(told) > 20, within_s=60.0)
        since, already = datetime.now(UTC), len(told)
        until(lambda: len(told) > already + 20, within_s=60.0)
        bench.do("DELETE FROM transfers")
        asked = {"BACKUP_BUCKET": store.bucket, "BACKUP_SERVER": store.server, "BACKUP_ENDPOINT": url}
        asked |= {"AWS_SHARED_CREDENTIALS_FILE": str(store.credentials), "MEMBERS": "a"}
        try:
            _follow(RUNBOOKS / "rescue-table.md", bench, tmp_path, {**asked, "TARGET_TIME": since.isoformat()})
        finally:
            enough.set()
            writer.join()
    held = {UUID(str(found)).int for (found,) in bench.ask("SELECT id FROM transfers")}
    assert held == {*range(1, BEFORE + 1), *told}
    assert bench.wrong() == []


def test_deleted_rows_come_back_and_what_was_written_since_stays(bench: Bench, tmp_path: Path) -> None:
    bench.do("DELETE FROM transfers")
    assert bench.transfer(BEFORE + 1) == "applied"
    assert bench.transfer(BEFORE) == "applied"  # sent again: its money moves a second time
    assert bench.wrong()

    said = bring_back(bench, tmp_path)

    assert "40 39 1 0" in (" ".join(line.replace("|", " ").split()) for line in said)
    assert bench.ask("SELECT count(*) FROM transfers") == [(BEFORE + 1,)]
    assert bench.wrong() == []
    assert bench.transfer(BEFORE) == "known"
    assert bench.ask("SELECT to_regnamespace('rescue')") == [(None,)]
    assert not bench.scratch.exists()


def test_spoilt_values_come_back_and_what_was_written_since_stays(bench: Bench, tmp_path: Path) -> None:
    bench.do("UPDATE transfers SET amount = amount * 100")
    assert bench.transfer(BEFORE + 1) == "applied"
    assert bench.transfer(BEFORE) == "conflict"
    bring_back(bench, tmp_path)
    assert bench.ask("SELECT sum(amount), count(*) FROM transfers") == [(sum(range(BEFORE + 2)), BEFORE + 1)]
    assert bench.wrong() == []


def test_one_accounts_rows_come_back_alone(bench: Bench, tmp_path: Path) -> None:
    bench.do("DELETE FROM transfers WHERE 0 IN (source, target)")
    bench.do("UPDATE transfers SET amount = 7 WHERE source = 1")
    bring_back(bench, tmp_path, "SELECT * FROM transfers WHERE 0 IN (source, target)")
    assert bench.ask("SELECT count(*) FROM transfers WHERE 0 IN (source, target)") == [(BEFORE // 2,)]
    assert bench.ask("SELECT DISTINCT amount FROM transfers WHERE source = 1") == [(7,)]


def test_the_mistake_is_found_with_its_size_and_the_moment_just_before_it(bench: Bench) -> None:
    bench.do("DELETE FROM transfers WHERE amount > 30")
    bench.do("BEGIN; UPDATE transfers SET amount = 1; ROLLBACK")
    at = datetime.now(UTC)
    bench.do("UPDATE transfers SET amount = amount + 1")
    largest, smaller = rescue.mistakes(bench.server.dsn, "transfers", bench.wal(), bench.began_at)
    assert (largest.what, largest.rows, smaller.what, smaller.rows) == ("UPDATE", 30, "DELETE", 10)
    assert at - timedelta(seconds=1) < smaller.just_before < at < largest.just_before < largest.committed_at
    assert largest.committed_at - largest.just_before == timedelta(microseconds=1)


def test_where_nothing_was_changed_no_mistake_is_found(bench: Bench) -> None:
    assert rescue.mistakes(bench.server.dsn, "transfers", bench.wal(), datetime.now(UTC)) == ()


def test_rows_of_a_copy_are_read_while_the_server_runs(bench: Bench) -> None:
    into = io.BytesIO()
    assert rescue.read(bench.scratch / "copy", "postgres", "SELECT amount FROM transfers ORDER BY 1", into) == BEFORE
    assert into.getvalue().split() == [str(n).encode() for n in range(1, BEFORE + 1)]


def test_what_cannot_be_is_said_in_a_sentence(bench: Bench, tmp_path: Path) -> None:
    wrong = (
        (lambda: rescue.mistakes(bench.server.dsn, "gone", bench.wal(), bench.began_at), "there is no table gone"),
        (lambda: rescue.mistakes(bench.server.dsn, "transfers", tmp_path, bench.began_at), "holds no WAL up to"),
        (lambda: rescue.mistakes("host=127.0.0.1 port=1", "x", tmp_path, bench.began_at), "cannot be asked"),
        (lambda: rescue.read(tmp_path, "postgres", "SELECT 1", io.BytesIO()), "is no data directory"),
        (lambda: rescue.read(bench.scratch / "copy", "postgres", "SELECT 1 FROM no", io.BytesIO()), "cannot be read"),
    )
    for ask, expected in wrong:
        with pytest.raises(CannotRecover, match=expected) as caught:
            ask()
        assert caught.value.code is Code.BAD_INPUT
