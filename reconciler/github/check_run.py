"""Check run of an environment, such as `reconcile / production`, which a branch can require.

Its title has the counts, so that the list of checks shows them. It belongs to the commit that was
planned or applied, and a later report about the same commit updates it. A failed or blocked plan
and an incomplete apply fail it.
"""

from typing import assert_never

from reconciler.execution.result import ApplyResult, Status
from reconciler.frozen_dataclass import dataclass
from reconciler.github.answers import required_number, text_at
from reconciler.github.client import (
    GitHub,
    GitHubForbidden,
    GitHubNotFound,
    JsonObject,
    Unreachable,
)
from reconciler.github.inputs import NO_RESULT, FailedCommand
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan
from reconciler.views.escape import visible

SUMMARY_LIMIT = 65_535
"""Maximum length of a check run's summary on GitHub."""

NOTHING_TO_CHANGE = "nothing to change"
PERMISSION = "checks: write"

_MAX_NAME = 100
_STATUSES = (Status.APPLIED, Status.FAILED, Status.UNKNOWN, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Title and conclusion of a check run."""

    title: str
    conclusion: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    """Check run to write; `details_url` is the page of the run that reports."""

    environment: str
    commit: str
    verdict: CheckOutcome
    summary: str
    details_url: str | None = None

    @property
    def name(self) -> str:
        """Return the name that a branch protection rule requires."""
        return f"reconcile / {visible(self.environment, limit=_MAX_NAME)}"

    @property
    def external_id(self) -> str:
        """Id with which a later report finds the check run."""
        # Not the name: it is shortened and cleaned for display, so two environments can share it.
        return f"reconcile:{self.environment}"


def verdict_of(
    document: Plan | ApplyResult | FailedCommand, *, failed_title: str, is_proposed: bool
) -> CheckOutcome:
    """Return the title and conclusion for a document.

    `failed_title` is the title of a failed command. A plan that is not proposed by a pull request
    waits for its apply, so it neither passes nor fails.
    """
    match document:
        case Plan():
            return _of_plan(document, is_proposed=is_proposed)
        case ApplyResult():
            return _of_result(document)
        case FailedCommand():
            no_result = any(item.code == NO_RESULT for item in document.diagnostics)
            return CheckOutcome("no result" if no_result else failed_title, "failure")
        case _:
            assert_never(document)


async def write_check_run(github: GitHub, check: CheckRun) -> str:
    """Write or update the check run, and return in one word what was done."""
    content: dict[str, object] = {
        "name": check.name,
        "status": "completed",
        "conclusion": check.verdict.conclusion,
        "external_id": check.external_id,
        "output": {"title": check.verdict.title, "summary": check.summary},
    }
    if check.details_url:
        content["details_url"] = check.details_url
    existing = await _find(github, check)
    if existing is not None:
        number = required_number(existing, "id")
        try:
            await github.patch(f"/repos/{github.repository}/check-runs/{number}", content)
        except (GitHubForbidden, GitHubNotFound):
            # Only the app that wrote a check run can update it; a newer one replaces it.
            pass
        else:
            return "updated"
    await _create(github, check, content)
    return "written"


async def _create(github: GitHub, check: CheckRun, content: JsonObject) -> None:
    path = f"/repos/{github.repository}/check-runs"
    body = content | {"head_sha": check.commit}
    try:
        await github.post(path, body)
    except Unreachable:
        # The request may have arrived, so first look at the newest check run with the name.
        found = await _find(github, check)
        if found is None or text_at(found, "output", "title") != check.verdict.title:
            await github.post(path, body)


async def _find(github: GitHub, check: CheckRun) -> JsonObject | None:
    """Return the newest check run of this environment on the commit."""
    path = f"/repos/{github.repository}/commits/{check.commit}/check-runs?filter=latest"
    found = [
        item
        for item in await github.pages(path, under="check_runs")
        if text_at(item, "external_id") == check.external_id
    ]
    return max(found, key=lambda item: required_number(item, "id"), default=None)


def _of_plan(plan: Plan, *, is_proposed: bool) -> CheckOutcome:
    counts = plan.summary
    parts = [f"{counts[kind.value]} to {kind.value}" for kind in ActionKind if counts[kind.value]]
    if counts["blocked"]:
        return CheckOutcome(", ".join([*parts, f"{counts['blocked']} blocked"]), "failure")
    if plan.in_sync:
        return CheckOutcome(NOTHING_TO_CHANGE, "success")
    if not parts:
        # Parts that could not be read may differ, so this must not pass a required check.
        return CheckOutcome("no changes found, the comparison is incomplete", "neutral")
    return CheckOutcome(", ".join(parts), "success" if is_proposed else "neutral")


def _of_result(result: ApplyResult) -> CheckOutcome:
    counts = result.summary
    parts = [f"{status.value} {counts[status.value]}" for status in _STATUSES if counts[status]]
    if not result.is_recorded:
        parts.append("not recorded in the ledger")
    title = ", ".join(parts) or NOTHING_TO_CHANGE
    if not (result.complete and result.is_recorded):
        return CheckOutcome(title, "failure")
    if result.shard is not None:
        # The results of other shards are unknown; `merge-results` merges them.
        return CheckOutcome(f"{title} (shard {visible(result.shard)})", "neutral")
    return CheckOutcome(title, "success")
