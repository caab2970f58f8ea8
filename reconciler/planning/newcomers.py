"""Plan what a new integration needs, for a create and for the second half of a replace."""

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.domain.fields import AUTH_MODE_FIELDS, show_path
from reconciler.domain.providers import needs_configurations
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, is_empty, leaves, plain
from reconciler.planning import remarks
from reconciler.planning.actions import Change, Op, Origin
from reconciler.planning.canonical import canonical
from reconciler.planning.risks import risk_of_new


def new_changes(declared: Declared, *, origin: Origin) -> tuple[Change, ...]:
    """List the leaves that a create brings, each as `add`; what is declared empty brings none."""
    changes = []
    for path, value in leaves(canonical(declared.fields)):
        if is_empty(value):
            continue
        field = declared.schema.at(path)
        sensitive = field.facts.sensitive
        changes.append(
            Change(
                path=show_path(path),
                op=Op.ADD,
                risk=risk_of_new(field),
                unknown_field=sensitive and not field.is_known,
                after=None if sensitive else plain(value),
                sensitive=sensitive,
                origin=origin,
                reference=str(value) if isinstance(value, SecretRef) else None,
            )
        )
    return tuple(sorted(changes, key=lambda change: change.path))


def references_in(declared: Declared) -> Iterator[tuple[Path, SecretRef]]:
    """Give every reference of an integration with its path."""
    for path, value in leaves(canonical(declared.fields)):
        if isinstance(value, SecretRef):
            yield path, value


def creation_blocks(declared: Declared) -> list[Diagnostic]:
    """Return why the API would refuse to create this integration from its file alone."""
    provider = str(declared.fields.get("ai_provider_id"))
    if is_empty(declared.fields.get("configurations")) and needs_configurations(provider):
        return [remarks.missing_configurations(declared)]
    return []


def missing_values(declared: Declared, values: Mapping[SecretRef, Redacted]) -> list[Diagnostic]:
    """Return a warning for every secret that creating this integration sends without a value."""
    return [
        remarks.missing_value(declared, path, str(reference))
        for path, reference in references_in(declared)
        if reference not in values
    ]


def replacement_blocks(declared: Declared, observed: Observed) -> list[Diagnostic]:
    """Return why an integration cannot be deleted and created again from its file alone.

    Nothing stored survives a replace, so only the new record's own needs count.
    """
    blocks = creation_blocks(declared)
    if not blocks and _stores_credential(observed) and not _declares_credential(declared):
        blocks.append(remarks.missing_credential(declared))
    return blocks


def _stores_credential(observed: Observed) -> bool:
    return any(isinstance(value, Mask | Redacted) for _, value in leaves(observed.fields))


def _declares_credential(declared: Declared) -> bool:
    """Return whether the file says how calls are authenticated, or that they are not."""
    fields = declared.fields
    if "key" in fields or not is_empty(fields.get("secret_mappings")):
        return True  # an empty key is declared, too: there is to be none
    configurations = fields.get("configurations")
    if not isinstance(configurations, Mapping):
        return False
    return configurations.get("is_key_required") is False or any(
        isinstance(value, SecretRef | Redacted)
        or (path[-1:] != () and path[-1] in AUTH_MODE_FIELDS and value not in _KEY_MODES)
        for path, value in leaves(configurations)
    )


_KEY_MODES = frozenset({"default", "apiKey", "accessKey"})
"""Auth modes that need a stored secret."""
