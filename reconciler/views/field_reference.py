"""Reference of fields: `reconcile explain`, and the generated part of `desired-state/README.md`.

The part of that file above the reference is the guide for authors and is not generated. The
reference has a chapter for the fields of every integration and one for each group of providers
whose configurations have the same fields. The facts about a field: `reconciler.desired.explain`.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from reconciler.desired.explain import ExplainedField, explain
from reconciler.domain.providers import KNOWN_PROVIDERS, PROVIDERS, Configuration
from reconciler.domain.schema import compiled
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.text_layout import TextLayout

_CONFIGURATIONS = "configurations"

GENERATED = """\
<!-- Generated: run `python -m tests.views.test_field_reference` instead of editing. -->
"""


def as_json(explained: ExplainedField) -> str:
    """Return one field as a JSON document."""
    return json.document({"format_version": "1", "kind": "field", **explained.as_json()})


def as_text(explained: ExplainedField, *, width: int | None = None) -> str:
    """Return one field and its members for a terminal of this width."""
    title = f"FIELD: {explained.path or 'integration'} <{explained.field.type_name}>"
    paragraphs = [[title], [f"  {explained.description}"] if explained.description else []]
    if explained.path:
        facts = [*explained.marks, *(f"{name}: {text}" for name, text in explained.details)]
        paragraphs.append([f"  {fact}" for fact in facts])
    if explained.members:
        paragraphs.append(["FIELDS:", *_member_lines(explained.members, "  ")])
    page = TextLayout(width=width, color=False)
    for lines in paragraphs:
        page.blank()
        for line in lines:
            text = visible(line, None)
            page.line(text.lstrip(), indent=len(text) - len(text.lstrip()), hang=0)
    return page.text()


def as_markdown(explained: ExplainedField) -> str:
    """Return one field and its members as a Markdown table."""
    lines = [f"# {explained.path or 'Integration'}", ""]
    if explained.description:
        lines += [explained.description, ""]
    if explained.path:
        lines += [f"- type: {explained.field.type_name}", *(f"- {m}" for m in explained.marks)]
        lines += [*(f"- {name}: {text}" for name, text in explained.details), ""]
    lines += _table(explained.members)
    return "\n".join(lines).rstrip() + "\n"


def handbook() -> str:
    """Return the reference of all fields in Markdown; it begins with the line `GENERATED`."""
    chapters = [GENERATED, _chapter_of_every_integration(), _chapter_of_any_provider()]
    chapters += [_chapter_of_providers(names) for names in _provider_groups()]
    return "\n".join(chapters)


def _member_lines(members: Sequence[ExplainedField], indent: str) -> Iterator[str]:
    for member in members:
        name = member.path.rpartition(".")[2]
        marks = f"  [{'; '.join(member.marks)}]" if member.marks else ""
        yield f"{indent}{name} <{member.field.type_name}>{marks}"
        if member.description:
            yield f"{indent}    {member.description}"
        if member.field.choices:
            yield f"{indent}    One of: {', '.join(member.field.choices)}."
        yield from _member_lines(member.members, indent + "  ")


def _table(members: Sequence[ExplainedField]) -> list[str]:
    """Return the lines of a Markdown table of fields and their members; empty without fields."""
    if not members:
        return []
    described = [(member.path, _description(member)) for member in _with_descendants(members)]
    # Adjacent fields with equal descriptions, such as the factors of token kinds, share a row.
    rows = [
        f"| {_codes(_shortened([path for path, _ in alike]))} | {description} |"
        for description, alike in groupby(described, key=lambda row: row[1])
    ]
    return ["| field | type | meaning |", "|---|---|---|", *rows]


def _shortened(paths: Sequence[str]) -> Iterator[str]:
    """Return each path, without its parent if the one before has the same parent."""
    parent = None
    for path in paths:
        before, (parent, _, name) = parent, path.rpartition(".")
        yield name if parent and parent == before else path


def _with_descendants(members: Sequence[ExplainedField]) -> Iterator[ExplainedField]:
    for member in members:
        yield member
        yield from _with_descendants(member.members)


def _description(member: ExplainedField) -> str:
    """Return the cells for the type and the meaning."""
    sentences = [member.description]
    if member.field.choices:
        sentences.append(f"One of {_codes(member.field.choices)}.")
    if member.required_by not in {"", "always"}:
        sentences.append(f"Required {member.required_by}.")
    if member.marks:
        sentences.append(f"*{'; '.join(member.marks)}.*")
    # In a table, a bar ends the cell, even within a code span.
    meaning = " ".join(sentence for sentence in sentences if sentence).replace("|", "\\|")
    return f"{member.field.type_name} | {meaning}"


def _chapter_of_every_integration() -> str:
    whole = explain("", recursive=True)
    # The fields of configurations depend on the provider, so they have separate chapters.
    members = [
        ExplainedField(member.path, member.field) if member.path == _CONFIGURATIONS else member
        for member in whole.members
    ]
    return _chapter("Fields of every integration", "", _table(members))


def _chapter_of_any_provider() -> str:
    plain = sorted(name for name in KNOWN_PROVIDERS if name not in PROVIDERS)
    # Providers without a specific model have only the common fields, so any of them can be used.
    members = explain(_CONFIGURATIONS, provider=plain[0], recursive=True).members
    text = f"Every provider accepts these fields. These have no others:\n{_codes(plain)}.\n"
    return _chapter("Configurations of any provider", text, _table(members))


def _chapter_of_providers(names: Sequence[str]) -> str:
    model = PROVIDERS[names[0]]
    members = explain(_CONFIGURATIONS, provider=names[0], recursive=True).members
    # The common fields have a separate chapter.
    own = [m for m in members if m.path.rpartition(".")[2] not in Configuration.model_fields]
    text = "".join(f"{line}\n" for line in _requirements(model))
    return _chapter(f"Configurations of {_codes(names)}", text, _table(own))


def _provider_groups() -> list[list[str]]:
    """Return the providers with specific fields, grouped by model."""
    groups: dict[type[Configuration], list[str]] = {}
    for provider, model in PROVIDERS.items():
        groups.setdefault(model, []).append(provider)
    return list(groups.values())


def _requirements(model: type[Configuration]) -> Iterator[str]:
    """Return a list item for each requirement, then one for each auth mode."""
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


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _chapter(title: str, text: str, rows: Sequence[str]) -> str:
    lines = [f"## {title}", ""]
    if text:
        lines.append(text)
    lines += rows or ["No fields beyond those of any provider."]
    return "\n".join(lines) + "\n"
