"""Rules that Git tracks but the checkout lacks, without which a policy would deny less."""

from pathlib import Path

import pytest

from tests.cli.project import Here, writes
from tests.git.repositories import commit, git, init

pytestmark = pytest.mark.needs_system

COMMAND = "sh policies/judge"


def repository(folder: Path, **policy: object) -> Here:
    """Return a repository whose policy has two rules."""
    project = Here(folder)
    project.config(policies=[{"name": "rules", "command": COMMAND.split(), **policy}])
    project.environment["RECONCILE_ALLOWED_POLICIES"] = COMMAND
    project.integration("alpha")
    project.write("policies/judge", "cat policies/*.rule | grep . && exit 1 || exit 0\n")
    project.write("policies/first.rule", "")
    project.write("policies/second.rule", "denied by the second rule\n")
    (folder / ".gitignore").write_text(".reconcile/\n")
    init(folder)
    return project


@pytest.mark.parametrize("left_out", ["policies/second.rule", "policies/*.rule"])
def test_a_rule_that_is_not_checked_out_blocks_the_plan(tmp_path: Path, left_out: str) -> None:
    project = repository(tmp_path, files=["policies"])
    assert project.plan()["policies"][0]["verdict"] == "denied"
    pattern = f"!desired-state/{left_out}"
    git(project.folder, "sparse-checkout", "set", "--no-cone", "/*", pattern)
    [policy] = project.plan()["policies"]
    assert policy["verdict"] == "failed"
    assert "is tracked by Git and not checked out" in policy["findings"][0]["message"]
    done = project.run("-vv", "apply", "--yes")
    assert (done.code, writes(done)) == (4, [])


def test_other_files_may_be_left_out(tmp_path: Path) -> None:
    project = repository(tmp_path, files=["policies/second.rule"])
    (tmp_path / "large.bin").write_text("")
    project.write("policies/README.md", "")
    commit(project.folder)
    patterns = ("/*", "!large.bin", "!desired-state/policies/README.md")
    git(project.folder, "sparse-checkout", "set", "--no-cone", *patterns)
    assert project.plan()["policies"][0]["verdict"] == "denied"
