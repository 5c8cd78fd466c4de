"""One changed byte is found, wherever it is; and so is a record that was forged with all its hashes right."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.chain import GENESIS, canonical, digest
from reports.__main__ import main
from reports.render import render
from reports.verify import verify
from suites.selftest.fabricated_run import write_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_run(tmp_path_factory.mktemp("runs"), writes_per_s=60.0, repeats=2)
    render(directory)
    return directory


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / written.name)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def forge(
    run: Path, change: Callable[[dict[str, Any]], None], drop: Callable[[dict[str, Any]], bool] = lambda _: False
) -> None:
    """Change or drop lines and hash the whole record anew, as someone would who knows how it is made."""
    previous, lines = GENESIS, []
    for raw in (run / "evidence.jsonl").read_bytes().splitlines():
        content = json.loads(raw)
        if drop(content):
            continue
        change(content)
        content["previous"] = previous
        content["hash"] = previous = digest(content)
        lines.append(canonical(content))
    (run / "evidence.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    render(run)


def test_run_as_written_differs_in_nothing(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems, found = verify(written)
    assert problems == []
    assert "72 verdicts computed again" in found[1]
    assert main(["verify", str(written)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"OK {written}"


@pytest.mark.parametrize(
    "name",
    [
        "evidence.jsonl",
        "summary.json",
        "report.html",
        "report.md",
        "history/zone_outage/faults.json",
        "history/zone_outage/history.json",
        "history/cut_then_kill/operations/done_s",
        "history/cut_then_kill/ledgers/api/balance",
    ],
)
def test_changed_byte_is_found(run: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(run, name)
    flip(path, path.stat().st_size // 2)
    assert main(["verify", str(run)]) == 1
    said = capsys.readouterr().out
    assert path.relative_to(run).as_posix() in said
    assert f"DIFFERS: {said.count('! ')} found" in said


def _file(run: Path, name: str) -> Path:
    """The file of that name; a column's ending is its number type."""
    return run / name if (run / name).is_file() else sorted(run.glob(f"{name}.*"))[0]


def test_every_line_of_the_evidence_is_guarded(run: Path) -> None:
    path = run / "evidence.jsonl"
    original = path.read_bytes()
    start = 0
    for number, line in enumerate(original.splitlines(keepends=True), start=1):
        flip(path, start + len(line) // 2)
        problems, _ = verify(run)
        assert any(f"line {number}" in problem for problem in problems), number
        path.write_bytes(original)
        start += len(line)
        if number == 12:  # verifying reads all histories: a dozen lines of every kind are enough
            break


def test_missing_and_added_files_are_found(run: Path) -> None:
    (run / "history" / "zone_outage" / "faults.json").unlink()
    (run / "history" / "zone_pause" / "more.json").write_text("{}")
    problems, _ = verify(run)
    assert "history/zone_outage/faults.json: is missing" in problems
    assert "history/zone_pause/more.json: is not in the record" in problems


def test_forged_verdict_is_computed_again(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "verdict" and line["data"]["outcome"] == "FAIL":
            line["data"] |= {"outcome": "PASS", "sentence": "All is well."}

    forge(run, change)
    problems = " ".join(verify(run)[0])
    assert 'verdict no_lost_writes: outcome is recorded as "PASS", computed again it is "FAIL"' in problems
    assert "drill cut_then_kill: is recorded as FAIL, its verdicts say PASS" in problems


def test_forged_number_and_outcome_are_computed_again(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "drill_finished":
            line["data"] |= {"outcome": "PASS", "measured": line["data"]["measured"] | {"rto_s": 0.1}}
        if line["kind"] == "run_finished":
            line["data"]["outcome"] = "PASS"
        if line["kind"] == "group_verdict":
            line["data"]["measured"]["rto_s"]["upper"] = 0.1

    forge(run, change)
    problems = " ".join(verify(run)[0])
    assert "drill zone_outage: the numbers at its end are not those of its verdicts" in problems
    assert "drill zone_pause: is recorded as PASS, its verdicts say FAIL" in problems
    assert "repeated runs of api_kill: measured is recorded as" in problems


def test_loosened_objective_shows_in_the_verdicts_parameters(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "verdict" and "limit_s" in line["data"]["parameters"]:
            line["data"]["parameters"]["limit_s"] = 1000.0

    forge(run, change)
    assert any("verdict recovered_within: sentence is recorded as" in problem for problem in verify(run)[0])


def test_verdict_that_was_left_out_is_missed(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "drill_finished" and line["data"]["drill"] == "cut_then_kill":
            line["data"] |= {"outcome": "PASS", "reason": ""}

    forge(run, change, lambda line: line["kind"] == "verdict" and line["data"]["outcome"] == "FAIL")
    problems = " ".join(verify(run)[0])
    assert 'drill cut_then_kill: its row asks for no_lost_writes {"allowed": 0}; it was judged not at all' in problems


def test_limit_that_is_not_the_rows_is_found(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "drill_started" and line["data"]["drill"].startswith("api_kill"):
            line["data"]["objectives"]["rto_s"] = 1.0

    forge(run, change)
    problems = " ".join(verify(run)[0])
    assert 'its row asks for recovered_within {"limit_s": 1.0}; it was judged with {"limit_s": ' in problems


def test_forged_timeline_is_computed_again(run: Path) -> None:
    def change(line: dict[str, Any]) -> None:
        if line["kind"] == "timeline":
            line["data"]["series"]["writes_failed"] = [0] * line["data"]["bins"]

    forge(run, change)
    assert "drill zone_outage: the recorded timeline is not that of its history" in verify(run)[0]


def test_lines_cut_off_the_end_show_by_the_head_that_was_kept(written: Path, run: Path) -> None:
    head = json.loads((written / "summary.json").read_text())["evidence"]["head"]
    assert verify(written, head=head)[0] == []
    assert verify(written, head=head[:12])[0] == []
    lines = (run / "evidence.jsonl").read_bytes().splitlines(keepends=True)
    (run / "evidence.jsonl").write_bytes(b"".join(lines[:-1]))
    render(run)
    problems = " ".join(verify(run, head=head)[0])
    assert "has no run_finished line" in problems
    assert f"expected {head}" in problems


def test_usage_errors_end_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["verify", str(tmp_path)], ["render", "no-such-run"], ["verify", str(tmp_path), "--head", "xy"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "is not a run" in capsys.readouterr().err
