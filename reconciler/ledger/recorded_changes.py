"""Changes of a run as recorded: those of the plan, without any secret.

The record of a run of release 0.1 has only the paths. Changes that are reconstructed from them have
no values, because the record does not show what the run wrote.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from reconciler.domain.schema import any_provider_schema, parse_path, show_path
from reconciler.domain.tree import Path
from reconciler.ledger.errors import damaged
from reconciler.ledger.models import RecordedAction
from reconciler.planning.actions import ActionKind, Change, ChangeKind, ChangeOrigin, Risk

CHANGES = "changes"
"""Key of the changes in the document of a pre-image."""


def changes_to_document(changes: Iterable[Change]) -> list[dict[str, object]]:
    """Return the stored form of changes: their JSON form without unset fields."""
    return [
        {
            key: value
            for key, value in change.as_json().items()
            if value is not None and not (key in {"sensitive", "unknown_field"} and value is False)
        }
        for change in changes
    ]


def action_from_document(slug: str, document: Mapping[str, Any]) -> RecordedAction:
    """Build an action from the document of a pre-image; raises `LedgerError` otherwise."""
    try:
        kind = ActionKind(document["action"])
        stored = document.get(CHANGES)
        changes = _paths(document) if stored is None else tuple(_change(item) for item in stored)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged() from None
    return RecordedAction(slug, kind, changes, has_values=stored is not None)


def _change(item: Mapping[str, Any]) -> Change:
    path = str(item["path"])
    sensitive = bool(item.get("sensitive", False)) or _is_secret(parse_path(path) or (path,))
    return Change(
        path=path,
        op=ChangeKind(item["op"]),
        risk=Risk(item["risk"]),
        before=None if sensitive else item.get("before"),
        after=None if sensitive else item.get("after"),
        sensitive=sensitive,
        origin=ChangeOrigin(item["origin"]),
        reference=item.get("reference"),
        before_reference=item.get("before_reference"),
        unknown_field=bool(item.get("unknown_field", False)),
    )


@lru_cache(maxsize=4096)
def _is_secret(path: Path) -> bool:
    """Return whether a field is now a secret; it was recorded in clear text if it was not one then.

    A field that no model describes is unchanged, because only its target lists it as known.
    """
    field = any_provider_schema().at(path)
    return field.facts.sensitive and field.is_known


def _paths(document: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes of a record that has only their paths."""
    ops = {
        _path(path): op
        for key, op in (
            ("added", ChangeKind.ADD),
            ("removed", ChangeKind.REMOVE),
            ("resent", ChangeKind.RESEND),
        )
        for path in document.get(key, ())
    }
    found = []
    for stored in document.get("changed", ()):
        path = _path(stored)
        is_secret = any_provider_schema().at(path).facts.sensitive
        op = ops.get(path, ChangeKind.ROTATE if is_secret else ChangeKind.REPLACE)
        # The lowest risk, because views name a risk only from `credential` on.
        found.append(Change(show_path(path), op, Risk.COSMETIC, sensitive=is_secret))
    return tuple(found)


def _path(stored: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(step) for step in stored)
