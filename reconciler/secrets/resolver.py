"""The contract of resolvers, built-in and installed, and the fields of `source#field` locators.

An installed resolver is a factory `(ResolverContext) -> Resolver` under the entry point
`reconciler.secrets`. Which resolver a scheme has: `reconciler.secrets.registry`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
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
    """Reader of the secrets of one scheme; several threads may call both methods at once."""

    def source_of(self, locator: str) -> str:
        """Return the name of what one read fetches; references of one source are read together."""
        ...

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read all these references of one source; a raised `SecretError` stands for each."""
        ...


def source_name(locator: str) -> str:
    """Return the part of a locator before `#`."""
    return locator.partition("#")[0]


def field_name(locator: str) -> str:
    """Return the part of a locator after `#`, empty without one."""
    return locator.partition("#")[2]


def pick_fields(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Answer each reference with the top-level field that it names."""
    return {ref: _value_at(ref, document, [field_name(ref.locator)]) for ref in refs}


def pick_dotted_fields(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Answer each reference with the value at its dotted key."""
    return {ref: _value_at(ref, document, field_name(ref.locator).split(".")) for ref in refs}


def _value_at(ref: SecretRef, document: Mapping[str, object], path: Sequence[str]) -> Answer:
    name = field_name(ref.locator)
    if not name:
        return SecretError(
            ref,
            "the reference does not say which field",
            code="bad-reference",
            hint=f"write ${{{ref.scheme}:{source_name(ref.locator)}#FIELD}}",
        )
    value: object = document
    for key in path:
        if not isinstance(value, Mapping) or value.get(key) is None:
            return SecretError(ref, f"there is no field `{name}`", code="secret-not-found")
        value = value[key]
    # A number or an object is handed on as JSON text, the form in which a file would hold it.
    return Redacted(value if isinstance(value, str) else json.dumps(value))
