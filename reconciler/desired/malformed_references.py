"""Hints for text that was meant as a reference: `${SECRET_X}`, `${ENV:X}`, `$SECRET_X`, `${env:X`.

Such text may also be a secret, so a hint repeats a name only if it can be nothing but a name.
"""

import re

from reconciler.domain.secrets import LOOKS_SECRET, SecretRef

FORMS = "write `${env:SECRET_…}`, `${vault:path#field}` or another `${scheme:locator}`"

# Credentials of this tool and of CI: an integration must not send them to a vendor.
RESERVED_PREFIXES = ("PORTKEY_", "GITHUB_", "ACTIONS_", "RECONCILE_")
_LONGEST_NAME = 64
# A key can consist of capitals and digits, so digits are shown only behind our own prefix.
_SHOWABLE = re.compile(r"SECRET_[A-Z0-9_]+|[A-Z][A-Z_]*")

_BRACED = re.compile(
    r"\$\{\{?\s*(?:(?P<scheme>[A-Za-z][A-Za-z0-9+_-]*)\s*[:.](?![-=?+])\s*)?"
    r"(?P<name>[^{}]*?)\s*(?P<close>\}{0,2})"
)
_DEFAULT = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*:[-=?+].*", re.DOTALL)
_IN_VARIABLES = frozenset({"env", "secrets", "vars"})
"""Schemes, ours and those of GitHub's expressions, whose names are variables."""

_UNBRACED = re.compile(
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
_UNBRACED_OTHER = re.compile(r"\{?(?P<scheme>vault|aws|sops|file):[^\s{}]+\}?")


def describe_malformed(text: str, name: str) -> tuple[str, str]:
    """Return the summary and the hint for a text of the field `name` that begins with `${`."""
    braced = _BRACED.fullmatch(text)
    if braced is None:
        return f"the reference in `{name}` is not of the form `${{scheme:locator}}`", FORMS
    scheme = (braced["scheme"] or "").lower()
    variable = braced["name"]
    if not variable:
        return f"the reference in `{name}` has no name", FORMS
    default = _DEFAULT.fullmatch(variable)
    hint = _other_scheme(scheme)
    if not scheme or scheme in _IN_VARIABLES:
        hint = _variable_hint(default["name"] if default else variable)
    if default is not None:
        hint += "; a default is not supported, because it would be a secret in a file"
    if not braced["close"]:
        return f"the closing brace of the reference in `{name}` is missing", hint
    return f"the reference in `{name}` is not of the form `${{scheme:locator}}`", hint


def meant_reference(text: str) -> str:
    """Return a hint for a text without `${` that other tools take for a variable; "" for others."""
    found = _UNBRACED.fullmatch(text.strip())
    if found is not None:
        return _variable_hint(next(group for group in found.groups() if group))
    other = _UNBRACED_OTHER.fullmatch(text.strip())
    return _other_scheme(other["scheme"]) if other is not None else ""


def invalid_name_hint(ref: SecretRef) -> str:
    """Return the hint for a reference whose name is not valid for its scheme."""
    default = _DEFAULT.fullmatch(ref.locator)
    hint = "write only the name, as in `${env:SECRET_NAME}`"
    if default is not None and ref.scheme == "env":
        hint = _variable_hint(default["name"])
    elif ref.scheme == "env":
        return "use letters, digits and `_` in the name of a variable: `${env:SECRET_NAME}`"
    return f"{hint}; a default is not supported, because it would be a secret in a file"


def _variable_hint(name: str) -> str:
    """Return how to refer to a variable; a name that may be a secret is not repeated."""
    if (
        not _SHOWABLE.fullmatch(name)
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
    # What stands before an unexpected colon may be part of a secret.
    if scheme not in _OTHER_SCHEMES:
        return FORMS
    locator = "PATH" if scheme == "file" else "PATH#FIELD"
    return f"write `${{{scheme}:{locator}}}`, without spaces and with both braces"
