"""Documentation of fields, looked up in the schema.

Everything is derived from the schema; this module contains no facts about fields. How a field is
displayed: `reconciler.views.field_reference`.
"""

import re
from collections.abc import Mapping

from reconciler.desired.suggestions import did_you_mean, meant_provider, nearest, one_of
from reconciler.diagnostics import error
from reconciler.domain.facts import Clearing, RiskRule
from reconciler.domain.providers import (
    KNOWN_PROVIDERS,
    PROVIDERS,
    configuration_of,
    is_known,
)
from reconciler.domain.schema import FieldKind, FieldSchema, any_provider_schema, integration_schema
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

RISKS: Mapping[RiskRule, str] = {
    RiskRule.RESTRICTIVE: "restrictive",
    RiskRule.COSMETIC: "cosmetic",
    RiskRule.CREDENTIAL: "credential",
    RiskRule.ACCESS: "additive when access is granted, access-removal when it is taken away",
    RiskRule.SWITCH: "additive when switched on, restrictive when switched off",
    RiskRule.LIMIT: "additive when raised or removed, restrictive when lowered or added",
    RiskRule.SETTING: "additive when set for the first time, restrictive when changed",
}
"""Risks of a change, as plans name them."""


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """A field at a path, with its members.

    `path` is written as in files, without the keys of entries: `models.pricing_config`. `providers`
    lists those whose configurations have the field; it is empty for fields of every provider.
    `required_by` is the condition under which a configuration field is required.
    """

    path: str
    field: FieldSchema
    members: tuple["ExplainedField", ...] = ()
    providers: tuple[str, ...] = ()
    required_by: str = ""

    @property
    def marks(self) -> list[str]:
        """The properties of the field, in one or two words each."""
        facts = self.field.facts
        marks = {
            "required": self._is_required,
            "identity": facts.identity,
            "secret: only a reference": facts.secret,
            "never shown": facts.redacted or facts.headers,
            "host": facts.host,
            "chooses the host": facts.endpoint,
            "immutable": facts.immutable,
            "write-only": facts.write_only,
            "instant": facts.instant,
        }
        return [mark for mark, holds in marks.items() if holds]

    @property
    def _is_required(self) -> bool:
        info = self.field.info
        return self.required_by == "always" or (info is not None and info.is_required())

    @property
    def description(self) -> str:
        """The purpose of the field."""
        info = self.field.info
        return (info.description if info is not None else None) or ""

    @property
    def details(self) -> list[tuple[str, str]]:
        """The other properties of the field, each with a name and a text."""
        facts = self.field.facts
        default = self._default
        details = [
            ("one of", ", ".join(self.field.choices)),
            ("default", "" if default is None else str(default).lower()),
            ("required", "" if self.required_by in {"", "always"} else self.required_by),
            ("providers", ", ".join(self.providers)),
            ("risk of a change", RISKS[facts.risk or RiskRule.RESTRICTIVE]),
            ("sub-resource", facts.sub_resource or ""),
            ("cleared by", "" if facts.clearing is Clearing.EMPTY else facts.clearing.value),
            ("replaced by", facts.replaced_by or ""),
            ("example", facts.example or ""),
            ("source", facts.source or ""),
        ]
        return [(name, text) for name, text in details if text]

    @property
    def _default(self) -> object:
        if self.field.facts.default is not None:
            return self.field.facts.default
        info = self.field.info
        if info is None or info.is_required():
            return None
        return info.default

    def as_json(self) -> dict[str, object]:
        """Return the field as JSON data, members included."""
        facts = self.field.facts
        return {
            "path": self.path,
            "type": self.field.type_name,
            "description": self.description,
            "choices": list(self.field.choices),
            "default": self._default,
            "required": self._is_required,
            "required_by": self.required_by or None,
            "secret": facts.secret,
            "sensitive": facts.sensitive or facts.headers,
            "host": facts.host,
            "immutable": facts.immutable,
            "write_only": facts.write_only,
            "risk": RISKS[facts.risk or RiskRule.RESTRICTIVE],
            "sub_resource": facts.sub_resource,
            "cleared_by": facts.clearing.value,
            "providers": list(self.providers),
            "example": facts.example,
            "source": facts.source,
            "fields": [member.as_json() for member in self.members],
        }


