"""Unreadable files at `--base` block deletes and replaces; the other files still count."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.project import SECOND, Here, actions, built_once
from tests.git.repositories import commit, git, init, submodule
from tests.git.test_checkout import LFS_POINTER

pytestmark = pytest.mark.needs_system

OTHER = "slug: other\nname: Other\nai_provider_id: openai\nkey: ${env:SECRET_KEY}\n"
LITERAL = "slug: other\nname: Other\nai_provider_id: openai\nkey: sk-canary-literal-0123456789\n"
CONFLICT = "slug: other\n<<<<<<< ours\nname: A\n=======\nname: B\n>>>>>>> theirs\n"
UNREADABLE: Mapping[str, tuple[str, str, int]] = {
    "syntax": ("integrations/other.yaml", "slug: other\nname: [\n", 3),
    "unknown field": ("integrations/other.yaml", OTHER + "colour: red\n", 5),
    "duplicate slug": ("integrations/second.yaml", "slug: kept\nname: Second\n", 1),
    "conflict marker": ("integrations/other.yaml", CONFLICT, 2),
    "literal secret": ("integrations/other.yaml", LITERAL, 4),
    "LFS pointer": ("integrations/other.yaml", LFS_POINTER, 1),
    "stray YAML": ("other.yaml", OTHER, 1),
    "orphan overlay": ("environments/live/other.yaml", "nobody: {name: X}\n", 1),
    "orphan fragment": ("access/other.yaml", "nobody: {workspaces: []}\n", 1),
    "empty file": ("integrations/other.yaml", "", 1),
    "misspelt folder": ("integration/other.yaml", OTHER, 1),
    "not UTF-8": ("integrations/other.yaml", "name: \udcff\n", 1),
}


@built_once
def project_in(folder: Path) -> Here:
    """Return files that declare `kept`, `gone` and the protected `vital`, all of which exist."""
    project = Here(folder, prune="all")
    project.config(prune="all", environment="live")
    project.write("environments/live/kept.yaml", "kept: {description: live}\n")
    project.integration("kept")
    project.integration("gone")
    project.integration("vital", lifecycle={"protected": True})
    project.apply("--no-ledger")
    return project


def withdraw(project: Here) -> None:
    project.remove("gone")
    project.remove("vital")
    commit(project.folder)


def planned(project: Here, *words: str, **variables: str) -> dict[str, list[str]]:
    plan = project.plan("--base", "HEAD~1", *words, **variables)
    assert set(actions(plan).values()) <= {"delete"}
    return {action["slug"]: action["blocked_by"] for action in plan["actions"]}


def refused(project: Here, *words: str) -> Any:
    """Run an apply that must be refused, and return the diagnostics."""
    before = project.slugs()
    words = ("apply", "--yes", "--no-ledger", "--base", "HEAD~1", "--max-deletes", "9", *words)
    done = project.run(*words, "--format", "json")
    assert done.code == 4
    assert project.slugs() == before
    return done.json["diagnostics"]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_file_blocks_deletes_and_protection_in_other_files_counts(
    tmp_path: Path, kind: str
) -> None:
    name, content, line = UNREADABLE[kind]
    project = project_in(tmp_path)
    path = project.write(name, "")
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    init(tmp_path)
    path.unlink()
    withdraw(project)
    assert planned(project) == {
        "gone": ["base-unreadable"],
        "vital": ["protected", "base-unreadable"],
    }
    found = {d["code"]: d for d in refused(project)}
    place = f"HEAD~1:desired-state/{name}"
    assert f"{place}:{line}" in found["base-unreadable"]["summary"]
    assert (found["base-unreadable"]["file"], found["base-unreadable"]["line"]) == (place, line)
    assert "protected" in found
    assert "canary-literal" not in str(found)


def test_several_unreadable_files_are_all_named_and_the_rest_is_applied(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    for number in range(7):
        project.write(f"integrations/n{number}.yaml", "slug: [")
    init(tmp_path)
    for number in range(7):
        project.remove(f"n{number}")
    project.integration("kept", description="new", models=[])
    project.integration("added")
    withdraw(project)
    plan = project.plan("--base", "HEAD~1")
    named = [d["file"] for d in plan["diagnostics"] if d["severity"] == "warning"]
    assert named[:7] == [f"HEAD~1:desired-state/integrations/n{n}.yaml" for n in range(7)]
    held_back = [d["summary"] for d in refused(project) if d["code"] == "base-unreadable"]
    assert "; and 2 more" in held_back[0]
    project.apply("--no-ledger", "--base", "HEAD~1", "--exclude", "gone", "--exclude", "vital")
    assert "added" in project.slugs()


def test_an_entry_that_a_readable_file_withdrew_is_revoked(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("kept", workspaces=[{"id": "ws-a", "enabled": True}])
    project.apply("--no-ledger")
    broken = project.write("integrations/broken.yaml", "slug: [")
    init(tmp_path)
    broken.unlink()
    project.integration("kept", workspaces=[{"id": "ws-b", "enabled": True}])
    commit(tmp_path)
    plan = project.plan("--base", "HEAD~1")
    changed = {change["path"]: change["op"] for change in plan["actions"][0]["changes"]}
    assert changed["workspaces[ws-a].enabled"] == "replace"
    assert plan["actions"][0]["blocked_by"] == []


def test_a_reference_inside_a_model_that_a_commit_changed_is_planned(tmp_path: Path) -> None:
    def declare(token: str) -> None:
        custom = {"slug": "ours", "is_custom": True, "base_model_slug": "gpt-4o", "enabled": True}
        project.integration("kept", models=[{**custom, "configurations": {"token": token}}])

    project = Here(tmp_path, SECRET_OTHER=SECOND)
    declare("${env:SECRET_KEY}")
    project.apply("--no-ledger")
    init(tmp_path)
    declare("${env:SECRET_OTHER}")
    commit(tmp_path)
    plan = project.plan("--base", "HEAD~1", "--values", "none")
    changed = {change["path"]: change for change in plan["actions"][0]["changes"]}
    token = changed["models[ours].configurations.token"]
    assert (token["op"], token["origin"]) == ("replace", "local")


def test_an_entry_that_an_unreadable_overlay_may_have_removed_is_not_revoked(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    workspaces = [{"id": name, "enabled": True} for name in ("ws-a", "ws-b")]
    project.integration("kept", workspaces=workspaces)
    project.apply("--no-ledger")
    overlay = "kept: {workspaces: [{id: ws-b, $remove: true}]}\n"
    project.write("environments/live/kept.yaml", overlay + "name: [\n")
    init(tmp_path)
    project.write("environments/live/kept.yaml", overlay)
    commit(tmp_path)
    plan = project.plan("--base", "HEAD~1")
    assert plan["actions"] == []
    assert "undeclared-access" in {d["code"] for d in plan["diagnostics"]}


def test_a_replace_is_blocked(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    broken = project.write("integrations/broken.yaml", "slug: [")
    init(tmp_path)
    broken.unlink()
    project.integration("kept", ai_provider_id="anthropic")
    commit(tmp_path)
    plan = project.plan("--base", "HEAD~1")
    assert actions(plan) == {"kept": "replace"}
    assert "base-unreadable" in plan["actions"][0]["blocked_by"]
    assert "base-unreadable" in {d["code"] for d in refused(project, "--allow-replace")}


def nothing_there(project: Here) -> None:
    hidden = project.folder / ".reconcile" / "hidden"
    project.files.rename(hidden)
    (project.folder / "README").write_text("x")
    (project.folder / ".gitignore").write_text(".reconcile/\n")
    init(project.folder)
    hidden.rename(project.files)


def no_configuration(project: Here) -> None:
    content = (project.files / "reconcile.yaml").read_text()
    (project.files / "reconcile.yaml").unlink()
    init(project.folder)
    project.write("reconcile.yaml", content)


def linked_folder(project: Here) -> None:
    there = project.files / "integrations"
    there.rename(project.folder / "shared")
    there.symlink_to("../shared")
    init(project.folder)
    there.unlink()
    (project.folder / "shared").rename(there)


def linked_file(project: Here) -> None:
    there = project.files / "integrations/gone.yaml"
    there.rename(project.folder / "gone.yaml")
    there.symlink_to("../../gone.yaml")
    init(project.folder)
    there.unlink()
    (project.folder / "gone.yaml").rename(there)


def environment_elsewhere(project: Here) -> None:
    (project.files / "environments/live").rename(project.files / "environments/old")
    init(project.folder)
    (project.files / "environments/old").rename(project.files / "environments/live")


@pytest.mark.parametrize(
    "arrange",
    [
        nothing_there,
        no_configuration,
        linked_folder,
        linked_file,
        environment_elsewhere,
    ],
)
def test_a_folder_that_was_moved_since_blocks_deletes(
    tmp_path: Path, arrange: Callable[[Here], None]
) -> None:
    project = project_in(tmp_path)
    arrange(project)
    withdraw(project)
    assert all("base-unreadable" in codes for codes in planned(project).values())
    assert "base-unreadable" in {d["code"] for d in refused(project)}


def test_a_renamed_folder_blocks_deletes(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    project.files.rename(tmp_path / "elsewhere")
    init(tmp_path)
    (tmp_path / "elsewhere").rename(project.files)
    withdraw(project)
    assert set(planned(project)) == {"gone", "vital"}
    summary = refused(project)[0]["summary"]
    assert "there are no files at HEAD~1:desired-state" in summary


def test_a_first_commit_deletes_nothing_and_is_accepted(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    hidden = project.state / "hidden"
    project.files.rename(hidden)
    (tmp_path / ".gitignore").write_text(".reconcile/\n")
    init(tmp_path)
    hidden.rename(project.files)
    project.integration("added")
    commit(tmp_path)
    plan = project.plan("--base", "HEAD~1")
    assert actions(plan) == {"added": "create"}
    assert [d["severity"] for d in plan["diagnostics"] if d["code"] == "base-unreadable"] == [
        "notice"
    ]
    project.apply("--base", "HEAD~1", "--no-ledger")


def test_protection_of_an_overlay_that_changed_its_name_with_the_target_still_counts(
    tmp_path: Path,
) -> None:
    project = project_in(tmp_path)
    project.integration("vital")
    overlay = project.write("environments/live/v.yaml", "vital: {lifecycle: {protected: true}}\n")
    init(tmp_path)
    overlay.unlink()
    (project.files / "environments/live").rename(project.files / "environments/production")
    project.config(prune="all", environment="production")
    withdraw(project)
    assert planned(project) == {"gone": [], "vital": ["protected"]}


def test_a_linked_file_of_the_folder_is_read_at_the_base(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    there = project.files / "integrations/vital.yaml"
    (project.files / "shared").mkdir()
    there.rename(project.files / "shared/vital.yaml")
    there.symlink_to("../shared/vital.yaml")
    init(tmp_path)
    withdraw(project)
    assert planned(project) == {"gone": [], "vital": ["protected"]}


def vital_in_a_submodule(folder: Path) -> Here:
    project = project_in(folder)
    init(project.folder)
    vital = (project.files / "integrations/vital.yaml").read_text()
    project.remove("vital")
    commit(project.folder)
    submodule(project, "integrations/team", vital=vital)
    commit(project.folder)
    return project


def test_a_submodule_is_read_at_the_commit_that_was_recorded(tmp_path: Path) -> None:
    project = vital_in_a_submodule(tmp_path / "repository")
    inside = project.files / "integrations/team"
    (inside / "vital.yaml").unlink()
    commit(inside)
    project.remove("gone")
    commit(project.folder)
    assert planned(project) == {"gone": [], "vital": ["protected"]}


def test_a_submodule_that_is_gone_blocks_deletes(tmp_path: Path) -> None:
    project = vital_in_a_submodule(tmp_path / "repository")
    git(project.files, "rm", "--quiet", "--force", "integrations/team")
    commit(project.folder)
    assert planned(project) == {"vital": ["base-unreadable"]}
    place = "HEAD~1:desired-state/integrations/team:1"
    assert place in refused(project)[0]["summary"]


@pytest.mark.parametrize("filtered", ["blob:none", "tree:0"])
def test_a_partial_clone_names_what_it_lacks(tmp_path: Path, filtered: str) -> None:
    project = project_in(tmp_path / "origin")
    (project.folder / ".gitignore").write_text(".reconcile/\n")
    init(project.folder)
    withdraw(project)
    git(project.folder, "config", "uploadpack.allowFilter", "true")
    url = project.folder.as_uri()
    git(tmp_path, "clone", "--quiet", f"--filter={filtered}", url, "clone")
    clone = Here.__new__(Here)
    clone.folder, clone.environment = tmp_path / "clone", project.environment
    clone.files = clone.folder / "desired-state"
    assert clone.run("plan").code == 0
    done = clone.run("-vv", "plan", "--base", "HEAD~1", "--format", "json")
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "not-checked-out")
    assert "GET" not in done.err
    if filtered == "blob:none":
        assert "integrations/vital.yaml" in done.json["diagnostics"][0]["summary"]


def test_a_missing_object_is_bad_input_that_names_the_file(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    init(tmp_path)
    lost = git(tmp_path, "rev-parse", "HEAD:desired-state/integrations/vital.yaml")
    withdraw(project)
    (tmp_path / ".git/objects" / lost[:2] / lost[2:]).unlink()
    done = project.run("plan", "--base", "HEAD~1", "--format", "json")
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "missing-object")
    assert "HEAD~1:desired-state/integrations/vital.yaml" in done.json["diagnostics"][0]["summary"]


def test_variables_of_git_do_not_change_what_is_read(tmp_path: Path) -> None:
    project = project_in(tmp_path / "repository")
    init(project.folder)
    withdraw(project)
    expected = {"gone": [], "vital": ["protected"]}
    assert planned(project) == expected
    other = tmp_path / "other"
    other.mkdir()
    init(other)
    top = str(project.folder)
    for variables in (
        {"GIT_DIR": f"{top}/.git"},
        {"GIT_DIR": f"{other}/.git", "GIT_WORK_TREE": str(other)},
        {"GIT_WORK_TREE": str(other)},
        {"GIT_INDEX_FILE": f"{other}/.git/index"},
        {"GIT_OBJECT_DIRECTORY": f"{other}/.git/objects"},
        {"GIT_COMMON_DIR": f"{other}/.git"},
        {"GIT_NAMESPACE": "elsewhere", "GIT_PREFIX": "desired-state/"},
        {"GIT_CEILING_DIRECTORIES": str(tmp_path)},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.worktree", "GIT_CONFIG_VALUE_0": "/"},
        {"GIT_LITERAL_PATHSPECS": "1", "GIT_TRACE": "2"},
        {"GIT_EXEC_PATH": os.devnull, "LANG": "de_DE.UTF-8", "LANGUAGE": "de"},
    ):
        assert planned(project, **variables) == expected, variables


def test_a_replaced_object_is_read_as_it_was_committed(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    init(tmp_path)
    true = git(tmp_path, "rev-parse", "HEAD:desired-state/integrations/vital.yaml")
    false = git(tmp_path, "rev-parse", "HEAD:desired-state/integrations/gone.yaml")
    withdraw(project)
    git(tmp_path, "replace", true, false)
    assert planned(project)["vital"] == ["protected"]


def test_a_working_tree_in_another_place_is_bad_input(tmp_path: Path) -> None:
    project = project_in(tmp_path / "repository")
    init(project.folder)
    (tmp_path / "other").mkdir()
    git(project.folder, "config", "core.worktree", str(tmp_path / "other"))
    done = project.run("plan", "--base", "HEAD", "--format", "json")
    assert (done.code, done.json["diagnostics"][0]["code"]) == (3, "git")


def test_a_base_without_a_repository_has_a_remedy(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    done = project.run("plan", "--base", "main")
    assert done.code == 3
    assert "hint: run `git status` there; outside of a repository, leave out" in done.err
