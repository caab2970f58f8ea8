"""`env:NAME`: variable of the given environment, never of the process itself."""

import re
from collections.abc import Sequence

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.secrets.errors import SecretError
from reconciler.secrets.resolver import Answer, Answers, ResolverContext

UNSET = "unset-variable"
EMPTY = "empty-secret"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvResolver:
    """Reader of variables; all of them are one source, because reading them costs nothing."""

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
            return SecretError(ref, "the name of the variable is invalid", code="bad-reference")
        if ref.locator not in self._environ:
            summary = f"the environment variable {ref.locator} is not set"
            return SecretError(ref, summary, code=UNSET, hint=self._hint(ref.locator))
        value = Redacted(self._environ[ref.locator])
        if value.is_empty:
            summary = f"the environment variable {ref.locator} is empty"
            return SecretError(ref, summary, code=EMPTY, hint=self._hint(ref.locator, empty=True))
        return value

    def _hint(self, name: str, *, empty: bool = False) -> str:
        """Return how to set a variable in GitHub Actions, another CI, or a shell."""
        if self._environ.get("GITHUB_ACTIONS") == "true":
            if empty:
                return f"create the secret {name} in GitHub; a secret that is not set arrives empty"
            return f"add `{name}: ${{{{ secrets.{name} }}}}` to the `env:` of the step"
        if self._environ.get("CI") == "true":
            return f"define {name} as a secret variable of the CI job"
        return f"run `export {name}=…`"
