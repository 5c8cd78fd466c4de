"""Configuration backups: what was saved comes back as it was, and what is not as it was signed builds nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from fixtures.recovery.__main__ import main
from fixtures.recovery.archive import objects
from fixtures.recovery.barman import Store
from fixtures.recovery.configuration import of_database
from fixtures.recovery.programs import CannotRecover
from fixtures.recovery.signed import make_keys, save, saved, verified

from .local_servers import Postgres
from .recovery_servers import change, make_store, object_store, s3
from .sabotage import recovery_record

HAPROXY = b"defaults\n  timeout connect 500ms\n"
SECRET = b"sesame-open-up"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("store") / "moto.log") as found:
        yield found


@pytest.fixture
def store(url: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    name = "".join(each if each.isalnum() else "-" for each in request.node.name).strip("-").replace("--", "-")
    made = make_store(url, tmp_path, name.lower()[:60].strip("-"))
    monkeypatch.setenv("BACKUP_BUCKET", made.bucket)
    monkeypatch.setenv("BACKUP_SERVER", made.server)
    monkeypatch.setenv("BACKUP_ENDPOINT", made.endpoint_url)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(made.credentials))
    return made


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def command(*words: str | Path) -> int:
    return main(["configuration", *map(str, words)])


class Patroni(BaseHTTPRequestHandler):
    """Its REST API, as far as it is asked here."""

    def do_GET(self) -> None:
        """``/config`` only."""
        self.send_response(200 if self.path == "/config" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"ttl": 20, "synchronous_mode": True}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def patroni() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Patroni) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_of_it_comes_back_as_it_was_and_no_secret_was_stored(
    store: Store, keys: Path, patroni: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = tmp_path / "stack"
    (manifests / "app" / "__pycache__").mkdir(parents=True)
    (manifests / "app" / "main.py").write_bytes(b"print()\n")
    (manifests / "app" / "__pycache__" / "main.pyc").write_bytes(b"x")
    (tmp_path / "haproxy.cfg").write_bytes(HAPROXY)
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    server = Postgres(tmp_path / "data")
    server.create()
    server.start()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as session:
            session.execute("ALTER SYSTEM SET work_mem = '5MB'")
            session.execute("ALTER SYSTEM SET primary_conninfo = 'password=sesame-open-up'")
            session.execute("SELECT pg_reload_conf()")
        words = [
            "--database",
            server.dsn,
            "--cluster",
            patroni,
            "--file",
            f"balancer/haproxy.cfg={tmp_path}/haproxy.cfg",
        ]
        named = ["--tree", f"stack={manifests}", "--secret", f"database={tmp_path}/secret", "--secret", "tls-key"]
        assert command("save", "--signing-key", keys / "signing-key.pem", *words, *named) == 0
    finally:
        server.stop()
    assert "5 objects, 2 secrets named" in capsys.readouterr().out

    into = tmp_path / "fetched"
    assert command("fetch", into, "--public-key", keys / "public-key.pem") == 0
    said = capsys.readouterr().out
    assert "not rebuilt: the value of secret database, which is in no backup" in said
    assert "not rebuilt: the value of secret tls-key, which is in no backup" in said
    assert json.loads((into / "ABOUT.json").read_text())["secrets"] == ["database", "tls-key"]
    files = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()} - {"ABOUT.json"}
    database = {"database/settings.json", "database/access.json"}
    assert files == database | {"balancer/haproxy.cfg", "cluster/dynamic.json", "stack/app/main.py"}
    assert (into / "balancer/haproxy.cfg").read_bytes() == HAPROXY
    assert json.loads((into / "cluster/dynamic.json").read_text()) == {"ttl": 20, "synchronous_mode": True}
    settings = json.loads((into / "database/settings.json").read_text())
    assert settings["work_mem"] == {"is": "5120", "unit": "kB", "from": "configuration file"}
    client = s3(store.endpoint_url)
    every = [client.get_object(Bucket=store.name, Key=each.key)["Body"].read() for each in objects(store)]
    assert len(every) == 7
    assert not any(SECRET in body for body in every)


def at(store: Store, name: str) -> str:
    return f"{store.prefix}/configuration/{saved(store)[-1]}/{name}"


def flip(store: Store, _: Path) -> None:
    change(store, at(store, "objects/a/first"), lambda body: bytes([body[0] ^ 1]) + body[1:])


def cut(store: Store, _: Path) -> None:
    change(store, at(store, "objects/a/first"), lambda body: body[:-1])


def lose(store: Store, _: Path) -> None:
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=at(store, "objects/second"))


def forge(store: Store, _: Path) -> None:
    """A new content whose digest is entered in the manifest, too: only the signature tells."""
    old, new = (sha256(body).hexdigest().encode() for body in (b"first", b"faked"))
    change(store, at(store, "objects/a/first"), lambda _: b"faked")
    change(store, at(store, "manifest.json"), lambda body: body.replace(old, new))


def lose_manifest(store: Store, _: Path) -> None:
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=at(store, "manifest.json"))


def lose_signature(store: Store, _: Path) -> None:
    s3(store.endpoint_url).delete_object(Bucket=store.name, Key=at(store, "manifest.sig"))


def other_key(_: Store, keys: Path) -> None:
    for name in ("signing-key.pem", "public-key.pem"):
        (keys / name).unlink()
    make_keys(keys)


def pass_off(store: Store, _: Path) -> None:
    """An old configuration, as it was signed, under the name of a new one."""
    client, old = s3(store.endpoint_url), saved(store)[-1]
    for name in ("manifest.json", "manifest.sig", "objects/a/first", "objects/second"):
        key, of = f"{store.prefix}/configuration/20990101T000000.000000Z/{name}", f"{store.prefix}/configuration/{old}"
        client.copy_object(Bucket=store.name, Key=key, CopySource={"Bucket": store.name, "Key": f"{of}/{name}"})


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip, "is not what was signed: a/first was changed"),
        (cut, "is not what was signed: a/first has 4 bytes, had 5"),
        (lose, "is not what was signed: second is gone"),
        (forge, "or its signature, was changed after key"),
        (lose_manifest, "is gone: nothing of it can be trusted"),
        (lose_signature, "holds no signed configuration of ledger: there is none"),
        (other_key, "use the public key of its signer"),
        (pass_off, "the manifest of configuration 20990101T000000.000000Z is that of configuration 20"),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(
    store: Store,
    keys: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Store, Path], None],
    said: str,
) -> None:
    done = save(store, {"a/first": b"first", "second": b"second"}, (), keys / "signing-key.pem")
    public = keys / "public-key.pem"
    assert verified(store, public) == (done, {"a/first": b"first", "second": b"second"})
    harm(store, keys)
    with pytest.raises(CannotRecover) as caught:
        verified(store, public)
    if control := {flip: "configuration-changed", lose: "configuration-gone", other_key: "configuration-key"}.get(harm):
        recovery_record.caught(control, caught.value)
    assert command("fetch", tmp_path / "fetched", "--public-key", public) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize("body", [b"password: %s" % SECRET, base64.b64encode(SECRET)])
def test_a_secrets_value_in_an_object_stops_it(
    store: Store, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "conf").write_bytes(body)
    given = ["--file", f"web/conf={tmp_path}/conf", "--secret", f"database={tmp_path}/secret"]
    assert command("save", "--signing-key", keys / "signing-key.pem", *given) == 4
    error = capsys.readouterr().err
    assert error == "configuration: web/conf holds the value of secret database: take it out; nothing was stored\n"
    assert objects(store) == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["save", "--signing-key", "none.pem", "--file", "a={here}/a"],
            "the private key none.pem cannot be read: No such",
        ),
        (
            ["save", "--signing-key", "{here}/a", "--file", "a={here}/a"],
            "a is no private key in PEM without a passphrase",
        ),
        (
            ["save", "--signing-key", "{keys}/signing-key.pem", "--file", "../a={here}/a"],
            "'../a' is no name of an object",
        ),
        (["save", "--signing-key", "{keys}/signing-key.pem", "--file", "a"], "a: expected NAME=PATH"),
        (["save", "--signing-key", "{keys}/signing-key.pem"], "nothing to save: give --database"),
        (["save", "--signing-key", "{keys}/signing-key.pem", "--tree", "x={here}/no"], "no is no directory"),
        (
            ["save", "--signing-key", "{keys}/signing-key.pem", "--cluster", "http://127.0.0.1:1"],
            "http://127.0.0.1:1 did not give the cluster's settings",
        ),
        (["keys", "{keys}"], "signing-key.pem cannot be made: File exists; name another place"),
        (["fetch", "{here}/new", "--public-key", "{keys}/signing-key.pem"], "is no public key in PEM"),
        (["fetch", "{here}", "--public-key", "{keys}/public-key.pem"], "exists: name a directory that does not"),
        (
            ["fetch", "{here}/new", "--public-key", "{keys}/public-key.pem", "--id", "x"],
            "holds no signed configuration x of ledger: there is none",
        ),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_mistake_is_one_sentence(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert command(*(word.format(here=tmp_path, keys=keys) for word in words)) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_database_that_is_away_is_said_so() -> None:
    with pytest.raises(RuntimeError, match="the database's settings cannot be read: connection"):
        of_database("host=127.0.0.1 port=1 connect_timeout=1")
