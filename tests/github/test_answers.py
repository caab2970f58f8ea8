"""Responses of GitHub with a missing field, or one of another type, are errors that name it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.github.answers import number_at, text_at
from reconciler.github.approvals import ApprovalQuery, gather
from reconciler.github.bodies import Marker, ReportContext, ReportKind
from reconciler.github.client import GitHub, UnexpectedResponse
from reconciler.github.comment import GitHubComments, upsert
from reconciler.github.issue import LABEL, GitHubIssues, report_drift
from reconciler.github.pull_request import Proposal, propose
from tests.github.test_client import ask
from tests.views import drift_samples

Work = Callable[[GitHub], Any]
MARKER = Marker(ReportKind.PLAN, "production")
DRIFT = Marker(ReportKind.DRIFT, "production").line
PROPOSAL = Proposal("reconcile/adopt", "main", "a" * 40, "Adopt", "", {"x.yaml": "slug: x"})
ANSWERS: dict[tuple[str, str], Any] = {
    ("GET", "/git/commits/" + "a" * 40): {"tree": {"sha": "t"}},
    ("POST", "/git/trees"): {"sha": "t"},
    ("POST", "/git/commits"): {"sha": "c"},
    ("GET", "/git/ref/heads/reconcile/adopt"): {},
    ("PATCH", "/git/refs/heads/reconcile/adopt"): {},
    ("GET", "/pulls"): [],
    ("POST", "/pulls"): {"number": 1},
    ("GET", "/compare/l...h"): {"commits": [{"sha": "h"}]},
    ("GET", "/commits/h/pulls"): [{"number": 1, "merged_at": "now", "head": {"sha": "h"}}],
    ("GET", "/actions/artifacts"): {"artifacts": []},
    ("GET", "/pulls/1/reviews"): [],
    ("GET", "/issues/1/comments"): [
        {"id": 1, "body": MARKER.line, "user": {"login": "bot"}},
    ],
    ("GET", "/issues"): [{"number": 1, "state": "open", "labels": [LABEL], "body": DRIFT}],
    ("PATCH", "/issues/comments/1"): {},
    ("PATCH", "/issues/1"): {},
    ("POST", "/issues/1/comments"): {},
}


def run(work: Work, **changed: tuple[tuple[str, str], Any]) -> Any:
    answers = ANSWERS | dict(changed.values())

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/repos/acme/gateway")
        if path == "/user":
            return httpx.Response(404)
        return httpx.Response(200, json=answers[request.method, path])

    return ask(handler, work)


def proposing(github: GitHub) -> Any:
    return propose(github, PROPOSAL)


def gathering(github: GitHub) -> Any:
    return gather(github, since="l", head="h", wanted=ApprovalQuery("plan", "plan.yml"))


def commenting(github: GitHub) -> Any:
    return upsert(GitHubComments(github, 1, "bot"), marker=MARKER, text="new")


def drifting(github: GitHub) -> Any:
    context = ReportContext(environment="production", ledger="shared")
    return report_drift(GitHubIssues(github), drift_samples.drifted(), context=context)


@pytest.mark.parametrize("work", [proposing, gathering, commenting, drifting])
def test_complete_responses_are_used(work: Work) -> None:
    assert run(work)


@pytest.mark.parametrize(
    ("work", "call", "answer", "field"),
    [
        (proposing, ("GET", "/git/commits/" + "a" * 40), {}, "tree.sha"),
        (proposing, ("GET", "/git/commits/" + "a" * 40), {"tree": None}, "tree.sha"),
        (proposing, ("POST", "/git/trees"), {"sha": 7}, "sha"),
        (proposing, ("POST", "/git/commits"), {}, "sha"),
        (proposing, ("GET", "/pulls"), [{"head": {"ref": "reconcile/adopt"}}], "number"),
        (proposing, ("POST", "/pulls"), {"number": "1"}, "number"),
        (gathering, ("GET", "/compare/l...h"), {"commits": [{}]}, "sha"),
        (gathering, ("GET", "/commits/h/pulls"), [{"merged_at": "now"}], "number"),
        (gathering, ("GET", "/actions/artifacts"), {"artifacts": [{}]}, "id"),
        (
            commenting,
            ("GET", "/issues/1/comments"),
            [{"body": MARKER.line, "user": {"login": "BOT"}}],
            "id",
        ),
        (drifting, ("GET", "/issues"), [{"body": DRIFT, "labels": [LABEL]}], "number"),
    ],
)
def test_a_missing_required_field_is_named(
    work: Work, call: tuple[str, str], answer: Any, field: str
) -> None:
    with pytest.raises(UnexpectedResponse, match=f"no valid `{field}`"):
        run(work, changed=(call, answer))


def test_a_comment_without_an_author_is_not_ours() -> None:
    comments = ("GET", "/issues/1/comments"), [{"id": 1, "body": MARKER.line}]
    assert run(commenting, changed=comments) == "written"


def test_a_field_that_is_only_compared_can_have_any_type() -> None:
    assert text_at({"user": {"login": "bot"}}, "user", "login") == "bot"
    assert text_at({"user": {"login": 7}}, "user", "login") is None
    assert text_at({"user": None}, "user", "login") is None
    assert number_at([{"id": 7}], "id") is None
    assert number_at({"id": 7}, "id") == 7
