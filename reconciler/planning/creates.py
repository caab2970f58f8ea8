"""Plan what a new integration needs, for a create and for the second half of a replace."""

from collections.abc import Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.domain.credentials import has_credential, lacks_credential
from reconciler.domain.field_paths import show_path
from reconciler.domain.providers import needs_configurations
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import is_empty, leaves, plain, references
from reconciler.planning import messages
from reconciler.planning.actions import Change, ChangeKind, ChangeOrigin
from reconciler.planning.normalize import normalize
from reconciler.planning.risk import risk_of_new


def new_changes(declared: Declared, *, origin: ChangeOrigin) -> tuple[Change, ...]:
    """List the leaves that a create brings, each as `add`; what is declared empty brings none."""
    changes = []
    for path, value in leaves(normalize(declared.fields)):
        if is_empty(value):
            continue
        field = declared.schema.at(path)
        sensitive = field.facts.sensitive
        changes.append(
            Change(
                path=show_path(path),
                op=ChangeKind.ADD,
                risk=risk_of_new(field),
                unknown_field=sensitive and not field.is_known,
                after=None if sensitive else plain(value),
                sensitive=sensitive,
                origin=origin,
                reference=str(value) if isinstance(value, SecretRef) else None,
            )
        )
    return tuple(sorted(changes, key=lambda change: change.path))


def creation_blocks(declared: Declared) -> list[Diagnostic]:
    """Return why the API would refuse to create this integration from its file alone."""
    provider = str(declared.fields.get("ai_provider_id"))
    if is_empty(declared.fields.get("configurations")) and needs_configurations(provider):
        return [messages.missing_configurations(declared)]
    if lacks_credential(declared.fields):
        return [messages.no_credential(declared)]
    return []


def missing_values(declared: Declared, values: Mapping[SecretRef, Redacted]) -> list[Diagnostic]:
    """Return a warning for every secret that creating this integration sends without a value."""
    return [
        messages.missing_value(declared, path, str(reference))
        for path, reference in references(normalize(declared.fields))
        if reference not in values
    ]


def replacement_blocks(declared: Declared, observed: Observed) -> list[Diagnostic]:
    """Return why an integration cannot be deleted and created again from its file alone.

    Nothing stored survives a replace, so only the new record's own needs count.
    """
    if _stores_credential(observed) and not has_credential(declared.fields):
        return [messages.missing_credential(declared)]
    return creation_blocks(declared)


def _stores_credential(observed: Observed) -> bool:
    return any(isinstance(value, Mask | Redacted) for _, value in leaves(observed.fields))
