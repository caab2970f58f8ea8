"""Desired-state folder in Git: its commit, and files that are missing in the checkout.

Commits (`git.commits`) and past declarations (`git.base_commit`) are imported separately, because
most commands need neither. This package only reads. It uses the program `git`, which supports every
form of a repository.
"""

from reconciler.git.checkout import Checkout, checked_out
from reconciler.git.repository import (
    CheckedOutFiles,
    GitError,
    IndexedFiles,
    Repository,
    head,
    indexed_files,
    left_out,
)

__all__ = [
    "CheckedOutFiles",
    "Checkout",
    "GitError",
    "IndexedFiles",
    "Repository",
    "checked_out",
    "head",
    "indexed_files",
    "left_out",
]
