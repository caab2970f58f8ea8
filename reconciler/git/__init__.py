"""The desired-state folder in Git: its commit, its files at a base commit, missing checkouts.

What it knows of the past is imported on its own, from `git.base_commit`, which needs all that reads
files. Everything here only reads. The program `git` does it, because it alone knows every form of a
repository.
"""

from reconciler.git.checkout import CheckedOutFiles, not_checked_out
from reconciler.git.commits import FilesAtCommit, files_at
from reconciler.git.repository import GitError, Repository, head

__all__ = [
    "CheckedOutFiles",
    "FilesAtCommit",
    "GitError",
    "Repository",
    "files_at",
    "head",
    "not_checked_out",
]
