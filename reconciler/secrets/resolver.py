"""Interface of resolvers, built-in and installed, and the fields of `source#field` locators.

An installed resolver is a factory `(ResolverContext) -> Resolver` under the entry point
`reconciler.secrets`. `reconciler.secrets.registry` maps schemes to resolvers.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol, TypeAlias

from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.frozen_dataclass import dataclass
from reconciler.secrets.allowlist import AllowList

Answer: TypeAlias = Redacted | SecretError
Answers: TypeAlias = Mapping[SecretRef, Answer]


@dataclass(frozen=True, slots=True)
class ResolverContext:
    """Input of resolvers: variables, the folder of relative paths, and the allow-list.

    `timeout` is the limit for one read of a source, in seconds.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: Path
    allowed: AllowList
    timeout: float = 15.0


class Resolver(Protocol):
    """Reader of the secrets of one scheme; several threads can call both methods concurrently."""

    def source_of(self, locator: str) -> str:
        """Return the name of the source; references of one source are read together."""
        ...

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read all these references of one source; a raised `SecretError` applies to each."""
        ...


def source_name(locator: str) -> str:
    """Return the part of a locator before `#`."""
    return locator.partition("#")[0]


def field_name(locator: str) -> str:
    """Return the part of a locator after `#`, empty without one."""
    return locator.partition("#")[2]


def pick_fields(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Return the top-level field that each reference names."""
    return {ref: _value_at(ref, document, [field_name(ref.locator)]) for ref in refs}


def pick_dotted_fields(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Return the value at the dotted key of each reference."""
    return {ref: _value_at(ref, document, field_name(ref.locator).split(".")) for ref in refs}


def _value_at(ref: SecretRef, document: Mapping[str, object], path: Sequence[str]) -> Answer:
    name = field_name(ref.locator)
    if not name:
        return SecretError(
            ref,
            "the reference names no field",
            code="bad-reference",
            hint=f"write ${{{ref.scheme}:{source_name(ref.locator)}#FIELD}}",
        )
    value: object = document
    for key in path:
        if not isinstance(value, Mapping) or value.get(key) is None:
            return SecretError(ref, f"there is no field `{name}`", code="secret-not-found")
        value = value[key]
    # A number or an object is returned as JSON text, the form that a file would have.
    return Redacted(value if isinstance(value, str) else json.dumps(value))
