"""The last applied commit: integrations withdrawn since are removed, also after a failed apply."""

from pathlib import Path
from typing import Any

import pytest

from tests.github.fake import Answer
from tests.github.story import Story
from tests.github.test_story import new_story

pytestmark = pytest.mark.needs_system

ZEROS = "0" * 40
GONE = "d" * 40


def lose_ledger(story: Story) -> None:
    """Evict the cache of the workflows."""
    for file in (story.project.folder / ".reconcile").glob("ledger.db*"):
        file.unlink()


def merge_change(story: Story, branch: str, how: str = "squash") -> str:
    """Merge a pull request with the working tree, and return the previous commit of main."""
    before = story.git("rev-parse", "main")
    number = story.open(branch)
    story.plan(number)
    story.merge(number, how)
    return before


def with_beta(story: Story) -> None:
    story.project.integration("beta", key="${env:SECRET_BETA}")
    before = merge_change(story, "add-beta")
    assert story.apply(before=before).done.code == 0
    assert "slug" in story.remote("beta")


def delete_beta_without_success(story: Story) -> None:
    """Merge a delete whose apply fails before the first write."""
    (story.project.files / "integrations/beta.yaml").unlink()
    before = merge_change(story, "delete-beta")
    job = story.apply(before=before, RECONCILE_APPLY_MAX_DELETES="0")
    assert job.done.code == 4, job.done.out
    assert "slug" in story.remote("beta")


def describe_alpha(story: Story) -> str:
    story.project.integration("alpha", key="${env:SECRET_ALPHA}", description="later")
    return merge_change(story, "describe-alpha")


def is_gone(story: Story, slug: str) -> bool:
    return "slug" not in story.remote(slug)


@pytest.mark.parametrize("before", ["", ZEROS], ids=["valid", "zeros"])
def test_a_delete_whose_apply_failed_is_applied_after_the_ledger_is_lost(
    tmp_path: Path, before: str
) -> None:
    with new_story(tmp_path) as story:
        with_beta(story)
        delete_beta_without_success(story)
        lose_ledger(story)
        valid = describe_alpha(story)
        job = story.apply(before=before or valid)
        assert job.done.code == 0, job.done.out
        assert is_gone(story, "beta")
        assert story.remote("alpha")["description"] == "later"


def test_a_failed_delete_is_applied_by_a_manual_run_and_from_the_ledger(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        with_beta(story)
        delete_beta_without_success(story)
        story.github.artifacts = {
            number: item
            for number, item in story.github.artifacts.items()
            if item["name"].startswith("reconcile-plan-")
        }
        job = story.apply(pushed=False)
        assert job.done.code == 0, job.done.out
        assert is_gone(story, "beta")


def test_uploads_of_other_runs_are_ignored(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        with_beta(story)
        delete_beta_without_success(story)
        lose_ledger(story)
        valid = describe_alpha(story)
        # Each claims that the delete was applied; if it counted, the delete would never be applied.
        claims: list[dict[str, Any]] = [
            {"event": "pull_request"},
            {"event": "merge_group"},
            {"path": ".github/workflows/other.yml"},
            {"head_branch": "feature"},
            {"head_repository": {"full_name": "mallory/gateway"}},
        ]
        for claim in claims:
            story.remember_applied(valid, **claim)
        assert story.apply(before=valid).done.code == 0
        assert is_gone(story, "beta")


def test_the_first_push_and_a_rewritten_history_are_planned_without_a_base(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        lose_ledger(story)
        for before in (ZEROS, GONE):
            job = story.apply(before=before)
            assert job.done.code == 0, job.done.out


def test_without_permission_to_list_runs_the_base_is_the_commit_before_the_push(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        with_beta(story)
        lose_ledger(story)
        (story.project.files / "integrations/beta.yaml").unlink()
        before = merge_change(story, "delete-beta")
        story.github.script = lambda call: (
            Answer(403, {"message": "Resource not accessible by integration"})
            if call.path.endswith("/actions/artifacts")
            and call.query["name"].startswith("reconcile-applied")
            else None
        )
        assert story.apply(before=before).done.code == 0
        assert is_gone(story, "beta")


def test_an_unreachable_github_fails_the_job(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.github.script = lambda call: Answer(401, {}) if "artifacts" in call.path else None
        done = story.run(
            *("github", "find-base", "--artifact", "reconcile-applied-production"),
            **story.job_variables({"before": ZEROS}, story.git("rev-parse", "main")),
        )
        assert done.code == 1
