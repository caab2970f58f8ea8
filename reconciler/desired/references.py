"""Turn `${scheme:locator}` into names, and keep literals out of secret fields.

No value is read here. Which references an environment allows, and how they become values:
`reconciler.secrets`.
"""

import posixpath
import re
from collections.abc import Callable
from typing import Any

from reconciler.desired.problem_collector import Steps
from reconciler.domain.field_types import REFERENCE_PATTERN
from reconciler.domain.schema import FieldSchema
from reconciler.domain.secrets import Opaque, Redacted, SecretRef
from reconciler.domain.tree import canonical_json

ReportError = Callable[[str, str, str, Steps], None]
"""Receives code, summary, hint and the path of the value."""

_WHOLE = re.compile(REFERENCE_PATTERN)
_INSIDE = re.compile(r"\$\{[a-z][a-z0-9+._-]*:[^{}]*\}")
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


def holds_reference(text: str) -> bool:
    """Return whether a reference stands anywhere in a text; `bind` reports a misplaced one."""
    return _INSIDE.search(text) is not None


def is_forbidden(ref: SecretRef) -> bool:
    """Tell whether no environment lets an integration use this name."""
    if ref.scheme == "env":
        return ref.locator.upper().startswith(_NEVER_VARIABLES)
    if ref.scheme == "file":
        path = posixpath.normpath("/" + ref.locator.lstrip("/"))
        return any(path == f or path.startswith(f + "/") for f in _NEVER_FOLDERS)
    return False


def bind(
    tree: dict[str, Any], schema: FieldSchema, report: ReportError, *, steps: Steps = ()
) -> None:
    """Put a `SecretRef` or a `Redacted` in place of every sensitive value of a fresh tree.

    `steps` is the place of the tree in the document. Of a field that no model describes every value
    is sensitive, whatever its type.
    """
    known = schema.fields
    for name, value in tree.items():
        field = known.get(name) or schema.child(name)
        tree[name] = _bound(value, field, name, (*steps, name), report)


def _bound(value: Any, field: FieldSchema, name: str, steps: Steps, report: ReportError) -> Any:
    kind = type(value)
    if kind is str:
        if field.facts.sensitive or "${" in value:
            return _leaf(value, field, name, steps, report)
    elif kind is dict:
        if not _is_literal_object(value, field, name, steps, report):
            bind(value, field, report, steps=steps)
    elif kind is list:
        if not _is_literal_object(value, field, name, steps, report):
            return _bound_list(value, field, name, steps, report)
    elif value is not None and field.facts.redacted:
        return Opaque.of(value)
    return value


def _is_literal_object(
    value: Any, field: FieldSchema, name: str, steps: Steps, report: ReportError
) -> bool:
    if not value or not field.facts.secret:
        return False
    report("literal-secret", f"`{name}` is a secret and must be a reference", _FORMS, steps)
    return True


def _bound_list(
    items: list[Any], field: FieldSchema, name: str, steps: Steps, report: ReportError
) -> Any:
    """Bind the entries of a list; one that no model describes is a single value that is hidden."""
    if field.is_known or not field.facts.redacted:
        entries = field.entries or field
        return [_bound(item, entries, name, (*steps, i), report) for i, item in enumerate(items)]
    if "${" in canonical_json(items):
        summary = f"`{name}` is a list of an unknown field, and such a list cannot hold a reference"
        report(
            "reference-not-allowed", summary, "use a field that is described, or a header", steps
        )
    return Opaque.of(items) if items else items


def _leaf(
    text: str, field: FieldSchema, name: str, steps: Steps, report: ReportError
) -> str | SecretRef | Redacted:
    if not text:
        return text
    if not field.facts.sensitive:
        if holds_reference(text):
            report(
                "reference-not-allowed",
                f"`{name}` is not a secret field, so it cannot hold a reference",
                "write the value itself, or use a secret field or a header",
                steps,
            )
        return text
    ref = parse_reference(text)
    if ref is not None and not _can_exist(ref):
        summary = f"the reference in `{name}` names nothing that can exist"
        report("invalid-reference", summary, _NO_DEFAULT, steps)
        return Redacted(text)
    if ref is not None:
        if is_forbidden(ref):
            report(
                "reference-forbidden",
                f"`{ref}` is never available to integrations",
                "use a variable SECRET_… or a secret manager",
                steps,
            )
        return ref
    if "${" in text:
        report(*_malformed(text, name), steps)
    elif field.facts.secret:
        summary = f"`{name}` is a secret and must be a reference; the value is not shown"
        report("literal-secret", summary, _FORMS, steps)
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
