"""References in files: parse `${scheme:locator}`, keep literals out of secret fields, name secrets.

Text that was only meant as a reference, such as `${SECRET_X}` or `$SECRET_X`, gets a hint. It may
also be a secret, so a hint repeats a name only if it is certainly a name.

No value is read here. `reconciler.secrets` decides which references an environment allows, and
resolves them.
"""

import posixpath
import re
from collections.abc import Callable, Mapping

from reconciler.desired.problem_collector import Steps
from reconciler.domain.facts import REFERENCE_PATTERN
from reconciler.domain.schema import FieldSchema
from reconciler.domain.secrets import LOOKS_SECRET, Opaque, Redacted, SecretRef
from reconciler.domain.tree import Path, Value, canonical_json

ReportError = Callable[[str, str, str, Steps], None]
"""Receives the code, summary and hint of an error, and the path of the value."""

_WHOLE = re.compile(REFERENCE_PATTERN)
_INSIDE = re.compile(r"\$\{[a-z][a-z0-9+._-]*:[^{}]*\}")
# /proc/self/environ has these variables, too.
_NEVER_FOLDERS = ("/proc", "/sys", "/dev")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_reference(text: str) -> SecretRef | None:
    """Return the reference that a text consists of; None for any other text."""
    if _WHOLE.fullmatch(text) is None:
        return None
    return SecretRef.parse(text[2:-1])


def holds_reference(text: str) -> bool:
    """Return whether a text contains a reference; `bind_references` reports a misplaced one."""
    return _INSIDE.search(text) is not None


def is_forbidden(ref: SecretRef) -> bool:
    """Return whether no environment allows an integration to use this name."""
    if ref.scheme == "env":
        return ref.locator.upper().startswith(RESERVED_PREFIXES)
    if ref.scheme == "file":
        # normpath resolves `..`, but keeps two leading slashes; so they are removed first.
        path = posixpath.normpath("/" + ref.locator.lstrip("/"))
        return any(path == f or path.startswith(f + "/") for f in _NEVER_FOLDERS)
    return False


def bind_references(
    tree: dict[str, Value], schema: FieldSchema, report: ReportError
) -> list[tuple[SecretRef, Steps]]:
    """Replace each sensitive value of a tree, in place, by a `SecretRef` or a `Redacted`.

    Return the references with their paths. Every value of a field that no model describes is
    sensitive, regardless of its type.
    """
    binder = _Binder(report)
    binder.bind_mapping(tree, schema, ())
    return binder.references


class _Binder:
    """Replaces the sensitive values of one tree, and collects the references in it."""

    def __init__(self, report: ReportError) -> None:
        self._report = report
        self.references: list[tuple[SecretRef, Steps]] = []

    def bind_mapping(self, tree: dict[str, Value], schema: FieldSchema, steps: Steps) -> None:
        known = schema.fields
        for name, value in tree.items():
            field = known.get(name) or schema.child(name)
            is_plain_text = type(value) is str and not field.facts.sensitive and "${" not in value
            is_plain_flag = type(value) is bool and not field.facts.redacted
            # Most values: they stay, and are skipped without a call.
            if is_plain_text or is_plain_flag:
                continue
            # Replaced immediately, so that no later step of the loader receives a literal secret.
            tree[name] = self._bind(value, field, name, (*steps, name))

    def _bind(self, value: Value, field: FieldSchema, name: str, steps: Steps) -> Value:
        if isinstance(value, str):
            # A reference in a plain field would be sent as text, so it is also reported.
            if field.facts.sensitive or "${" in value:
                return self._text(value, field, name, steps)
        elif isinstance(value, dict):
            if not self._is_literal_object(value, field, name, steps):
                self.bind_mapping(value, field, steps)
        elif isinstance(value, list):
            if not self._is_literal_object(value, field, name, steps):
                return self._list(value, field, name, steps)
        elif value is not None and field.facts.redacted:
            return Opaque.of(value)
        return value

    def _is_literal_object(self, value: Value, field: FieldSchema, name: str, steps: Steps) -> bool:
        if not value or not field.facts.secret:
            return False
        summary = f"`{name}` is a secret and must be a reference"
        self._report("literal-secret", summary, FORMS, steps)
        return True

    def _list(self, items: list[Value], field: FieldSchema, name: str, steps: Steps) -> Value:
        """Bind the entries of a list; a list that no model describes is hidden as one value."""
        if field.is_known or not field.facts.redacted:
            entries = field.entries or field
            return [self._bind(v, entries, name, (*steps, i)) for i, v in enumerate(items)]
        # Anywhere inside: the list is sent as it is, so a reference in it would be sent as text.
        if "${" in canonical_json(items):
            summary = f"`{name}` is a list in an unknown field and cannot contain a reference"
            hint = "use a secret field or a header"
            self._report("reference-not-allowed", summary, hint, steps)
        return Opaque.of(items) if items else items

    def _text(
        self, text: str, field: FieldSchema, name: str, steps: Steps
    ) -> str | SecretRef | Redacted:
        bound = _leaf(text, field, name, steps, self._report)
        if isinstance(bound, SecretRef):
            self.references.append((bound, steps))
        return bound


