"""The drift issue: one for each environment, opened, kept up to date, closed and opened again.

It is found by listing the issues that bear the label, since GitHub's search lags behind. Readers
are told by a comment only when the fingerprint changes; a check that failed changes the text and
nothing else, and what was known before stays below.
"""

from dataclasses import dataclass
from typing import Any

from reconciler.drift.report import DriftReport
from reconciler.github import marker as markers
from reconciler.github.bodies import COMMENT_LIMIT, Setting, findings_of, kind_title, text_of
from reconciler.github.client import GitHub, Unreachable
from reconciler.github.inputs import FailedCommand
from reconciler.github.marker import NO_DIGEST, Marker, MarkerKind
from reconciler.views import drift_outline
from reconciler.views.escape import visible
from reconciler.views.markdown import code

LABEL = "reconcile-drift"
_LAST_REPORT = "\n<!-- reconcile:last-report -->\n"
"""Divides a failed check from what was known before. It is a whole line, as no line of data is."""

_LONGEST_TITLE = 255
_ROOM_FOR_TROUBLE = 16_384


@dataclass(frozen=True, slots=True)
class _Issue:
    number: int
    is_open: bool
    body: str

    @property
    def digest(self) -> str | None:
        return markers.digest_of(self.body)


async def report_drift(
    github: GitHub, report: DriftReport | FailedCommand, *, setting: Setting
) -> str:
    """Bring the issue of an environment up to date; says in one word what was done."""
    issue = await _find(github, setting.environment)
    if isinstance(report, FailedCommand):
        return await _could_not_check(github, issue, report, setting=setting)
    marker = Marker(MarkerKind.DRIFT, setting.environment, report.fingerprint)
    text = text_of(
        report, kind=MarkerKind.DRIFT, setting=setting, limit=COMMENT_LIMIT - _ROOM_FOR_TROUBLE
    )
    body = marker.line + text
    if issue is None:
        return "nothing" if report.in_sync else await _open(github, setting, body)
    if report.in_sync and not issue.is_open:
        return "nothing"
    changes: dict[str, Any] = {"body": body}
    if report.in_sync:
        changes |= {"state": "closed", "state_reason": "completed"}
    elif not issue.is_open:
        changes |= {"state": "open"}
    if issue.digest != report.fingerprint:
        await _tell(github, issue, _news(report))
    if len(changes) > 1 or issue.body.replace("\r\n", "\n").strip() != body.strip():
        await github.patch(_path(github, issue.number), changes)
    if report.in_sync:
        return "closed"
    return "updated" if issue.is_open else "reopened"


async def _could_not_check(
    github: GitHub, issue: _Issue | None, failure: FailedCommand, *, setting: Setting
) -> str:
    """Say that nothing is known now; an unknown state is no reason to close anything."""
    digest = (issue.digest if issue else None) or NO_DIGEST
    known = _known(issue.body) if issue else ""
    head = (
        f"### Drift: {kind_title(MarkerKind.DRIFT, failure).lower()}\n\n"
        "The last check failed, so nothing is known about the state of "
        f"{code(visible(setting.environment, limit=255))} now. It could not check because:\n\n"
    )
    body = Marker(MarkerKind.DRIFT, setting.environment, digest).line + head + findings_of(failure)
    if known:
        body += f"\nWhat was known before:\n{_LAST_REPORT}{known}"
    if issue is None:
        return await _open(github, setting, body)
    if issue.body.replace("\r\n", "\n").strip() != body.strip() or not issue.is_open:
        await github.patch(_path(github, issue.number), {"body": body, "state": "open"})
    return "updated" if issue.is_open else "reopened"


def _known(body: str) -> str:
    text = markers.without(body.replace("\r\n", "\n"))
    head, divider, before = text.partition(_LAST_REPORT)
    if divider:
        return before
    return "" if head.startswith("### Drift: could not check") else head


async def _find(github: GitHub, environment: str) -> _Issue | None:
    """Give the issue of an environment; an open one first, else the newest."""
    marker = Marker(MarkerKind.DRIFT, environment)
    listed = await github.pages(f"/repos/{github.repository}/issues?state=all&labels={LABEL}")
    found = [
        _Issue(int(item["number"]), item.get("state") == "open", item["body"])
        for item in listed
        if "pull_request" not in item
        and LABEL in _labels(item)
        and isinstance(item.get("body"), str)
        and marker.heads(item["body"])
    ]
    return max(found, key=lambda issue: (issue.is_open, issue.number), default=None)


def _labels(item: dict[str, Any]) -> set[str]:
    labels = item.get("labels") or []
    return {str(label.get("name") if isinstance(label, dict) else label) for label in labels}


async def _open(github: GitHub, setting: Setting, body: str) -> str:
    title = visible(f"Drift: {setting.environment}", limit=_LONGEST_TITLE)
    content = {"title": title, "body": body, "labels": [LABEL]}
    path = f"/repos/{github.repository}/issues"
    try:
        await github.post(path, content)
    except Unreachable:
        if await _find(github, setting.environment) is None:
            await github.post(path, content)
    return "opened"


async def _tell(github: GitHub, issue: _Issue, text: str) -> None:
    path = f"{_path(github, issue.number)}/comments"
    try:
        await github.post(path, {"body": text})
    except Unreachable:
        comments = await github.pages(path)
        if not any(str(item.get("body")).strip() == text.strip() for item in comments[-5:]):
            await github.post(path, {"body": text})


def _news(report: DriftReport) -> str:
    digest = report.fingerprint.removeprefix("sha256:")[:12]
    return f"{drift_outline.summary_of(report)}\n\nfingerprint {code(digest)}\n"


def _path(github: GitHub, number: int) -> str:
    return f"/repos/{github.repository}/issues/{number}"
