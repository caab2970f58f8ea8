"""Merged pull request with an uploaded plan, and the command that collects the plan."""

import asyncio
import json

from reconciler.domain.secrets import Redacted
from reconciler.github.approvals import ApprovalQuery, GatheredPlans, gather
from reconciler.github.client import GitHub
from reconciler.remote.api import Clock
from reconciler.remote.transport import httpx_transport
from tests.github.fake import REPO, TOKEN, FakeGitHub, serving
from tests.github.test_plan_archive import packed
from tests.views import samples

PLAN = samples.mixed_plan()
NUMBER = 12
LAST, HEAD, BRANCH = "a" * 40, "b" * 40, "c" * 40
WANTED = ApprovalQuery(artifact="reconcile-plan-production", workflow="plan.yml", branch="main")


def merged_request() -> FakeGitHub:
    """Return a pull request that was squashed onto main, with the plan of its last push."""
    fake = FakeGitHub()
    fake.history = [LAST, HEAD]
    fake.pulls[NUMBER] = {
        "number": NUMBER,
        "merged_at": "2026-11-23T08:00:00Z",
        "merge_commit_sha": HEAD,
        "base": {"ref": "main"},
        "head": {"sha": BRANCH, "ref": "feature"},
    }
    fake.merged_by_commit[HEAD] = [NUMBER]
    fake.runs[500] = {
        "event": "pull_request",
        "path": ".github/workflows/plan.yml",
        "head_sha": BRANCH,
        "head_branch": "feature",
        "created_at": "2026-11-23T07:00:00Z",
        "pull_requests": [{"number": NUMBER, "base": {"ref": "main"}}],
        "conclusion": "success",
        "head_repository": {"full_name": REPO},
    }
    fake.archives[600] = packed(("plan.json", json.dumps(PLAN.as_json()).encode()))
    fake.artifacts[600] = {
        "id": 600,
        "name": f"{WANTED.artifact}-{BRANCH}",
        "expired": False,
        "size_in_bytes": len(fake.archives[600]),
        "workflow_run": {"id": 500},
    }
    return fake


def gathered(fake: FakeGitHub, *, since: str | None = LAST) -> GatheredPlans:
    async def no_pause(_seconds: float) -> None:
        return None

    clock = Clock(clock=lambda: 0.0, wall_clock=lambda: 0.0, sleep=no_pause, random=lambda: 0.0)

    async def work(url: str) -> GatheredPlans:
        transport = httpx_transport(base_url=url, ca_file=None, proxy=None)
        async with GitHub(
            api_url=url,
            repository=REPO,
            token=Redacted(TOKEN),
            clock=clock,
            transport=transport,
        ) as github:
            return await gather(github, since=since, head=HEAD, wanted=WANTED)

    with serving(fake):
        return asyncio.run(work(fake.url))
