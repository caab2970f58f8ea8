"""A plan, a report and a run name a commit without a note only if its files were read."""

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.cli.project import Here, built_once
from tests.git.repositories import commit, git, init
from tests.git.repositories import submodule as add_submodule

pytestmark = pytest.mark.needs_system

NOTE = "with uncommitted changes"
KEY = "uncommitted_changes"
BETA = "slug: beta\nname: B\nai_provider_id: openai\nkey: ${env:SECRET_KEY}\n"


@built_once
def committed(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    project.write("integrations/beta.yaml", BETA)
    (folder / ".gitignore").write_text(".reconcile/\nlocal-*\n")
    (project.files / "NOTES.md").write_text("x")
    init(folder)
    return project


def modified(project: Here) -> None:
    project.integration("alpha", description="new")


def staged(project: Here) -> None:
    modified(project)
    git(project.folder, "add", "--all")


def staged_and_reverted(project: Here) -> None:
    path = project.files / "integrations/alpha.yaml"
    before = path.read_text()
    staged(project)
    path.write_text(before)


def untracked(project: Here) -> None:
    project.integration("gamma")


def untracked_folder(project: Here) -> None:
    project.write("integrations/a team/gamma.YAML", BETA.replace("beta", "gamma"))


def ignored(project: Here) -> None:
    project.integration("local-gamma")


def deleted(project: Here) -> None:
    project.remove("beta")


def renamed(project: Here) -> None:
    git(project.files, "mv", "integrations/beta.yaml", "integrations/beta.yml")


def configured(project: Here) -> None:
    project.config(prune="none")


def overlaid(project: Here) -> None:
    project.write("environments/other/alpha.yaml", "alpha: {name: B}\n")


def granted(project: Here) -> None:
    project.write("access/team.yaml", "alpha: {workspaces: [{id: ws-a, enabled: true}]}\n")


def executable(project: Here) -> None:
    (project.files / "integrations/alpha.yaml").chmod(0o755)


def nested_repository(project: Here) -> None:
    project.write("integrations/team/gamma.yaml", BETA.replace("beta", "gamma"))
    init(project.files / "integrations/team")


def touched_submodule(project: Here) -> None:
    add_submodule(project, "integrations/shared", gamma=BETA.replace("beta", "gamma"))
    commit(project.folder)
    (project.files / "integrations/shared/gamma.yaml").write_text(
        BETA.replace("beta", "gamma").replace("name: B", "name: C")
    )


def assumed_unchanged(project: Here) -> None:
    git(project.files, "update-index", "--assume-unchanged", "integrations/alpha.yaml")
    modified(project)


def skipped(project: Here) -> None:
    git(project.files, "update-index", "--skip-worktree", "integrations/alpha.yaml")
    modified(project)


def skipped_configuration(project: Here) -> None:
    git(project.files, "update-index", "--skip-worktree", "reconcile.yaml")
    configured(project)


def touched_ignored_submodule(project: Here) -> None:
    touched_submodule(project)
    [modules] = project.folder.rglob(".gitmodules")
    modules.write_text(modules.read_text() + "\tignore = all\n")
    commit(project.folder)


CHANGES = [
    touched_ignored_submodule,
    assumed_unchanged,
    skipped,
    skipped_configuration,
    modified,
    staged,
    staged_and_reverted,
    untracked,
    untracked_folder,
    ignored,
    deleted,
    renamed,
    configured,
    overlaid,
    granted,
    executable,
    nested_repository,
    touched_submodule,
]


def nothing(project: Here) -> None:
    assert project.files.exists()


def touched(project: Here) -> None:
    path = project.files / "integrations/alpha.yaml"
    path.write_text(path.read_text())


def documented(project: Here) -> None:
    (project.files / "NOTES.md").write_text("y")


def elsewhere(project: Here) -> None:
    (project.folder / "other.yaml").write_text("a: b\n")


def hidden(project: Here) -> None:
    project.write("integrations/.draft.yaml", "a: b\n")
    project.write("integrations/.drafts/gamma.yaml", "a: b\n")


@pytest.mark.parametrize("change", CHANGES)
def test_a_commit_without_the_files_that_were_read_is_named_with_a_note(
    tmp_path: Path, change: Callable[[Here], None]
) -> None:
    project = committed(tmp_path)
    change(project)
    head = git(tmp_path, "rev-parse", "HEAD")
    planned = project.plan()
    assert (planned["commit"], planned[KEY]) == (head, True)


@pytest.mark.parametrize("same", [nothing, touched, documented, elsewhere, hidden])
def test_a_commit_with_the_files_that_were_read_is_named_without_a_note(
    tmp_path: Path, same: Callable[[Here], None]
) -> None:
    project = committed(tmp_path)
    same(project)
    planned = project.plan()
    assert planned["commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert KEY not in planned
    assert NOTE not in project.run("plan").out


def test_every_view_has_the_note_and_the_digest_does_not_depend_on_it(tmp_path: Path) -> None:
    project = committed(tmp_path)
    untracked(project)
    planned = project.plan("--out", "plan.json")
    short = planned["commit"][:12]
    schema = project.run("schema", "--kind", "plan").json
    jsonschema.Draft202012Validator(schema).validate(planned)
    assert f"commit: {short} {NOTE}" in project.run("plan").out
    assert f"commit: {planned['commit']} {NOTE}" in project.run("-v", "plan").out
    assert f"{NOTE}</" in " ".join(project.run("plan", "--format", "html").out.split())
    assert f"commit: {short} {NOTE}" in project.run("show", "plan.json").out
    report = project.run("drift", "--format", "json").json
    assert (report[KEY], report["fingerprint"]) == (True, planned["digest"])
    jsonschema.Draft202012Validator(project.run("schema", "--kind", "drift").json).validate(report)
    assert f"commit: {short} {NOTE}" in project.run("drift").out
    commit(tmp_path)
    assert project.plan()["digest"] == planned["digest"]


def test_a_run_is_recorded_with_the_note(tmp_path: Path) -> None:
    project = committed(tmp_path)
    untracked(project)
    project.apply()
    commit(tmp_path)
    modified(project)
    commit(tmp_path)
    project.apply()
    history = project.run("history", "--format", "json").json
    first, second = history["runs"]
    assert (first[KEY], KEY in second) == (True, False)
    text = project.run("history").out
    assert text.count("the files had uncommitted changes") == 1
    assert f"{first['commit'][:9]}+" in text
    assert f"{second['commit'][:9]}+" not in text
    assert f"commit {first['commit'][:9]} {NOTE}" in project.run("history", first["run"]).out
    assert project.run("history", "--verify").code == 0


def test_a_removal_does_not_name_a_commit_that_never_had_the_file(tmp_path: Path) -> None:
    project = committed(tmp_path)
    untracked(project)
    project.apply()
    project.remove("gamma")
    [action] = project.plan()["actions"]
    assert "last declared in" in action["reason"]
    assert "at commit" not in action["reason"]


def test_a_commit_of_the_job_also_gets_the_note(tmp_path: Path) -> None:
    project = committed(tmp_path)
    untracked(project)
    planned = project.plan(GITHUB_SHA="c0ffee")
    assert (planned["commit"], planned[KEY]) == ("c0ffee", True)


def test_outside_git_and_before_the_first_commit_there_is_no_commit(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    for prepare in (lambda: None, lambda: git(tmp_path, "init", "--quiet")):
        prepare()
        planned = project.plan()
        assert (planned["commit"], KEY in planned) == (None, False)


def test_a_plan_starts_three_processes_of_git(tmp_path: Path) -> None:
    project = committed(tmp_path / "repository")
    log = tmp_path / "log"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    real = next(p for p in ("/usr/bin/git", "/usr/local/bin/git", "/bin/git") if Path(p).exists())
    wrapper.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    project.plan(PATH=f"{wrapper.parent}:/usr/bin:/bin")
    calls = log.read_text().splitlines()
    assert len(calls) == 3, calls


def test_a_commit_that_cannot_be_compared_is_named_with_a_note(tmp_path: Path) -> None:
    project = committed(tmp_path)
    # Only `git status` reads this setting, and it stops at a value that is not a boolean.
    git(tmp_path, "config", "status.relativePaths", "perhaps")
    head = git(tmp_path, "rev-parse", "HEAD")
    planned = project.plan()
    assert (planned["commit"], planned.get(KEY)) == (head, True)
