"""Files of an older commit, read with the real git."""

import os
import subprocess
from datetime import date
from pathlib import Path

import pytest

from reconciler.desired.load import load
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import LastAppliedState
from reconciler.git import GitError, head
from reconciler.git import Repository as Reader
from reconciler.git.base_commit import declared_at
from reconciler.git.commits import files_at
from tests.cli.project import Here

pytestmark = pytest.mark.needs_system

CONFIG = "version: 1\ndefault_target: here\ntargets: {here: {base_url: 'simulator:'}}\n"
ALPHA = "slug: alpha\nname: Alpha\nai_provider_id: openai\nkey: ${env:SECRET_KEY}\n"


def reader_of(folder: Path) -> Reader:
    return Reader(folder, {"PATH": os.defpath})


class Repository:
    """Repository with desired state in one of its folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "team" / "desired-state"
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
        done = subprocess.run(
            ["git", "-C", str(self.root), *identity, *arguments],
            env={
                "PATH": os.defpath,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    @property
    def reader(self) -> Reader:
        return reader_of(self.folder)

    def commit(self, **files: str | None) -> str:
        for name, content in files.items():
            path = self.folder / f"{name}.yaml"
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    def remembered(self, ref: str) -> tuple[LastAppliedState, list[str]]:
        loaded = load(self.folder, target_name=None, today=date(2026, 1, 1))
        assert loaded.config is not None
        assert loaded.state is not None
        past = declared_at(ref, repository=self.reader, target=loaded.state.target)
        return past.last_applied, [d.code for d in past.diagnostics]


def without_alpha(folder: Path, *, then: str) -> tuple[Repository, str]:
    """Declare a protected integration, and remove its file in a later commit; return the first."""
    repository = Repository(folder)
    integrations = repository.folder / "integrations"
    integrations.mkdir()
    (integrations / "alpha.yaml").write_text(ALPHA + "lifecycle: {protected: true}\n")
    base = repository.commit(reconcile=CONFIG)
    (integrations / "alpha.yaml").unlink()
    repository.commit(reconcile=CONFIG + then)
    return repository, base


def test_declarations_of_an_older_commit_include_references_of_secrets(tmp_path: Path) -> None:
    repository, base = without_alpha(tmp_path, then="\n")
    last_applied, codes = repository.remembered(base)
    alpha = last_applied.of("alpha")
    assert codes == []
    assert alpha.protected
    assert alpha.declared is not None
    assert alpha.declared["name"] == "Alpha"
    assert alpha.secrets[("key",)].reference == SecretRef("env", "SECRET_KEY")
    assert repository.remembered("HEAD")[0] == LastAppliedState(complete=True)


def test_a_slug_with_a_tombstone_today_was_declared_then(tmp_path: Path) -> None:
    repository, base = without_alpha(tmp_path, then="deletions: [{slug: alpha}]\n")
    last_applied, codes = repository.remembered(base)
    assert codes == []
    assert last_applied.of("alpha").protected


def test_an_invalid_file_of_an_older_commit_leaves_a_gap_and_the_others_count(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path)
    (repository.folder / "integrations").mkdir()
    (repository.folder / "integrations/alpha.yaml").write_text(ALPHA)
    (repository.folder / "integrations/beta.yaml").write_text("name: Beta\nslug: [")
    base = repository.commit(reconcile=CONFIG)
    (repository.folder / "integrations/beta.yaml").unlink()
    last_applied, codes = repository.remembered(base)
    assert (list(last_applied.integrations), last_applied.complete) == (["alpha"], False)
    assert codes == ["base-unreadable"]
    gap = last_applied.unreadable[0]
    assert gap.at is not None
    assert gap.at.file == f"{base}:team/desired-state/integrations/beta.yaml"
    assert gap.summary.startswith(f"{gap.at.file}:{gap.at.line}: not valid YAML")


def test_a_folder_that_did_not_exist_had_no_files(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    (tmp_path / "README").write_text("first")
    first = repository.commit()
    repository.commit(reconcile=CONFIG)
    assert files_at(first, repository=repository.reader).paths() == []


def test_links_hidden_files_and_other_files_are_ignored(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    (repository.folder / "link.yaml").symlink_to("/etc/hostname")
    (repository.folder / "note.txt").write_text("x")
    (repository.folder / "binary ü.yaml").write_bytes(b"\x00\n\xff")
    ref = repository.commit(**{".hidden": "x", "reconcile": CONFIG})
    assert files_at(ref, repository=repository.reader).files == {
        "binary ü.yaml": b"\x00\n\xff",
        "reconcile.yaml": CONFIG.encode(),
    }


@pytest.mark.parametrize("ref", ["nowhere", "--help", "HEAD~99", "", "HEAD:team"])
def test_an_unknown_commit_is_named(tmp_path: Path, ref: str) -> None:
    repository = Repository(tmp_path)
    repository.commit(reconcile=CONFIG)
    with pytest.raises(GitError) as caught:
        files_at(ref, repository=repository.reader)
    assert (caught.value.code, caught.value.exit_code) == ("unknown-commit", 3)


def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    with pytest.raises(GitError):
        files_at("HEAD", repository=reader_of(tmp_path))


def test_the_checked_out_commit_is_known_although_files_have_changed(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert head(repository.reader) is None
    commit = repository.commit(alpha=ALPHA)
    (repository.folder / "alpha.yaml").write_text("slug: other")
    assert head(repository.reader) == commit


def test_outside_a_repository_the_current_commit_is_unknown(tmp_path: Path) -> None:
    assert head(reader_of(tmp_path)) is None
    assert head(reader_of(tmp_path / "missing")) is None


def test_a_plan_names_the_checked_out_commit_or_that_of_the_environment(tmp_path: Path) -> None:
    repository, project = Repository(tmp_path / "repository"), Here(tmp_path / "repository" / "us")
    commit = repository.commit(alpha=ALPHA)
    assert project.plan()["commit"] == commit
    assert project.plan(CI_COMMIT_SHA="a" * 40)["commit"] == "a" * 40
    assert project.plan(PATH=str(tmp_path))["commit"] is None
