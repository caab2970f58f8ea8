"""Sections of a plan: unverified, undeclared, forgotten and unmanaged, which it leaves alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.desired.yaml_writer import flow
from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.planning.plan import Plan, Undeclared
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.phrases import LISTED
from reconciler.views.suggested_command import CommandContext, suggested_command

_ENTRY = 2
"""Steps of the path of an entry: its list and its key."""


@dataclass(frozen=True, slots=True)
class Section:
    """List of findings that are not actions; `more` counts what `lines` leaves out.

    `advice` is a fixed phrase that introduces `command`; both may be empty.
    """

    key: str
    title: str
    lines: tuple[str, ...]
    more: int = 0
    advice: str = ""
    command: str = ""


def sections_of(plan: Plan, context: CommandContext = CommandContext()) -> tuple[Section, ...]:
    """Return the sections of a plan that are not empty."""
    unverified = [
        f"{visible(u.slug)}: {visible(u.path, None)}: {reference(u.reference)}"
        for u in plan.unverified
    ]
    sections = (
        _section("unverified", unverified),
        _undeclared(plan, context),
        _names("forgotten", plan.forgotten),
        _names("unmanaged", plan.unmanaged, title=_unmanaged_title(plan)),
    )
    return tuple(section for section in sections if section.lines)


def _undeclared(plan: Plan, context: CommandContext) -> Section:
    """List what no file declares, with the lines to add and the command that writes them."""
    section = _section("undeclared", [_undeclared_line(item) for item in plan.undeclared])
    slugs = list(dict.fromkeys(item.slug for item in plan.undeclared))
    if not slugs:
        return section
    advice = phrases.DECLARE
    if len(slugs) > LISTED:
        advice = phrases.DECLARE_MORE.format(LISTED, len(slugs))
    named = [visible(slug, limit=255) for slug in slugs[:LISTED]]
    command = suggested_command(plan.target.name, "pull", "--force", *named, context=context)
    return replace(section, advice=advice, command=command)


def _undeclared_line(item: Undeclared) -> str:
    named = f"{visible(item.slug)}: {visible(item.path, None)}"
    path = parse_path(item.path)
    if path is None or len(path) != _ENTRY:
        return named
    name, identity = path
    field = any_provider_schema().child(name)
    if field.key is None or field.entries is None or not field.entries.grants_access:
        return named
    entry = visible(flow({field.key: identity, "enabled": True}), None)
    return phrases.LINE_TO_ADD.format(named, name, entry)


def _section(key: str, lines: Sequence[str]) -> Section:
    more = max(0, len(lines) - LISTED)
    title = phrases.SECTION_TITLES[key].format(len(lines))
    return Section(key, title, tuple(lines[:LISTED]), more)


def _names(key: str, slugs: Sequence[str], *, title: str | None = None) -> Section:
    named = ", ".join(visible(slug) for slug in slugs[:LISTED])
    heading = (title or phrases.SECTION_TITLES[key]).format(len(slugs))
    return Section(key, heading, (named,) if named else (), max(0, len(slugs) - LISTED))


def _unmanaged_title(plan: Plan) -> str | None:
    """Return a title where it is unknown which integrations were declared before, else None."""
    if not plan.is_judged:
        return phrases.UNMANAGED_UNREADABLE
    return phrases.UNMANAGED_NEW_LEDGER if plan.is_first else None


def reference(name: str | None, without: str = phrases.REDACTED_WITHOUT_NAME) -> str:
    """Return a secret by the name of its reference, never by its value."""
    if name is None:
        return without
    return f"{phrases.REDACTED} reference {visible(name, None)}"
