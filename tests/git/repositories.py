"""Repositories that contain a project, created with the real git."""

import os
import subprocess
from pathlib import Path

from tests.cli.project import Here


def git(folder: Path, *arguments: str) -> str:
    """Run git with a fixed author, independent of the machine's configuration."""
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    done = subprocess.run(
        ["git", *identity, "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def init(folder: Path) -> str:
    """Turn a folder into a repository, and return its first commit."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return commit(folder)


def commit(folder: Path) -> str:
    """Commit all changes, and return the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a change")
    return git(folder, "rev-parse", "HEAD")


def submodule(project: Here, name: str, **files: str) -> Path:
    """Add a submodule with files to a folder of the project, and return its origin."""
    origin = project.folder.with_name(f"{project.folder.name}-origin")
    origin.mkdir()
    for stem, content in files.items():
        (origin / f"{stem}.yaml").write_text(content)
    init(origin)
    git(project.files, "submodule", "--quiet", "add", str(origin), name)
    return origin
