"""Drift issue: one for each environment and each fleet; opened, updated, closed and reopened.

An `IssueTracker` does that on GitHub (here) or on GitLab (`reconciler.gitlab.publish`).

It shows the day of the last check, so that users notice if checks no longer run.

It is found by listing the issues with the label, because GitHub's search lags behind. A comment
notifies readers only if the fingerprint changes. A failed check changes only the text of the issue;
the last report is kept below.
"""

import re
from typing import Protocol

from reconciler.diagnostics import Diagnostic, error
from reconciler.drift.report import DriftReport
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
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
from reconciler.github.rest import RestError
from reconciler.views import drift_outline
from reconciler.views.escape import visible
from reconciler.views.markdown import code

LABEL = "reconcile-drift"
ISSUE_NAMES = {ReportKind.DRIFT: "drift issue", ReportKind.FLEET: "fleet issue"}
"""Names of the issues in messages, by the kinds of reports that have one."""

_LAST_REPORT = "\n<!-- reconcile:last-report -->\n"
"""Separates a failed check from the last report. It is a whole line, which data never is."""

_TITLES = {ReportKind.DRIFT: "Drift", ReportKind.FLEET: "Fleet"}

_FAILED_CHECKS = tuple(f"### {title}: could not check" for title in _TITLES.values())
"""Headings of issues that a failed check has opened, including those of earlier versions."""

_RUN = re.compile(r"^\[run \d+\]\(\S+\)$", re.MULTILINE)
"""Link to the run of a failed check, which is on a separate line."""

