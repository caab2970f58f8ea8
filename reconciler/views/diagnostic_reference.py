"""Reference of diagnostic codes: `reconcile explain CODE` and `desired-state/DIAGNOSTICS.md`.

The table is in `views/diagnostic_codes/`, a TOML file for each group. It is read only when a code
is explained. A test compares it with the codes that the source can emit.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from reconciler.frozen_dataclass import dataclass
from reconciler.views import json
from reconciler.views.escape import visible
from reconciler.views.text_layout import TextLayout

GENERATED = """\
<!-- Generated: run `python -m tests.views.test_diagnostic_reference` instead of editing. -->
"""
_INTRODUCTION = """\
Each message of `reconcile` has a code, as in `error[unknown-field]`. Codes are stable; the wording
of a message may change. `reconcile explain CODE` prints the entry of a code. In a result, codes
such as `AB07` and `http-503` are those of the API.
"""
_ORDER = (
    "files",
    "secrets",
    "git",
    "plans",
    "apply",
    "pull_undo",
    "terraform",
    "api",
    "ledger",
    "github",
    "fleet",
    "commands",
)
"""Groups, in the order of use."""


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """Diagnostic code with its meaning, an example and the fix.

    The example is a message, a command line, or lines of a file; `is_yaml` distinguishes them.
    """

    code: str
    group: str
    meaning: str
    example: str
    fix: str
    is_yaml: bool = False


@dataclass(frozen=True, slots=True)
class CodeGroup:
    """Codes with a common subject."""

    title: str
    about: str
    entries: Sequence[CodeEntry]


@cache
def groups() -> tuple[CodeGroup, ...]:
    """Return all groups, each with its codes in alphabetical order."""
    folder = files("reconciler.views") / "diagnostic_codes"
    return tuple(_group((folder / f"{name}.toml").read_text("utf-8")) for name in _ORDER)


@cache
def entries() -> Mapping[str, CodeEntry]:
    """Return the entry of every code."""
    return MappingProxyType({entry.code: entry for group in groups() for entry in group.entries})


def as_text(entry: CodeEntry, *, width: int | None = None) -> str:
    """Return one code for a terminal of this width; the example is not wrapped."""
    page = TextLayout(width=width, color=False)
    page.whole(f"CODE: {entry.code}")
    page.blank()
    page.line(visible(entry.meaning, None), indent=2, hang=0)
    page.blank()
    page.whole("EXAMPLE:")
    for line in entry.example.splitlines():
        page.whole(visible(line, None), indent=2)
    page.blank()
    page.whole("FIX:")
    page.line(visible(entry.fix, None), indent=2, hang=0)
    return page.text()


def as_json(entry: CodeEntry) -> str:
    """Return one code as a JSON document."""
    return json.document({"format_version": "1", "kind": "diagnostic_code", **_facts(entry)})


def as_markdown(entry: CodeEntry, *, level: int = 1) -> str:
    """Return one code as a Markdown section with a heading of this level."""
    fence = "```yaml" if entry.is_yaml else "```text"
    parts = [
        f"{'#' * level} {entry.code}",
        entry.meaning,
        f"{fence}\n{entry.example}\n```",
        f"**Fix:** {entry.fix}",
    ]
    return "\n\n".join(parts) + "\n"


def list_of_codes(style: str, *, width: int | None = None) -> str:
    """Return all codes as text with the first sentence of each, as JSON, or as Markdown.

    The text is for a terminal of this width.
    """
    if style == "markdown":
        return handbook()
    if style == "json":
        codes = [_facts(entry) for entry in entries().values()]
        return json.document({"format_version": "1", "kind": "diagnostic_codes", "codes": codes})
    page = TextLayout(width=width, color=False)
    longest = max(map(len, entries()))
    for group in groups():
        page.blank()
        page.whole(group.title.upper())
        for entry in group.entries:
            sentence = _first_sentence(entry.meaning)
            page.line(f"{entry.code:<{longest}}  {sentence}", indent=2, hang=longest + 2)
    return page.text()


def handbook() -> str:
    """Return the reference of all codes in Markdown."""
    contents = [f"- [{group.title}](#{_anchor(group.title)})\n" for group in groups()]
    head = f"# Diagnostics\n\n{GENERATED}\n{_INTRODUCTION}\n{''.join(contents)}"
    return "\n".join([head, *_chapters()])


def _facts(entry: CodeEntry) -> dict[str, object]:
    return {
        "code": entry.code,
        "group": entry.group,
        "meaning": entry.meaning,
        "example": entry.example,
        "fix": entry.fix,
    }


def _first_sentence(text: str) -> str:
    head, stop, _ = text.partition(". ")
    return head + stop.strip()


def _chapters() -> Iterator[str]:
    for group in groups():
        yield f"## {group.title}\n\n{group.about}\n"
        for entry in group.entries:
            yield as_markdown(entry, level=3)


def _group(text: str) -> CodeGroup:
    table = tomllib.loads(text)
    title: str = table["title"]
    found = [
        CodeEntry(
            code=code,
            group=title,
            meaning=facts["meaning"],
            example=facts.get("yaml", facts.get("example", "")).strip("\n"),
            fix=facts["fix"],
            is_yaml="yaml" in facts,
        )
        for code, facts in sorted(table["codes"].items())
    ]
    return CodeGroup(title, table["about"], tuple(found))


def _anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -")
    return kept.replace(" ", "-")
