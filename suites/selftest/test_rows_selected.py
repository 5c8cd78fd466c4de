"""Which rows a session runs, and what a dry run says, on the toy stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from .drills import Ran
from .injection_runs import HEAD
from .inner import DEFECTS, TOY, inner, pytest_in

ROW = """# Because.
fault: {kill: {node: api}}
objectives: {rto_s: 1, unavailable_s: 1, rpo_writes: 0, stale_reads_s: 1}
controls: ["SOC2:A1.2"]
"""
TEST = """
    def test_row(scenario, evidence):
        evidence.verify(DONE)
"""
ROWS = {
    "plain": ROW,
    "night": ROW + "nightly: true\n",
    "nightfall": ROW + "nightly: true\n",
    "cut": ROW.replace("kill: {node: api}", "zone_partition: {zone: b}"),
    "many": ROW.replace(
        "{kill: {node: api}}", "{schedule: [{for_s: 1, pause: {node: api replica}}, {kill: {node: api leader}}]}"
    ),
}


def session(directory: Path, *options: str, test: str = TEST, provider: str = f"{TOY}:provide") -> Ran:
    """A session on our own rows."""
    rows = directory / "rows"
    rows.mkdir(exist_ok=True)
    for name, text in ROWS.items():
        (rows / f"{name}.yaml").write_text(text)
    named = [str(directory / option) if option.startswith("gate") else option for option in options]
    return inner(directory, HEAD + test, "--stack", provider, "--scenarios", str(rows), *named)


def rows_run(ran: Ran) -> list[str]:
    """The rows of a session, in order."""
    assert ran.code == pytest.ExitCode.OK, ran.output
    return [drill["scenario"] for drill in ran.records("drill_started")]


def refused(ran: Ran) -> str:
    """The sentence with which a session was refused."""
    assert ran.code == pytest.ExitCode.USAGE_ERROR, ran.output
    assert "Traceback" not in ran.output
    assert not ran.reports.exists()
    (said,) = [line for line in ran.output.splitlines() if line.startswith("ERROR: ")]
    return said


# ------------------------------------------------------------------------------------------------ which rows


def test_nightly_rows_run_when_all_do(tmp_path: Path) -> None:
    assert rows_run(session(tmp_path)) == ["cut", "many", "plain"]
    assert rows_run(session(tmp_path, "--rows", "default")) == ["cut", "many", "plain"]
    ran = session(tmp_path, "--rows", "all")
    assert rows_run(ran) == ["cut", "many", "night", "nightfall", "plain"]
    assert "left_out" in ran.records("run_started")[0]
    assert not ran.records("run_started")[0]["left_out"]


def test_what_is_not_selected_is_on_the_record(tmp_path: Path) -> None:
    (started,) = session(tmp_path).records("run_started")
    assert [row["scenario"] for row in started["left_out"]] == ["night", "nightfall"]
    assert "dry_run" not in started


def test_a_row_that_the_command_line_names_runs_though_it_is_nightly(tmp_path: Path) -> None:
    session(tmp_path)  # writes the rows and the test
    inside = str(tmp_path / "test_inner.py")
    options = ("--stack", f"{TOY}:provide", "--scenarios", str(tmp_path / "rows"))
    assert rows_run(pytest_in(tmp_path, f"{inside}::test_row[night]", *options)) == ["night"]
    ran = pytest_in(tmp_path, f"{inside}::test_row[night-1]", *options, "--repeat", "2")
    assert rows_run(ran) == ["night"]


def test_a_file_says_which_rows_run(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text("required: [night, plain]\nanything: else\n")
    assert rows_run(session(tmp_path, "--rows", "gate.yaml")) == ["night", "plain"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "required: [plain, nigth]",
            "--rows {file}: required: there is no row 'nigth'; rows: cut, many, night, nightfall",
        ),
        ("required: []", "{file}: required: expected a list of rows, got []"),
        ("required: plain", "{file}: required: expected a list of rows, got 'plain'"),
        ("required: [1]", "{file}: required: expected a list of rows, got [1]"),
        ("[plain]", "{file}: required: expected a list of rows, got None"),
        ("{", "--rows {file}: expected default, all, or a YAML file such as reports/gate.yaml: "),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    assert said.format(file=tmp_path / "gate.yaml") in refused(session(tmp_path, "--rows", "gate.yaml"))


def test_a_word_that_is_no_selection_is_refused(tmp_path: Path) -> None:
    assert "expected default, all, or a YAML file such as reports/gate.yaml" in refused(
        session(tmp_path, "--rows", "nightly")
    )


def test_a_test_of_which_no_row_is_selected_is_left_out(tmp_path: Path) -> None:
    two = """
    @pytest.mark.scenarios("night*")
    def test_night(scenario, evidence):
        evidence.verify(DONE)
    """
    ran = session(tmp_path, test=TEST + two)
    assert rows_run(ran) == ["cut", "many", "plain"]
    assert "3 passed, 1 deselected" in ran.output
    assert session(tmp_path, test=two).code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert rows_run(session(tmp_path, "--rows", "all", test=two)) == ["night", "nightfall"]


# ------------------------------------------------------------------------------------------------ a dry run


def test_a_dry_run_says_what_it_would_hit_and_hits_nothing(tmp_path: Path) -> None:
    ran = session(
        tmp_path,
        "--dry-run",
        test="""
    @pytest.fixture(scope="module", autouse=True)
    def untouched(stack):
        before = stack.instances()
        yield
        assert stack.instances() == before

    def test_row(scenario, load, inject, evidence):
        with load(scenario) as history, inject(scenario.fault):
            pass
        evidence.verify(DONE)

    def test_without_a_row(inject, evidence):
        with inject(Kill("api", count=2)):
            pass
        evidence.verify(DONE)
    """,
    )
    assert ran.code == pytest.ExitCode.OK, ran.output
    drills = {drill["drill"]: drill for drill in ran.records("drill_finished")}
    assert {drill["outcome"] for drill in drills.values()} == {"NOT EXERCISED"}
    assert {name: drill["reason"] for name, drill in drills.items()} == {
        "plain": "dry run: kill node=api count=1 would hit api-a",
        "cut": "dry run: zone_partition zone=b reachable_by_clients=False direction=both would hit api-b",
        "many": "dry run: pause node=api replica would hit api-a; then kill node=api leader count=1 would hit nothing now",  # noqa: E501
        "test_without_a_row": "dry run: kill node=api count=2 would hit api-a, api-b",
    }
    assert not ran.records("fault_planned")
    assert not ran.records("load")
    assert ran.records("run_started")[0]["dry_run"] is True
    assert ran.records("run_finished")[0]["outcome"] == "NOT EXERCISED"
    assert "  dry run of test_row[plain]: kill node=api count=1 would hit api-a" in ran.output
    assert "dry run: nothing was hit; no promise was put to the test" in ran.output
    assert "NOT EXERCISED: Nothing was exercised, so nothing was proven" in ran.output


def test_a_dry_run_of_a_repeated_row_and_of_what_a_stack_lacks_is_no_failure(tmp_path: Path) -> None:
    ran = session(tmp_path, "--dry-run", "--repeat", "2")
    assert ran.code == pytest.ExitCode.OK, ran.output
    ran = session(tmp_path, "--dry-run", provider=f"{DEFECTS}:powerless")
    assert ran.code == pytest.ExitCode.OK, ran.output
    assert "NOT EXERCISED plain: needs Killable nodes" in ran.output


def test_what_goes_wrong_in_a_dry_run_is_red(tmp_path: Path) -> None:
    broken = """
    @pytest.fixture
    def broken():
        raise RuntimeError("not here")

    def test_broken(broken, evidence):
        pass
    """
    assert session(tmp_path, "--dry-run", test=TEST + broken).code == pytest.ExitCode.TESTS_FAILED
    silent = "\n    def test_silent(evidence):\n        pass\n"
    ran = session(tmp_path, "--dry-run", test=TEST + silent)
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    assert "UNKNOWN test_silent: nothing was judged" in ran.output


def test_without_a_dry_run_a_session_in_which_nothing_was_exercised_is_red(tmp_path: Path) -> None:
    ran = session(tmp_path, provider=f"{DEFECTS}:powerless")
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    assert "dry run" not in ran.output
