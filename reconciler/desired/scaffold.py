"""Starter file for an integration, from the required fields and examples of its provider.

The files of a new repository: `desired.init_files`.
"""

from reconciler.desired.references import SecretNames
from reconciler.desired.suggestions import did_you_mean, meant_provider, one_of
from reconciler.desired.yaml_values import infer_scalar
from reconciler.desired.yaml_writer import document
from reconciler.diagnostics import error
from reconciler.domain.identifiers import SLUG
from reconciler.domain.providers import KNOWN_PROVIDERS, configuration_of
from reconciler.domain.schema import FieldKind, FieldSchema, integration_schema
from reconciler.domain.tree import Path, Value
from reconciler.errors import InvalidInput

_CONFIGURATIONS = "configurations"


def starter_file(provider: str, *, auth: str | None = None, slug: str | None = None) -> str:
    """Return the text of a file that declares an integration of a provider.

    `auth` is one of the provider's auth modes, by default the first one. Raises `InvalidInput` for
    an unknown provider, an unknown auth mode and an invalid slug.
    """
    _check_provider(provider)
    slug = slug if slug is not None else provider
    if SLUG.fullmatch(slug) is None:
        summary = f"`{slug[:60]}` is not a valid slug"
        hint = "use 1 to 255 letters, digits, `_` or `-`"
        raise InvalidInput([error("invalid-value", summary, hint=hint)])
    builder = _Builder(provider, SecretNames(slug))
    fields: dict[str, Value] = {
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
    meant = meant_provider(provider)
    hint = "run `reconcile schema` to list the known providers"
    if meant is not None:
        hint = f"did you mean `{meant}`?"
    summary = f"`{provider[:60]}` is not a known provider"
    raise InvalidInput([error("unknown-provider", summary, hint=hint)])


class _Builder:
    """Builds the fields of a starter file for one provider."""

    def __init__(self, provider: str, naming: SecretNames) -> None:
        self.provider = provider
        self.naming = naming
        self.model = configuration_of(provider)
        self.schema = integration_schema(provider).child(_CONFIGURATIONS)

    def configurations(self, auth: str | None) -> dict[str, Value]:
        """Return the fields that the provider needs with an auth mode, in the order of the model.

        They include fields that are usually needed, and fields that other ones depend on.
        """
        given: dict[str, Value] = {}
        if self.model.mode_field is not None:
            given[self.model.mode_field] = self._mode(self.model.mode_field, auth)
        elif auth is not None:
            summary = f"{self.provider} has no auth modes"
            hint = "remove --auth"
            raise InvalidInput([error("invalid-value", summary, hint=hint)])
        needed = set(given)
        for missing in (*self.model.missing(given, ()), *self.model.missed(given, ())):
            needed.add(missing.field)
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

    def _example(self, field: FieldSchema, path: Path) -> Value:
        if field.facts.secret:
            return self.naming.reference(path)
        if field.kind is FieldKind.KEYED_LIST and field.entries is not None:
            return [self._entry(field.entries, path)]
        example = field.facts.example or ""
        return example if field.is_text else infer_scalar(example)

    def _entry(self, entry: FieldSchema, path: Path) -> dict[str, Value]:
        """Return an entry with its required fields and flags; as the only one it is the default."""
        return {
            name: self._example(field, (*path, name))
            for name, field in entry.fields.items()
            if (field.info is not None and field.info.is_required()) or not field.is_text
        }
