"""A job applies only the newest commit of its branch."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.console import Console
from reconciler.cli.main import run
from tests.github.fake import REPO, TOKEN, Answer, Call, FakeGitHub, serving
from tests.github.reporting import Done

OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40


def pushed(commit: str) -> dict[str, Any]:
    return {"after": commit, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}


BY_HAND = {"inputs": {"digest": ""}, "repository": {"default_branch": "main"}}


class Checks:
    """Job of apply.yml that runs `reconcile github check-commit`."""

    def __init__(self, github: FakeGitHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.github, self._folder, self._patch = github, folder, monkeypatch
        github.branches = {"main": NEW, "feature": OTHER}
        github.history = [OLD, NEW]

    def check(
        self,
        commit: str,
        *,
        event: dict[str, Any] | None = None,
        name: str = "push",
        ref: str = "refs/heads/main",
    ) -> Done:
        file = self._folder / "event.json"
        file.write_text(json.dumps(pushed(commit) if event is None else event), encoding="utf-8")
        variables = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_REF": ref,
            "GITHUB_REF_NAME": ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
            "GITHUB_SHA": commit,
        }
        for key, value in variables.items():
            self._patch.setenv(key, value)
        out, err = io.StringIO(), io.StringIO()
        words = ("github", "check-commit", "--format", "json")
        code = run(words, Console(stdin=None, stdout=out, stderr=err))
        return Done(code, out.getvalue(), err.getvalue())

    def refusal(self, commit: str, **how: Any) -> tuple[str, str]:
        """Return the code and the summary of the only error."""
        done = self.check(commit, **how)
        assert done.code == 4, done.out
        (found,) = json.loads(done.out)["diagnostics"]
        return found["code"], found["summary"]


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checks]:
    with serving(FakeGitHub()) as github:
        yield Checks(github, tmp_path, monkeypatch)


def missing_route(call: Call) -> Answer | None:
    """Answer like a server without the route for a single branch."""
    return Answer(404, {"message": "Not Found"}) if "/git/ref/" in call.path else None


def test_the_newest_commit_is_applied(checks: Checks) -> None:
    done = checks.check(NEW)
    assert (done.code, json.loads(done.out)["commit"]) == (0, NEW)
    assert checks.check(NEW, event=BY_HAND, name="workflow_dispatch").code == 0
    assert checks.check(OTHER, ref="refs/heads/feature").code == 0


@pytest.mark.parametrize("script", [lambda _call: None, missing_route])
def test_an_older_commit_is_refused_with_the_newer_one(checks: Checks, script: Any) -> None:
    checks.github.script = script
    code, summary = checks.refusal(OLD)
    assert code == "stale-commit"
    assert OLD in summary
    assert NEW in summary
    assert checks.github.writes == []
    assert checks.check(NEW).code == 0


@pytest.mark.parametrize("script", [lambda _call: None, missing_route])
def test_a_commit_that_the_branch_no_longer_has_is_refused(checks: Checks, script: Any) -> None:
    checks.github.script = script
    checks.github.branches["main"] = OLD  # reset by a force-push
    code, summary = checks.refusal(NEW)
    assert (code, NEW in summary) == ("stale-commit", True)


def test_a_branch_that_was_deleted_is_refused(checks: Checks) -> None:
    checks.github.branches.clear()
    assert checks.refusal(NEW)[0] == "stale-commit"


@pytest.mark.parametrize("ref", ["refs/tags/main", "refs/pull/7/merge"])
def test_a_ref_that_is_not_a_branch_has_no_newest_commit(checks: Checks, ref: str) -> None:
    assert checks.refusal(NEW, ref=ref)[0] == "stale-commit"


@pytest.mark.parametrize("event", [BY_HAND, {"inputs": {}}])
def test_a_manual_run_applies_only_the_default_branch(checks: Checks, event: Any) -> None:
    how = {"event": event, "name": "workflow_dispatch", "ref": "refs/heads/feature"}
    code, summary = checks.refusal(OTHER, **how)
    assert (code, "feature" in summary) == ("not-default-branch", True)


def test_an_unknown_default_branch_is_not_assumed_to_be_this_one(checks: Checks) -> None:
    checks.github.script = lambda call: Answer(404, {}) if call.path == f"/repos/{REPO}" else None
    assert checks.refusal(NEW, event={"inputs": {}}, name="workflow_dispatch")[0] == (
        "not-default-branch"
    )


def test_an_unreachable_github_proves_nothing(checks: Checks) -> None:
    checks.github.script = lambda _call: Answer(401, {"message": "Bad credentials"})
    assert checks.check(NEW).code == 1