def _leaf(
    text: str, field: FieldSchema, name: str, steps: Steps, report: ReportError
) -> str | SecretRef | Redacted:
    if not text:
        return text
    if not field.facts.sensitive:
        if holds_reference(text):
            report(
                "reference-not-allowed",
                f"`{name}` is not a secret field and cannot contain a reference",
                "write the value itself, or move the reference to a secret field or a header",
                steps,
            )
        return text
    ref = parse_reference(text)
    if ref is not None and not _can_exist(ref):
        summary = f"the reference in `{name}` is not a valid name for its scheme"
        report("invalid-reference", summary, invalid_name_hint(ref), steps)
        # Still hidden, because a text that is not a name may be the secret itself.
        return Redacted(text)
    if ref is not None:
        if is_forbidden(ref):
            report(
                "reference-forbidden",
                f"`{ref}` is reserved and cannot be used by an integration",
                "use a variable `SECRET_…` or a secret manager",
                steps,
            )
        return ref
    if "${" in text:
        report(*_malformed(text, name), steps)
    elif field.facts.secret:
        summary = f"`{name}` is a secret and must be a reference; the value is not shown"
        report("literal-secret", summary, meant_reference(text) or FORMS, steps)
    return Redacted(text)


def _can_exist(ref: SecretRef) -> bool:
    """Return whether a name is valid for its scheme; `:-` is how shells write a default."""
    if ref.scheme == "env":
        return _VARIABLE.fullmatch(ref.locator) is not None
    return ":-" not in ref.locator


def _malformed(text: str, name: str) -> tuple[str, str, str]:
    if text.strip().startswith("${") and text.count("${") == 1:
        after = text.strip().partition("}")[2]
        if not after.strip("}"):
            return "invalid-reference", *describe_malformed(text.strip(), name)
    summary = f"a reference must be the whole value of `{name}`"
    return "reference-not-allowed", summary, "store the whole value as the secret"


_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9_]")
_NOT_IN_LOCATORS = re.compile(r"[^A-Za-z0-9_.-]")


class SecretNames:
    """References for the secrets of one exported integration: known ones, and generated ones.

    `template` is a reference with `{slug}` and `{field}` in it; without one, an environment
    variable `SECRET_<SLUG>_<FIELD>` is named. `generated` holds the generated references. Whether
    they have values, and agree with the masks, is checked elsewhere.
    """

    def __init__(
        self,
        slug: str,
        *,
        template: str | None = None,
        known: Mapping[Path, SecretRef] | None = None,
    ) -> None:
        self._slug = slug
        self._template = template
        self._known = known or {}
        self._taken: dict[str, Path] = {}
        self.generated: dict[Path, SecretRef] = {}

    def reference(self, path: Path) -> SecretRef:
        """Return the reference for the secret at a path; the same one each time."""
        if path in self._known:
            return self._known[path]
        if path not in self.generated:
            self.generated[path] = self._generate(path)
        return self.generated[path]

    def _generate(self, path: Path) -> SecretRef:
        field = path[-1]
        # Two names, such as `a-b` and `a_b`, can become the same variable; the second gets its
        # whole path.
        if self._taken.setdefault(_variable(field), path) != path:
            field = "_".join(path)
        if self._template is None:
            return SecretRef("env", f"SECRET_{_variable(self._slug)}_{_variable(field)}")
        return _fill_template(self._template, self._slug, field)


def template_problem(template: str) -> str | None:
    """Return what is wrong with a template, worded to follow its name; None if nothing is."""
    probe = template.replace("{slug}", "slug").replace("{field}", "key")
    reference = parse_reference(probe)
    if reference is None:
        return "must be a reference such as ${vault:kv/ai/{slug}#{field}}"
    if is_forbidden(reference):
        return "cannot name a value that is reserved for the tool itself"
    if "{slug}" not in template:
        return "must contain {slug}: without it, all integrations would share one secret"
    return None


def _fill_template(template: str, slug: str, field: str) -> SecretRef:
    inner = template[2:-1]
    scheme, _, locator = inner.partition(":")
    # The name of a variable allows fewer characters than the path of a secret manager, which
    # accepts a slug unchanged.
    if scheme == "env":
        slug, field = _variable(slug), _variable(field)
    field = _NOT_IN_LOCATORS.sub("_", field)
    return SecretRef(scheme, locator.replace("{slug}", slug).replace("{field}", field))


def _variable(text: str) -> str:
    return _NOT_IN_VARIABLES.sub("_", text.upper())


FORMS = "write `${env:SECRET_…}`, `${vault:path#field}` or another `${scheme:locator}`"

