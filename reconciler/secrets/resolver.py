"""What a scheme has to offer, and what it is given: the contract of built-in and added resolvers.

An added one is a factory `(Surroundings) -> Resolver` under the entry point `reconciler.secrets`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.secrets.allowlist import AllowList
from reconciler.secrets.errors import SecretError

Answer: TypeAlias = Redacted | SecretError
Answers: TypeAlias = Mapping[SecretRef, Answer]


@dataclass(frozen=True, slots=True)
class ResolverContext:
    """What resolvers may look at: variables, the folder of relative paths, the allow-list.

    `timeout` bounds one read of one source, in seconds.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: Path
    allowed: AllowList
    timeout: float = 15.0


class Resolver(Protocol):
    """Read the secrets of one scheme. Both methods may be called from several threads at once."""

    def source_of(self, locator: str) -> str:
        """Name what one read fetches; references of one source are read together."""
        ...

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read all these references of one source; a raised `SecretError` stands for each."""
        ...
