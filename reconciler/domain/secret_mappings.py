"""Secret mappings: fields that the gateway itself fills at request time (remote/API.md §4)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.domain.facts import Facts, Identifier, StrictModel, Text
from reconciler.domain.tree import Path

MAPPINGS = "secret_mappings"
"""The field of an integration that holds its mappings."""


class SecretMapping(StrictModel):
    """A secret that the gateway itself fetches at request time; it never passes through here."""

    target_field: Annotated[
        Text, Field(pattern=r"^(key|configurations\.[A-Za-z0-9_]+)$"), Facts(identity=True)
    ] = Field(description="`key` or `configurations.<field>`.")
    # It can come back in the other form (remote/API.md §4).
    secret_reference_id: Annotated[Identifier, Facts(two_forms=True)] = Field(
        description="Slug or UUID of the secret reference."
    )
    secret_key: Text | None = Field(
        None, description="Part of a secret with several values; overrides that of the reference."
    )
    value_format: Literal["json", "string"] | None = Field(
        None, description="`json` when the target field holds an object."
    )


def mapped_fields(tree: Mapping[str, object]) -> dict[Path, int]:
    """Return the path of each field that a mapping fills, with the index of the mapping."""
    mappings = tree.get(MAPPINGS)
    found: dict[Path, int] = {}
    for index, mapping in enumerate(mappings if isinstance(mappings, list | tuple) else ()):
        target = mapping.get("target_field") if isinstance(mapping, Mapping) else None
        if isinstance(target, str):
            found[target_path(target)] = index
    return found


def target_path(target: str) -> Path:
    """Return the path of the field that an entry with this `target_field` fills."""
    return tuple(target.split("."))
