"""Exceptions of this package.

    ReconcilerError                     1  failed before the first write
    ├── Rejection                          stopped before the first write, with diagnostics
    │   ├── InvalidInput                3  files, flags, configuration, a missing value
    │   ├── Refused                     4  a guard, an approval, a lock, a host, the answer no
    │   └── CannotDecide                1  the ledger cannot be read, and drift needs it
    ├── SecretError   (domain.secrets)  3  a reference that does not resolve
    ├── LedgerError     (ledger)        4  the ledger cannot be written
    ├── RemoteError     (remote.errors) 1  the API could not be read or understood
    └── GitHubError     (github.client) 1  GitHub could not be reached or understood

A class defines its exit code. Facts are attributes; the message is built from them once. Problems
in files are not raised: see `reconciler.diagnostics`.
"""

import errno
from collections.abc import Sequence
from typing import ClassVar

from reconciler.diagnostics import Diagnostic, Severity


class ReconcilerError(Exception):
    """A failure with a code for scripts, and a message and a hint for users."""

    exit_code: ClassVar[int] = 1

    def __init__(self, summary: str, *, code: str, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.code = code
        self.hint = hint


class Rejection(ReconcilerError):
    """Stop before the first write, explained by all diagnostics at once.

    `plan` is the current plan if there is one (for a guard, an approval, a missing value), else
    None.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic], *, plan: object = None) -> None:
        first = next((d for d in diagnostics if d.severity is Severity.ERROR), diagnostics[0])
        super().__init__(first.summary, code=first.code, hint=first.hint)
        self.diagnostics = tuple(diagnostics)
        self.plan = plan


class InvalidInput(Rejection):
    """Files, flags or configuration are invalid."""

    exit_code: ClassVar[int] = 3


class Refused(Rejection):
    """The input is valid, but carrying it out would violate a rule that protects the user."""

    exit_code: ClassVar[int] = 4


class CannotDecide(Rejection):
    """The result cannot be determined, because a part on which it depends could not be read."""

    exit_code: ClassVar[int] = 1


def write_hint(problem: OSError) -> str:
    """Return the hint for a file that cannot be written."""
    match problem.errno:
        case errno.EACCES | errno.EPERM:
            return "make the file and its folder writable"
        case errno.ENOSPC | errno.EDQUOT:
            return "free some space on the disk"
        case errno.EROFS:
            return "use a folder on a file system that is not mounted read-only"
        case errno.ENAMETOOLONG:
            return "use a shorter name"
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            return "check that the path is a file, and that the folders above it are folders"
        case _:
            return "check the permissions and the free space of the folder"
