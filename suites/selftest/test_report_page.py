"""The page and the summary, drawn from a made-up run: whole, self-contained, honest."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.chain import Chain
from reports import controls
from reports.plugin import _table
from reports.record import read_record
from reports.render import html, render
from reports.summary import summary, summary_text
from reports.wording import definition, plain_number, quantity, title
from suites.selftest.fabricated_run import write_run

SCHEMA = json.loads((Path(controls.__file__).parent / "summary.schema.json").read_text())
VOID = {"meta", "link", "br", "hr", "img", "input", "col"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_run(tmp_path_factory.mktemp("runs"), writes_per_s=60.0, repeats=5)
    render(directory)
    return directory


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Checks that tags close in order, and gathers ids, targets and everything that could be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that has content opens."""
        if tag not in VOID:
            self.open.append(tag)
        self._take(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself."""
        self._take(tag, attrs)

    def _take(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.targets.append(value or "")
            elif name in {"src", "srcset", "href", "data", "poster", "action", "xlink:href"} or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        """It must close what was opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    return parser


def test_page_is_well_formed(outline: Outline) -> None:
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    missing = {target[1:] for target in outline.targets if target.startswith("#")} - set(outline.ids)
    assert missing == set()


def test_page_loads_nothing_and_runs_nothing(page: str, outline: Outline) -> None:
    assert outline.loads == []
    assert not {"script", "link", "iframe", "object", "embed", "img"} & set(outline.tags)
    assert not re.search(r"@import|url\((?!#)", page)


def test_page_says_what_happened(page: str) -> None:
    words = re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.S))
    assert "FAIL 2 of 10 drills broke a promise" in words
    assert "The run ended early: interrupted by Ctrl-C" in words
    assert "user namespaces are forbidden here (kernel.unprivileged_userns_clone=0); allow them" in words
    assert "the run was stopped before this drill began" in words
    assert "contribute evidence to" in words
    assert not re.search(r"\bcompliant\b", words, flags=re.I)
    assert "Promise: Every acknowledged write is in the ledger" in words
    assert "python -m reports verify" in words


def test_drawings_have_words_for_those_who_do_not_see_them(page: str) -> None:
    drawings = re.findall(r"<svg[^>]*>.*?</svg>", page, flags=re.S)
    assert len(drawings) > 15
    for drawing in drawings:
        assert 'aria-hidden="true"' in drawing or "aria-label=" in drawing or "<title" in drawing
    assert re.search(r"<desc[^>]*>[^<]*acknowledged[^<]*served again 2\d\.\d s after the fault was felt", page)


def test_timelines_mark_the_stages_of_the_fault(page: str) -> None:
    section = page[page.index('id="zone_outage"') :]
    drawing = section[section.index("<svg") : section.index("</svg>")]
    for stage in (
        "injected",
        "felt +0.06 s",
        "writes served again +20.6 s",
        "objective 30 s",
        "undone",
        "healed",
        "RTO",
    ):
        assert stage in drawing, stage


def test_page_stays_small(run: Path, page: str) -> None:
    assert len(page) < 60_000 * len(read_record(run).drills)


def test_same_evidence_gives_the_same_page(run: Path, page: str) -> None:
    assert html(read_record(run)) == page


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "evidence.jsonl")
    evil = "<script>alert(1)</script>"
    plan = {"drill": f"d{evil}", "test": evil, "controls": [evil], "why": evil}
    chain.append("run_started", {"run": evil, "planned": [plan], "argv": [evil]})
    chain.append("drill_started", plan)
    chain.append("recovery", {"drill": plan["drill"], "not_rebuilt": [evil, "what the caches held"]})
    chain.append("drill_finished", {"drill": plan["drill"], "outcome": "FAIL", "reason": evil, "measured": {}})
    chain.close()
    render(tmp_path)
    assert "<li>what the caches held</li>" in (tmp_path / "report.html").read_text()
    assert "<script" not in (tmp_path / "report.html").read_text()
    assert "<script" not in (tmp_path / "report.md").read_text()


