"""Two databases are the same, or it is said exactly in what they differ."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from fixtures.recovery.__main__ import main
from fixtures.recovery.content import compare, differing
from fixtures.recovery.fingerprint import dump, fingerprint, load
from fixtures.recovery.rows import Row

from .local_servers import Postgres

SCHEMA = """
CREATE TABLE account (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text NOT NULL, balance numeric,
                      opened timestamptz DEFAULT '2026-01-01', flags bytea DEFAULT '\\x00ff');
INSERT INTO account (owner, balance) SELECT 'owner ' || n, n / 7.0 FROM generate_series(1, 2000) AS n;
CREATE TABLE tick (at timestamptz, price float8);
INSERT INTO tick SELECT '2026-01-01'::timestamptz + n * interval '1 min', n / 3.0 FROM generate_series(1, 500) AS n;
CREATE TABLE event (day date, body jsonb) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO event SELECT '2026-01-05', jsonb_build_object('n', n) FROM generate_series(1, 100) AS n;
CREATE INDEX account_owner ON account (owner);
CREATE VIEW rich AS SELECT * FROM account WHERE balance > 100;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER no_delete BEFORE DELETE ON tick FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE "Odd ""Name" ("Key" int, "b c" text, UNIQUE ("Key"));
INSERT INTO "Odd ""Name" VALUES (NULL, 'a'), (NULL, 'a'), (1, NULL);
CREATE TABLE nothing ();
CREATE EXTENSION pg_trgm;
SELECT lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    running = Postgres(tmp_path_factory.mktemp("postgres") / "data")
    running.create()
    running.start()
    try:
        with psycopg.connect(running.dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE source")
        with psycopg.connect(f"{running.dsn} dbname=source", autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield running
    finally:
        running.stop()


@pytest.fixture
def copy(server: Postgres) -> Callable[..., str]:
    """Another database like the source, changed by the statements; returns its DSN."""

    def make(*statements: str) -> str:
        name = f"copy_{uuid4().hex}"
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE source")
        dsn = f"{server.dsn} dbname={name}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
        return dsn

    return make


@pytest.fixture
def source(server: Postgres) -> str:
    return f"{server.dsn} dbname=source"


def test_a_copy_is_the_same_whatever_the_order_of_its_rows(source: str, copy: Callable[..., str]) -> None:
    shuffled = copy(
        "CREATE TEMP TABLE saved AS TABLE tick",
        "TRUNCATE tick",
        "INSERT INTO tick SELECT * FROM saved ORDER BY random()",
        "ALTER TABLE tick ADD COLUMN dropped int",
        "ALTER TABLE tick DROP COLUMN dropped",
    )
    assert compare(source, shuffled) == ()


@pytest.mark.parametrize(
    ("statement", "kind", "sentence"),
    [
        (
            "UPDATE account SET balance = balance + 0.01 WHERE id IN (3, 4)",
            "table",
            "table public.account: 2000 rows before, 2000 now: 2 changed (",
        ),
        ("DELETE FROM account WHERE id <= 7", "table", "2000 rows before, 1993 now: 7 missing ("),
        (
            "INSERT INTO tick SELECT * FROM tick LIMIT 1",
            "table",
            "table public.tick: 500 rows before, 501 now: 1 added (",
        ),
        ("INSERT INTO tick VALUES (NULL, 'NaN')", "table", "501 now: 1 added ((,NaN))"),
        ('DELETE FROM "Odd ""Name" WHERE ctid = \'(0,1)\'', "table", "3 rows before, 2 now: 1 missing"),
        ('UPDATE "Odd ""Name" SET "b c" = \'\' WHERE "Key" = 1', "table", "1 missing ("),
        ("UPDATE event SET body = '{}' WHERE body->>'n' = '5'", "table", "table public.event_1: 100 rows"),
        ("DROP TABLE tick", "table", "table public.tick (500 rows) is missing"),
        ("CREATE TABLE extra (n int)", "table", "table public.extra (0 rows) was not there before"),
        ("SELECT lo_put(loid, 4999, '\\x00') FROM pg_largeobject LIMIT 1", "table", "table pg_catalog.pg_largeobject:"),
        ("SELECT lo_create(0)", "table", "table pg_catalog.pg_largeobject_metadata: 1 rows before, 2 now: 1 added"),
        ("SELECT setval('account_id_seq', 40)", "sequence value", "stands at 40, below 2000 in its column"),
        ("SELECT setval('account_id_seq', 4000)", "sequence value", "stood at 2000, now at 4000"),
        ("DROP INDEX account_owner", "index", "index public.account_owner: before: CREATE INDEX"),
        ("ALTER TABLE account ADD CHECK (balance > 0) NOT VALID", "constraint", "NOT VALIDATED"),
        ("ALTER TABLE tick DISABLE TRIGGER no_delete", "trigger", "enabled O | now:"),
        ("ALTER TABLE account ALTER owner DROP NOT NULL", "column", "column public.account.owner: before:"),
        ("CREATE OR REPLACE VIEW rich AS SELECT * FROM account", "relation", "relation public.rich: before:"),
        ("GRANT SELECT ON tick TO public", "relation", "relation public.tick:"),
        ("DROP EXTENSION pg_trgm", "extension", "extension pg_trgm: before: version"),
        ("ALTER SEQUENCE account_id_seq INCREMENT BY 2", "sequence", "increment 2"),
        ("CREATE SCHEMA later", "schema", "schema later: before: not there"),
        (
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
            "function",
            "function public.refuse():",
        ),
    ],
)
def test_every_difference_is_listed(
    source: str, copy: Callable[..., str], statement: str, kind: str, sentence: str
) -> None:
    found = compare(source, copy(statement))
    assert sentence in " ".join(each.sentence for each in found if each.kind == kind), found


def test_a_migration_that_added_a_column_is_compared_over_the_others(source: str, copy: Callable[..., str]) -> None:
    added = copy("ALTER TABLE account ADD COLUMN note text DEFAULT 'x'")
    assert [each.kind for each in compare(source, added)] == ["column"]
    also_changed = copy("ALTER TABLE account ADD COLUMN note text", "UPDATE account SET owner = 'me' WHERE id = 9")
    [table] = [each.sentence for each in compare(source, also_changed) if each.kind == "table"]
    assert table.endswith("1 changed ((9)); compared over the 5 columns that both have")


def test_tables_and_kinds_can_be_left_out(source: str, copy: Callable[..., str]) -> None:
    changed = copy("UPDATE account SET balance = 0 WHERE id = 1", "CREATE SCHEMA later")
    assert compare(source, changed, exclude=["public.acc*"], ignore=["schema/*"]) == ()


def test_the_sequence_of_a_table_that_is_left_out_is_left_out(
    source: str, copy: Callable[..., str], tmp_path: Path
) -> None:
    """It may stand below the column's largest value, as in a copy without that table's rows."""
    changed = copy("SELECT setval('account_id_seq', 40)")
    assert [each.kind for each in compare(source, changed)] == ["sequence value", "sequence value"]
    assert compare(source, changed, exclude=["public.acc*"]) == ()
    for side, left_out in (("first", ["public.account"]), ("second", [])):
        (tmp_path / side).write_bytes(dump(fingerprint(source if side == "first" else changed, left_out)))
    assert compare(tmp_path / "first", tmp_path / "second") == ()


def test_roles_passwords_and_settings_are_part_of_it(server: Postgres, source: str, tmp_path: Path) -> None:
    before = tmp_path / "before"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE teller LOGIN PASSWORD 'first'")
        before.write_bytes(dump(fingerprint(source)))
        connection.execute("ALTER ROLE teller PASSWORD 'second' CREATEDB")
        connection.execute("ALTER ROLE teller SET work_mem = '7MB'")
        try:
            found = {
                each.kind: each.sentence for each in compare(before, f"{source} options='-c statement_timeout=5s'")
            }
        finally:
            connection.execute("DROP ROLE teller")
    assert set(found) == {"password", "role", "role setting", "setting"}
    assert found["setting"] == "setting statement_timeout: before: 0 | now: 5000"
    assert "SCRAM" not in str(load(before))


def test_a_saved_fingerprint_with_rows_names_them_and_one_without_says_how(
    source: str, copy: Callable[..., str], tmp_path: Path
) -> None:
    changed = copy("DELETE FROM account WHERE id = 5", "UPDATE account SET owner = '' WHERE id = 6")
    for keep_rows in (True, False):
        (tmp_path / str(keep_rows)).write_bytes(dump(fingerprint(source, keep_rows=keep_rows)))
    [named] = compare(tmp_path / "True", changed)
    assert named.sentence == "table public.account: 2000 rows before, 1999 now: 1 missing ((5)); 1 changed ((6))"
    [counted] = compare(tmp_path / "False", changed)
    assert "2000 rows before, 1999 now: their hashes differ; compare two DSNs" in counted.sentence
    assert load(tmp_path / "True").rows["public.account"]


def test_a_sequence_that_recovery_moved_ahead_is_the_same(source: str, copy: Callable[..., str]) -> None:
    before = fingerprint(source).sequences["public.account_id_seq"]
    assert before.logged > 0
    ahead = before.last + before.logged * before.increment
    assert compare(source, copy(f"SELECT setval('account_id_seq', {ahead})")) == ()
    assert compare(source, copy(f"SELECT setval('account_id_seq', {ahead + 1})")) != ()


def test_the_merge_is_what_sets_say() -> None:
    draw = random.Random(7)  # noqa: S311
    for _ in range(200):
        sides = [{draw.randrange(12): draw.randrange(2) for _ in range(draw.randrange(12))} for _ in range(2)]
        streams = [[Row(f"{key:02}", str(key), str(side[key])) for key in sorted(side)] for side in sides]
        found = differing(streams[0], streams[1], examples=99)
        one, other = sides
        assert set(map(int, found.examples["missing"])) == set(one) - set(other)
        assert set(map(int, found.examples["added"])) == set(other) - set(one)
        assert set(map(int, found.examples["changed"])) == {k for k in set(one) & set(other) if one[k] != other[k]}
        assert found.missing == len(set(one) - set(other))


def test_the_command(
    source: str, copy: Callable[..., str], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["fingerprint", source]) == 0
    saved = tmp_path / "saved"
    saved.write_bytes(capfdbinary.readouterr().out)
    assert main(["compare", str(saved), source]) == 0
    assert capfdbinary.readouterr().out == b"the same\n"
    assert main(["compare", str(saved), copy("DELETE FROM event")]) == 1
    assert b"table public.event_1: 100 rows before, 0 now" in capfdbinary.readouterr().out
    for bad in (str(tmp_path / "absent"), "host=127.0.0.1 port=1 user=x", __file__, "host=127.0.0.1 nonsense=1"):
        assert main(["compare", bad, source]) == 4
        said = capfdbinary.readouterr().err
        assert said.startswith(b"compare: ")
        assert said.count(b"\n") == 1
