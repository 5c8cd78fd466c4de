"""The release gate: judges one run by a policy and by the run that was accepted before it, and says why.

``decide`` is a plain function of summaries, policy and problems; the same of them give the same decision, whatever
the order in which the drills ran. Its form is ``gate.schema.json``; ``docs/release-gate.md`` explains it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from fixtures.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .gate_policy import Policy

SCHEMA = 1
RELEASED, STOPPED = "released", "stopped"
CALLED = {"rto_s": "RTO", "rpo_writes": "the number of lost writes"}
COMPARED = frozenset({"slower", "lost_more", "other_environment"})
"""The codes that follow from the accepted run, not from the run alone."""

Summary = dict[str, Any]


@dataclass(frozen=True)
class Reason:
    """Why a run is stopped."""

    code: str
    """One of those in ``gate.schema.json``."""
    row: str | None
    """The required row, or the row of the drill; null where it is about the whole run."""
    sentence: str


@dataclass(frozen=True)
class Spread:
    """One number over all runs of a row, as the summary's groups give it (``fixtures.repeats``)."""

    n: int
    missing: int
    median: float
    upper: float
    confidence: float
    """That the true median is at most ``upper``."""


def decide(run: Summary, policy: Policy, accepted: Summary | None, problems: Sequence[str] = ()) -> dict[str, Any]:
    """The decision on a run.

    ``run`` and ``accepted`` are summaries (``summary.schema.json``); ``accepted`` is None where no run was accepted
    yet. ``problems`` say what is wrong with the run's record.
    """
    foreign = "" if accepted is None else _foreign(run, accepted)
    itself = accepted is not None and accepted["evidence"]["head"] == run["evidence"]["head"]
    base = None if foreign or itself else accepted
    rows, reasons = [], _of_the_run(run, problems) + _of_the_drills(run)
    if foreign:
        reasons.append(Reason("other_environment", None, foreign))
    for name in policy.required:
        row, found = _row(run, name, policy, base)
        rows.append(row)
        reasons += found
    if run["outcome"] != Outcome.PASS and not reasons:
        reasons.append(Reason("unknown", None, f"the run is {run['outcome']}; only PASS is green"))
    stopped = {reason.row for reason in reasons}
    return {
        "schema": SCHEMA,
        "decision": STOPPED if reasons else RELEASED,
        "reasons": [asdict(reason) for reason in reasons],
        "run": _told(run),
        "policy": {"file": policy.file, "sha256": policy.sha256, "repeat": policy.repeat},
        "accepted": None if accepted is None else _told(accepted),
        "compared": base is not None,
        "comparison": _comparison(accepted, foreign, itself),
        "rows": [{"row": row["row"], "decision": STOPPED if row["row"] in stopped else RELEASED} | row for row in rows],
    }


def _told(run: Summary) -> dict[str, Any]:
    """Which run it was."""
    keys = ("run", "outcome", "complete", "stack", "environment", "git_sha", "started_at", "finished_at", "evidence")
    return {key: run.get(key) for key in keys}


def _comparison(accepted: Summary | None, foreign: str, itself: bool) -> str:
    if accepted is None:
        return "no run was accepted yet: nothing to compare with"
    if itself:
        return "this is the accepted run itself: nothing to compare with"
    return foreign or f"compared with the accepted run {accepted['run']}"


def _foreign(run: Summary, accepted: Summary) -> str:
    """Why the two cannot be compared; empty where they can. Times of one stack say nothing about another's."""
    places = [(summary["stack"], summary["environment"]) for summary in (run, accepted)]
    if places[0] == places[1] and None not in places[0]:
        return ""
    told = [f"stack {stack or 'not known'} in environment {where or 'not known'}" for stack, where in places]
    return (
        f"this run is of {told[0]}, the accepted run {accepted['run']} of {told[1]}: they cannot be compared; keep an "
        "accepted run for each stack (accept RUN --to FILE, gate RUN --accepted FILE)"
    )


# ------------------------------------------------------------------------------------------------ the run alone


def _of_the_run(run: Summary, problems: Sequence[str]) -> list[Reason]:
    said = list(problems)
    if not run["complete"] and not said:
        said = [run["stopped"] or "the record is not complete"]
    reasons = [Reason("record", None, f"the record proves nothing: {problem}") for problem in said]
    if run["stopped"] and run["complete"]:
        reasons.append(Reason("interrupted", None, f"the run ended early: {run['stopped']}"))
    return reasons


def _of_the_drills(run: Summary) -> list[Reason]:
    """Every drill and every group that is FAIL or UNKNOWN stops, required or not."""
    codes = {Outcome.FAIL.value: "failed", Outcome.UNKNOWN.value: "unknown"}
    drills = [(each["id"], each.get("scenario"), each["outcome"], each["reason"]) for each in run["drills"]]
    groups = [
        (f"{len(group['drills'])} runs of {group['scenario']}", group["scenario"], group["outcome"], group["sentence"])
        for group in run["groups"]
    ]
    return [
        Reason(codes[outcome], row, f"{name} ended {outcome}: {why}")
        for name, row, outcome, why in sorted(drills, key=str) + sorted(groups, key=str)
        if outcome in codes
    ]


# ------------------------------------------------------------------------------------------------ a required row


