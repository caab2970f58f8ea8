"""The exception of this package: a reference that cannot be resolved.

It names the reference, and contains neither the value nor an exception of a library that may
contain it.
"""

from typing import ClassVar

from reconciler.domain.secrets import SecretRef
from reconciler.errors import ReconcilerError


class SecretError(ReconcilerError):
    """A reference cannot be resolved; `reason` is the sentence without the reference."""

    exit_code: ClassVar[int] = 3

    def __init__(self, ref: SecretRef, reason: str, *, code: str, hint: str = "") -> None:
        super().__init__(f"{ref.as_written}: {reason}", code=code, hint=hint)
        self.ref = ref
        self.reason = reason

    def about(self, ref: SecretRef) -> "SecretError":
        """Return the same error for another reference to the same source."""
        return SecretError(ref, self.reason, code=self.code, hint=self.hint)
