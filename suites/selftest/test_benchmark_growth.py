"""What the benchmark of recovery says of sizes that it did not run is what the runs allow, and no more."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import recovery, recovery_drill
from benchmarks.growth import duration, fit, plot
from fixtures.recovery.programs import CannotRecover

SIZES = [0.2, 0.2, 1.0, 1.0, 4.0, 4.0]


def test_runs_on_a_line_give_that_line() -> None:
    line = fit(SIZES, [3.0 + 10.0 * gb for gb in SIZES])
    assert (line.constant_s, line.s_per_gb) == pytest.approx((3.0, 10.0))
    assert line.mb_per_s == pytest.approx(100.0)
    assert line.off == pytest.approx(0.0, abs=1e-9)
    expected = line.at(1000.0)
    assert expected is not None
    assert (expected.low_s, expected.middle_s, expected.high_s) == pytest.approx((10_003.0, 10_003.0, 10_003.0))


def test_the_interval_holds_a_further_run_19_times_in_20() -> None:
    rng = np.random.default_rng(5)

    def took_s(gb: float) -> float:
        return float((3.0 + 10.0 * gb) * (1.0 + 0.05 * rng.standard_normal()))

    held = 0
    for _ in range(2000):
        expected = fit(SIZES, [took_s(gb) for gb in SIZES]).at(100.0)
        assert expected is not None
        held += expected.low_s <= took_s(100.0) <= expected.high_s
    assert 0.93 < held / 2000 < 0.97


def test_where_the_runs_cannot_tell_no_number_is_given() -> None:
    two = fit([1.0, 2.0], [10.0, 20.0])
    assert two.at(100.0) is None
    assert recovery._expected(two, 100.0) == "too few runs to tell"
    wild = fit([0.1, 0.1, 0.2, 0.2], [5.0, 50.0, 9.0, 100.0])
    assert recovery._expected(wild, 100.0).startswith("the runs scatter by ")
    with pytest.raises(ValueError, match="two sizes"):
        fit([1.0, 1.0], [2.0, 2.1])


def test_a_run_off_the_line_is_said() -> None:
    line = fit([1.0, 2.0, 4.0, 4.0], [10.0, 20.0, 40.0, 60.0])
    assert 0.2 < line.off < 0.5


def test_the_drawing_holds_every_run_and_is_sound() -> None:
    runs = {
        "one way": [(gb, 3.0 + 10.0 * gb) for gb in SIZES],
        "another & longer": [(gb, 1.0 + 20.0 * gb) for gb in SIZES],
    }
    drawn = ElementTree.fromstring(plot(runs, "Time by size"))  # noqa: S314
    circles = [each for each in drawn.iter() if each.tag.endswith("circle")]
    assert len(circles) == 2 * len(SIZES)
    said = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert {"Time by size", "one way", "another & longer", "1 TB", "100 GB"} <= set(said)


def test_durations_are_for_people() -> None:
    assert [duration(each) for each in (0.31, 14.2, 150.0, 3_000.0, 12_000.0, 90_000.0)] == [
        *("0.3 s", "14 s", "2.5 min", "50 min", "3.3 h", "25 h"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sizes-gb", "1"], "--sizes-gb: expected at least two different sizes"),
        (["--sizes-gb", "1", "-2"], "--sizes-gb: expected at least two different sizes"),
        (["--runs", "0"], "--runs: expected 1 or more"),
        (["--changed", "1.5"], "--changed: expected a share above 0"),
    ],
)
def test_bad_input_is_one_sentence(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert recovery.main(words) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_too_little_disk_is_said_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 10**9))
    assert recovery.main([]) == 4
    assert "has 5.0 GB free, 4 GB need 29.0: free some" in capsys.readouterr().err


def test_the_drill_gives_medians_and_names_the_largest_phase(capsys: pytest.CaptureFixture[str]) -> None:
    said = "phase decide 0.500 s\nphase fetch {} s\nphase replay 0.4 s\nphase promote 0.1 s\nphase verify 2.0 s\n"
    runs = [
        recovery_drill.timed(took_s, said.format(fetch_s) + "phase serve 0.1 s\n")
        for took_s, fetch_s in ((6.0, 1.0), (5.0, 1.5), (9.0, 4.0))
    ]
    assert recovery_drill.report(runs, None) == 0
    told = capsys.readouterr().out
    assert re.search(r"^stopped to verified +6\.00 +5\.00 +9\.00$", told, re.MULTILINE)
    assert re.search(r"^start +1\.90 +0\.40 +1\.90$", told, re.MULTILINE)
    assert "The largest phase is verify with 2.00 of 6.00 s." in told
    assert (recovery_drill.report(runs, 6.0), recovery_drill.report(runs, 5.9)) == (0, 1)
    with pytest.raises(CannotRecover, match="expected the phases decide, fetch, replay"):
        recovery_drill.timed(6.0, "restored\n")


@pytest.mark.parametrize("words", [["--gb", "0.001"], ["--runs", "0"], ["--changed", "0"]])
def test_the_drill_refuses_bad_input_in_a_sentence(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert recovery_drill.main(words) == 4
    assert capsys.readouterr().err.count("\n") == 1
