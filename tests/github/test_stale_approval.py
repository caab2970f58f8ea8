"""A stale approval never causes a write: a job that is repeated, or that runs too late."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import settings
from reconciler.planning import codec
from tests.github.story import Story
from tests.github.test_story import new_story

pytestmark = pytest.mark.needs_system


def merged(story: Story, branch: str, description: str) -> str:
    """Merge a pull request that changes alpha, and return the commit."""
    story.project.integration("alpha", key="${env:SECRET_ALPHA}", description=description)
    number = story.open(branch)
    story.plan(number)
    story.merge(number, "squash")
    return story.git("rev-parse", "main")


def test_a_repeated_job_does_not_revert_later_applies(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        old = merged(story, "change", "second")
        assert story.apply().done.code == 0
        newer = merged(story, "revert", "first")
        assert story.apply().done.code == 0
        job = story.apply(commit=old)
        assert job.done.code == 4
        assert [d["code"] for d in job.done.json["diagnostics"]] == ["stale-commit"]
        assert newer in job.done.out
        assert story.remote("alpha")["description"] == "first"
        # Independently of the check with GitHub, the ledger knows the newer run.
        plan = story.run("plan", "--format", "json")
        story.git("checkout", "--quiet", old)
        digest = story.run("plan", "--format", "json", **story.values).json["digest"]
        done = story.run("apply", "--expect-digest", digest, **story.values)
        assert (plan.code, done.code, "stale-commit" in done.err) == (0, 4, True), done.err
        assert story.remote("alpha")["description"] == "first"


def test_the_newer_of_two_waiting_jobs_applies_both_and_the_older_one_nothing(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        older = merged(story, "second", "second")
        merged(story, "third", "third")
        assert story.apply(commit=older).done.code == 4
        assert story.remote("alpha")["description"] == "first"
        assert story.apply().done.code == 0
        assert story.apply(commit=older).done.code == 4
        assert story.remote("alpha")["description"] == "third"


def days_ago(days: float) -> str:
    return (settings.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def age_plans(story: Story, days: float, **more: Any) -> None:
    """Age the uploaded plans."""
    for number, content in story.github.archives.items():
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            document = json.loads(archive.read("plan.json"))
        document |= {"created_at": days_ago(days), **more}
        assert codec.decode(json.dumps(document), name="plan").created_at == days_ago(days)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("plan.json", json.dumps(document))
        story.github.archives[number] = packed.getvalue()


def refusals(job: Any) -> list[str]:
    assert job.done.code == 4, job.done.out
    return [item["code"] for item in job.done.json["diagnostics"]]


@pytest.mark.parametrize(
    ("made", "merged_days_ago", "codes"),
    [(8, 0, []), (8, 6.9, []), (8, 7.1, ["expired-plan"]), (7.1, 20, ["expired-plan"])],
)
def test_the_age_of_an_approval_counts_from_the_merge(
    tmp_path: Path, made: float, merged_days_ago: float, codes: list[str]
) -> None:
    with new_story(tmp_path) as story:
        merged(story, "change", "second")
        # The approval time in an upload does not count.
        age_plans(story, made, approved_at=days_ago(0))
        story.github.pulls[story.pulls]["merged_at"] = days_ago(merged_days_ago)
        job = story.apply()
        if codes:
            assert refusals(job) == codes
        else:
            assert job.done.code == 0, job.done.out
        assert story.remote("alpha")["description"] == ("first" if codes else "second")


def test_a_rotated_key_needs_no_new_pull_request(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        merged(story, "change", "second")
        assert story.apply().done.code == 0
        age_plans(story, 30)
        story.github.pulls[story.pulls]["merged_at"] = days_ago(29)
        story.values["SECRET_ALPHA"] = "sk-canary-alpha-2"
        assert story.apply(pushed=False).done.code == 0
        # A merge that changed no file of the folder has no plan.
        (story.project.folder / ".gitignore").write_text("/*\n!/desired-state\n!/.gitignore\n\n")
        number = story.open("readme")
        story.merge(number, "squash")
        story.values["SECRET_ALPHA"] = "sk-canary-alpha-3"
        job = story.apply(pushed=False)
        assert job.done.code == 0, job.done.out
        assert story.apply(pushed=False).done.json["summary"]["applied"] == 0
        # It approves nothing else.
        story.by_hand("alpha", description="by hand")
        story.values["SECRET_ALPHA"] = "sk-canary-alpha-4"
        assert "not-approved" in refusals(story.apply(pushed=False))


def test_another_reference_is_not_a_rotation(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        # Merged without a valid plan, so no other secret was approved.
        story.project.integration("alpha", key="${env:SECRET_BETA}", description="first")
        number = story.open("another-reference")
        story.merge(number, "squash")
        assert refusals(story.apply(pushed=False)) == ["not-approved"]
        # Without the ledger and the applied commit, nothing counts as known.
        story.values["SECRET_BETA"] = "sk-canary-beta-2"
        for file in (story.project.folder / ".reconcile").glob("ledger.db*"):
            file.unlink()
        assert refusals(story.apply(pushed=False)) == ["not-approved"]


def test_the_comment_names_the_end_of_validity_of_the_plan(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.project.integration("alpha", key="${env:SECRET_ALPHA}", description="second")
        number = story.open("change")
        story.plan(number)
        (comment,) = story.github.comments[number]
        assert "valid until 7 days after the merge" in comment["body"]
        key, limits = "${env:PORTKEY_API_KEY}", {"plan_age_hours": 36}
        story.project.config(story.gateway, api_key=key, limits=limits)
        story.push(number)
        story.plan(number)
        (comment,) = story.github.comments[number]
        assert "valid until 36 hours after the merge" in comment["body"]
