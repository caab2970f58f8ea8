"""`env:NAME`: a variable of the given environment, never of the process itself."""

import re
from collections.abc import Sequence

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.secrets.errors import SecretError
from reconciler.secrets.resolver import Answer, Answers, ResolverContext

UNSET = "unset-variable"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvResolver:
    """Reader of variables; all of them are one source, since reading them costs nothing."""

    def __init__(self, context: ResolverContext) -> None:
        self._environ = context.environ

    def source_of(self, locator: str) -> str:  # noqa: ARG002 - the contract's signature
        """Return the same source for every variable."""
        return ""

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Look up each variable."""
        return {ref: self._read(ref) for ref in refs}

    def _read(self, ref: SecretRef) -> Answer:
        if not _NAME.fullmatch(ref.locator):
            return SecretError(ref, "this is not the name of a variable", code="bad-reference")
        if ref.locator not in self._environ:
            return SecretError(
                ref,
                f"the environment variable {ref.locator} is not set",
                code=UNSET,
                hint="set it; in GitHub Actions, map it from a secret in the step's `env:`",
            )
        return Redacted(self._environ[ref.locator])
