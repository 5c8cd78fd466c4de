"""What depends on AWS while AWS fails: backups are there or refused loudly, secrets are served from a cache.

Each promise is also given to somebody who does not keep it, and is seen to be broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import botocore.config
import botocore.exceptions
import pytest
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

from fixtures.aws.emulated import fresh_session
from fixtures.aws.inventory import Inventory, Refused
from fixtures.aws.proxy import Proxied, Rule, Rules, proxied
from fixtures.aws.run import perform
from fixtures.recovery import barman
from fixtures.recovery.barman import Backup, Store
from fixtures.recovery.programs import CannotRecover, Code
from fixtures.stacks.embedded.roles import wrong_clock

from .recovery_servers import KEYS, Past, object_store, past

WRITES = ("PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload")
HOUR_S = 3600.0


@dataclass(frozen=True)
class Before:
    """A server with an archive, reached past the proxy and through it."""

    past: Past
    aws: Proxied
    store: Store
    """Through the proxy."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    directory = tmp_path_factory.mktemp("faults")
    with (
        object_store(directory / "moto.log") as url,
        past(url, directory, "ledger-backups") as lived,
        proxied(url) as aws,
    ):
        yield Before(lived, aws, replace(lived.store, endpoint_url=aws.url))


# ------------------------------------------------------------------------------------------------ backups


def became(before: Before, take: Callable[[], Backup], into: Path) -> str:
    """What came of a backup: ``kept`` and fetched again, ``refused`` loudly, or ``a lie``, judged past the proxy."""
    try:
        backup = take()
    except CannotRecover:
        return "refused"
    straight = before.past.store
    if backup.id not in {each.id for each in barman.list_backups(straight)}:
        return "a lie"
    into.mkdir()
    barman.fetch(straight, backup.id, into)
    return "kept"


def test_a_backup_while_s3_throttles_is_kept_by_trying_again(before: Before, tmp_path: Path) -> None:
    rules = tuple(Rule("throttle", service="s3", action=each, every=2) for each in WRITES)
    before.aws.follow(Rules(rules))

    assert became(before, lambda: barman.back_up(before.store, before.past.server.dsn), tmp_path / "data") == "kept"

    counted = [before.aws.count("s3", each) for each in WRITES]
    assert sum(each.get("retried", 0) for each in counted) > 0, "the fault was not felt"
    assert sum(each.get("given_up", 0) for each in counted) == 0


def test_a_backup_while_s3_takes_nothing_is_refused_with_the_reason(before: Before) -> None:
    before.aws.follow(Rules(tuple(Rule("throttle", service="s3", action=each) for each in WRITES)))
    known = barman.list_backups(before.past.store)

    with pytest.raises(CannotRecover, match="takes no more requests for bucket ledger-backups") as error:
        barman.back_up(before.store, before.past.server.dsn)

    assert error.value.code is Code.THROTTLED
    assert barman.list_backups(before.past.store) == known
    assert sum(each["given_up"] for each in before.aws.counts()["calls"]) > 0


def test_a_client_that_does_not_try_again_loses_its_backup_loudly(before: Before, tmp_path: Path) -> None:
    class Hasty(Store):
        def environment(self) -> dict[str, str]:
            return super().environment() | {"AWS_MAX_ATTEMPTS": "1"}

    before.aws.follow(Rules(tuple(Rule("throttle", service="s3", action=each, every=2) for each in WRITES)))
    hasty = Hasty(**vars(before.store))
    assert became(before, lambda: barman.back_up(hasty, before.past.server.dsn), tmp_path / "data") == "refused"
    assert sum(each["retried"] for each in before.aws.counts()["calls"]) == 0


def test_a_backup_that_is_reported_and_not_there_is_found(before: Before, tmp_path: Path) -> None:
    def hides_its_errors() -> Backup:
        try:
            return barman.back_up(before.store, before.past.server.dsn)
        except CannotRecover:
            return replace(before.past.backup, id="20991231T000000")

    before.aws.follow(Rules((Rule("throttle", service="s3", action="UploadPart"), Rule("deny", action="PutObject"))))
    assert became(before, hides_its_errors, tmp_path / "data") == "a lie"


# ------------------------------------------------------------------------------------------------ negative controls


