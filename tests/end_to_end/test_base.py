"""`--base`: what Git used to declare decides what is withdrawn, with the real git."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.harness import Project

pytestmark = pytest.mark.needs_system


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.com", *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_integrations_declared_at_the_base_are_removed_and_undeclared_ones_kept(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    project.config(prune="all")
    for slug in ("kept", "withdrawn", "foreign"):
        project.integration(slug)
    assert project.run("apply", "--yes", "--no-ledger").code == 0
    (project.files / "integrations/foreign.yaml").unlink()
    project.config(prune="managed")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "desired-state")
    git(tmp_path, "commit", "--quiet", "--message", "before")
    base = git(tmp_path, "rev-parse", "HEAD")
    (project.files / "integrations/withdrawn.yaml").unlink()

    without = project.run("plan", "--format", "json")
    assert without.json["actions"] == []
    assert without.json["unmanaged"] == ["foreign", "withdrawn"]

    plan = project.run("plan", "--base", base, "--format", "json")
    assert [(a["slug"], a["action"]) for a in plan.json["actions"]] == [("withdrawn", "delete")]
    assert plan.json["unmanaged"] == ["foreign"]

    unknown = project.run("plan", "--base", "nowhere", "--format", "json")
    assert (unknown.code, unknown.json["diagnostics"][0]["code"]) == (3, "unknown-commit")


def test_protection_is_known_from_the_base_when_it_left_with_its_file(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config(prune="managed")
    project.integration("kept")
    vital = project.integration("vital", lifecycle={"protected": True})
    assert project.run("apply", "--yes", "--no-ledger").code == 0
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "desired-state")
    git(tmp_path, "commit", "--quiet", "--message", "before")
    base = git(tmp_path, "rev-parse", "HEAD")
    vital.unlink()
    words = ("apply", "--yes", "--no-ledger", "--base", base, "--max-deletes", 9)
    done = project.run(*words, "--format", "json")
    assert done.code == 4
    assert [d["code"] for d in done.json["diagnostics"]] == ["protected"]
    slugs = [i["slug"] for i in project.run("list", "--format", "json").json["integrations"]]
    assert slugs == ["kept", "vital"]
