"""The reference of fields, as `reconcile explain` and the generated documentation show it.

What is known about a field: `reconciler.desired.explain`.
"""

from collections.abc import Iterator, Sequence

from reconciler.desired.explain import ExplainedField
from reconciler.views import json
from reconciler.views.escape import visible


def as_json(explained: ExplainedField) -> str:
    """Write one field as a JSON document."""
    return json.document({"format_version": "1", "kind": "field", **explained.as_json()})


def as_text(explained: ExplainedField) -> str:
    """Write one field and its members for a terminal."""
    lines = [f"FIELD: {explained.path or 'integration'} <{explained.field.type_name}>", ""]
    if explained.description:
        lines += [f"  {explained.description}", ""]
    facts = [*(("", mark) for mark in explained.marks), *explained.details]
    lines += [
        f"  {name}: {text}" if name else f"  {text}" for name, text in facts if explained.path
    ]
    if explained.members:
        lines += ["", "FIELDS:", *_member_lines(explained.members, "  ")]
    return "\n".join(visible(line, None) for line in lines).rstrip() + "\n"


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


def as_markdown(explained: ExplainedField, *, heading: int = 1) -> str:
    """Write one field and its members as a Markdown table."""
    lines = [f"{'#' * heading} {explained.path or 'Integration'}", ""]
    if explained.description:
        lines += [explained.description, ""]
    if explained.path:
        lines += [f"- type: {explained.field.type_name}", *(f"- {m}" for m in explained.marks)]
        lines += [*(f"- {name}: {text}" for name, text in explained.details), ""]
    lines += table(explained.members)
    return "\n".join(lines).rstrip() + "\n"


def table(members: Sequence[ExplainedField]) -> list[str]:
    """Return the lines of a Markdown table of fields and their members; none for no fields."""
    if not members:
        return []
    rows = [_row(member) for member in _all(members)]
    return ["| field | type | meaning |", "|---|---|---|", *rows]


def _all(members: Sequence[ExplainedField]) -> Iterator[ExplainedField]:
    for member in members:
        yield member
        yield from _all(member.members)


def _row(member: ExplainedField) -> str:
    sentences = [member.description]
    if member.field.choices:
        sentences.append(
            "One of " + ", ".join(f"`{choice}`" for choice in member.field.choices) + "."
        )
    if member.required_by not in {"", "always"}:
        sentences.append(f"Required {member.required_by}.")
    if member.marks:
        sentences.append(f"*{'; '.join(member.marks)}.*")
    meaning = " ".join(sentence for sentence in sentences if sentence).replace("|", "\\|")
    return f"| `{member.path}` | {member.field.type_name} | {meaning} |"
