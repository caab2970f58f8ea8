"""The comment `/plan`: only by authors with write access, and only for the commit they saw."""

import asyncio
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from reconciler.domain.secrets import Redacted
from reconciler.github.client import GitHub
from reconciler.github.job import Job
from reconciler.github.plan_comment import RequestedPlan, requested_plan
from reconciler.remote.api import Clock
from reconciler.remote.transport import httpx_transport
from tests.github.fake import REPO, TOKEN, Answer, Call, FakeGitHub, serving
from tests.github.reporting import Done, Reporter, read_outputs
from tests.views import samples

HEAD, BASE, MERGE = "a" * 40, "b" * 40, "c" * 40
FORK = "mallory/gateway"
EARLIER, LATER = "2026-11-23T07:59:57Z", "2026-11-23T07:59:58Z"
BEFORE, WRITTEN, AFTER = "2026-11-23T07:59:59Z", "2026-11-23T08:00:00Z", "2026-11-23T08:00:01Z"


@dataclass
class Commenting:
    """Pull request of a fork, with comments."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    github: FakeGitHub
    pull: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pull = {
            "number": 7,
            "state": "open",
            "mergeable": True,
            "merge_commit_sha": MERGE,
            "head": {
                "sha": HEAD,
                "ref": "feature",
                "repo": {"full_name": FORK, "pushed_at": BEFORE},
            },
        }
        self.github.pulls[7] = self.pull
        self.github.commits[MERGE] = {"sha": MERGE, "parents": [{"sha": BASE}, {"sha": HEAD}]}
        self.github.permissions |= {
            "carol": "write",
            "root": "admin",
            "reader": "read",
            "none": "none",
        }

    def comment(self, body: str, *, author: str = "carol", **event: Any) -> Done:
        event = {
            "action": "created",
            "issue": {"number": 7, "pull_request": {"url": "https://api.github.com/x"}},
            "comment": {"id": 99, "body": body, "user": {"login": author}, "created_at": WRITTEN},
        } | event
        for name, text in (("event.json", json.dumps(event)), ("output", "")):
            (self.folder / name).write_text(text, encoding="utf-8")
        variables = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_SHA": BASE,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
        }
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        out, err = io.StringIO(), io.StringIO()
        words = ("github", "check-comment", "--environment", "production")
        code = run(words, Console(stdin=None, stdout=out, stderr=err))
        return Done(code, out.getvalue(), err.getvalue())

    @property
    def planned(self) -> dict[str, str]:
        """Return the non-empty outputs."""
        outputs = read_outputs((self.folder / "output").read_text(encoding="utf-8"))
        return {name: value for name, value in outputs.items() if value}


@pytest.fixture
def here(reporter: Reporter) -> Commenting:
    return Commenting(reporter.folder, reporter.monkeypatch, reporter.github)


ALL = {"head": HEAD, "base": BASE, "merge": MERGE}


@pytest.mark.parametrize("author", ["carol", "root"])
@pytest.mark.parametrize(
    "body", ["/plan", "/plan\n\nthe API has changed", " /plan production ", f"/plan {HEAD.upper()}"]
)
def test_an_author_with_write_access_gets_a_plan_of_the_merge_commit(
    here: Commenting, author: str, body: str
) -> None:
    assert here.comment(body, author=author).code == 0
    assert here.planned == ALL
    assert here.github.reactions == [(99, "eyes")]
    assert here.github.writes == [("POST", f"/repos/{REPO}/issues/comments/99/reactions")]


@pytest.mark.parametrize("author", ["reader", "none", "mallory", "dependabot[bot]"])
def test_an_author_without_write_access_gets_only_a_reaction(here: Commenting, author: str) -> None:
    done = here.comment("/plan", author=author)
    assert (done.code, here.planned, here.github.comments) == (0, {}, {})
    assert here.github.reactions == [(99, "confused")]
    assert f"{author} may not write to {REPO}" in done.err


@pytest.mark.parametrize(
    "body",
    [
        "",
        "please /plan",
        "/planning",
        "/plan staging",
        "> /plan",
        f"/plan {HEAD} {BASE}",
        "/plan\x00",
    ],
)
def test_another_comment_is_ignored(here: Commenting, body: str) -> None:
    assert here.comment(body).code == 0
    assert here.planned == {}
    assert here.github.calls == []


@pytest.mark.parametrize(
    "event",
    [
        {"action": "edited"},
        {"issue": {"number": 7}},
        {"issue": None},
        {"comment": {"body": "/plan"}},
    ],
)
def test_another_event_is_ignored(here: Commenting, event: dict[str, Any]) -> None:
    assert here.comment("/plan", **event).code == 0
    assert (here.planned, here.github.calls) == ({}, [])


@pytest.mark.parametrize("pushed", [WRITTEN, AFTER, None, "yesterday", "2026-11-23T07:00:00"])
def test_a_head_that_may_have_been_pushed_after_the_comment_is_not_planned(
    here: Commenting, pushed: str | None
) -> None:
    here.pull["head"]["repo"]["pushed_at"] = pushed
    done = here.comment("/plan")
    assert (done.code, here.planned) == (4, {})
    assert f"comment `/plan {HEAD}`" in done.err
    assert here.github.reactions == [(99, "confused")]
    (reply,) = here.github.comments[7]
    assert f"comment `/plan {HEAD}`" in reply["body"]
    # Remedy: the comment names the reviewed commit.
    assert here.comment(f"/plan {HEAD}").code == 0
    assert here.planned == ALL
    assert "was pushed" not in reply["body"]


def move(after: str, timestamp: str, ref: str = "refs/heads/feature") -> dict[str, str]:
    return {"ref": ref, "after": after, "timestamp": timestamp}


@pytest.mark.parametrize(
    ("moves", "is_planned"),
    [
        ([move(HEAD, BEFORE)], True),
        ([move(HEAD, AFTER), move(MERGE, BEFORE), move(HEAD, BEFORE)], False),
        ([move(HEAD, WRITTEN)], False),
        ([move(BASE, BEFORE)], False),
        # The head was pushed, replaced and pushed again; the list lags behind the last push.
        ([move(MERGE, BEFORE), move(HEAD, LATER)], False),
        ([move(MERGE, BEFORE), move(HEAD, BEFORE)], False),
        ([move(HEAD, BEFORE), move(MERGE, LATER), move(HEAD, EARLIER)], True),
        ([move(HEAD, BEFORE, "refs/heads/other")], False),
        ([], False),
    ],
)
def test_a_push_to_another_branch_does_not_count(
    here: Commenting, moves: list[dict[str, str]], *, is_planned: bool
) -> None:
    here.pull["head"]["repo"]["pushed_at"] = AFTER
    here.github.activity[FORK] = moves
    assert here.comment("/plan").code == (0 if is_planned else 4)
    assert here.planned == (ALL if is_planned else {})


@pytest.mark.parametrize("time", [WRITTEN, AFTER, "soon"])
def test_a_move_of_the_branch_counts_where_the_repository_seems_unchanged(
    here: Commenting, time: str
) -> None:
    here.github.activity[FORK] = [move(HEAD, time), move(HEAD, BEFORE)]
    assert (here.comment("/plan").code, here.planned) == (4, {})
    here.github.activity[FORK] = []
    assert here.comment("/plan").code == 0


@pytest.mark.parametrize(
    "change",
    [
        {"state": "closed"},
        {"mergeable": False},
        {"merge_commit_sha": None},
        {"merge_commit_sha": "refs/heads/evil"},
        {"head": {"sha": HEAD, "ref": "feature", "repo": None}},
    ],
)
def test_an_unmergeable_or_unknown_state_is_not_planned(
    here: Commenting, change: dict[str, Any]
) -> None:
    here.pull |= change
    assert (here.comment("/plan").code, here.planned) == (4, {})


@pytest.mark.parametrize(
    "parents", [[BASE], [BASE, "d" * 40], [HEAD, BASE], [BASE, HEAD, HEAD], None]
)
def test_a_merge_commit_of_another_head_is_not_planned(here: Commenting, parents: Any) -> None:
    listed = [{"sha": sha} for sha in parents] if parents else parents
    here.github.commits[MERGE]["parents"] = listed
    assert (here.comment("/plan").code, here.planned) == (4, {})


def test_a_commit_that_is_not_the_head_any_more_is_not_planned(here: Commenting) -> None:
    assert (here.comment(f"/plan {'d' * 40}").code, here.planned) == (4, {})


@pytest.mark.parametrize("status", [401, 403, pytest.param(500, marks=pytest.mark.slow)])
def test_an_unknown_permission_counts_as_none(here: Commenting, status: int) -> None:
    here.github.script = lambda call: Answer(status, {}) if "permission" in call.path else None
    assert here.comment("/plan").code == 1
    assert here.planned == {}


def test_a_forbidden_reaction_changes_nothing(here: Commenting) -> None:
    here.github.script = lambda call: Answer(403, {}) if "reactions" in call.path else None
    assert here.comment("/plan").code == 0
    assert here.planned == ALL


def test_it_waits_until_github_has_computed_the_merge_commit() -> None:
    fake = FakeGitHub()
    here = Commenting(Path(), pytest.MonkeyPatch(), fake)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    def computing(call: Call) -> Answer | None:
        if call.path.endswith("/pulls/7") and len(pauses) < 3:
            return Answer(200, {**here.pull, "mergeable": None, "merge_commit_sha": None})
        return None

    fake.script = computing
    event = {
        "action": "created",
        "issue": {"number": 7, "pull_request": {}},
        "comment": {"body": "/plan", "user": {"login": "carol"}, "created_at": WRITTEN},
    }

    async def work() -> RequestedPlan | None:
        clock = Clock(clock=lambda: 0.0, wall_clock=lambda: 0.0, sleep=pause, random=lambda: 0.0)
        transport = httpx_transport(base_url=fake.url, ca_file=None, proxy=None)
        async with GitHub(
            api_url=fake.url,
            repository=REPO,
            token=Redacted(TOKEN),
            clock=clock,
            transport=transport,
        ) as github:
            return await requested_plan(
                github, Job(event=event), environment="production", pause=pause
            )

    with serving(fake):
        found = asyncio.run(work())
    assert found == RequestedPlan(7, HEAD, BASE, MERGE)
    assert len(pauses) == 3


def test_the_report_of_a_comment_belongs_to_its_pull_request(reporter: Reporter) -> None:
    event = {"issue": {"number": 7, "pull_request": {}}, "comment": {"id": 1}}
    plan = samples.plan(samples.creation())
    options = ("--check-run", "--commit", HEAD)
    reporter.report("plan", plan, event=event, options=options)
    (body,) = reporter.comments(7)
    assert "Merging this pull request applies this plan." in body
    (check,) = reporter.github.check_runs.values()
    assert (check["head_sha"], check["conclusion"]) == (HEAD, "success")
    # Without the commit no check run is written, because the commit of the job is that of the
    # default branch.
    reporter.report("plan", plan, event=event, options=("--check-run",))
    assert len(reporter.github.check_runs) == 1