def _row(run: Summary, name: str, policy: Policy, base: Summary | None) -> tuple[dict[str, Any], list[Reason]]:
    """What a row shows, and why it stops. ``base`` is the accepted run where there is one to compare with."""
    drills = sorted((drill for drill in run["drills"] if drill.get("scenario") == name), key=lambda drill: drill["id"])
    passed = [drill for drill in drills if drill["outcome"] == Outcome.PASS]
    runs = _runs(drills)
    rto, rto_reasons = _rto(run, name, policy, base)
    rpo, rpo_reasons = _rpo(run, name, base)
    reasons = [
        *_enough(name, drills, runs, policy.repeat),
        *_same_row(name, drills, policy),
        *rto_reasons,
        *rpo_reasons,
    ]
    for number, before in (("rto_s", rto and rto["accepted_s"]), ("rpo_writes", rpo and rpo["accepted"])):
        promised = before is not None or any(drill["objectives"].get(number) is not None for drill in passed)
        missing = [drill["id"] for drill in passed if drill["measured"].get(number) is None]
        if missing and promised:
            sentence = f"{CALLED[number]} was not measured in {', '.join(missing)}"
            reasons.append(Reason("not_measured", name, sentence))
    return {"row": name, "runs": runs, "passed": len(passed), "rto_s": rto, "rpo_writes": rpo}, reasons


def _runs(drills: Sequence[Mapping[str, Any]]) -> int:
    """How often the row ran: where several tests run it, the one that did so least often counts."""
    tests = Counter(str(drill.get("test")).partition("[")[0] for drill in drills)
    return min(tests.values(), default=0)


def _enough(name: str, drills: Sequence[Mapping[str, Any]], runs: int, repeat: int) -> list[Reason]:
    if not drills:
        return [Reason("missing", name, f"{name} is required and is not in this run")]
    reasons = []
    if skipped := [drill for drill in drills if drill["outcome"] == Outcome.NOT_EXERCISED]:
        why = "; ".join(sorted({drill["reason"] for drill in skipped}))
        sentence = f"{name} is required and was not exercised in {len(skipped)} of {len(drills)} runs: {why}"
        reasons.append(Reason("not_exercised", name, sentence))
    if runs < repeat:
        sentence = f"{name} ran {runs} times, {repeat} are required: run it with --repeat {repeat}"
        reasons.append(Reason("too_few_runs", name, sentence))
    return reasons


def _same_row(name: str, drills: Sequence[Mapping[str, Any]], policy: Policy) -> list[Reason]:
    """A row of the same name that promises less, hits less or presses less is another one."""
    wanted = policy.objectives.get(name)
    if wanted is None:
        return []
    for drill in drills:
        found = {key: value for key, value in drill["objectives"].items() if value is not None}
        if found != dict(wanted):
            sentence = f"{drill['id']} was held against {found}, the required row promises {dict(wanted)}"
            return [Reason("other_row", name, sentence)]
        if drill.get("row_sha256") != policy.sha256_of_rows.get(name):
            sentence = f"{drill['id']} was read from another {name}.yaml than the required one: run that, as it is now"
            return [Reason("other_row", name, sentence)]
    return []


def _rto(run: Summary, name: str, policy: Policy, base: Summary | None) -> tuple[dict[str, Any] | None, list[Reason]]:
    """The RTO's spread, and what it may be at most: the accepted median and the margin."""
    spread, before = _spread(run, name, "rto_s"), _spread(base, name, "rto_s")
    accepted_s = None if before is None else before.median
    margin_s = None if accepted_s is None else policy.margin_of(name).of(accepted_s)
    limit_s = None if accepted_s is None or margin_s is None else accepted_s + margin_s
    numbers = None if spread is None and before is None else {
        **(asdict(spread) if spread else dict.fromkeys(Spread.__dataclass_fields__)),
        "accepted_s": accepted_s,
        "margin_s": margin_s,
        "limit_s": limit_s,
    }  # fmt: skip
    if spread is None or limit_s is None or spread.upper <= limit_s:
        return numbers, []
    sentence = (
        f"{name} recovers slower: its RTO is judged {spread.upper:.3f} s (upper bound of the median, {spread.n} runs, "
        f"{spread.confidence:.0%} confidence), the accepted median is {accepted_s:.3f} s and the margin {margin_s:g} s"
    )
    return numbers, [Reason("slower", name, sentence)]


def _rpo(run: Summary, name: str, base: Summary | None) -> tuple[dict[str, Any] | None, list[Reason]]:
    """The most writes that one run of the row lost; no margin, for a lost write is no matter of speed."""
    spread, before = _spread(run, name, "rpo_writes"), _spread(base, name, "rpo_writes")
    if spread is None and before is None:
        return None, []
    numbers = {"largest": spread and spread.upper, "accepted": before and before.upper}
    if spread is None or before is None or spread.upper <= before.upper:
        return numbers, []
    sentence = f"{name} loses more: {spread.upper:g} acknowledged writes in a run, {before.upper:g} in the accepted run"
    return numbers, [Reason("lost_more", name, sentence)]


def _spread(run: Summary | None, row: str, name: str) -> Spread | None:
    """A number over all runs of a row; where several tests run the row, the worst test's. None where none has it."""
    if run is None:
        return None
    groups = [
        group["measured"][name] for group in run["groups"] if group["scenario"] == row and name in group["measured"]
    ]
    if groups:
        return Spread(
            n=sum(group["n"] for group in groups),
            missing=sum(group["missing"] for group in groups),
            median=max(group["median"] for group in groups),
            upper=max(group["upper"] for group in groups),
            confidence=min(group["confidence"] for group in groups),
        )
    # Without --repeat a summary has no groups.
    values = [drill["measured"].get(name) for drill in run["drills"] if drill.get("scenario") == row]
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(len(known), len(values) - len(known), float(median(known)), max(known), 1 - 0.5 ** len(known))
