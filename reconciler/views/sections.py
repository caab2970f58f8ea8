"""Lists of findings that are not actions: what was noticed about a plan and is left alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.planning.plan import Plan
from reconciler.views import words
from reconciler.views.escape import visible

LISTED = 20
"""How many entries of a list of findings are named; the JSON form names all."""


@dataclass(frozen=True, slots=True)
class Section:
    """A list of findings that are not actions; `more` counts what `lines` leaves out."""

    key: str
    title: str
    lines: tuple[str, ...]
    more: int = 0


def sections_of(plan: Plan) -> tuple[Section, ...]:
    """Give what was noticed and is left alone, list by list; an empty list is no section."""
    unverified = [
        f"{visible(u.slug)}: {visible(u.path, None)}: {reference(u.reference)}"
        for u in plan.unverified
    ]
    undeclared = [f"{visible(u.slug)}: {visible(u.path, None)}" for u in plan.undeclared]
    made = (
        _section("unverified", unverified),
        _section("undeclared", undeclared),
        _names("forgotten", plan.forgotten),
        _names("unmanaged", plan.unmanaged, title=_unmanaged_title(plan)),
    )
    return tuple(section for section in made if section.lines)


def _section(key: str, lines: Sequence[str]) -> Section:
    more = max(0, len(lines) - LISTED)
    title = words.SECTION_TITLES[key].format(len(lines))
    return Section(key, title, tuple(lines[:LISTED]), more)


def _names(key: str, slugs: Sequence[str], *, title: str | None = None) -> Section:
    named = ", ".join(visible(slug) for slug in slugs[:LISTED])
    heading = (title or words.SECTION_TITLES[key]).format(len(slugs))
    return Section(key, heading, (named,) if named else (), max(0, len(slugs) - LISTED))


def _unmanaged_title(plan: Plan) -> str | None:
    """Return the title for integrations of which the past is not known, None where it is."""
    if not plan.is_judged:
        return words.UNMANAGED_UNREADABLE
    return words.UNMANAGED_NEW_LEDGER if plan.is_first else None


def reference(name: str | None, without: str = words.REDACTED_WITHOUT_NAME) -> str:
    """Return a secret as it is shown: by the name of its reference, never by its value."""
    if name is None:
        return without
    return f"{words.REDACTED} reference {visible(name, None)}"
