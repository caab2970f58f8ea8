"""Files that Git tracks but the working tree lacks stop every command before a request."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.project import Here, actions, built_once
from tests.git.repositories import commit, git, init
from tests.git.repositories import submodule as add_submodule

pytestmark = pytest.mark.needs_system

BETA = "slug: beta\nname: B\nai_provider_id: openai\nkey: ${env:SECRET_KEY}\n"
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def repository(folder: Path) -> Here:
    """Return a repository whose integrations `alpha` and `beta` exist."""
    project = applied(folder)
    # Copied files have other inodes, so `git sparse-checkout` would keep them as modified.
    git(folder, "update-index", "--refresh")
    return project


@built_once
def applied(folder: Path) -> Here:
    project = Here(folder)
    project.integration("alpha")
    project.write("integrations/team/beta.yaml", BETA)
    (folder / ".gitignore").write_text(".reconcile/\n")
    init(folder)
    project.apply()
    return project


def sparse(project: Here) -> str:
    left_out = "!desired-state/integrations/team/"
    git(project.folder, "sparse-checkout", "set", "--no-cone", "/*", left_out)
    return "integrations/team/beta.yaml"


def skipped(project: Here) -> str:
    git(project.files, "update-index", "--skip-worktree", "integrations/alpha.yaml")
    project.remove("alpha")
    return "integrations/alpha.yaml"


def assumed_unchanged(project: Here) -> str:
    git(project.files, "update-index", "--assume-unchanged", "integrations/alpha.yaml")
    project.remove("alpha")
    return "integrations/alpha.yaml"


def sparse_without_the_folder(project: Here) -> str:
    (project.folder / "README").write_text("x")
    commit(project.folder)
    git(project.folder, "sparse-checkout", "set", "--no-cone", "/README")
    return "reconcile.yaml"


def lfs_pointer(project: Here) -> str:
    project.write("integrations/alpha.yaml", LFS_POINTER)
    return "integrations/alpha.yaml"


def lfs_pointer_for_the_config(project: Here) -> str:
    project.write("reconcile.yaml", LFS_POINTER)
    return "reconcile.yaml"


def submodule(project: Here) -> str:
    """Move `beta` into a submodule, and take its files out of the working tree."""
    moved = project.files / "integrations/team/beta.yaml"
    moved.unlink()
    moved.parent.rmdir()
    commit(project.folder)
    add_submodule(project, "integrations/team", beta=BETA)
    commit(project.folder)
    assert project.plan()["actions"] == []
    git(project.files, "submodule", "--quiet", "deinit", "--force", "integrations/team")
    return "integrations/team"


def submodule_in_part(project: Here) -> str:
    submodule(project)
    git(project.files, "submodule", "--quiet", "update", "--init", "integrations/team")
    inside = project.files / "integrations/team"
    git(inside, "update-index", "--skip-worktree", "beta.yaml")
    (inside / "beta.yaml").unlink()
    return "integrations/team/beta.yaml"


def submodule_behind(project: Here) -> str:
    """Leave a submodule at the commit before the one that adds a file, as `git pull` does."""
    submodule(project)
    git(project.files, "submodule", "--quiet", "update", "--init", "integrations/team")
    inside = project.files / "integrations/team"
    before = git(inside, "rev-parse", "HEAD")
    (inside / "gamma.yaml").write_text(BETA.replace("beta", "gamma"))
    commit(inside)
    commit(project.folder)
    git(inside, "checkout", "--quiet", before)
    return "integrations/team"


def whole_folder_in_a_submodule(project: Here) -> str:
    """Move the whole folder into a submodule, and take its files out of the working tree."""
    kept = project.folder.with_name("kept")
    project.files.rename(kept)
    commit(project.folder)
    files = {path.stem: path.read_text() for path in kept.glob("*.yaml")}
    project.files = project.folder
    add_submodule(project, "desired-state", **files)
    project.files = project.folder / "desired-state"
    commit(project.folder)
    git(project.folder, "submodule", "--quiet", "deinit", "--force", "desired-state")
    return "reconcile.yaml"


def sparse_index(project: Here) -> str:
    (project.files / "notes").mkdir()
    (project.files / "notes/README").write_text("x")
    commit(project.folder)
    git(project.folder, "sparse-checkout", "set", "--cone", "--sparse-index", "desired-state/notes")
    return "integrations/alpha.yaml"


def no_index(project: Here) -> str:
    (project.folder / ".git/index").unlink()
    project.remove("alpha")
    return "integrations/alpha.yaml"


LEFT_OUT = [
    sparse,
    skipped,
    assumed_unchanged,
    sparse_without_the_folder,
    lfs_pointer,
    lfs_pointer_for_the_config,
    submodule,
    submodule_in_part,
    submodule_behind,
    whole_folder_in_a_submodule,
    sparse_index,
    no_index,
]


@pytest.mark.parametrize("leave_out", LEFT_OUT, ids=lambda leave_out: leave_out.__name__)
def test_a_file_that_is_not_checked_out_is_named_before_any_request(
    tmp_path: Path, leave_out: Callable[[Here], str]
) -> None:
    project = repository(tmp_path / "repository")
    name = f"desired-state/{leave_out(project)}"
    for words in (("plan",), ("apply", "--yes"), ("drift",)):
        done = project.run("-vv", *words, "--format", "json")
        assert done.code == 3
        found = {(d["code"], d["file"]) for d in done.json["diagnostics"]}
        assert ("not-checked-out", name) in found
        assert "GET" not in done.err
    validated = project.run("validate", "--format", "json")
    assert validated.code == 3
    assert name in {d["file"] for d in validated.json["diagnostics"]}


@pytest.mark.parametrize(
    ("filtered", "beside_a_configuration"),
    [("blob:none", "not-checked-out"), ("tree:0", "checkout-unverified")],
)
def test_a_partial_clone_that_was_never_checked_out_is_named_before_any_request(
    tmp_path: Path, filtered: str, beside_a_configuration: str
) -> None:
    origin = repository(tmp_path / "origin")
    git(origin.folder, "config", "uploadpack.allowFilter", "true")
    url = origin.folder.as_uri()
    git(tmp_path, "clone", "--quiet", f"--filter={filtered}", "--no-checkout", url, "clone")
    clone = Here.__new__(Here)
    clone.folder, clone.environment = tmp_path / "clone", origin.environment
    clone.files = clone.folder / "desired-state"
    for words in (("plan",), ("apply", "--yes"), ("drift",)):
        done = clone.run("-vv", *words, "--format", "json")
        assert done.code == 3
        found = {(d["code"], d["file"]) for d in done.json["diagnostics"]}
        assert ("not-checked-out", "desired-state/reconcile.yaml") in found
        assert "GET" not in done.err
    clone.files.mkdir()
    clone.config()
    found = {d["code"] for d in clone.run("plan", "--format", "json").json["diagnostics"]}
    assert beside_a_configuration in found


def test_the_first_of_many_files_are_named_and_the_others_counted(tmp_path: Path) -> None:
    project = Here(tmp_path)
    for number in range(30):
        project.integration(f"n{number:02}")
    init(tmp_path)
    git(tmp_path, "sparse-checkout", "set", "--no-cone", "/*", "!desired-state/integrations/")
    found = project.run("plan", "--format", "json").json["diagnostics"]
    assert [d["code"] for d in found] == ["not-checked-out"] * 20
    assert "as are 10 more" in found[-1]["summary"]


def plain_removal(project: Here) -> None:
    project.remove("alpha")


def staged_removal(project: Here) -> None:
    git(project.files, "rm", "--quiet", "integrations/alpha.yaml")


def committed_removal(project: Here) -> None:
    staged_removal(project)
    commit(project.folder)


@pytest.mark.parametrize("remove", [plain_removal, staged_removal, committed_removal])
def test_a_file_that_a_person_removes_is_a_deletion(
    tmp_path: Path, remove: Callable[[Here], None]
) -> None:
    project = repository(tmp_path)
    remove(project)
    assert actions(project.plan()) == {"alpha": "delete"}
    project.apply()
    assert project.slugs() == ["beta"]


def test_a_local_commit_in_a_submodule_is_an_ordinary_change(tmp_path: Path) -> None:
    project = repository(tmp_path / "repository")
    submodule(project)
    git(project.files, "submodule", "--quiet", "update", "--init", "integrations/team")
    inside = project.files / "integrations/team"
    (inside / "beta.yaml").unlink()
    commit(inside)
    assert actions(project.plan()) == {"beta": "delete"}


@pytest.mark.parametrize("leftovers", [False, True])
def test_a_folder_below_a_submodule_that_is_not_checked_out_is_named(
    tmp_path: Path, *, leftovers: bool
) -> None:
    inner, outer = repository(tmp_path / "inner"), Here(tmp_path / "outer")
    init(outer.folder)
    git(outer.folder, "submodule", "--quiet", "add", str(inner.folder), "vendor")
    commit(outer.folder)
    outer.files = outer.folder / "vendor/desired-state"
    words = ("--dir", "vendor/desired-state", "plan", "--format", "json")
    assert outer.run(*words).code == 0
    git(outer.folder, "submodule", "--quiet", "deinit", "--force", "vendor")
    if leftovers:
        outer.config()
    done = outer.run(*words)
    assert done.code == 3
    found = {(d["code"], d["file"]) for d in done.json["diagnostics"]}
    assert ("not-checked-out", "vendor/desired-state/reconcile.yaml") in found


def test_in_a_linked_worktree_a_hook_sees_the_same_files(tmp_path: Path) -> None:
    project = repository(tmp_path / "repository")
    git(project.folder, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = Here.__new__(Here)
    linked.folder, linked.environment = tmp_path / "linked", project.environment
    linked.files = linked.folder / "desired-state"
    git_dir = git(linked.folder, "rev-parse", "--absolute-git-dir")
    linked.remove("alpha")
    commit(linked.folder)
    linked.apply("--no-ledger", GIT_DIR=git_dir)
    plan = linked.plan("--base", "HEAD~1", "--prune", "all", GIT_DIR=git_dir, GIT_INDEX_FILE="x")
    assert plan["commit"] == git(linked.folder, "rev-parse", "HEAD")
    assert plan["actions"] == []


def test_a_skipped_file_that_exists_is_read(tmp_path: Path) -> None:
    project = repository(tmp_path)
    git(project.files, "update-index", "--skip-worktree", "integrations/alpha.yaml")
    project.integration("alpha", description="local")
    assert actions(project.plan()) == {"alpha": "update"}


def test_missing_files_outside_the_desired_state_do_not_matter(tmp_path: Path) -> None:
    project = repository(tmp_path)
    project.write("notes/one.yaml", "a: b\n")
    project.write("integrations/README.md", "x")
    commit(tmp_path)
    for name in ("notes/one.yaml", "integrations/README.md"):
        git(project.files, "update-index", "--skip-worktree", name)
        (project.files / name).unlink()
    assert project.plan()["actions"] == []


def test_a_git_failure_blocks_only_deletes(tmp_path: Path) -> None:
    project = repository(tmp_path)
    (tmp_path / ".git/index").write_bytes(b"not an index")
    project.integration("alpha", description="changed")
    project.integration("gamma")
    (project.files / "integrations/team/beta.yaml").unlink()
    plan = project.plan()
    blocked = {a["slug"]: a["blocked_by"] for a in plan["actions"]}
    assert blocked == {"alpha": [], "beta": ["checkout-unverified"], "gamma": []}
    done = project.run("apply", "--yes")
    assert done.code == 4
    assert "error[checkout-unverified]" in done.err
    project.apply("--exclude", "beta")


DUBIOUS = """\
fatal: detected dubious ownership in repository at '/srv/gateway'
To add an exception for this directory, call:

