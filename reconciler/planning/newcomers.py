"""Show a new integration leaf by leaf."""

from collections.abc import Iterator

from reconciler.domain.fields import is_sensitive, show_path
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared
from reconciler.domain.tree import Path, is_empty, leaves, plain
from reconciler.planning.actions import Change, Op, Origin
from reconciler.planning.canonical import canonical
from reconciler.planning.risks import risk_of_new


def new_changes(declared: Declared, *, origin: Origin) -> tuple[Change, ...]:
    """List the leaves that a create brings, each as `add`; what is declared empty brings none."""
    changes = []
    for path, value in leaves(canonical(declared.fields)):
        if is_empty(value):
            continue
        sensitive = is_sensitive(path)
        changes.append(
            Change(
                path=show_path(path),
                op=Op.ADD,
                risk=risk_of_new(path),
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
