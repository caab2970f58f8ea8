"""Stored form of values: conversion of trees, paths and pre-images to and from JSON of rows.

Only the path of a secret is stored, never its value.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from reconciler.diagnostics import SourceLocation
from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.schema import UNKNOWN, FieldSchema, any_provider_schema
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import DeclaredAt, LastApplied, Observed, SecretRecord
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import Path, Tree, Value, canonical_json, plain
from reconciler.ledger.errors import damaged
from reconciler.ledger.models import PreImage, SeenState
from reconciler.planning.actions import ActionKind

_REFERENCE = re.compile(r"\$\{([a-z][a-z0-9+.-]*:.+)\}", re.DOTALL)
_WITHHELD = {"redacted": True}
_WITHHELD_TEXT = canonical_json(_WITHHELD)

_OBSERVED_FIELDS = (
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
"""Fields of `Observed` that are stored unchanged."""


class StoredRow(Protocol):
    """A row whose columns are read by name, as both SQLAlchemy and sqlite3 return it."""

    def __getitem__(self, column: str, /) -> Any: ...


def to_json(value: object) -> str:
    """Return a value as JSON in ASCII, which a database of any encoding can store.

    A lone surrogate, which no database accepts, becomes U+FFFD.
    """
    text = repaired(canonical_json(value))
    if text.isascii():
        return text
    # Encoded again only if needed: `canonical_json` does not escape other letters.
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_ascii(text: str) -> str:
    """Return a text of the API in a form that a database of any encoding can store."""
    # PostgreSQL cannot store NUL in text, although ASCII includes it.
    return text.replace("\0", "\\x00").encode("ascii", "backslashreplace").decode()


def tree_to_text(tree: Tree) -> str:
    """Return a tree as text: references by name, masks unchanged, secret values withheld."""
    return to_json(_plain(tree, any_provider_schema(), ""))


def withholds(text: str) -> bool:
    """Whether a value was withheld from a text, so that it cannot be restored completely."""
    return _WITHHELD_TEXT in text


def tree_from_text(text: str) -> Tree:
    """Parse a tree; a withheld value becomes an empty `Redacted`."""
    return tree_from_document(parse_document(text))


def tree_from_document(found: Mapping[str, Any]) -> Tree:
    """Build a tree from a part of a larger document."""
    schema = any_provider_schema()
    return {key: _value(item, schema.child(key), key) for key, item in found.items()}


def parse_document(text: str) -> dict[str, Any]:
    """Parse a row's JSON object; raises `LedgerError` for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise damaged()
    return found


def path_to_text(path: Path) -> str:
    """Return a path as the text of a row."""
    # As a list, because the slugs of models and the names of headers can contain a dot.
    return to_json(list(path))


