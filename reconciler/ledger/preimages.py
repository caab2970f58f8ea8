"""How an integration looked before a run changed it, so that `undo` can ask for it again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from reconciler.domain.state import Observed
from reconciler.domain.tree import Path, Tree
from reconciler.ledger import codec
from reconciler.ledger.errors import damaged
from reconciler.planning.actions import ActionKind

_FACTS = (
    "id",
    "status",
    "kind",
    "created_at",
    "last_updated_at",
    "workspace_count",
    "detailed",
    "models_read",
    "workspaces_read",
)


@dataclass(frozen=True, slots=True)
class PreImage:
    """One integration before a run; `observed` is None where it did not exist.

    `declared` is what was known of what Git had declared, references included; the API shows only
    masks of secrets. `changed` are the paths, in canonical form, that the run set out to change;
    of those `resent` are secrets that were sent as they were, and `added` and `removed` what was
    not there before or not afterwards. `fingerprints` are those of the secrets that were stored
    before the run, as far as they are known. `made` is the id of what it created under the slug.
    """

    slug: str
    kind: ActionKind
    observed: Observed | None
    declared: Tree | None = None
    changed: tuple[Path, ...] = ()
    resent: tuple[Path, ...] = ()
    added: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    fingerprints: Mapping[Path, str] = field(default_factory=lambda: MappingProxyType({}))
    made: str | None = None


def to_document(image: PreImage) -> dict[str, Any]:
    """Give the stored form, which holds no secret."""
    observed, declared = image.observed, image.declared
    return {
        "action": image.kind.value,
        "observed": None if observed is None else observed_document(observed),
        "declared": None if declared is None else json.loads(codec.to_text(declared)),
        "changed": [list(path) for path in image.changed],
        "resent": [list(path) for path in image.resent],
        "added": [list(path) for path in image.added],
        "removed": [list(path) for path in image.removed],
        "fingerprints": [[list(path), value] for path, value in image.fingerprints.items()],
        **({} if image.made is None else {"made": image.made}),
    }


def from_document(slug: str, document: Mapping[str, Any]) -> PreImage:
    """Read the stored form."""
    try:
        return _image(slug, document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged() from None


def _image(slug: str, document: Mapping[str, Any]) -> PreImage:
    observed = document["observed"]
    declared = document["declared"]
    return PreImage(
        slug=slug,
        kind=ActionKind(document["action"]),
        observed=None if observed is None else observed_from(slug, observed),
        declared=None if declared is None else codec.from_document(declared),
        changed=_paths(document.get("changed", ())),
        resent=_paths(document.get("resent", ())),
        added=_paths(document.get("added", ())),
        removed=_paths(document.get("removed", ())),
        fingerprints={_path(path): str(value) for path, value in document.get("fingerprints", ())},
        made=document.get("made"),
    )


def _paths(given: Iterable[Iterable[object]]) -> tuple[Path, ...]:
    return tuple(_path(path) for path in given)


def _path(given: Iterable[object]) -> Path:
    return tuple(map(str, given))


def observed_from(slug: str, document: Mapping[str, Any]) -> Observed:
    """Read how an integration looked; raises whatever a wrong shape raises."""
    return Observed(
        slug=slug,
        fields=codec.from_document(document["fields"]),
        **{name: document[name] for name in _FACTS},
    )


def observed_document(observed: Observed) -> dict[str, Any]:
    """Give how an integration looked in a form that holds no secret."""
    facts = {name: getattr(observed, name) for name in _FACTS}
    return {"fields": json.loads(codec.to_text(observed.fields)), **facts}
