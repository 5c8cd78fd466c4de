"""The page's section about code: its promises beside what the drills showed, and the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fixtures.model import Outcome

from . import wording
from .crosscheck import Compared, crosscheck
from .wording import title

if TYPE_CHECKING:
    from .record import Record

SEVERITIES = ("critical", "high", "medium", "low")
_WRONG = {"code": "FAIL", "both": "FAIL", "drill": "UNKNOWN", "elsewhere": "UNKNOWN", "neither": "PASS"}
_VERDICTS = {
    "code": "the code is wrong",
    "drill": "the drill is wrong",
    "both": "both say that it is not so",
    "elsewhere": "not the same thing",
    "neither": "they agree",
    "": "not comparable",
}


def policy_section(record: Record) -> dict[str, Any] | None:
    """Nothing where the record holds nothing that was said of code."""
    policy = record.started.get("policy")
    if not policy:
        return None
    findings = sorted(policy.get("findings") or (), key=_order)
    return {
        "said": _said(policy),
        "promises": [_row(each) for each in crosscheck(record)],
        "findings": [_finding(each) for each in findings],
        "more": policy["findings_total"] - len(findings),
        "notes": policy.get("notes") or [],
        "sha256": policy.get("sha256", ""),
    }


def summarised(record: Record) -> dict[str, Any] | None:
    """The same for ``summary.json``, without the findings' texts."""
    policy = record.started.get("policy")
    if not policy:
        return None
    rows = crosscheck(record)
    return {
        "findings": policy["findings_total"],
        "accepted": policy["accepted_total"],
        "sha256": policy.get("sha256"),
        "promises": [
            {
                "promise": each.promise,
                "code": each.code,
                "drills": each.shown.value if each.shown else None,
                "wrong": each.wrong or None,
            }
            for each in rows
        ],
        "contradictions": sum(each.differs for each in rows),
    }


def _said(policy: dict[str, Any]) -> str:
    total, accepted = policy["findings_total"], policy["accepted_total"]
    looked = sum(1 for rule in (policy.get("rules") or {}).values() if rule.get("looked_at"))
    count = "no finding" if not total else f"{total} finding{'s' if total != 1 else ''}"
    beside = f", {accepted} more accepted for a while" if accepted else ""
    return (
        f"{looked} rules were held against {policy['resources']} resources in {policy['files']} files: {count}{beside}"
    )


def _order(finding: dict[str, Any]) -> tuple[int, str, int]:
    severity = finding.get("severity")
    return SEVERITIES.index(severity) if severity in SEVERITIES else 9, str(finding["path"]), int(finding["line"])


def _row(each: Compared) -> dict[str, Any]:
    return {
        "promise": each.promise,
        "code": each.code,
        "rules": ", ".join(each.rules),
        "shown": each.shown.value if each.shown else "",
        "drills": [{"title": title(name), "anchor": wording.anchor(name)} for name in each.drills[:3]],
        "more": max(0, len(each.drills) - 3),
        "css": _WRONG.get(each.wrong, "NOT-EXERCISED"),
        "verdict": _VERDICTS[each.wrong],
        "sentence": each.sentence,
        "differs": each.differs,
    }


def _finding(each: dict[str, Any]) -> dict[str, str]:
    bad = {"critical": Outcome.FAIL, "high": Outcome.FAIL}.get(str(each.get("severity")), Outcome.UNKNOWN)
    subject = f"{each['resource']}: " if each.get("resource") else ""
    return {
        "severity": str(each.get("severity") or "not rated"),
        "css": wording.css(bad.value),
        "place": f"{each['path']}:{each['line']}",
        "message": subject + str(each["message"]),
        "rule": str(each["rule"]),
        "reason": str(each.get("reason") or ""),
        "fix": str(each.get("fix") or ""),
    }
