"""The chained record: nothing in it can be changed unseen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fixtures.chain import GENESIS, Chain, canonical, digest, plain, read_chain
from fixtures.model import Outcome, Verdict

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "evidence.jsonl"
    chain = Chain(file)
    chain.append("run_started", {"seed": 1})
    chain.append("verdict", {"outcome": Outcome.PASS, "rto_s": 20.5})
    chain.append("run_finished", {"outcome": "PASS"})
    chain.close()
    return file


def test_record_as_written_has_no_problems(path: Path) -> None:
    lines, problems = read_chain(path)
    assert problems == []
    assert [line.kind for line in lines] == ["run_started", "verdict", "run_finished"]
    assert [line.seq for line in lines] == [0, 1, 2]
    assert lines[0].previous == GENESIS
    assert lines[2].previous == lines[1].hash
    assert lines[0].at.endswith("+00:00")
    assert lines[1].data == {"outcome": "PASS", "rto_s": 20.5}


def test_every_single_changed_byte_is_found(path: Path) -> None:
    original = path.read_bytes()
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 1
        path.write_bytes(bytes(changed))
        lines, problems = read_chain(path)
        assert problems, f"byte {position} was changed, and nobody noticed"
        assert len(lines) <= 2, "a changed line was taken for one that was written"


@pytest.mark.parametrize("number", [0, 1])
def test_removed_line_is_found(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[number]
    path.write_bytes(b"".join(lines))
    assert "does not follow the line before it" in " ".join(read_chain(path)[1])


def test_swapped_lines_are_found(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + third + second)
    assert read_chain(path)[1]


def test_line_that_was_hashed_anew_breaks_the_next(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines()
    content = json.loads(second)
    content["data"]["rto_s"] = 2.5
    content["hash"] = digest(content)
    path.write_bytes(b"\n".join((first, canonical(content), third, b"")))
    assert read_chain(path)[1] == ["evidence.jsonl line 3 (run_finished): does not follow the line before it"]


def test_same_content_in_other_spelling_is_found(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"seed":1', b'"seed": 1'))
    assert "is not spelled as it was written" in read_chain(path)[1][0]


def test_torn_and_empty_records_say_so(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    lines, problems = read_chain(path)
    assert len(lines) == 2
    assert "torn" in problems[0]
    path.write_bytes(b"")
    assert "is empty" in read_chain(path)[1][0]


def test_record_is_never_continued(path: Path) -> None:
    with pytest.raises(FileExistsError):
        Chain(path)


def test_closed_record_takes_nothing_more(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "evidence.jsonl")
    chain.close()
    with pytest.raises(ValueError, match="closed"):
        chain.append("late", {})


def test_plain_takes_what_the_suite_records(tmp_path: Path) -> None:
    verdict = Verdict("no_lost_writes", Outcome.FAIL, "3 are gone.", {"rpo_s": np.float64(0.5), "rto_s": float("inf")})
    assert plain({"verdict": verdict, "at": tmp_path, "which": {"b", "a"}, "count": np.int64(3)}) == {
        "verdict": {
            "check": "no_lost_writes",
            "outcome": "FAIL",
            "sentence": "3 are gone.",
            "measured": {"rpo_s": 0.5, "rto_s": None},
            "parameters": {},
        },
        "at": str(tmp_path),
        "which": ["a", "b"],
        "count": 3,
    }
