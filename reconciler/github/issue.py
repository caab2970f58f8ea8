"""Drift issue: one for each environment and each fleet; opened, updated, closed and reopened.

It shows the day of the last check, so that users notice if checks no longer run.

It is found by listing the issues with the label, because GitHub's search lags behind. A comment
notifies readers only if the fingerprint changes. A failed check changes only the text of the issue;
the last report is kept below.
"""

import re
from dataclasses import dataclass

from reconciler.drift.report import DriftReport
from reconciler.github.answers import required_number
from reconciler.github.bodies import (
    COMMENT_LIMIT,
    NO_DIGEST,
    Marker,
    ReportContext,
    ReportKind,
    failure_reasons,
    failure_title,
    last_checked,
    linked_run,
    marked_digest,
    text_of,
    without_marker,
)
from reconciler.github.client import GitHub, JsonObject, Unreachable
from reconciler.github.inputs import FailedCommand, FleetReport
from reconciler.views import drift_outline
from reconciler.views.escape import visible
from reconciler.views.markdown import code

LABEL = "reconcile-drift"
_LAST_REPORT = "\n<!-- reconcile:last-report -->\n"
"""Separates a failed check from the last report. It is a whole line, which data never is."""

_TITLES = {ReportKind.DRIFT: "Drift", ReportKind.FLEET: "Fleet"}

_FAILED_CHECKS = tuple(f"### {title}: could not check" for title in _TITLES.values())
"""Headings of issues that a failed check has opened, including those of earlier versions."""

_RUN = re.compile(r"^\[run \d+\]\(\S+\)$", re.MULTILINE)
"""Link to the run of a failed check, which is a line of its own."""

_MAX_TITLE = 255
_ROOM_FOR_FAILURE = 16_384


@dataclass(frozen=True, slots=True)
class _Issue:
    number: int
    is_open: bool
    body: str

    @property
    def digest(self) -> str | None:
        return marked_digest(self.body)

    def has_text(self, body: str) -> bool:
        """Return whether the issue says the same; another run that says it is no news."""
        shown, new = (_RUN.sub("", text).strip() for text in (_unix(self.body), body))
        return shown == new


async def report_drift(
    github: GitHub,
    report: DriftReport | FleetReport | FailedCommand,
    *,
    kind: ReportKind = ReportKind.DRIFT,
    context: ReportContext,
) -> str:
    """Update the issue of an environment or a fleet, and return in one word what was done."""
    issue = await _find(github, kind, context.environment)
    if isinstance(report, FailedCommand):
        return await _report_failed_check(github, issue, report, kind=kind, context=context)
    body = Marker(kind, context.environment, report.fingerprint).line + text_of(
        report, kind=kind, context=context, limit=COMMENT_LIMIT - _ROOM_FOR_FAILURE
    )
    if issue is None:
        return "nothing" if report.in_sync else await _open(github, kind, context, body)
    if report.in_sync and not issue.is_open:
        return "nothing"
    if issue.digest != report.fingerprint:
        # Before the update, so that if the job ends in between, the old digest makes the next check
        # notify.
        await _notify(github, issue, _news(report))
    return await _update(github, issue, body, closes=report.in_sync)


async def _update(github: GitHub, issue: _Issue, body: str, *, closes: bool) -> str:
    changes = {"body": body}
    if closes:
        changes |= {"state": "closed", "state_reason": "completed"}
    elif not issue.is_open:
        changes |= {"state": "open"}
    if len(changes) > 1 or not issue.has_text(body):
        await github.patch(_path(github, issue.number), changes)
    if closes:
        return "closed"
    return "updated" if issue.is_open else "reopened"


async def _report_failed_check(
    github: GitHub,
    issue: _Issue | None,
    failure: FailedCommand,
    *,
    kind: ReportKind,
    context: ReportContext,
) -> str:
    """Report that the state is unknown, which does not close an issue."""
    digest = (issue.digest if issue else None) or NO_DIGEST
    last_report = _last_report(issue.body) if issue else ""
    body = (
        f"{Marker(kind, context.environment, digest).line}"
        f"### {_TITLES[kind]}: {failure_title(kind, failure).lower()}\n\n"
        "The last check failed, so the current state of "
        f"{code(visible(context.environment, limit=255))} is unknown:\n\n"
        f"{failure_reasons(failure)}"
    )
    if context.run_url:
        body += f"\n{linked_run(context.run_url)}\n"
    if context.time:
        body += f"\n{last_checked(context.time)}\n"
    if last_report:
        body += f"\nThe last report:\n{_LAST_REPORT}{last_report}"
    if issue is None:
        return await _open(github, kind, context, body)
    if not issue.has_text(body) or not issue.is_open:
        await github.patch(_path(github, issue.number), {"body": body, "state": "open"})
    return "updated" if issue.is_open else "reopened"


def _last_report(body: str) -> str:
    """Return the text of the last successful check, empty if there was none."""
    text = without_marker(_unix(body))
    before, separator, report = text.partition(_LAST_REPORT)
    if separator:
        return report
    return "" if before.startswith(_FAILED_CHECKS) else before


async def _find(github: GitHub, kind: ReportKind, environment: str) -> _Issue | None:
    """Return the issue of an environment: an open one if there is one, else the newest."""
    marker = Marker(kind, environment)
    listed = await github.pages(f"/repos/{github.repository}/issues?state=all&labels={LABEL}")
    found = [
        _Issue(required_number(item, "number"), item.get("state") == "open", item["body"])
        for item in listed
        # GitHub lists pull requests among the issues.
        if "pull_request" not in item
        and LABEL in _labels(item)
        and isinstance(item.get("body"), str)
        and marker.matches(item["body"])
    ]
    return max(found, key=lambda issue: (issue.is_open, issue.number), default=None)


def _labels(item: JsonObject) -> set[str]:
    labels = item.get("labels") or []
    return {str(label.get("name") if isinstance(label, dict) else label) for label in labels}


async def _open(github: GitHub, kind: ReportKind, context: ReportContext, body: str) -> str:
    title = visible(f"{_TITLES[kind]}: {context.environment}", limit=_MAX_TITLE)
    content = {"title": title, "body": body, "labels": [LABEL]}
    path = f"/repos/{github.repository}/issues"
    try:
        await github.post(path, content)
    except Unreachable:
        # The request may have arrived, and a second issue would never be closed.
        if await _find(github, kind, context.environment) is None:
            await github.post(path, content)
    return "opened"


async def _notify(github: GitHub, issue: _Issue, text: str) -> None:
    """Comment on the issue, which makes GitHub notify its readers."""
    path = f"{_path(github, issue.number)}/comments"
    try:
        await github.post(path, {"body": text})
    except Unreachable:
        # Comments are listed oldest first; others may have arrived in the meantime.
        newest = (await github.pages(path))[-5:]
        if not any(str(item.get("body")).strip() == text.strip() for item in newest):
            await github.post(path, {"body": text})


def _news(report: DriftReport | FleetReport) -> str:
    digest = report.fingerprint.removeprefix("sha256:")[:12]
    if isinstance(report, FleetReport):
        sentence = report.sentence
    else:
        sentence = drift_outline.summary_of(report)
    return f"{sentence}\n\nfingerprint {code(digest)}\n"


def _unix(text: str) -> str:
    """Return the text with its original line ends, which GitHub changes."""
    return text.replace("\r\n", "\n")


def _path(github: GitHub, number: int) -> str:
    return f"/repos/{github.repository}/issues/{number}"
