"""Name the secrets of an integration that is taken over from the API.

Only names are made here; whether they have values, and agree with the masks, is found out later.
"""

import re
from collections.abc import Mapping

from reconciler.desired.references import is_forbidden, parse_reference
from reconciler.domain.secrets import SecretRef
from reconciler.domain.tree import Path

_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9_]")
_NOT_IN_LOCATORS = re.compile(r"[^A-Za-z0-9_.-]")


class SecretNames:
    """The references of one integration: those that are known, and new ones by a template.

    `template` is a reference with `{slug}` and `{field}` in it; without one it is a variable
    `SECRET_<SLUG>_<FIELD>`. `made` holds the new ones.
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
        self.made: dict[Path, SecretRef] = {}

    def reference(self, path: Path) -> SecretRef:
        """Give the reference for the secret at a path; the same one each time."""
        if path in self._known:
            return self._known[path]
        if path not in self.made:
            self.made[path] = self._make(path)
        return self.made[path]

    def _make(self, path: Path) -> SecretRef:
        field = path[-1]
        if self._taken.setdefault(_variable(field), path) != path:
            field = "_".join(path)
        if self._template is None:
            return SecretRef("env", f"SECRET_{_variable(self._slug)}_{_variable(field)}")
        return _filled(self._template, self._slug, field)


def template_problem(template: str) -> str | None:
    """Say what is wrong with a template, in words that follow its name."""
    probe = template.replace("{slug}", "slug").replace("{field}", "key")
    reference = parse_reference(probe)
    if reference is None:
        return "must be a reference such as ${vault:kv/ai/{slug}#{field}}"
    if is_forbidden(reference):
        return "names what no integration may use"
    if "{slug}" not in template:
        return "must hold {slug}, or all integrations would share one secret"
    return None


def _filled(template: str, slug: str, field: str) -> SecretRef:
    inner = template[2:-1]
    scheme, _, locator = inner.partition(":")
    if scheme == "env":
        slug, field = _variable(slug), _variable(field)
    field = _NOT_IN_LOCATORS.sub("_", field)
    return SecretRef(scheme, locator.replace("{slug}", slug).replace("{field}", field))


def _variable(text: str) -> str:
    return _NOT_IN_VARIABLES.sub("_", text.upper())
