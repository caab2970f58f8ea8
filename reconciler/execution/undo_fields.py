"""Fields that restore an integration from its pre-image: all of them, or those that a run changed.

A pre-image contains masks in place of secrets. References come from what Git declared then and
declares now. A literal value, which only a header can have, is looked up in files. It is used only
if it has the recorded fingerprint, so that it is certainly the stored value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from reconciler.domain.integration import Integration, allows_all_models
from reconciler.domain.schema import UNKNOWN, FieldKind, FieldSchema, any_provider_schema, compiled
from reconciler.domain.secrets import Mask, Pepper, Redacted, SecretRef
from reconciler.domain.state import LastApplied, LastAppliedState, merged
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    leaves,
    lookup,
    references,
)
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import ActionKind, decides_host
from reconciler.planning.normalize import normalize

Secret: TypeAlias = SecretRef | Redacted
Values: TypeAlias = Mapping[Path, Redacted]


@dataclass(frozen=True, slots=True)
class Found:
    """Literals of one integration: as they were before a run, and as they are stored now."""

    then: Values = field(default_factory=lambda: MappingProxyType({}))
    now: Values = field(default_factory=lambda: MappingProxyType({}))


NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True)
class Literals:
    """Files that may contain literals: the current ones, and those of earlier commits."""

    today: Mapping[str, Tree] = field(default_factory=lambda: MappingProxyType({}))
    earlier: tuple[Mapping[str, Tree], ...] = ()

    def of(self, image: PreImage, now: LastApplied, pepper: Pepper | None) -> Found:
        """Return the literals of an integration that have the recorded fingerprints."""
        if pepper is None:
            # Without the pepper, no fingerprint can be compared, and a literal in a file proves
            # nothing.
            return NOTHING_FOUND
        written = {
            path: record.fingerprint
            for path, record in now.secrets.items()
            if record.fingerprint is not None
        }
        today = self.today.get(image.slug, {})
        trees = [today, *(files.get(image.slug, {}) for files in self.earlier)]
        return Found(
            then=_confirmed(trees, image.fingerprints, pepper),
            now=_confirmed([today], written, pepper),
        )


def literals_in(tree: Tree) -> dict[Path, Redacted]:
    """Return the literal values of a tree by path, without withheld ones."""
    found = {path: leaf for path, leaf in leaves(normalize(tree)) if isinstance(leaf, Redacted)}
    return {path: leaf for path, leaf in found.items() if not leaf.is_empty}


def _confirmed(
    trees: Iterable[Tree], fingerprints: Mapping[Path, str], pepper: Pepper
) -> dict[Path, Redacted]:
    confirmed: dict[Path, Redacted] = {}
    for tree in trees:
        for path, value in literals_in(tree).items():
            if value.fingerprint(pepper) == fingerprints.get(path):
                # All values with one fingerprint are equal, so the first one is enough.
                confirmed.setdefault(path, value)
    return confirmed


NO_LITERALS = Literals()


def fields_to_restore(image: PreImage, now: Tree | None, *, found: Found = NOTHING_FOUND) -> Tree:
    """Return the fields to declare so that an integration is as it was before the run.

    After an update, these are the fields that the run changed; a list is restored as a whole. `now`
    is what Git declares now, with the references that a write must also send. `found` are literal
    values from files.
    """
    if image.observed is None:
        return {}
    fields = _changed_back(image) if image.kind is ActionKind.UPDATE else _whole(image, found)
    for path in _absent(image, normalize(image.observed.fields)):
        # A declared null removes a value that the run added.
        _put(fields, path, None)
    if image.kind is not ActionKind.UPDATE:
        return fields
    if isinstance(fields.get("models"), list):
        # A list is sent as a whole, so an omitted model would be disabled.
        fields["models"] += _implied_models(image)
    for path, secret in _secrets_along(image, now, fields, found):
        _put(fields, path, secret)
    return fields


def unknown_secrets(image: PreImage, *, found: Found = NOTHING_FOUND) -> list[Path]:
    """Return the secrets of a pre-image whose reference and value are both unknown."""
    known = _known_then(image, found)
    return [path for path in _secrets(image) if path not in known]


def may_lack(path: Path) -> bool:
    """Whether an integration can be created without this secret, a literal of a header."""
    schema = any_provider_schema()
    return schema.at(path[:-1]).facts.headers and not schema.at(path).facts.secret


def lost_secrets(image: PreImage, now: Tree | None, *, found: Found = NOTHING_FOUND) -> list[Path]:
    """Return the replaced or removed secrets whose values are not stored anywhere."""
    if image.kind not in {ActionKind.UPDATE, ActionKind.REPLACE}:
        return []
    then, present = _known_then(image, found), _known_now(image, now, found)
    before = normalize(image.observed.fields) if image.observed is not None else {}
    return [
        path
        for path in image.changed
        if _is_withheld_at(path, before)
        and path not in {*image.resent, *image.added}
        and not (path in image.removed and path in then)
        and (path not in then or _same(then[path], present.get(path)))
    ]


def added_entries(image: PreImage, now: LastApplied) -> LastApplied:
    """Declare the list entries that the run added, so that the undo withdraws them."""
    if image.observed is None:
        return now
    before, schema = normalize(image.observed.fields), any_provider_schema()
    added: dict[str, Any] = {}
    for path in image.changed:
        place = schema.entry_of(path)
        if place is not None and not _has(before, place, len(place) - 1):
            *outer, name, identity = place
            holder = added
            for part in outer:
                holder = holder.setdefault(part, {})
            # The identity is sufficient, because the entry is declared only to be withdrawn.
            entry = {schema.at(place[:-1]).key: identity}
            entries = holder.setdefault(name, [])
            if entry not in entries:
                entries.append(entry)
    if not added:
        return now
    # `merged` expects whole states, so each tree becomes the state of one arbitrary slug.
    known, more = (
        LastAppliedState({"": LastApplied(declared=tree)}) for tree in (now.declared, added)
    )
    return replace(now, declared=merged(known, more).of("").declared)


def _changed_back(image: PreImage) -> dict[str, Any]:
    assert image.observed is not None  # noqa: S101 - asked for what existed only
    # Two forms are needed: paths refer to the normalized form, and a declaration has the API's
    # lists.
    before, shown = image.observed.fields, normalize(image.observed.fields)
    fields: dict[str, Any] = {}
    for path in image.changed:
        place = _granularity(path)
        field = any_provider_schema().at(place)
        # A list is restored as a whole, so it has an entry for the secret that is restored.
        if not _is_withheld_at(path, shown) or (field.key is not None and place[0] in before):
            _put(fields, place, _without_secrets(lookup(before, place), field))
    return fields


def _whole(image: PreImage, found: Found) -> dict[str, Any]:
    assert image.observed is not None  # noqa: S101 - asked for what existed only
    fields = _without_secrets(image.observed.fields, any_provider_schema())
    assert isinstance(fields, dict)  # noqa: S101 - a tree without its secrets is a tree
    known = _known_then(image, found)
    for path in _secrets(image):
        if path in known:
            _put(fields, path, known[path])
    return fields


def _granularity(path: Path) -> Path:
    """Return the path, in the API's form, of the smallest part that a change restores."""
    if compiled(Integration).child(path[0]).kind is not FieldKind.MAP:
        return path[:1]  # only maps are restored member by member
    return path[:3] if any_provider_schema().at(path[:2]).facts.headers else path[:2]