# Credentials of this tool and of CI: an integration must not send them to a vendor.
RESERVED_PREFIXES = ("PORTKEY_", "GITHUB_", "ACTIONS_", "RECONCILE_")
_LONGEST_NAME = 64
# A key can consist of capital letters and digits, so digits are shown only after our own prefix.
_SHOWABLE = r"SECRET_[A-Z0-9_]+|[A-Z][A-Z_]*"

# Kept as strings, because compiling takes time and only a malformed reference needs them.
_BRACED = (
    r"\$\{\{?\s*(?:(?P<scheme>[A-Za-z][A-Za-z0-9+_-]*)\s*[:.](?![-=?+])\s*)?"
    r"(?P<name>[^{}]*?)\s*(?P<close>\}{0,2})"
)
_DEFAULT = r"(?s)(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*:[-=?+].*"
_IN_VARIABLES = frozenset({"env", "secrets", "vars"})
"""Schemes, ours and those of GitHub's expressions, whose names are variables."""

_UNBRACED = (
    r"\$(?:env:)?(?P<shell>[A-Za-z_]\w*)"
    r"|\$\((?P<command>[A-Za-z_]\w*)\)"
    r"|%(?P<windows>[A-Za-z_]\w*)%"
    r"|\{\{\s*(?:(?:secrets|env)\.|\.)?(?P<template>[A-Za-z_]\w*)\s*\}\}"
    r"|\{?(?:env|ENV):(?P<scheme>[A-Za-z_]\w*)\}?"
    r"|(?:os\.environ[/.]|process\.env\.|secrets\.)(?P<code>[A-Za-z_]\w*)"
    r"|(?P<plain>SECRET_[A-Z0-9_]+)"
)
"""How shells, templates, programs and other gateways write the name of a variable."""

_OTHER_SCHEMES = frozenset({"vault", "aws", "sops", "file"})
_UNBRACED_OTHER = r"\{?(?P<scheme>vault|aws|sops|file):[^\s{}]+\}?"


def describe_malformed(text: str, name: str) -> tuple[str, str]:
    """Return the summary and the hint for a text of the field `name` that begins with `${`."""
    braced = re.fullmatch(_BRACED, text)
    if braced is None:
        return f"the reference in `{name}` is not of the form `${{scheme:locator}}`", FORMS
    scheme = (braced["scheme"] or "").lower()
    variable = braced["name"]
    if not variable:
        return f"the reference in `{name}` has no name", FORMS
    default = re.fullmatch(_DEFAULT, variable)
    hint = _other_scheme(scheme)
    if not scheme or scheme in _IN_VARIABLES:
        hint = _variable_hint(default["name"] if default else variable)
    if default is not None:
        hint += "; a default is not supported, because it would be a secret in a file"
    if not braced["close"]:
        return f"the closing brace of the reference in `{name}` is missing", hint
    return f"the reference in `{name}` is not of the form `${{scheme:locator}}`", hint


def meant_reference(text: str) -> str:
    """Return a hint for a text without `${` that other tools treat as a variable, else ""."""
    found = re.fullmatch(_UNBRACED, text.strip())
    if found is not None:
        return _variable_hint(next(group for group in found.groups() if group))
    other = re.fullmatch(_UNBRACED_OTHER, text.strip())
    return _other_scheme(other["scheme"]) if other is not None else ""


def invalid_name_hint(ref: SecretRef) -> str:
    """Return the hint for a reference whose name is not valid for its scheme."""
    default = re.fullmatch(_DEFAULT, ref.locator)
    hint = "write only the name, as in `${env:SECRET_NAME}`"
    if default is not None and ref.scheme == "env":
        hint = _variable_hint(default["name"])
    elif ref.scheme == "env":
        # `${NAME-default}` is another form in which shells write a default.
        hint = "use letters, digits and `_` in the name of a variable, as in `${env:SECRET_NAME}`"
    return f"{hint}; a default is not supported, because it would be a secret in a file"


def _variable_hint(name: str) -> str:
    """Return how to refer to a variable; a name that may be a secret is not repeated."""
    if (
        not re.fullmatch(_SHOWABLE, name)
        or len(name) > _LONGEST_NAME
        or LOOKS_SECRET.search(name)
        or name.startswith(RESERVED_PREFIXES)
    ):
        return "write `${env:SECRET_…}` with the name of the variable"
    if name.startswith("SECRET_"):
        return f"write `${{env:{name}}}`"
    return (
        f"write `${{env:SECRET_{name}}}`, or `${{env:{name}}}` if RECONCILE_ALLOWED_SECRETS "
        "lists that variable"
    )


def _other_scheme(scheme: str) -> str:
    # The text before an unexpected colon may be part of a secret.
    if scheme not in _OTHER_SCHEMES:
        return FORMS
    locator = "PATH" if scheme == "file" else "PATH#FIELD"
    return f"write `${{{scheme}:{locator}}}`, without spaces and with both braces"
