"""The whole reference of fields as one Markdown document: `desired-state/README.md`.

A chapter for the fields of every integration, one for each group of providers whose configurations
have the same fields. What is known about a field: `reconciler.desired.explain`.
"""

from collections.abc import Iterator

from reconciler.desired.explain import ExplainedField, explain
from reconciler.domain.providers import KNOWN_PROVIDERS, PROVIDERS, Configuration
from reconciler.domain.schema import compiled
from reconciler.views.field_reference import table

_CONFIGURATIONS = "configurations"

_INTRODUCTION = """\
# Desired state

<!-- Generated: run `python -m tests.views.test_field_chapters` instead of editing this file. -->

The files of this folder say how the integrations of the gateway have to look:

- `reconcile.yaml`: targets, what this repository may own, limits
- `integrations/**/*.yaml`: one integration a file
- `access/**/*.yaml`: workspaces of an integration, for teams that own their access
- `environments/NAME/`: what differs in an environment; `reconcile render` shows the sum

A secret is never written here: its value is a reference such as `${env:SECRET_OPENAI_KEY}`,
resolved when it is sent. A field that is left out is left alone in the API.

- `reconcile explain PATH` shows what is known about a field, with an example and the source.
- `reconcile scaffold PROVIDER` prints a file that validates.

The notes of a field mean: *required*, it has to be there; *secret*, its value is a reference;
*never shown*, no output has its value; *host*, it decides where the stored credential is sent;
*immutable*, a change replaces the integration; *write-only*, the API never returns it.

## Fields that are not listed

A configuration field that is not listed here is accepted, treated as a secret and as a host, and
shown as `(not shown: unknown field)`. If its value is no secret, name it in `known_fields` of the
target, by provider, to have it shown and compared like any other:

```yaml
targets:
  production:
    known_fields:
      newvendor: [newvendor_tier]
```

A field whose name speaks of a secret cannot be listed there.
"""


def document() -> str:
    """Build the reference of all fields."""
    chapters = [_INTRODUCTION, _of_every_integration(), _of_any_provider()]
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