def test_expired_credentials_are_called_that(before: Before) -> None:
    before.aws.follow(Rules((Rule("expired", service="s3"),)))
    with pytest.raises(
        CannotRecover, match=r"the credentials for bucket ledger-backups at .* have expired; renew"
    ) as error:
        barman.list_backups(before.store)
    assert error.value.code is Code.EXPIRED_CREDENTIALS
    before.aws.follow(Rules())
    assert before.past.backup in barman.list_backups(before.store)


@pytest.mark.parametrize("off_s", [HOUR_S, -HOUR_S])
def test_a_clock_that_is_an_hour_off_is_called_that(
    before: Before, monkeypatch: pytest.MonkeyPatch, off_s: float
) -> None:
    """S3 refuses it. moto does not look, so what S3 documents is done by the proxy: emulated, and said so."""
    for name, value in wrong_clock(off_s).items():
        monkeypatch.setenv(name, value)
    before.aws.follow(Rules(check_clock=True))
    with pytest.raises(
        CannotRecover, match=r"the clock of this machine is wrong, so .* refuses what it signs"
    ) as error:
        barman.list_backups(before.store)
    assert error.value.code is Code.WRONG_CLOCK
    before.aws.follow(Rules())
    assert before.past.backup in barman.list_backups(before.store)  # the emulator alone takes it


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules((Rule("expired"),)), "these credentials have expired; renew them"),
        (Rules((Rule("deny"),)), "the credentials' IAM policy does not allow it"),
        (Rules((Rule("throttle"),)), "Throttling: Rate exceeded"),
    ],
)
def test_a_procedure_says_why_it_is_refused(
    before: Before, monkeypatch: pytest.MonkeyPatch, rules: Rules, said: str
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name.upper(), value)
    before.aws.follow(rules)
    inventory = Inventory("123456789012", "us-east-1", "emulated", ("read", "snapshot", "restore"))
    inventory = replace(inventory, endpoint_url=before.aws.url)
    with pytest.raises(Refused) as error:
        perform("restore", "ledger", inventory, "drill", session=fresh_session("us-east-1"))
    assert said in str(error.value)


# ------------------------------------------------------------------------------------------------ secrets


@pytest.fixture
def manager(before: Before) -> Iterator[Any]:
    before.aws.follow(Rules())
    settings = botocore.config.Config(read_timeout=1, connect_timeout=1, retries={"total_max_attempts": 1})
    client: Any = fresh_session("us-east-1").client(
        "secretsmanager",
        endpoint_url=before.aws.url,
        config=settings,
        **KEYS,  # type: ignore[call-overload]
    )
    straight: Any = fresh_session("us-east-1").client(
        "secretsmanager",
        endpoint_url=before.past.store.endpoint_url,
        **KEYS,  # type: ignore[call-overload]
    )
    straight.create_secret(Name="ledger", SecretString="first")
    try:
        yield client
    finally:
        straight.delete_secret(SecretId="ledger", ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize("rule", [Rule("error", status=503), Rule("hang"), Rule("throttle"), Rule("reset")])
def test_a_secret_is_served_from_the_cache_while_the_manager_is_down(before: Before, manager: Any, rule: Rule) -> None:
    ask = SecretCache(SecretCacheConfig(secret_refresh_interval=1), manager).get_secret_string
    assert ask("ledger") == "first"
    before.aws.follow(Rules((replace(rule, service="secretsmanager"),)))
    time.sleep(1.1)  # what is cached is due to be asked for again

    begun_s = time.monotonic()
    assert ask("ledger") == "first"

    assert time.monotonic() - begun_s < 10, "whoever waits for AWS has no cache"
    assert before.aws.counts()["rules"][0]["injected"] > 0, "nobody asked, so nothing was proven"
    with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError)):
        manager.get_secret_value(SecretId="ledger")  # a reader without a cache


def test_it_is_asked_for_again_when_the_manager_is_back(before: Before, manager: Any) -> None:
    ask = SecretCache(SecretCacheConfig(secret_refresh_interval=1), manager).get_secret_string
    assert ask("ledger") == "first"
    before.aws.follow(Rules((Rule("error", service="secretsmanager"),)))
    time.sleep(1.1)
    assert ask("ledger") == "first"
    before.aws.follow(Rules())
    fresh = "second"
    manager.put_secret_value(SecretId="ledger", SecretString=fresh)
    deadline = time.monotonic() + 30
    while ask("ledger") != fresh:
        assert time.monotonic() < deadline, "the cache never asks again"
        time.sleep(0.1)
