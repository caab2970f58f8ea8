"""What Git knows of the desired-state folder: its commit, its past, what is not checked out.

What it knows of the past is imported on its own, from `git.past`: it takes all that reads files.
Read-only. The program `git` does the reading, because it alone knows every form of a repository.
"""

from reconciler.git.checkout import CheckedOutFiles, not_checked_out
from reconciler.git.commits import FilesAtCommit, files_at, head
from reconciler.git.repository import GitError, Repository

__all__ = [
    "CheckedOutFiles",
    "FilesAtCommit",
    "GitError",
    "Repository",
    "files_at",
    "head",
    "not_checked_out",
]
