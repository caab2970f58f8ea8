"""Desired-state folder in Git: its commit, its files at a base commit, missing checkouts, and the
order of commits.

Past declarations are imported separately, from `git.base_commit`, which needs the code that reads
files. This package only reads. It uses the program `git`, which supports every form of a
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
