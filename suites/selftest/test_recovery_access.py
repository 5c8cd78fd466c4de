"""Negative controls: who may not ask the object store, or cannot any more, is told why; nothing shorter is restored.

S3 refuses a token that expired and a clock that is off. moto does neither, so a proxy before it answers as S3
documents: emulated, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.aws.proxy import Proxied, Rule, Rules, proxied
from fixtures.recovery import barman
from fixtures.recovery.barman import Store
from fixtures.recovery.content import same_as
from fixtures.recovery.plan import Target
from fixtures.recovery.programs import Code
from fixtures.recovery.restore import restore
from fixtures.stacks.embedded.roles import wrong_clock

from .recovery_servers import Past, keys_that_count, nothing_was_fetched, object_store, past, refused

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    directory = tmp_path_factory.mktemp("access")
    with object_store(directory / "moto.log") as url, past(url, directory, "ledger-backups") as found:
        yield found


@pytest.fixture(scope="module")
def aws(lived: Past) -> Iterator[Proxied]:
    with proxied(lived.store.endpoint_url) as running:
        yield running


@pytest.fixture
def store(lived: Past, aws: Proxied) -> Store:
    """Through the proxy, which does nothing yet."""
    aws.follow(Rules())
    return replace(lived.store, endpoint_url=aws.url)


def test_wrong_credentials_are_refused_and_right_ones_are_not(lived: Past, tmp_path: Path) -> None:
    everything = {"Action": "*", "Resource": "*"}
    with keys_that_count(lived.store.endpoint_url, "restorer", everything, tmp_path) as (right, wrong):
        assert barman.list_backups(replace(lived.store, credentials=right)) == (lived.backup,)
        for credentials in (wrong, lived.store.credentials, tmp_path / "absent"):
            error = refused(replace(lived.store, credentials=credentials), tmp_path / "data", control="wrong-key")
            assert error.code is Code.WRONG_CREDENTIALS
            assert "refuses these credentials for bucket ledger-backups" in str(error)


def test_credentials_that_have_expired_are_refused(store: Store, aws: Proxied, tmp_path: Path) -> None:
    aws.follow(Rules((Rule("expired", service="s3"),)))
    error = refused(store, tmp_path / "data", control="expired-key")
    assert error.code is Code.EXPIRED_CREDENTIALS
    assert "the credentials for bucket ledger-backups at" in str(error)
    assert "have expired; renew them" in str(error)
    assert nothing_was_fetched(tmp_path / "data")


def test_credentials_that_expire_meanwhile_do_not_shorten_the_recovery(
    lived: Past, store: Store, aws: Proxied, tmp_path: Path
) -> None:
    """They were good for the lists and the base backup, and end at its WAL."""
    aws.follow(Rules((Rule("expired", service="s3", action="GetObject", naming="wals"),)))
    error = refused(store, tmp_path / "data", control="expires-midway")
    assert error.code is Code.EXPIRED_CREDENTIALS
    assert "have expired; renew them" in str(error)
    aws.follow(Rules())  # renewed: what was left is cleared, and everything comes back
    assert restore(store, tmp_path / "data", Target(time=lived.target), [same_as(lived.before)]).sealed


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S])
def test_a_clock_that_is_an_hour_off_is_called_that(
    store: Store, aws: Proxied, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, off_s: float
) -> None:
    for name, value in wrong_clock(off_s).items():
        monkeypatch.setenv(name, value)  # of the programs that are started
    aws.follow(Rules(check_clock=True))
    error = refused(store, tmp_path / "data", control="wrong-clock")
    assert error.code is Code.WRONG_CLOCK
    assert "the clock of this machine is wrong, so" in str(error)
    assert nothing_was_fetched(tmp_path / "data")