_CLOSED = {"state": "closed", "state_reason": "completed"}
_MAX_TITLE = 255
# A failed check is reported above the last report, which leaves this many bytes free.
_ROOM_FOR_FAILURE = 16_384


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue with the label."""

    number: int
    is_open: bool
    body: str

    @property
    def digest(self) -> str | None:
        """Return the digest in its marker."""
        return marked_digest(self.body)

    def has_text(self, body: str) -> bool:
        """Return whether the issue has the same content, so that another run adds nothing."""
        shown, new = (_RUN.sub("", text).strip() for text in (_unix(self.body), body))
        return shown == new


class IssueTracker(Protocol):
    """Issues of one repository or project."""

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""

    async def labelled(self) -> list[Issue]:
        """Return all issues with the label, open and closed."""

    async def create(self, title: str, body: str) -> None:
        """Open an issue with the label."""

    async def update(self, number: int, body: str, *, is_open: bool | None) -> None:
        """Set text and state of an issue; None leaves the state as it is."""

    async def comments(self, number: int) -> list[str]:
        """Return the comments on an issue, oldest first."""

    async def comment(self, number: int, text: str) -> None:
        """Comment on an issue, which notifies its readers."""


@dataclass(frozen=True, slots=True)
class GitHubIssues:
    """Issues of a repository on GitHub."""

    github: GitHub

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""
        return Unreachable

    async def labelled(self) -> list[Issue]:
        """Return all issues with the label, open and closed."""
        listed = await self.github.pages(f"{self._path}?state=all&labels={LABEL}")
        return [
            Issue(required_number(item, "number"), item.get("state") == "open", item["body"])
            for item in listed
            # GitHub lists pull requests among the issues.
            if "pull_request" not in item
            and LABEL in _labels(item)
            and isinstance(item.get("body"), str)
        ]

    async def create(self, title: str, body: str) -> None:
        """Open an issue with the label."""
        await self.github.post(self._path, {"title": title, "body": body, "labels": [LABEL]})

    async def update(self, number: int, body: str, *, is_open: bool | None) -> None:
        """Set text and state of an issue; None leaves the state as it is."""
        changes = {"body": body}
        if is_open is not None:
            changes |= {"state": "open"} if is_open else _CLOSED
        await self.github.patch(f"{self._path}/{number}", changes)

    async def comments(self, number: int) -> list[str]:
        """Return the comments on an issue, oldest first."""
        listed = await self.github.pages(f"{self._path}/{number}/comments")
        return [str(item.get("body")) for item in listed]

    async def comment(self, number: int, text: str) -> None:
        """Comment on an issue, which notifies its readers."""
        await self.github.post(f"{self._path}/{number}/comments", {"body": text})

    @property
    def _path(self) -> str:
        return f"/repos/{self.github.repository}/issues"


async def report_drift(
    tracker: IssueTracker,
    report: DriftReport | FleetReport | FailedCommand,
    *,
    kind: ReportKind = ReportKind.DRIFT,
    context: ReportContext,
) -> str:
    """Update the issue of an environment or a fleet, and return in one word what was done.

    Raises `InvalidInput` for a partial check: it says nothing about what was not selected, so it
    must neither close the issue nor replace what the issue lists.
    """
    if not isinstance(report, FailedCommand) and report.partial:
        raise InvalidInput([_partial(kind)])
    issue = await _find(tracker, kind, context.environment)
    if isinstance(report, FailedCommand):
        return await _report_failed_check(tracker, issue, report, kind=kind, context=context)
    body = Marker(kind, context.environment, report.fingerprint).line + text_of(
        report, kind=kind, context=context, limit=COMMENT_LIMIT - _ROOM_FOR_FAILURE
    )
    has_nothing = report.in_sync and not _retiring(report)
    if issue is None:
        return "nothing" if has_nothing else await _open(tracker, kind, context, body)
    if has_nothing and not issue.is_open:
        return "nothing"
    news = _reached(report, issue.body, body)
    # Before the update, so that if the job ends in between, the old text makes the next check
    # notify.
    if issue.digest != report.fingerprint:
        await _notify(tracker, issue, _news(report) + news)
    elif news:
        await _notify(tracker, issue, news.lstrip())
    return await _update(tracker, issue, body, closes=has_nothing)


def _retiring(report: DriftReport | FleetReport) -> tuple[str, ...]:
    """Return a line for each model that retires, as the issue shows it."""
    if isinstance(report, FleetReport):
        return ()
    return tuple(f"- {code(line)}" for line in drift_outline.retirements(report))


def _reached(report: DriftReport | FleetReport, before: str, body: str) -> str:
    """Return the lines on models that have reached another threshold than the issue shows."""
    known, shown = _unix(before).splitlines(), body.splitlines()
    # Models that did not fit into the text are not stored in it, and would be announced each time.
    lines = [line for line in _retiring(report) if line in shown and line not in known]
    return "\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def _partial(kind: ReportKind) -> Diagnostic:
    return error(
        "partial-report",
        f"the {kind.value} report covers only a selection, so the issue was not changed",
        hint="report a check without --only, --exclude and --shard",
    )


async def _update(tracker: IssueTracker, issue: Issue, body: str, *, closes: bool) -> str:
    if closes or not issue.is_open or not issue.has_text(body):
        await tracker.update(issue.number, body, is_open=_new_state(issue, closes=closes))
    if closes:
        return "closed"
    return "updated" if issue.is_open else "reopened"


async def _report_failed_check(
    tracker: IssueTracker,
    issue: Issue | None,
    failure: FailedCommand,
    *,
    kind: ReportKind,
    context: ReportContext,
) -> str:
    """Report that the state is unknown, which does not close an issue."""
    # The digest of the last report is kept, so that the next successful check notifies only of new
    # differences.
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
        return await _open(tracker, kind, context, body)
    if not issue.has_text(body) or not issue.is_open:
        await tracker.update(issue.number, body, is_open=_new_state(issue, closes=False))
    return "updated" if issue.is_open else "reopened"


def _new_state(issue: Issue, *, closes: bool) -> bool | None:
    """Return whether the issue must be open, None if it already has that state."""
    if closes:
        return False
    return None if issue.is_open else True


def _last_report(body: str) -> str:
    """Return the text of the last successful check, empty if there was none."""
    text = without_marker(_unix(body))
    before, separator, report = text.partition(_LAST_REPORT)
    if separator:
        return report
    return "" if before.startswith(_FAILED_CHECKS) else before


async def _find(tracker: IssueTracker, kind: ReportKind, environment: str) -> Issue | None:
    """Return the issue of an environment: an open one if there is one, else the newest."""
    marker = Marker(kind, environment)
    found = [issue for issue in await tracker.labelled() if marker.matches(issue.body)]
    return max(found, key=lambda issue: (issue.is_open, issue.number), default=None)


def _labels(item: JsonObject) -> set[str]:
    labels = item.get("labels") or []
    return {str(label.get("name") if isinstance(label, dict) else label) for label in labels}


async def _open(tracker: IssueTracker, kind: ReportKind, context: ReportContext, body: str) -> str:
    title = visible(f"{_TITLES[kind]}: {context.environment}", limit=_MAX_TITLE)
    try:
        await tracker.create(title, body)
    except tracker.unreachable:
        # The request may have arrived, and a second issue would never be closed.
        if await _find(tracker, kind, context.environment) is None:
            await tracker.create(title, body)
    return "opened"


async def _notify(tracker: IssueTracker, issue: Issue, text: str) -> None:
    """Comment on the issue, which notifies its readers."""
    try:
        await tracker.comment(issue.number, text)
    except tracker.unreachable:
        # Others may have arrived in the meantime.
        newest = (await tracker.comments(issue.number))[-5:]
        if not any(_unix(comment).strip() == text.strip() for comment in newest):
            await tracker.comment(issue.number, text)


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