\tgit config --global --add safe.directory /srv/gateway
"""


def test_the_hint_for_a_repository_of_another_user_is_the_command_that_git_suggests(
    tmp_path: Path,
) -> None:
    project = repository(tmp_path)
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{DUBIOUS}END\nexit 128\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.defpath}"
    done = project.run("plan", "--base", "HEAD", "--format", "json", PATH=path)
    assert done.code == 3
    assert done.json["diagnostics"][0]["hint"] == (
        "if you trust it, run `git config --global --add safe.directory /srv/gateway`"
    )


def test_no_program_of_the_repository_runs(tmp_path: Path) -> None:
    project = repository(tmp_path)
    ran = tmp_path / "ran"
    git(tmp_path, "config", "core.fsmonitor", f"touch {ran} #")
    for hook in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
        file = tmp_path / ".git/hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ntouch {ran}\n")
        file.chmod(0o755)
    assert project.run("plan", "--base", "HEAD").code == 0
    assert not ran.exists()


def test_a_bare_repository_among_the_files_runs_no_program(tmp_path: Path) -> None:
    project = repository(tmp_path)
    ran = tmp_path / "ran"
    # A pull request can add such a folder: git would treat it as a repository and read its
    # configuration.
    for folder in ("objects", "refs"):
        (project.files / folder).mkdir()
    (project.files / "HEAD").write_text("ref: refs/heads/main\n")
    (project.files / "config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n"
        f'\tfsmonitor = "touch {ran} #"\n'
    )
    project.run("plan")
    refused = project.run("plan", "--base", "HEAD")
    assert (refused.code, ran.exists()) == (3, False)
    assert "remove HEAD, config, objects/ and refs/ from the folder" in refused.err
