"""The desired-state folder in Git: its commit, its files at a base commit, missing checkouts,
the order of commits.

What it knows of the past is imported on its own, from `git.base_commit`, which needs all that reads
files. Everything here only reads. The program `git` does it, because it alone knows every form of a
repository.
"""

from reconciler.git.commits import (
    CommitOrder,
    FilesAtCommit,
    compare_with_head,
    files_at,
    newest_known,
)
from reconciler.git.repository import CheckedOutFiles, GitError, Repository, head, not_checked_out

__all__ = [
    "CheckedOutFiles",
    "CommitOrder",
    "FilesAtCommit",
    "GitError",
    "Repository",
    "compare_with_head",
    "files_at",
    "head",
    "newest_known",
    "not_checked_out",
]
