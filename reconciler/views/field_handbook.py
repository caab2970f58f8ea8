"""The reference of all fields in Markdown: the generated part of `desired-state/README.md`.

The part above it is the guide for those who write files, and is written by hand. The reference has
a chapter for the fields of every integration and one for each group of providers whose
configurations have the same fields. What is known about a field: `reconciler.desired.explain`.
"""

from collections.abc import Iterator

from reconciler.desired.explain import ExplainedField, explain
from reconciler.domain.providers import KNOWN_PROVIDERS, PROVIDERS, Configuration
from reconciler.domain.schema import compiled
from reconciler.views.field_reference import table

_CONFIGURATIONS = "configurations"

GENERATED = """\
<!-- Generated from here on: run `python -m tests.views.test_field_chapters` instead of editing. -->
"""


def document() -> str:
    """Build the reference of all fields; it begins with the line `GENERATED`."""
    chapters = [GENERATED, _of_every_integration(), _of_any_provider()]
    chapters += [_of_providers(names) for names in _groups()]
    return "\n".join(chapters)


def _of_every_integration() -> str:
    whole = explain("", recursive=True)
    members = [_without_members(m) if m.path == _CONFIGURATIONS else m for m in whole.members]
    return _chapter("Fields of every integration", "", table(members))


def _without_members(field: ExplainedField) -> ExplainedField:
    return ExplainedField(field.path, field.field)


def _of_any_provider() -> str:
    plain = sorted(name for name in KNOWN_PROVIDERS if name not in PROVIDERS)
    members = explain(_CONFIGURATIONS, provider=plain[0], recursive=True).members
    text = f"Every provider accepts these fields. These have no others:\n{_codes(plain)}.\n"
    return _chapter("Configurations of any provider", text, table(members))


def _groups() -> list[list[str]]:
    """Return the providers with fields of their own, those with the same model together."""
    groups: dict[type[Configuration], list[str]] = {}
    for provider, model in PROVIDERS.items():
        groups.setdefault(model, []).append(provider)
    return list(groups.values())


def _of_providers(names: list[str]) -> str:
    model = PROVIDERS[names[0]]
    members = explain(_CONFIGURATIONS, provider=names[0], recursive=True).members
    own = [m for m in members if m.path.rpartition(".")[2] not in Configuration.model_fields]
    text = "".join(f"{line}\n" for line in _needs(model))
    return _chapter(f"Configurations of {_codes(names)}", text, table(own))


def _needs(model: type[Configuration]) -> Iterator[str]:
    """Write what has to be there, always and with each auth mode."""
    if model.required:
        yield f"- required: {_codes(model.required)}"
    if model.expected:
        yield f"- usually needed: {_codes(model.expected)}"
    if model.mode_field is None:
        yield "- `key`: required" if model.takes_key else "- `key`: not needed"
        return
    for mode in compiled(model).fields[model.mode_field].choices:
        needed = [*model.required_by_mode.get(mode, ()), *model.expected_by_mode.get(mode, ())]
        if mode in model.key_modes:
            needed.append("key")
        yield f"- `{model.mode_field}: {mode}` needs {_codes(needed) if needed else 'nothing else'}"


def _codes(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _chapter(title: str, text: str, rows: list[str]) -> str:
    parts = [f"## {title}", "", *([text] if text else []), *rows]
    if not rows:
        parts.append("No fields beyond those of any provider.")
    return "\n".join(parts) + "\n"
