"""An approval that has become stale never writes: a job that is started again, or too late."""

from pathlib import Path

import pytest

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


def test_a_job_that_is_started_again_does_not_take_back_what_came_after(tmp_path: Path) -> None:
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
        # Whatever became of the check with GitHub, the ledger knows the newer run.
        plan = story.run("plan", "--format", "json")
        story.git("checkout", "--quiet", old)
        digest = story.run("plan", "--format", "json", **story.values).json["digest"]
        done = story.run("apply", "--expect-digest", digest, **story.values)
        assert (plan.code, done.code, "stale-commit" in done.err) == (0, 4, True), done.err
        assert story.remote("alpha")["description"] == "first"


def test_of_two_waiting_jobs_the_newer_one_applies_both_and_the_older_one_nothing(
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
