"""The fresh reader: binary COPY, pages through the front door, and patience with a stack that is not back yet."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.model import Ledger
from fixtures.workloads import reader
from fixtures.workloads.planted import PlantedApi, planted_api
from fixtures.workloads.reader import (
    LedgerError,
    NotYetError,
    ask,
    open_accounts,
    parse_copy,
    patiently,
    read_ledger_from_api,
)
from fixtures.workloads.settings import first_account, transfer_id

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = 2**62 + 99
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)


@pytest.fixture
def api() -> Iterator[PlantedApi]:
    with planted_api() as planted:
        open_accounts(planted.url, RUN, 20, 1000)
        yield planted


def transfer(api: PlantedApi, number: int, source: int, target: int, amount: int, run: int = RUN) -> None:
    first = first_account(RUN)
    body = {"id": transfer_id(run, number), "source": first + source, "target": first + target, "amount": amount}
    ask(api.url, "POST", "/api/transfers", body)


def copied(*rows: tuple[int, int]) -> bytes:
    """Rows of a UUID and a bigint as PostgreSQL sends them."""
    raw = b"".join(
        struct.pack(">hi", 2, 16) + uuid.UUID(transfer_id(RUN, number)).bytes + struct.pack(">iq", 8, value)
        for number, value in rows
    )
    return HEADER + raw + b"\xff\xff"


def test_binary_copy_gives_the_low_half_of_a_uuid_and_signed_numbers() -> None:
    columns = parse_copy(copied((0, -7), (5, 2**40)), number=16, value=8)
    assert columns["number"].tolist() == [0, 5]
    assert columns["value"].tolist() == [-7, 2**40]
    assert columns["value"].dtype == np.dtype(np.int64)
    assert len(parse_copy(copied(), number=16, value=8)["number"]) == 0


@pytest.mark.parametrize(
    "raw",
    [
        copied((0, 1))[:-3],
        copied((0, 1))[:-2],
        HEADER + struct.pack(">hii", 2, -1, -1) + b"\xff\xff",
        copied((0, 1)).replace(struct.pack(">hi", 2, 16), struct.pack(">hi", 3, 16)),
        copied((0, 1)).replace(struct.pack(">iq", 8, 1), struct.pack(">iq", -1, 1)),
        b"",
    ],
)
def test_a_copy_that_is_cut_or_holds_a_null_is_refused(raw: bytes) -> None:
    with pytest.raises(LedgerError, match="COPY"):
        parse_copy(raw, number=16, value=8)


def test_the_api_is_read_page_by_page(api: PlantedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAGE", 3)
    monkeypatch.setattr(reader, "ACCOUNTS_PAGE", 7)
    for number in range(8):
        transfer(api, number, 1, 2, 10)
    transfer(api, 0, 4, 5, 1, run=RUN + 1)  # another load's is not ours
    found = read_ledger_from_api(api.url, RUN, 20, 1000)
    assert found.number.tolist() == list(range(8))
    assert found.source.tolist() == [1] * 8
    assert found.target.tolist() == [2] * 8
    assert found.amount.tolist() == [10] * 8
    assert found.balance.tolist()[:6] == [1000, 920, 1080, 1000, 999, 1001]
    assert found.version.tolist()[:3] == [0, 8, 8]
    assert found.opening_balance == 1000


def test_an_empty_ledger_is_read(api: PlantedApi) -> None:
    found = read_ledger_from_api(api.url, RUN, 20, 1000)
    assert len(found.number) == 0
    assert found.balance.tolist() == [1000] * 20


def test_missing_accounts_and_strangers_are_said(api: PlantedApi) -> None:
    transfer(api, 0, 3, 12, 5)
    with pytest.raises(LedgerError, match="target outside its accounts"):
        read_ledger_from_api(api.url, RUN, 10, 1000)
    with pytest.raises(LedgerError, match="HTTP 404"):
        read_ledger_from_api(api.url, RUN + 12345, 10, 1000)


def test_a_write_that_comes_through_between_two_pages_is_not_yet_a_ledger(
    api: PlantedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reader._api_accounts

    def then_a_write(url: str, first: int, accounts: int) -> object:
        found = plain(url, first, accounts)
        transfer(api, len(api.transfers), 1, 2, 1)
        return found

    monkeypatch.setattr(reader, "_api_accounts", then_a_write)
    with pytest.raises(NotYetError, match="accounts changed"):
        read_ledger_from_api(api.url, RUN, 20, 1000)


def test_the_reader_waits_for_a_stack_that_is_not_back_yet_and_then_says_so(api: PlantedApi) -> None:
    tries = []

    def read() -> Ledger:
        tries.append(1)
        api.mode = "failed" if len(tries) < 3 else "answer"
        return read_ledger_from_api(api.url, RUN, 20, 1000)

    assert len(patiently(read, reader="api", within_s=10).balance) == 20
    assert len(tries) == 3
    api.mode = "refuse"
    with pytest.raises(LedgerError, match=r"reader 'api' within 0.1 s .*refused"):
        patiently(lambda: read_ledger_from_api(api.url, RUN, 20, 1000), reader="api", within_s=0.1)
