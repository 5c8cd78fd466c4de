"""The history on disk: what is written is read, what is torn is cut, what is damaged is refused by name."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.history import (
    LEDGER_DTYPES,
    OPERATION_DTYPES,
    Columns,
    HistoryError,
    digests,
    merge,
    read_facts,
    read_history,
    read_operations,
    write_history,
)
from fixtures.model import Answer, FaultWindow, History, Kind, Ledger, Operations, Place

if TYPE_CHECKING:
    from pathlib import Path


def row(number: int, due_s: float, place: Place = Place.OUTSIDE) -> tuple[float | int, ...]:
    return (Kind.WRITE, place, number, due_s, due_s + 0.001, due_s + 0.004, Answer.OK, 201, 3, 4, 50, 7, 9, 2)


def operations(*rows: tuple[float | int, ...]) -> Operations:
    columns = zip(*rows, strict=True)
    return Operations(**{name: np.array(c, t) for (name, t), c in zip(OPERATION_DTYPES.items(), columns, strict=True)})


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


@pytest.fixture
def history() -> History:
    a = np.array
    ledger = Ledger(
        number=a([0, 1, 2]), source=a([3, 3, 3], np.int32), target=a([4, 4, 4], np.int32), amount=a([50] * 3, np.int32),
        balance=a([1000, 850, 1150]), version=a([0, 3, 3]), opening_balance=1000,
    )  # fmt: skip
    windows = [
        FaultWindow("zone_outage", ("a/api-1", "a/database"), 11.5, felt_s=11.75, touched=("a/api-1",)),
        FaultWindow("zone_pause", ("a/api-1",), 20.0, touched=()),
        FaultWindow("kill", (), 30.0),
    ]
    return History(windows, operations(*(row(n, 10.0 + n / 8) for n in range(3))), {"database": ledger})


def test_a_written_history_reads_back_equal(tmp_path: Path, history: History) -> None:
    write_history(tmp_path, history, run=42, load={"writes_per_s": 200.0})
    back = read_history(tmp_path)
    assert back.faults == history.faults
    assert back.operations is not None
    assert history.operations is not None
    assert same(back.operations, history.operations)
    assert same(back.ledgers["database"], history.ledgers["database"])
    assert read_facts(tmp_path)["run"] == 42


def test_a_history_without_operations_and_ledgers_reads_back(tmp_path: Path) -> None:
    write_history(tmp_path, History())
    assert read_history(tmp_path) == History()


def test_the_columns_are_the_fields_of_the_model() -> None:
    assert list(OPERATION_DTYPES) == [f.name for f in fields(Operations)]
    assert [*LEDGER_DTYPES, "opening_balance"] == [f.name for f in fields(Ledger)]
    assert OPERATION_DTYPES["due_s"] == np.dtype("<f8")


def test_what_was_flushed_outlives_the_writer_and_a_torn_row_is_cut(tmp_path: Path) -> None:
    columns = Columns(tmp_path)
    for number in range(5):
        columns.append(*row(number, float(number)))
    columns.flush()
    columns.append(*row(5, 5.0))  # never flushed, as in a killed process
    with (tmp_path / "amount.int32").open("r+b") as file:
        file.truncate(4 * 4 + 2)
    read = read_operations(tmp_path)
    assert read.number.tolist() == [0, 1, 2, 3]
    assert read.amount.tolist() == [50] * 4
    columns.close()


def test_a_row_of_the_wrong_length_is_refused_before_it_shifts_the_columns(tmp_path: Path) -> None:
    with Columns(tmp_path) as columns, pytest.raises(TypeError, match="14 values"):
        columns.append(1, 2, 3)


def test_appended_rows_come_back_in_the_order_of_due(tmp_path: Path) -> None:
    with Columns(tmp_path) as columns:
        for number in (2, 0, 1):
            columns.append(*row(number, float(number)))
    assert read_operations(tmp_path).number.tolist() == [0, 1, 2]


def test_merging_is_by_due_and_stable() -> None:
    outside = operations(row(0, 1.0), row(2, 3.0), row(3, 3.0))
    inside = operations(row(1, 3.0, Place.INSIDE), row(4, 5.0, Place.INSIDE))
    merged = merge(outside, inside)
    assert merged.number.tolist() == [0, 2, 3, 1, 4]
    assert merged.place.tolist() == [0, 0, 0, 1, 1]


def test_a_missing_directory_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"nowhere.*no such file.*<run>/history/<drill id>/"):
        read_history(tmp_path / "nowhere")


@pytest.mark.parametrize("column", ["operations/due_s.float64", "ledgers/database/version.int64"])
def test_a_missing_column_is_named(tmp_path: Path, history: History, column: str) -> None:
    write_history(tmp_path, history)
    (tmp_path / column).unlink()
    with pytest.raises(HistoryError, match=f"{column}: this column is missing"):
        read_history(tmp_path)


@pytest.mark.parametrize("column", ["operations/number.int64", "ledgers/database/amount.int32"])
def test_a_cut_column_of_a_finished_history_is_refused(tmp_path: Path, history: History, column: str) -> None:
    write_history(tmp_path, history)
    path = tmp_path / column
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HistoryError, match=f"{column}: .* bytes, but 3 rows"):
        read_history(tmp_path)


@pytest.mark.parametrize(
    ("column", "raw", "message"),
    [
        ("answer.uint8", b"\0\7\0", "'answer' holds 7, but Answer ends at 2"),
        ("due_s.float64", np.array([3.0, 2.0, 4.0]).tobytes(), "must ascend"),
        ("due_s.float64", np.array([3.0, np.nan, 4.0]).tobytes(), "must ascend"),
    ],
)
def test_impossible_values_are_refused(tmp_path: Path, history: History, column: str, raw: bytes, message: str) -> None:
    write_history(tmp_path, history)
    (tmp_path / "operations" / column).write_bytes(raw)
    with pytest.raises(HistoryError, match=message):
        read_history(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("history.json", "{", "cannot be read as JSON"),
        ("history.json", "[]", "schema None, but this version reads schema 1"),
        ("history.json", json.dumps({"schema": 99}), "schema 99"),
        ("history.json", json.dumps({"schema": 1, "operations": "3", "ledgers": []}), "expected 'operations'"),
        ("faults.json", json.dumps([{"name": "x", "targets": []}]), "injected_s"),
        ("ledgers/database/ledger.json", "{}", "expected transfers"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, history: History, file: str, text: str, message: str) -> None:
    write_history(tmp_path, history)
    (tmp_path / file).write_text(text)
    with pytest.raises(HistoryError, match=message) as caught:
        read_history(tmp_path)
    assert file in str(caught.value)


def test_digests_cover_every_file_and_find_one_changed_byte(tmp_path: Path, history: History) -> None:
    write_history(tmp_path, history)
    before = digests(tmp_path)
    assert list(before) == sorted(before)
    assert len(before) == len(OPERATION_DTYPES) + len(LEDGER_DTYPES) + 3
    path = tmp_path / "operations" / "amount.int32"
    raw = bytearray(path.read_bytes())
    raw[5] ^= 1
    path.write_bytes(raw)
    after = digests(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"operations/amount.int32"}