def path_from_text(text: str) -> Path:
    """Parse the path of a row; raises `LedgerError` for anything else."""
    try:
        return tuple(str(part) for part in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise damaged() from None


def preimage_to_document(image: PreImage) -> dict[str, object]:
    """Return the stored form of a pre-image, which contains no secret."""
    observed, declared = image.observed, image.declared
    stored: dict[str, object] = {
        "action": image.kind.value,
        "observed": None if observed is None else observed_to_document(observed),
        "declared": None if declared is None else json.loads(tree_to_text(declared)),
        "changed": [list(path) for path in image.changed],
        "resent": [list(path) for path in image.resent],
        "added": [list(path) for path in image.added],
        "removed": [list(path) for path in image.removed],
        "fingerprints": [[list(path), value] for path, value in image.fingerprints.items()],
    }
    if image.made is not None:
        stored["made"] = image.made
    return stored


def preimage_from_document(slug: str, document: Mapping[str, Any]) -> PreImage:
    """Build a pre-image from its stored form; raises `LedgerError` otherwise."""
    try:
        return _preimage(slug, document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged() from None


def observed_to_document(observed: Observed) -> dict[str, object]:
    """Return the stored form of an observed integration, which contains no secret."""
    stored = {name: getattr(observed, name) for name in _OBSERVED_FIELDS}
    return {"fields": json.loads(tree_to_text(observed.fields)), **stored}


def observed_from_document(slug: str, document: Mapping[str, Any]) -> Observed:
    """Build an observed integration from its stored form; raises `LedgerError` otherwise."""
    try:
        return _observed(slug, document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise damaged() from None


def last_applied_from_rows(
    declared: Iterable[StoredRow],
    secrets: Iterable[StoredRow],
    intents: Iterable[StoredRow],
    runs: Iterable[StoredRow],
) -> dict[str, LastApplied]:
    """Build the last-applied state of every integration of a target, by slug.

    The rows are those of the target in these tables, and of the runs that the declarations name.
    """
    records: dict[str, dict[Path, SecretRecord]] = defaultdict(dict)
    for row in secrets:
        records[row["slug"]][path_from_text(row["path"])] = SecretRecord(
            reference=SecretRef.parse(row["reference"]),
            fingerprint=row["fingerprint"],
            mask=None if row["mask"] is None else Mask(row["mask"]),
            mask_agreed=bool(row["mask_agreed"]),
        )
    unsettled = _unsettled(intents)
    commits = {row["run"]: _declaring_commit(row["facts"]) for row in runs}
    known = {}
    for row in declared:
        known[row["slug"]] = LastApplied(
            declared=tree_from_text(row["fields"]),
            protected=bool(row["protected"]),
            secrets=records.get(row["slug"], {}),
            unsettled=unsettled.pop(row["slug"], {}),
            # Rows of early releases have no identity, which then excludes nothing.
            identities=frozenset() if row["identity"] is None else frozenset({row["identity"]}),
            declared_at=_declared_at(row["source"], commits.get(row["run"])),
        )
    # An interrupted create leaves intents without a declaration; a pull from Terraform leaves
    # secrets.
    for slug in (records.keys() | unsettled.keys()) - known.keys():
        paths = unsettled.get(slug, {})
        known[slug] = LastApplied(secrets=records.get(slug, {}), unsettled=paths)
    return known


def seen_from_rows(rows: Iterable[StoredRow]) -> dict[str, SeenState]:
    """Return how every integration looked when it was last read, by slug."""
    found = {}
    for row in rows:
        observed = observed_from_document(row["slug"], parse_document(row["document"]))
        found[row["slug"]] = SeenState(observed, row["read_at"])
    return found


def seen_rows(target: int, items: Mapping[str, SeenState]) -> list[dict[str, Any]]:
    """Return the rows of integrations as they were read, without those that show a secret."""
    rows = []
    for slug, item in items.items():
        text = to_json(observed_to_document(item.observed))
        # An integration with a withheld value cannot be compared from its row, so it is read in
        # every check.
        if not withholds(text):
            row = {"target": target, "slug": slug, "read_at": item.read_at, "document": text}
            rows.append(row)
    return rows


def commit_of(facts: str) -> str | None:
    """Return the commit in the stored facts of a run."""
    commit = parse_document(facts).get("commit")
    return commit if isinstance(commit, str) else None


def _declaring_commit(facts: str) -> str | None:
    """Return the commit whose files a run applied, None if the files had other changes."""
    return None if parse_document(facts).get("uncommitted_changes") else commit_of(facts)


def commits_of(facts: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct commits in the stored facts of runs."""
    found = (commit_of(text) for text in facts)
    return tuple(dict.fromkeys(commit for commit in found if commit is not None))


def _unsettled(intents: Iterable[StoredRow]) -> dict[str, dict[Path, frozenset[str]]]:
    """Return the fingerprints that may have been sent, by slug and path."""
    found: dict[str, dict[Path, frozenset[str]]] = defaultdict(dict)
    for row in intents:
        paths, path = found[row["slug"]], path_from_text(row["path"])
        paths[path] = paths.get(path, frozenset()) | {row["fingerprint"]}
    return dict(found)


def _declared_at(source: str | None, commit: str | None) -> DeclaredAt | None:
    if source is None:
        return None
    # The types are matched as well, because a row can be damaged and the place is shown to users.
    match parse_document(source):
        case {"file": str(file), "line": int(line)}:
            return DeclaredAt(SourceLocation(file, line), commit)
        case _:
            raise damaged()


def _preimage(slug: str, document: Mapping[str, Any]) -> PreImage:
    observed = document["observed"]
    declared = document["declared"]
    # Pre-images of earlier releases may lack the later keys, hence the defaults.
    fingerprints = document.get("fingerprints", ())
    return PreImage(
        slug=slug,
        kind=ActionKind(document["action"]),
        observed=None if observed is None else _observed(slug, observed),
        declared=None if declared is None else tree_from_document(declared),
        changed=_paths(document.get("changed", ())),
        resent=_paths(document.get("resent", ())),
        added=_paths(document.get("added", ())),
        removed=_paths(document.get("removed", ())),
        fingerprints={_path(path): str(value) for path, value in fingerprints},
        made=document.get("made"),
    )


def _observed(slug: str, document: Mapping[str, Any]) -> Observed:
    fields = tree_from_document(document["fields"])
    return Observed(slug=slug, fields=fields, **{name: document[name] for name in _OBSERVED_FIELDS})


def _paths(stored: Iterable[Iterable[object]]) -> tuple[Path, ...]:
    return tuple(_path(path) for path in stored)


def _path(stored: Iterable[object]) -> Path:
    return tuple(str(part) for part in stored)


def _plain(value: Value, field: FieldSchema, name: str) -> object:
    if _is_withheld(field, name):
        # Only a reference or a mask is stored, even if the type of the value permits others.
        return plain(value) if isinstance(value, SecretRef | Mask | None) else _WITHHELD
    if isinstance(value, Mapping):
        return {key: _plain(item, field.child(key), key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, field.entries or UNKNOWN, name) for item in value]
    return plain(value)


def _value(found: Any, field: FieldSchema, name: str) -> Value:
    if _is_withheld(field, name) or (not field.is_known and _is_marked(found)):
        return _sensitive(found)
    if isinstance(found, dict):
        return {key: _value(item, field.child(key), key) for key, item in found.items()}
    if isinstance(found, list):
        return [_value(item, field.entries or UNKNOWN, name) for item in found]
    return found  # type: ignore[no-any-return]  # JSON has no other leaves


def _is_withheld(field: FieldSchema, name: str) -> bool:
    """Whether a value is withheld regardless of its type.

    The type of a value shows whether a target lists an undescribed field as known; a value whose
    name matches the secret pattern is nevertheless withheld.
    """
    if not field.facts.sensitive:
        return False
    return field.is_known or SECRET_NAME.search(name) is not None


def _is_marked(found: object) -> bool:
    """Whether a value was stored as a reference, as a mask, or withheld."""
    if isinstance(found, str):
        return _REFERENCE.fullmatch(found) is not None
    return found == _WITHHELD or (isinstance(found, dict) and found.keys() == {"mask"})


def _sensitive(found: object) -> Value:
    match found:
        case {"mask": str(text)}:
            return Mask(text)
        case str() if reference := _REFERENCE.fullmatch(found):
            return SecretRef.parse(reference.group(1))
        case None:
            return None
        case _:
            # A withheld value, and anything unknown in its place, is never shown.
            return Redacted("")
