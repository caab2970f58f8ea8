"""A first file for an integration of a provider, from the schema's required fields and examples.

What `reconcile init` writes: `desired.scaffold`.
"""

from typing import Any

from reconciler.desired.references import SecretNames
from reconciler.desired.scalars import guess
from reconciler.desired.suggestions import did_you_mean, one_of
from reconciler.desired.yaml_writer import document
from reconciler.diagnostics import error
from reconciler.domain.identifiers import SLUG
from reconciler.domain.providers import ALIASES, KNOWN_PROVIDERS, configuration_of
from reconciler.domain.schema import FieldKind, FieldSchema, integration_schema
from reconciler.domain.tree import Path
from reconciler.errors import InvalidInput

_CONFIGURATIONS = "configurations"


def starter(provider: str, *, auth: str | None = None, slug: str | None = None) -> str:
    """Return the text of a file that declares an integration of a provider.

    `auth` is one of the provider's auth modes, the first one if it is left out. Raises
    `InvalidInput` for a provider that is not known, a mode that it does not have, and a slug that
    cannot be one.
    """
    _check_provider(provider)
    slug = slug if slug is not None else provider
    if SLUG.fullmatch(slug) is None:
        summary = f"`{slug[:60]}` cannot be a slug"
        hint = "use 1 to 255 letters, digits, `_` or `-`"
        raise InvalidInput([error("invalid-value", summary, hint=hint)])
    builder = _Builder(provider, SecretNames(slug))
    fields: dict[str, Any] = {
        "slug": slug,
        "name": slug.replace("-", " ").replace("_", " ").title(),
        "ai_provider_id": provider,
    }
    configurations = builder.configurations(auth)
    if configuration_of(provider).needs_key(configurations):
        fields["key"] = builder.naming.reference(("key",))
    if configurations:
        fields[_CONFIGURATIONS] = configurations
    return (
        "# The values below are examples. To list the settings of this provider, run:\n"
        f"# reconcile explain configurations --provider {provider}\n{document(fields)}"
    )


def _check_provider(provider: str) -> None:
    if provider in KNOWN_PROVIDERS:
        return
    right = ALIASES.get(provider.lower())
    near = f"did you mean `{right}`?" if right else did_you_mean(provider, KNOWN_PROVIDERS)
    hint = near or "`reconcile schema` lists the known providers"
    summary = f"`{provider[:60]}` is not a known provider"
    raise InvalidInput([error("unknown-provider", summary, hint=hint)])


class _Builder:
    def __init__(self, provider: str, naming: SecretNames) -> None:
        self.provider = provider
        self.naming = naming
        self.model = configuration_of(provider)
        self.schema = integration_schema(provider).child(_CONFIGURATIONS)

    def configurations(self, auth: str | None) -> dict[str, Any]:
        """Return the fields that this provider needs with an auth mode, in the order of the model.

        Expected fields are among them, and whatever another one does not work without.
        """
        given: dict[str, Any] = {}
        if self.model.mode_field is not None:
            given[self.model.mode_field] = self._mode(self.model.mode_field, auth)
        elif auth is not None:
            summary = f"{self.provider} has no auth modes"
            hint = "leave --auth out"
            raise InvalidInput([error("invalid-value", summary, hint=hint)])
        lacking = [*self.model.missing(given, ()), *self.model.missed(given, ())]
        needed = {*given, *(missing.field for missing in lacking)}
        return {
            name: given.get(name) or self._example(field, (_CONFIGURATIONS, name))
            for name, field in self.schema.fields.items()
            if name in needed or field.facts.required_by in needed
        }

    def _mode(self, name: str, auth: str | None) -> str:
        choices = self.schema.child(name).choices
        if auth is None:
            return choices[0]
        if auth not in choices:
            summary = f"`{auth[:60]}` is not an auth mode of {self.provider}"
            near = did_you_mean(auth, choices)
            hint = (near + " " if near else "") + one_of(choices)
            raise InvalidInput([error("invalid-value", summary, hint=hint)])
        return auth

    def _example(self, field: FieldSchema, path: Path) -> Any:
        if field.facts.secret:
            return self.naming.reference(path)
        if field.kind is FieldKind.KEYED_LIST and field.entries is not None:
            return [self._entry(field.entries, path)]
        example = field.facts.example or ""
        return example if field.is_text else guess(example)

    def _entry(self, entry: FieldSchema, path: Path) -> dict[str, Any]:
        """Return an entry with its required fields and switches: the only one is the default."""
        return {
            name: self._example(field, (*path, name))
            for name, field in entry.fields.items()
            if (field.info is not None and field.info.is_required()) or not field.is_text
        }
