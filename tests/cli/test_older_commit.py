"""An older commit is not applied after a newer one, whatever starts it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.project import Here, built_once
from tests.git.repositories import commit, git, init, submodule

pytestmark = pytest.mark.needs_system


def described(project: Here, text: str) -> str:
    """Declare a description, and return the commit that does."""
    project.integration("alpha", description=text)
    (project.folder / ".gitignore").write_text(".reconcile/\n")
    if (project.folder / ".git").exists():
        return commit(project.folder)
    return init(project.folder)


def remote(project: Here) -> str:
    return str(project.run("get", "alpha", "--format", "json").json["description"])


@built_once
def applied_twice(folder: Path) -> Here:
    """Apply two commits one after the other."""
    project = Here(folder)
    for text in ("first", "second"):
        described(project, text)
        project.apply()
    return project


def with_two_runs(folder: Path) -> tuple[Here, str, str]:
    """Return a project of which two commits were applied, and the commits."""
    project = applied_twice(folder)
    first, second = git(folder, "rev-parse", "HEAD~1", "HEAD").split()
    return project, first, second


def go_back(project: Here, to: str) -> None:
    git(project.folder, "checkout", "--quiet", to)


def test_an_older_commit_is_refused_and_the_newer_one_named(tmp_path: Path) -> None:
    project, first, second = with_two_runs(tmp_path)
    go_back(project, first)
    done = project.run("apply", "--yes", "--format", "json")
    assert done.code == 4, done.err
    (found,) = done.json["diagnostics"]
    assert found["code"] == "stale-commit"
    assert first in found["summary"]
    assert second in found["summary"]
    assert "--allow-older-commit" in found["hint"]
    assert remote(project) == "second"
    # This run keeps no record, but the records of others count.
    assert project.run("apply", "--yes", "--no-ledger").code == 4
    assert remote(project) == "second"
    project.apply("--allow-older-commit")
    assert remote(project) == "first"


def test_the_saved_plan_and_the_digest_of_an_older_commit_are_refused_too(tmp_path: Path) -> None:
    project, first, _ = with_two_runs(tmp_path)
    go_back(project, first)
    plan = project.plan("--out", "plan.json")
    for approval in (("plan.json",), ("--expect-digest", plan["digest"])):
        done = project.run("apply", *approval)
        assert (done.code, "stale-commit" in done.err) == (4, True), done.err
    assert remote(project) == "second"


def test_the_same_commit_and_a_newer_or_unrelated_one_are_applied(tmp_path: Path) -> None:
    project, first, _ = with_two_runs(tmp_path)
    project.apply()
    git(project.folder, "checkout", "--quiet", "-b", "side", first)
    described(project, "side")
    project.apply()
    assert remote(project) == "side"
    git(project.folder, "checkout", "--quiet", "main")
    git(project.folder, "merge", "--quiet", "--strategy=ours", "--no-edit", "side")
    project.apply()
    assert remote(project) == "second"


def test_a_run_of_a_part_counts_as_well(tmp_path: Path) -> None:
    project = Here(tmp_path)
    first = described(project, "first")
    project.apply()
    project.integration("beta")
    described(project, "second")
    project.apply("--only", "alpha")
    go_back(project, first)
    assert project.run("apply", "--yes").code == 4


def test_an_undo_does_not_depend_on_the_commit(tmp_path: Path) -> None:
    project, first, _ = with_two_runs(tmp_path)
    run = project.run("history", "--format", "json").json["runs"][-1]["run"]
    go_back(project, first)
    assert project.run("undo", run, "--out", "undo.json").code == 0
    done = project.run("apply", "undo.json")
    assert done.code == 0, done.err
    assert remote(project) == "first"


def clone_without_the_last_commit(project: Here, folder: Path, *options: str) -> Here:
    """Clone as of the first commit; the clone shares ledger and simulator."""
    git(project.folder, "branch", "old", "main~1")
    origin = project.folder.as_uri()
    git(folder, "clone", "--quiet", "--single-branch", "-b", "old", *options, origin, "clone")
    return clone_of(project, folder / "clone")


def clone_of(project: Here, folder: Path) -> Here:
    """Return the project in another folder, with a copy of its ledger and simulator."""
    clone = Here.__new__(Here)
    clone.folder, clone.environment = folder, project.environment
    clone.files = clone.folder / "desired-state"
    if not clone.state.exists() and project.state.exists():
        shutil.copytree(project.state, clone.state)
    return clone


def test_a_clone_that_was_not_updated_is_refused(tmp_path: Path) -> None:
    project, _, second = with_two_runs(tmp_path / "origin")
    clone = clone_without_the_last_commit(project, tmp_path)
    done = clone.run("apply", "--yes")
    assert done.code == 4, done.err
    assert "stale-commit" in done.err
    assert second in done.err
    assert "git fetch --all" in done.err
    assert remote(clone) == "second"


def test_a_rewritten_history_on_github_is_a_warning_and_a_shallow_clone_is_refused(
    tmp_path: Path,
) -> None:
    project, _, second = with_two_runs(tmp_path / "origin")
    clone = clone_without_the_last_commit(project, tmp_path, "--depth", "1")
    done = clone.run("apply", "--yes", GITHUB_ACTIONS="true")
    assert (done.code, "--unshallow" in done.err) == (4, True), done.err
    git(clone.folder, "fetch", "--quiet", "--unshallow")
    done = clone.run("apply", "--yes", GITHUB_ACTIONS="true")
    assert done.code == 0, done.err
    assert "unknown-commit" in done.err
    assert second in done.err


def test_a_shallow_clone_without_the_commits_between_is_refused(tmp_path: Path) -> None:
    project = Here(tmp_path / "origin")
    first = described(project, "first")
    project.apply()
    for text in ("second", "third"):
        described(project, text)
    project.apply()
    git(project.folder, "branch", "old", first)
    origin = project.folder.as_uri()
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--no-single-branch", origin, "clone")
    clone = clone_of(project, tmp_path / "clone")
    git(clone.folder, "checkout", "--quiet", "old")
    done = clone.run("apply", "--yes", CI="true")
    assert (done.code, "--unshallow" in done.err) == (4, True), done.err
    assert remote(clone) == "third"


def test_files_in_a_submodule_are_not_compared_with_the_commits_of_the_ci_job(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path / "origin")
    project.integration("alpha", description="first")
    init(project.folder)
    submodule(project, "integrations-of-others")
    outer = commit(project.folder)
    clone = clone_of(project, project.folder)
    clone.files = clone.folder / "desired-state" / "integrations-of-others"
    for text, sha in (("first", outer), ("second", "b" * 40)):
        clone.config()
        clone.integration("alpha", description=text)
        clone.environment = {**project.environment, "RECONCILE_DIR": str(clone.files)}
        clone.apply(CI_COMMIT_SHA=sha)
    assert remote(clone) == "second"


def test_a_folder_without_git_is_applied(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for text, sha in (("first", "b" * 40), ("second", "a" * 40)):
        project.integration("alpha", description=text)
        project.apply(GITHUB_SHA=sha)
    assert remote(project) == "second"
