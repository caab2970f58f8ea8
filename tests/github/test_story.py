"""From a pull request to a closed drift issue, with the real command, git and a served gateway."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.harness import Project
from tests.github.fake import FakeGitHub, serving
from tests.github.story import PORTKEY_KEY, Story

pytestmark = pytest.mark.needs_system


@contextmanager
def new_story(folder: Path) -> Iterator[Story]:
    project = Project(folder, PORTKEY_API_KEY=PORTKEY_KEY)
    project.environment.pop("SECRET_KEY")
    with serving(FakeGitHub()) as github, project.serving() as gateway:
        project.config(gateway, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        project.integration("alpha", key="${env:SECRET_ALPHA}", description="first")
        values = {"SECRET_ALPHA": "sk-canary-alpha-1", "SECRET_BETA": "sk-canary-beta-1"}
        story = Story(project, github, gateway, values)
        story.begin()
        yield story


def comments(story: Story, number: int) -> list[str]:
    return [item["body"] for item in story.github.comments.get(number, [])]


def issue(story: Story) -> dict[str, Any]:
    (found,) = story.github.issues.values()
    return found


def applied(story: Story) -> list[tuple[str, str]]:
    result = json.loads((story.project.folder / "result.json").read_text(encoding="utf-8"))
    assert result["kind"] == "apply_result", result
    return [(item["action"], item["slug"]) for item in result["outcomes"]]


def test_the_approved_plan_is_applied_and_drift_is_resolved(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        # A pull request is opened and updated.
        story.project.integration("beta", key="${env:SECRET_BETA}")
        beta = story.open("add-beta")
        first = story.plan(beta)
        assert (first.outputs["create"], first.outputs["in_sync"]) == ("1", "false")
        assert comments(story, beta)[0].count("create <code>beta</code>") == 1
        story.git("checkout", "--quiet", "add-beta")
        story.project.integration("beta", key="${env:SECRET_BETA}", description="of search")
        story.push(beta)
        second = story.plan(beta)
        assert second.report.err.startswith(f"comment on #{beta}: updated; check run")
        (comment,) = comments(story, beta)
        assert second.outputs["digest"] in comment
        assert second.outputs["digest"] != first.outputs["digest"]

        # Another one is merged in the meantime: only that one is applied.
        story.project.integration("alpha", key="${env:SECRET_ALPHA}", description="second")
        alpha = story.open("describe-alpha")
        story.plan(alpha)
        story.merge(alpha, "squash")
        assert story.apply().done.code == 0
        assert applied(story) == [("update", "alpha")]
        assert story.remote("alpha")["description"] == "second"

        # The first is merged, and its reviewers are recorded.
        last = story.github.pulls[beta]["head"]["sha"]
        story.github.reviews[beta] = [
            {"user": {"login": "carol"}, "state": "COMMENTED", "commit_id": last},
            {"user": {"login": "carol"}, "state": "APPROVED", "commit_id": last},
            {"user": {"login": "dave"}, "state": "CHANGES_REQUESTED", "commit_id": last},
        ]
        story.merge(beta, "squash")
        done = story.apply()
        assert done.done.code == 0, done.done.out
        assert applied(story) == [("create", "beta")]
        plan_comment, result_comment = comments(story, beta)
        assert plan_comment == comment
        assert "**1 applied, 0 failed" in result_comment
        runs = story.run("history", "--format", "json").json["runs"]
        assert (runs[-1]["pull_request"], runs[-1]["approver"]) == (str(beta), f"carol@{last}")
        assert (runs[-1]["author"], runs[-1]["environment"]) == ("author-of-add-beta", "production")
        assert runs[-1]["commit"] == story.git("rev-parse", "main")

        # A key is rotated without a file change, a pull request or an approval.
        story.values["SECRET_ALPHA"] = "sk-canary-alpha-2"
        rotated = story.apply(pushed=False)
        assert rotated.done.code == 0, rotated.done.out
        assert applied(story) == [("update", "alpha")]

        # The gateway is edited: one issue, kept after a failed check, resolved by an apply with its
        # digest.
        story.by_hand("alpha", description="by hand")
        drifted = story.drift()
        assert drifted.done.code == 2
        assert issue(story)["state"] == "open"
        story.drift(PORTKEY_BASE_URL="http://127.0.0.1:9/v1", RECONCILE_DRIFT_DEADLINE="3")
        assert "could not check" in issue(story)["body"].lower()
        assert issue(story)["state"] == "open"
        digest = drifted.outputs["digest"]
        assert story.apply(digest=digest, pushed=False).done.code == 0
        assert story.remote("alpha")["description"] == "second"
        assert story.drift().done.code == 0
        assert issue(story)["state"] == "closed"

        # The gateway is edited again, and Git adopts the change.
        story.by_hand("alpha", description="better words")
        story.drift()
        assert issue(story)["state"] == "open"
        assert story.adopt().code == 0
        (branch,) = story.github.branches.keys() - {"main"}
        (tree,) = story.github.trees.values()
        file = story.project.files / "integrations/alpha.yaml"
        assert (branch, [entry["path"] for entry in tree]) == (
            "reconcile/adopt-production",
            ["desired-state/integrations/alpha.yaml"],
        )
        assert tree[0]["content"] == file.read_text(encoding="utf-8")
        assert story.adopt().err == f"pull request #{max(story.github.pulls)}\n"
        (proposal,) = [p for p in story.github.pulls.values() if not p["merged_at"]]
        assert proposal["title"] == "Adopt what has changed in the API (production)"
        assert "Merging this pull request adopts in Git" in proposal["body"]
        assert "[the apply workflow](https://github.com/" in proposal["body"]
        shown, _, folded = proposal["body"].partition("On your machine")
        assert "reconcile --target" not in shown
        assert "reconcile --target here pull alpha" in folded
        adopted = story.open("adopt-alpha")
        assert story.plan(adopted).outputs["in_sync"] == "true"
        story.merge(adopted, "merge")
        assert story.apply().done.code == 0
        assert applied(story) == []
        assert story.drift().done.code == 0
        assert issue(story)["state"] == "closed"
        assert "sk-canary" not in json.dumps([story.github.comments, story.github.issues])


def test_the_digest_of_drift_without_secret_values_is_that_of_the_apply(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        story.by_hand("alpha", description="by hand")
        drifted = story.drift(values=False)
        assert "Unverified secrets (1)" in issue(story)["body"]
        done = story.apply(digest=drifted.outputs["digest"], pushed=False)
        assert done.done.code == 0, done.done.out
        assert story.remote("alpha")["description"] == "first"


@pytest.mark.parametrize("how", ["squash", "rebase", "merge"])
def test_every_merge_method_leads_to_the_plan(tmp_path: Path, how: str) -> None:
    with new_story(tmp_path) as story:
        story.project.integration("beta", key="${env:SECRET_BETA}")
        beta = story.open("add-beta")
        story.git("checkout", "--quiet", "add-beta")
        story.project.integration("beta", key="${env:SECRET_BETA}", description="of search")
        story.push(beta)
        story.plan(beta)
        story.merge(beta, how)
        assert story.apply().done.code == 0
        assert applied(story) == [("create", "beta")]


def test_an_apply_includes_earlier_merges_without_an_apply(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        for name in ("beta", "gamma", "delta"):
            story.project.integration(name, key="${env:SECRET_BETA}")
            number = story.open(f"add-{name}")
            story.plan(number)
            story.merge(number, "squash")
        assert story.apply().done.code == 0
        assert applied(story) == [("create", name) for name in ("beta", "delta", "gamma")]
        runs = story.run("history", "--format", "json").json["runs"]
        assert runs[-1]["pull_request"] == "7,8,9"


def test_a_merge_that_changes_nothing_needs_no_plan(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.project.write(
            "integrations/alpha.yaml",
            (story.project.files / "integrations/alpha.yaml").read_text() + "\n",
        )
        number = story.open("white-space")
        story.merge(number, "squash")
        assert story.apply().done.code == 0
        assert applied(story) == []
        assert comments(story, number) == []


def test_an_unapproved_plan_is_not_applied_and_the_way_to_approve_it_is_named(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        story.project.integration("beta", key="${env:SECRET_BETA}")
        beta = story.open("add-beta")
        story.merge(beta, "squash")
        refused = story.apply()
        assert refused.done.code == 4
        assert [item["code"] for item in refused.done.json["diagnostics"]] == ["not-approved"]
        (comment,) = comments(story, beta)
        assert "### Apply refused, nothing was written" in comment
        assert refused.outputs["digest"] in comment
        assert "actions/workflows/apply.yml" in comment
        assert story.apply(digest=refused.outputs["digest"], pushed=False).done.code == 0
        assert applied(story) == [("create", "beta")]


def test_a_plan_from_a_fork_or_for_an_older_push_is_not_an_approval(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.project.integration("beta", key="${env:SECRET_BETA}")
        beta = story.open("add-beta")
        story.plan(beta, fork=True)
        story.merge(beta, "squash")
        assert story.apply().done.code == 4

        story.project.integration("gamma", key="${env:SECRET_BETA}")
        gamma = story.open("add-gamma")
        story.plan(gamma)
        story.git("checkout", "--quiet", "add-gamma")
        story.project.integration("gamma", key="${env:SECRET_BETA}", name="Never seen")
        story.push(gamma)
        story.merge(gamma, "squash")
        assert story.apply().done.code == 4


def test_a_plan_without_secret_values_does_not_warn_about_missing_ones(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.project.integration("beta", key="${env:SECRET_BETA}")
        beta = story.open("add-beta")
        story.plan(beta)
        (comment,) = comments(story, beta)
        assert "missing-value" not in comment
        assert "Unverified secrets (1): not known to be in sync." in comment.splitlines()
        blind = story.run("plan", "--format", "json")
        quiet = story.run("plan", "--values", "none", "--format", "json", **story.values)
        assert quiet.json["digest"] == blind.json["digest"]
        both = story.run("plan", "--values", "none", "--require-secrets")
        assert "--require-secrets cannot be used with --values none" in both.err


def test_a_completed_check_sends_one_heartbeat_and_a_failed_one_none(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.github.archives[1] = b"ok"
        url = f"{story.github.url}/blob/1"

        def beats() -> int:
            return [call.path for call in story.github.calls].count("/blob/1")

        checked = story.run("drift", RECONCILE_DRIFT_HEARTBEAT=url, **story.values)
        assert (checked.code, beats()) == (0, 1)
        story.by_hand("alpha", description="by hand")
        assert story.run("drift", "--heartbeat", url, **story.values).code == 2
        assert beats() == 2
        nowhere = {"PORTKEY_BASE_URL": "http://127.0.0.1:9/v1", "RECONCILE_DRIFT_DEADLINE": "3"}
        assert story.run("drift", "--heartbeat", url, **nowhere).code == 1
        assert beats() == 2


def test_a_heartbeat_that_fails_is_a_warning_without_its_token(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        url = f"{story.github.url}/ping/canary-token"
        failed = story.run("drift", "--heartbeat", url, **story.values)
        assert failed.code == 0
        assert "warning[heartbeat-failed]" in failed.err
        for wrong in ("http://example.com/canary-token", "canary-token", "https://[canary-token"):
            refused = story.run("drift", "--heartbeat", wrong)
            assert refused.code == 3
            assert "error[heartbeat]" in refused.err
            assert "canary-token" not in failed.err + refused.err


def test_a_fork_is_planned_by_a_comment_and_applied_with_a_check_run_of_each(
    tmp_path: Path,
) -> None:
    with new_story(tmp_path) as story:
        story.github.permissions |= {"carol": "write", "mallory": "read"}
        story.project.integration("beta", key="${env:SECRET_BETA}")
        number = story.open("add-beta")
        head = story.github.pulls[number]["head"]["sha"]
        refused = story.comment(number, "/plan", "mallory")
        assert "may not write" in refused.report.err
        assert (comments(story, number), story.github.check_runs) == ([], {})

        planned = story.comment(number, "/plan", "carol")
        assert planned.outputs["create"] == "1"
        (comment,) = comments(story, number)
        assert "create <code>beta</code>" in comment
        assert "Merging this pull request applies this plan." in comment
        assert story.checks == {head: ("1 to create", "success")}

        story.merge(number, "squash")
        done = story.apply()
        assert done.done.code == 0, done.done.err
        assert applied(story) == [("create", "beta")]
        main = story.git("rev-parse", "main")
        assert story.checks[main] == ("applied 1", "success")
        result = comments(story, number)[-1]
        assert result.startswith("<!-- reconcile:result environment=production ")
        assert "applied** create `beta`" in result


def test_a_requested_plan_replaces_the_one_before_the_api_changed(tmp_path: Path) -> None:
    with new_story(tmp_path) as story:
        story.github.permissions["carol"] = "admin"
        story.project.integration("alpha", key="${env:SECRET_ALPHA}", description="second")
        number = story.open("change-alpha")
        first = story.plan(number)
        story.by_hand("alpha", description="by hand", name="by hand")
        second = story.comment(number, "/plan", "carol")
        assert second.outputs["digest"] != first.outputs["digest"]
        (comment,) = comments(story, number)
        assert second.outputs["digest"] in comment
        story.merge(number, "merge")
        assert story.apply().done.code == 0
        assert story.remote("alpha")["description"] == "second"