def _without_secrets(value: Value, field: FieldSchema) -> Any:
    """Return a value without withheld parts, and without headers, which are restored one by one."""
    if isinstance(value, Mapping):
        kept = {}
        for name, item in value.items():
            inner = field.child(name)
            is_headers = inner.facts.headers and isinstance(item, Mapping)
            if not is_headers and not _is_withheld(inner, item):
                kept[name] = _without_secrets(item, inner)
        return kept
    if isinstance(value, list | tuple):
        return [_without_secrets(item, field.entries or UNKNOWN) for item in value]
    return value


def _is_withheld_at(path: Path, before: Tree) -> bool:
    """Whether a normalized pre-image lacks the value at a path."""
    return _is_withheld(any_provider_schema().at(path), lookup(before, path))


def _is_withheld(field: FieldSchema, value: Value) -> bool:
    """Whether a pre-image contains no value of this field that could be sent again.

    The value of a field that the schema does not know is in the pre-image only if the target's
    `known_fields` lists the field.
    """
    if not field.facts.sensitive:
        return False
    return field.is_known or isinstance(value, SecretRef | Redacted | Mask)


def _secrets_along(
    image: PreImage, now: Tree | None, fields: Mapping[str, Any], found: Found
) -> Iterator[tuple[Path, Secret]]:
    """Yield the secrets to restore, and those that a write must also send."""
    then, present = _known_then(image, found), _known_now(image, now, found)
    # Planning blocks a write that would send a stored key to another host, so the key is also sent.
    moves = any(decides_host(any_provider_schema(), path) for path in image.changed)
    models = {path[1] for path in image.changed if path[0] == "models" and len(path) > 1}
    # `then` comes second: a restored secret gets the reference from before the run.
    for path, secret in {**present, **then}.items():
        if path in image.added:
            continue
        changed_back = path in image.changed and path in then
        if changed_back and now is not None:
            # If Git declares the earlier reference again, the change of the run is already undone.
            changed_back = not _same(then[path], present.get(path))
        along = path[0] == "configurations" and "configurations" in fields
        along = along or (path[0] == "models" and path[1] in models)
        if changed_back:
            yield path, secret
        elif path in present and (along or (moves and path == ("key",))):
            yield path, present[path]