def test_changed_record_is_announced_at_the_top(run: Path, tmp_path: Path) -> None:
    text = (run / "evidence.jsonl").read_text().replace('"seed":7', '"seed":8')
    (tmp_path / "evidence.jsonl").write_text(text)
    record = render(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "This record is not as it was written" in page
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is False
    assert record.problems


def test_any_changed_line_is_left_out_and_the_rest_rendered(run: Path, tmp_path: Path) -> None:
    lines = (run / "evidence.jsonl").read_bytes().splitlines(keepends=True)
    seen = set()
    for number, line in enumerate(lines):
        kind = json.loads(line)["kind"]
        if kind in seen:
            continue
        seen.add(kind)
        changed = line[:40] + bytes([line[40] ^ 1]) + line[41:]
        (tmp_path / "evidence.jsonl").write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
        assert "This record is not as it was written" in html(read_record(tmp_path)), kind
    assert len(seen) >= 8


@pytest.mark.parametrize("lines", [1, 4, 30])
def test_run_that_was_cut_short_is_still_rendered(run: Path, tmp_path: Path, lines: int) -> None:
    kept = (run / "evidence.jsonl").read_bytes().splitlines(keepends=True)[:lines]
    (tmp_path / "evidence.jsonl").write_bytes(b"".join(kept))
    record = render(tmp_path)
    assert record.outcome.value != "PASS"
    assert len(record.drills) == 11  # planned in the first line
    found = json.loads((tmp_path / "summary.json").read_text())
    jsonschema.validate(found, SCHEMA)
    assert found["complete"] is False
    assert "the run was cut short" in (tmp_path / "report.html").read_text()


def test_cut_short_run_of_drills_that_passed_is_unknown(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "evidence.jsonl")
    chain.append("run_started", {"planned": [{"drill": "a"}]})
    chain.append("drill_started", {"drill": "a"})
    chain.append("drill_finished", {"drill": "a", "outcome": "PASS", "reason": "", "measured": {}})
    chain.close()
    assert read_record(tmp_path).outcome.value == "UNKNOWN"


# ------------------------------------------------------------------------------------------------ the summary


def test_summary_follows_its_schema(run: Path) -> None:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert {"outcome", "stack", "seed", "drills"} <= set(found)
    assert (found["outcome"], found["stack"], found["seed"]) == ("FAIL", "embedded", 7)
    assert found["counts"] == {"PASS": 7, "FAIL": 2, "UNKNOWN": 1, "NOT EXERCISED": 1}
    lossy = next(drill for drill in found["drills"] if drill["id"] == "cut_then_kill")
    assert lossy["outcome"] == "FAIL"
    assert lossy["measured"]["rpo_writes"] == 12
    assert lossy["measured"]["generator_lag_ms_p99"] < 10
    assert lossy["objectives"] == {
        "rto_s": 10.0,
        "unavailable_s": 12.0,
        "rpo_writes": 0,
        "stale_reads_s": 1.0,
        "rpo_s": None,
        "failed_requests": None,
        "refused_s": None,
    }
    assert lossy["controls"][0] == "SOC2:A1.2"
    assert found["groups"][0]["measured"]["rto_s"]["n"] == 5


def test_schema_refuses_what_is_not_a_summary(run: Path) -> None:
    for spoil in ({"outcome": "GREEN"}, {"schema": 2}, {"drills": [{"id": "a"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(summary(read_record(run)) | spoil, SCHEMA)


def test_same_evidence_gives_the_same_summary(run: Path) -> None:
    assert summary_text(read_record(run)) == (run / "summary.json").read_text(encoding="utf-8")


def test_closing_table_has_a_row_a_drill(run: Path) -> None:
    rows = _table(read_record(run))
    assert len(rows) == 12
    assert re.fullmatch(
        r"✓ PASS +zone_outage +20\.5\d? s \(≤ 30 s\) +20\.\d+ s \(≤ 32 s\) +0 \(≤ 0\) +[\d\u202f]+", rows[1]
    )


# ------------------------------------------------------------------------------------------------ words and controls


def test_catalogue_is_whole() -> None:
    known = controls.catalogue()
    some = (
        "SOC2:A1.2 ISO27001:A.8.14 ISO22301:8.5 NIST80053:CP-4(5) NISTCSF:PR.DS-11 PCIDSS:12.10.2 DORA:11(6) "
        "DORARTS:25(2) FFIEC:VII.G HIPAA:164.308(a)(7)(ii)(D) AWSWA:REL12-BP04"
    )
    for id_ in some.split():
        control = known[id_]
        assert control.title
        assert control.version
        assert control.source.startswith("https://")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", control.as_of)
    assert not any(id_.startswith(("DORA:26", "DORA:27")) for id_ in known)
    assert len({control.title for control in known.values()}) == len(known)


def test_unknown_control_comes_with_a_hint() -> None:
    assert controls.unknown_control(["SOC2:A1.2"]) == ""
    assert "did you mean NIST80053:CP-4" in controls.unknown_control(["NIST80053:CP-4.5"])
    assert "known are the prefixes SOC2" in controls.unknown_control(["???"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {framework: X, prefix: X}", "missing or unknown: as_of, controls"),
        (
            "- {framework: X, prefix: X, version: 1, as_of: x, original: no, source: x, controls: {a: b}, more: 1}",
            "more",
        ),
    ],
)
def test_broken_catalogue_names_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "controls.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        controls.catalogue(path)


def test_numbers_and_names_read_well() -> None:
    assert quantity("rto_s", 20.4987) == "20.50 s"
    assert quantity("lag_p99_s", 0.00213) == "0.002 s"
    assert quantity("generator_lag_ms_p99", 1.5) == "1.50 ms"
    assert quantity("rpo_writes", 0) == "0"
    assert quantity("rto_s", None) == "\N{EN DASH}"
    assert plain_number(1234567) == "1\u202f234\u202f567"
    assert title("zone-loss-2") == "Zone loss (run 2)"
    assert title("api-kill") == "API kill"
    assert definition("at most ``limit_s`` of ``what``", {"limit_s": 30.0}) == "at most 30 s of what"
