"""Credential of an integration: whether it declares one for its provider.

The API refuses to create an integration without one, and its message names no field.
"""

from collections.abc import Iterator, Mapping

from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.providers import configuration_of, knows_by_name
from reconciler.domain.schema import FieldSchema, integration_schema
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import is_empty


def lacks_credential(fields: Mapping[str, object]) -> bool:
    """Return whether a create from these fields would be refused for lack of a credential.

    A provider that is not in the public record may not need one.
    """
    provider = fields.get("ai_provider_id")
    return isinstance(provider, str) and knows_by_name(provider) and not has_credential(fields)


def has_credential(fields: Mapping[str, object]) -> bool:
    """Return whether these fields hold a credential, declare its absence, or need none.

    An empty `key` also counts: it declares that there must be no key.
    """
    # An empty value also counts, so the value is not checked.
    if "key" in fields:
        return True
    provider = fields.get("ai_provider_id")
    schema = integration_schema(provider if isinstance(provider, str) else None)
    configurations = fields.get("configurations") or {}
    if not isinstance(configurations, Mapping):
        return True  # reported already
    if not configuration_of(str(provider)).needs_key(configurations):
        return True
    return _maps_credential(fields.get(MAPPINGS), schema) or any(
        isinstance(value, SecretRef) or (isinstance(value, Redacted) and not is_header)
        for value, is_header in _values(configurations, schema.child("configurations"))
    )


def _maps_credential(mappings: object, schema: FieldSchema) -> bool:
    """Return whether a mapping for a credential exists; a mapping can fill any field."""
    if is_empty(mappings) or not isinstance(mappings, list | tuple | Mapping):
        return False
    entries = mappings.values() if isinstance(mappings, Mapping) else mappings
    targets = [entry.get("target_field") for entry in entries if isinstance(entry, Mapping)]
    if isinstance(mappings, Mapping):
        targets += mappings  # in canonical form: by target
    return any(
        isinstance(target, str) and schema.at(target_path(target)).facts.sensitive
        for target in targets
    )


def _values(
    node: object, field: FieldSchema, *, is_header: bool = False
) -> Iterator[tuple[object, bool]]:
    """Walk the values of a tree, each with whether it is a header with a harmless name."""
    if isinstance(node, Mapping):
        for name, item in node.items():
            member = field.child(name)
            # A literal in such a header is not a credential, but a reference can be one.
            harmless = field.facts.headers and not member.facts.secret
            yield from _values(item, member, is_header=harmless)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _values(item, field.entries or field, is_header=is_header)
    else:
        yield node, is_header
