"""The binned course of a load: nothing is lost in the bins, and a million operations are nothing special."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import numpy as np
import pytest

from fixtures.model import Answer, History, Kind, Load
from fixtures.timeline import BINS, timeline
from suites.selftest.fabricated_run import Outage, fabricate


@pytest.fixture(scope="module")
def history() -> History:
    return fabricate(Outage(5.0), seed=1, load=Load(), name="zone_outage", target="database-a")


def test_every_operation_stands_in_one_bin(history: History) -> None:
    course, operations = timeline(history), history.operations
    assert operations is not None
    for name, kind, answers in (
        ("writes_acknowledged", Kind.WRITE, [Answer.OK]),
        ("writes_failed", Kind.WRITE, [Answer.FAILED]),
        ("writes_unknown", Kind.WRITE, [Answer.UNKNOWN]),
        ("reads_answered", Kind.READ, [Answer.OK]),
    ):
        counted = int(((operations.kind == kind) & np.isin(operations.answer, answers)).sum())
        assert sum(course["series"][name]) == counted, name
        assert len(course["series"][name]) == course["bins"] <= BINS


def test_outage_shows_as_bins_without_an_acknowledgement(history: History) -> None:
    course = timeline(history)
    (fault,) = course["faults"]
    edges = course["start_s"] + course["bin_s"] * np.arange(course["bins"])
    inside = (edges > fault["felt_s"]) & (edges + course["bin_s"] < fault["felt_s"] + 5.0)
    acknowledged = np.array(course["series"]["writes_acknowledged"])
    assert inside.sum() > 20
    assert acknowledged[inside].sum() == 0
    assert (acknowledged[edges + course["bin_s"] < fault["injected_s"]] > 0).all()


def test_latency_counts_from_when_a_request_was_due(history: History) -> None:
    # Those that waited for the recovery were sent at once and answered late: up to 0.4 s, and the bins show it.
    course = timeline(history)
    known = [value for value in course["series"]["latency_p99_ms"] if value is not None]
    assert max(known) > 300
    assert course["series"]["latency_p50_ms"].count(None) > 20


def test_empty_history_has_no_course() -> None:
    assert timeline(History()) == {}


def test_million_operations_take_no_time(history: History) -> None:
    operations = history.operations
    assert operations is not None
    size = len(operations.due_s)
    repeats = 1_000_000 // size + 1
    shift = np.repeat(np.arange(repeats) * 40.0, size)
    large = {field.name: np.tile(getattr(operations, field.name), repeats) for field in fields(operations)}
    large |= {name: large[name] + shift for name in ("due_s", "sent_s", "done_s")}
    begun_s = time.perf_counter()
    course = timeline(History(list(history.faults), replace(operations, **large)))
    assert time.perf_counter() - begun_s < 3.0  # 0.3 s on an idle core
    assert course["bins"] <= BINS