def explain(path: str, *, provider: str | None = None, recursive: bool = False) -> ExplainedField:
    """Return the documentation of the field at a path; "" is the integration itself.

    The keys of entries can be omitted: `models.enabled` is `models[gpt-5].enabled`. Without a
    provider, `configurations` has the fields of all providers. Raises `InvalidInput` for an unknown
    path and for an unknown provider.
    """
    if provider is not None and not is_known(provider):
        summary = f"`{provider}` is not a known provider"
        meant = meant_provider(provider)
        hint = f"did you mean `{meant}`?" if meant else one_of(sorted(KNOWN_PROVIDERS))
        raise InvalidInput([error("unknown-provider", summary, hint=hint)])
    field = any_provider_schema() if provider is None else integration_schema(provider)
    whole = field
    steps = [step for step in _STEP.split(path) if step]
    if steps[:1] == [_ROOT]:
        del steps[0]
    for number, step in enumerate(steps):
        members = _members_of(field)
        if step not in members:
            around = ".".join(steps[:number])
            summary = f"`{step}` is not a field of {around or 'an integration'}"
            # If the first step is unknown, the last one is more useful: `config.aws_region` is
            # found by `aws_region`.
            word = steps[-1] if number == 0 else step
            hint = _hint(word, around, field, whole)
            raise InvalidInput([error("unknown-field", summary, hint=hint)])
        field = members[step]
    return _explained(tuple(steps), field, provider, depth=None if recursive else 1)


_STEP = re.compile(r"\[[^\]]*\]|\.")
_ROOT = "integration"


def _hint(word: str, around: str, field: FieldSchema, whole: FieldSchema) -> str:
    """Return a hint with the path of the field that was probably meant."""
    # A map has no field that could be meant.
    if field.kind in _OPEN_KINDS:
        return f"run `reconcile explain {around}`; names inside are free"
    # The name is right, but for another provider.
    providers = _providers_with(word) if around == _CONFIGURATIONS else ()
    if providers:
        return f"it is a field of {', '.join(providers)}"
    paths: dict[str, list[str]] = {}
    for path, _ in whole.walk():
        paths.setdefault(path[-1], []).append(".".join(path))
    name: str | None = word if word in paths else None
    if name is None and len(word) >= _SHORTEST_GUESSED:
        name = nearest(word, paths)
    members = _members_of(field)
    near = did_you_mean(word, members)
    # A similar name at this path is more likely than one elsewhere, unless that is the exact word.
    if near and name != word:
        return near
    if name is not None:
        return f"did you mean {' or '.join(f'`{p}`' for p in paths[name][:_PATHS_NAMED])}?"
    if members:
        return one_of(members)
    return f"`{around}` has no fields"


def _members_of(field: FieldSchema) -> Mapping[str, FieldSchema]:
    if field.fields:
        return field.fields
    return field.entries.fields if field.entries is not None else {}


def _explained(
    steps: tuple[str, ...], field: FieldSchema, provider: str | None, *, depth: int | None
) -> ExplainedField:
    members: list[ExplainedField] = []
    if depth != 0:
        inner = None if depth is None else depth - 1
        members = [
            _explained((*steps, name), child, provider, depth=inner)
            for name, child in _members_of(field).items()
        ]
    inside = len(steps) == 2 and steps[0] == _CONFIGURATIONS
    return ExplainedField(
        path=".".join(steps),
        field=field,
        members=tuple(members),
        providers=_providers_with(steps[1]) if inside and provider is None else (),
        required_by=_required_by(steps[1], provider) if inside and provider else "",
    )


_CONFIGURATIONS = "configurations"
_PATHS_NAMED = 3
_SHORTEST_GUESSED = 6
"""Minimum length of a word that is searched in all names; a shorter one resembles too many."""
_OPEN_KINDS = frozenset({FieldKind.HEADERS, FieldKind.MAP, FieldKind.ANY})


def _providers_with(name: str) -> tuple[str, ...]:
    """Return the providers whose configurations have a field; none if all of them have it."""
    providers = [p for p, model in PROVIDERS.items() if name in model.model_fields]
    return tuple(sorted(providers)) if len(providers) < len(PROVIDERS) else ()


def _required_by(name: str, provider: str) -> str:
    """Return the condition under which a configuration field is required."""
    model = configuration_of(provider)
    if name in model.required:
        return "always"
    modes = [mode for mode, fields in model.required_by_mode.items() if name in fields]
    return f"with {model.mode_field}: {' or '.join(modes)}" if modes else ""