def _known_then(image: PreImage, found: Found) -> dict[Path, Secret]:
    return {**found.then, **_references(image.declared)}


def _known_now(image: PreImage, now: Tree | None, found: Found) -> dict[Path, Secret]:
    """Return the current secrets, or the previous ones if Git's declaration is unknown."""
    # An update sends `configurations` whole, so a secret without a reference would be lost.
    declared = now if now is not None else image.declared
    return {**found.now, **_references(declared)}


def _same(one: Secret, other: Secret | None) -> bool:
    if isinstance(one, Redacted):
        return isinstance(other, Redacted) and one.equals(other)
    return one == other


def _secrets(image: PreImage) -> list[Path]:
    if image.observed is None:
        return []
    return [
        path
        for path, value in leaves(normalize(image.observed.fields))
        if _is_withheld(any_provider_schema().at(path), value) and not is_empty(value)
    ]


def _references(tree: Tree | None) -> dict[Path, SecretRef]:
    if tree is None:
        return {}
    shown = normalize(tree)
    # A reference inside a list cannot be restored separately: the list is one value.
    return {path: ref for path, ref in references(shown) if lookup(shown, path) == ref}


def _implied_models(image: PreImage) -> list[dict[str, Any]]:
    """Return entries for base models that previously followed `allow_all_models` and no list."""
    before = normalize(image.observed.fields) if image.observed is not None else {}
    # Only base models follow `allow_all_models` (remote/API.md §5.1), so custom ones are omitted
    # below.
    listed, changed = as_mapping(before.get("models")), image.changed
    named = {path[1] for path in changed if path[0] == "models" and len(path) > 1}
    custom = {path[1] for path in changed if path[0] == "models" and path[2:] == ("is_custom",)}
    enabled = allows_all_models(before)
    return [
        {"slug": slug, "enabled": enabled} for slug in sorted(named - custom) if slug not in listed
    ]


def _absent(image: PreImage, before: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the values that the run added to existing parts, except list entries."""
    schema = any_provider_schema()
    for path in image.changed:
        if _is_withheld_at(path, before):
            if path in image.added:
                yield path
            continue
        covered = _covered(before, path)
        is_entry = schema.at(path[:covered]).key is not None
        if covered < len(path) and not is_entry:
            yield path[: covered + 1]


def _covered(tree: Mapping[str, Any], path: Path) -> int:
    """Return how many names of a path exist in a tree, counted from its start."""
    for length in range(len(path)):
        if not _has(tree, path, length):
            return length
    return len(path)


def _has(tree: Mapping[str, Any], path: Path, length: int) -> bool:
    parent = lookup(tree, path[:length])
    return isinstance(parent, Mapping) and path[length] in parent


def _put(fields: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a normalized path in a tree that has the API's form."""
    here: Any = fields
    field = any_provider_schema()
    for name in path[:-1]:
        inner = field.child(name)
        if isinstance(here, list):
            here = next((entry for entry in here if entry.get(field.key) == name), None)
        elif inner.key is not None:
            # Never insert an empty list here: it would declare that there are no entries.
            here = here.get(name)
        else:
            here = here.setdefault(name, {})
        if isinstance(here, list) and inner.kind is FieldKind.SINGLE:
            here = here[0] if here else None
        if not isinstance(here, dict | list):
            return  # the enclosing value is withheld as a whole
        field = inner
    if isinstance(here, dict):
        here[path[-1]] = value
