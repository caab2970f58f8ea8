"""Everything this package raises on purpose.

    ReconcilerError                     1  failed before the first write
    ├── InvalidInput    (domain.rejection)  3  files, flags, configuration, a missing value
    ├── Refused         (domain.rejection)  4  a guard, an approval, a lock, a host, the answer no
    ├── Unjudged        (domain.rejection)  1  the ledger cannot be read, and drift needs it
    ├── SecretError     (secrets)           3  a reference that does not resolve
    ├── LedgerError     (ledger)            4  the ledger cannot be written
    ├── RemoteError     (remote.errors)     1  the API could not be read or understood
    └── GitHubError     (github.client)     1  a request to GitHub failed

A class carries its exit code (product contract, "Exit codes"). Facts are attributes; the sentence
for people is made from them once. Problems in files are not raised: see `reconciler.diagnostics`.
"""

from typing import ClassVar


class ReconcilerError(Exception):
    """A failure with a code for scripts, a sentence for people and a way forward."""

    exit_code: ClassVar[int] = 1

    def __init__(self, summary: str, *, code: str, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.code = code
        self.hint = hint
