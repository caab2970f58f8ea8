"""Pick fields out of a document that a secret manager returned: `source#field`."""

import json
from collections.abc import Iterable, Mapping

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.secrets.errors import SecretError
from reconciler.secrets.resolver import Answer, Answers


def source(locator: str) -> str:
    """Give what stands before `#`."""
    return locator.partition("#")[0]


def field(locator: str) -> str:
    """Give what stands after `#`, empty without one."""
    return locator.partition("#")[2]


def pick(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Answer each reference with the field that it names, by its whole name."""
    return {ref: _one(ref, document, [field(ref.locator)]) for ref in refs}


def pick_dotted(refs: Iterable[SecretRef], document: Mapping[str, object]) -> Answers:
    """Answer each reference with the value at its dotted key."""
    return {ref: _one(ref, document, field(ref.locator).split(".")) for ref in refs}


def _one(ref: SecretRef, document: Mapping[str, object], path: list[str]) -> Answer:
    if not field(ref.locator):
        return SecretError(
            ref,
            "the reference does not say which field",
            code="bad-reference",
            hint=f"write ${{{ref.scheme}:{source(ref.locator)}#FIELD}}",
        )
    here: object = document
    for key in path:
        if not isinstance(here, Mapping) or here.get(key) is None:
            return SecretError(
                ref, f"there is no field `{field(ref.locator)}`", code="secret-not-found"
            )
        here = here[key]
    return Redacted(here if isinstance(here, str) else json.dumps(here))
