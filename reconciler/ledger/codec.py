"""Trees as the text of a row and back. A value that is secret leaves no trace but its place."""

import json
import re
from collections.abc import Mapping
from typing import Any

from reconciler.domain.facts import SECRET_NAME
from reconciler.domain.schema import UNKNOWN, FieldSchema, any_provider_schema
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import Path, Tree, Value, canonical_json, plain
from reconciler.ledger.errors import damaged

_REFERENCE = re.compile(r"\$\{([a-z][a-z0-9+.-]*:.+)\}", re.DOTALL)
_WITHHELD = {"redacted": True}
_WITHHELD_TEXT = canonical_json(_WITHHELD)


def to_json(value: Any) -> str:
    """Write the JSON of a row in ASCII, which a database of any encoding holds.

    Half a character, which no database takes, becomes U+FFFD.
    """
    text = repaired(canonical_json(value))
    if text.isascii():
        return text
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_ascii(text: str) -> str:
    """Return a text of the API in a form that a database of any encoding holds."""
    return text.replace("\0", "\\x00").encode("ascii", "backslashreplace").decode()


def to_text(tree: Tree) -> str:
    """Write a tree: references by name, masks as they are, values not at all."""
    return to_json(_plain(tree, any_provider_schema(), ""))


def withholds(text: str) -> bool:
    """Tell whether something was left out of a text, so that reading it gives less."""
    return _WITHHELD_TEXT in text


def from_text(text: str) -> Tree:
    """Read a tree; a value that was withheld comes back as an empty `Redacted`."""
    return from_document(document(text))


def from_document(found: dict[str, Any]) -> Tree:
    """Read a tree that is part of a larger document."""
    schema = any_provider_schema()
    return {key: _value(item, schema.child(key), key) for key, item in found.items()}


def document(text: str) -> dict[str, Any]:
    """Read a row's JSON; a row that was tampered with is a damaged ledger."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise damaged()
    return found


def path_to_text(path: Path) -> str:
    """Write a path as the text of a row."""
    return to_json(list(path))


def path_from_text(text: str) -> Path:
    """Read the path of a row; a row that was tampered with is a damaged ledger."""
    try:
        return tuple(str(part) for part in json.loads(text))
    except (ValueError, TypeError):
        raise damaged() from None


def _plain(value: Value, field: FieldSchema, name: str) -> Any:
    if _is_withheld(field, name):
        # Whatever is neither a name nor a mask is withheld, even if its type would let it out.
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
    """Return whether a value is withheld whatever its type.

    The type of a value tells whether a field that no model describes is open, as a target may vouch
    for it; nobody can vouch for a name that speaks of a secret.
    """
    if not field.facts.sensitive:
        return False
    return field.is_known or SECRET_NAME.search(name) is not None


def _is_marked(found: Any) -> bool:
    """Return whether a value was written as a name, as a mask, or not at all."""
    if isinstance(found, str):
        return _REFERENCE.fullmatch(found) is not None
    return found == _WITHHELD or (isinstance(found, dict) and found.keys() == {"mask"})


def _sensitive(found: Any) -> Value:
    match found:
        case {"mask": str(text)}:
            return Mask(text)
        case str() if reference := _REFERENCE.fullmatch(found):
            return SecretRef.parse(reference.group(1))
        case None:
            return None
        case _:
            return Redacted("")
