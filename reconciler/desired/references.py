"""Turn `${scheme:locator}` into names, and keep literals out of secret fields.

No value is read here. Which references an environment allows, and how they become values:
`reconciler.secrets`.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Any

from reconciler.desired.findings import Steps
from reconciler.domain.fields import (
    HEADERS_FIELD,
    KEYED_LISTS,
    REDACTED_FIELDS,
    SECRET_FIELDS,
    SECRET_NAME,
    is_secret,
    is_sensitive,
)
from reconciler.domain.leaves import REFERENCE_PATTERN
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import Path

Say = Callable[[str, str, str, Steps], None]
"""Receives code, summary, hint and the path of the value."""

_WHOLE = re.compile(REFERENCE_PATTERN)
_INSIDE = re.compile(r"\$\{[a-z][a-z0-9+._-]*:[^{}]*\}")
_NAMES = SECRET_FIELDS | REDACTED_FIELDS
_NEVER_VARIABLES = ("PORTKEY_", "GITHUB_", "ACTIONS_", "RECONCILE_")
_NEVER_FOLDERS = ("/proc", "/sys", "/dev")
_FORMS = "write `${env:SECRET_…}`, `${vault:path#field}` or another `${scheme:locator}`"


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_DEFAULT = (
    "write the name alone, as in ${env:SECRET_NAME}; a default is not supported, "
    "it would be a secret in a file"
)


def parse_reference(text: str) -> SecretRef | None:
    """Read a value that is a reference and nothing else; None for anything else."""
    if _WHOLE.fullmatch(text) is None:
        return None
    return SecretRef.parse(text[2:-1])


def is_forbidden(ref: SecretRef) -> bool:
    """Tell whether no environment lets an integration use this name (product.md §3.4)."""
    if ref.scheme == "env":
        return ref.locator.upper().startswith(_NEVER_VARIABLES)
    if ref.scheme == "file":
        path = posixpath.normpath("/" + ref.locator.lstrip("/"))
        return any(path == f or path.startswith(f + "/") for f in _NEVER_FOLDERS)
    return False


def bind(tree: dict[str, Any], say: Say, *, path: Path = (), steps: Steps = ()) -> None:
    """Put a `SecretRef` or a `Redacted` in place of every sensitive text of a fresh tree.

    `path` is the place in the integration, `steps` the place in the document.
    """
    in_headers = bool(path) and path[-1] == HEADERS_FIELD
    for key, value in tree.items():
        kind = type(value)
        if kind is str:
            if in_headers or key in _NAMES or "${" in value or SECRET_NAME.search(key):
                tree[key] = _leaf(value, (*path, key), (*steps, key), say)
        elif kind is dict:
            if not _is_literal_object(value, (*path, key), (*steps, key), say):
                bind(value, say, path=(*path, key), steps=(*steps, key))
        elif kind is list:
            _bind_list(value, (*path, key), (*steps, key), say)


def _is_literal_object(value: Any, path: Path, steps: Steps, say: Say) -> bool:
    if not value or not is_secret(path):
        return False
    say("literal-secret", f"`{path[-1]}` is a secret and must be a reference", _FORMS, steps)
    return True


def _bind_list(items: list[Any], path: Path, steps: Steps, say: Say) -> None:
    if _is_literal_object(items, path, steps, say):
        return
    key = KEYED_LISTS.get(path[-1])
    for index, item in enumerate(items):
        name = str(item.get(key, index)) if key and type(item) is dict else str(index)
        if type(item) is dict:
            bind(item, say, path=(*path, name), steps=(*steps, index))
        elif type(item) is str and "${" in item:
            items[index] = _leaf(item, (*path, name), (*steps, index), say)


def _leaf(text: str, path: Path, steps: Steps, say: Say) -> str | SecretRef | Redacted:
    if not text:
        return text
    if not is_sensitive(path):
        if _INSIDE.search(text):
            say(
                "reference-not-allowed",
                f"`{path[-1]}` is not a secret field, so it cannot hold a reference",
                "write the value itself, or use a secret field or a header",
                steps,
            )
        return text
    ref = parse_reference(text)
    if ref is not None and not _can_exist(ref):
        summary = f"the reference in `{path[-1]}` names nothing that can exist"
        say("invalid-reference", summary, _NO_DEFAULT, steps)
        return Redacted(text)
    if ref is not None:
        if is_forbidden(ref):
            say(
                "reference-forbidden",
                f"`{ref}` is never available to integrations",
                "use a variable SECRET_… or a secret manager",
                steps,
            )
        return ref
    if "${" in text:
        say(*_malformed(text, path[-1]), steps)
    elif is_secret(path):
        summary = f"`{path[-1]}` is a secret and must be a reference; the value is not shown"
        say("literal-secret", summary, _FORMS, steps)
    return Redacted(text)


def _can_exist(ref: SecretRef) -> bool:
    """Tell whether anything can have this name; `:-` is how shells write a default."""
    if ref.scheme == "env":
        return _VARIABLE.fullmatch(ref.locator) is not None
    return ":-" not in ref.locator


def _malformed(text: str, name: str) -> tuple[str, str, str]:
    if text.startswith("${") and text.endswith("}") and text.count("${") == 1:
        return "invalid-reference", f"the reference in `{name}` is not complete", _FORMS
    summary = f"a reference must be the whole value of `{name}`"
    return "reference-not-allowed", summary, "store the whole value as the secret"
