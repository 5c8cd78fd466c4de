"""The options of the record: what is refused with code 4, where things go, what the environment says."""

from __future__ import annotations

import json

import pytest

from .evidence_runs import SCENARIO, plain_environment, record_of, run

__all__ = ["plain_environment"]

pytest_plugins = ["pytester"]


def test_report_directory_that_is_a_file_ends_with_code_4(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("taken").write_text("")
    result = run(pytester, "def test_a(evidence): pass", "--report-dir", "taken/runs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --report-dir *taken/runs: *taken is a file, expected a directory; choose*"])


def test_report_directory_that_cannot_be_made_ends_with_code_4(pytester: pytest.Pytester) -> None:
    # /proc refuses even root, which os.access does not know.
    result = run(pytester, "def test_a(evidence): pass", "--report-dir", "/proc/runs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "/proc" in result.stderr.str()
    assert "--report-dir" in result.stderr.str()


@pytest.mark.parametrize(
    "body",
    [
        '@pytest.mark.control("SOC2:A1.9")\ndef test_a(): pass',
        SCENARIO.replace("SOC2:A1.2", "SOC2:A1.9")
        + '@pytest.mark.parametrize("scenario", [ROW])\ndef test_a(scenario): pass',
    ],
)
def test_unknown_control_ends_with_code_4(pytester: pytest.Pytester, body: str) -> None:
    result = run(pytester, body)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert "test_unknown_control_ends_with_code_4.py::test_a" in said
    assert "'SOC2:A1.9' is not in reports/controls.yaml; did you mean" in said
    assert "SOC2:A1.2" in said


def test_repeat_below_one_ends_with_code_4(pytester: pytest.Pytester) -> None:
    assert run(pytester, "def test_a(evidence): pass", "--repeat", "0").ret == pytest.ExitCode.USAGE_ERROR


def test_users_own_junit_path_is_kept(pytester: pytest.Pytester) -> None:
    run(pytester, "def test_a(evidence): evidence.verify(verdict(Outcome.PASS))", "--junitxml", "mine.xml")
    assert (pytester.path / "mine.xml").is_file()
    assert not (pytester.path / "runs" / "latest" / "junit.xml").exists()


def test_markdown_goes_to_the_ci_summary(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    page = pytester.path / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    run(pytester, "def test_a(evidence): evidence.verify(verdict(Outcome.FAIL))")
    text = page.read_text()
    assert text.startswith("before\n## FAIL: 1 of 1 drill broke a promise")
    assert "no\\_lost\\_writes: ended FAIL" in text
    assert record_of(pytester).head in text


def test_people_and_plan_come_from_the_environment(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACUS_APPROVER", "A. Reviewer")
    monkeypatch.setenv("ABACUS_PLAN_VERSION", "2026-10")
    monkeypatch.setenv("GITHUB_ACTOR", "octo")
    run(pytester, "def test_a(evidence): evidence.verify(verdict(Outcome.PASS))")
    started = record_of(pytester).started
    assert (started["approver"], started["plan_version"]) == ("A. Reviewer", "2026-10")
    assert started["operator"]["ci_actor"] == "octo"
    assert started["operator"]["user"]
    assert json.loads((pytester.path / "runs" / "latest" / "summary.json").read_text())["seed"] == started["seed"]


def test_runs_side_by_side_have_their_own_directories(pytester: pytest.Pytester) -> None:
    for _ in range(2):
        run(pytester, "def test_a(evidence): evidence.verify(verdict(Outcome.PASS))")
    directories = [path for path in (pytester.path / "runs").iterdir() if not path.is_symlink()]
    assert len(directories) == 2
