"""Slugs: free or taken, and those the server makes itself (remote/API.md §1.3, §1.7)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.simulator.messages import invalid_request, refusal
from reconciler.simulator.store import Store
from reconciler.simulator.switches import Switches

_LONGEST = 255
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,255}")


def is_slug(value: Any) -> bool:
    """Whether the API accepts a value as a slug (remote/API.md §1.3)."""
    return isinstance(value, str) and _SLUG.fullmatch(value) is not None


def slug_for_create(
    sent: Mapping[str, Any], records: Store, *, switches: Switches, new_id: Callable[[], str]
) -> str:
    """Give the slug a create gets; a taken one is refused or made into another."""
    wanted = sent.get("slug")
    if wanted is None:
        return _untaken(records, switches, lambda: _from_name(sent["name"], new_id()))
    if not _is_taken(wanted, records, switches):
        return str(wanted)
    match switches.duplicate_slug:
        case "409_AB07":
            raise refusal(409, "AB07", "Integration with this slug already exists")
        case "400_AB01":
            raise invalid_request()
        case "suffixed":
            return _untaken(records, switches, lambda: with_suffix(wanted, new_id()))


def with_suffix(slug: str, identifier: str) -> str:
    """Make another slug of one: six hexadecimal digits of an id behind a dash."""
    digits = re.sub(r"[^0-9a-f]", "", identifier.lower())[-6:].rjust(6, "0")
    return f"{slug[: _LONGEST - 7]}-{digits}"


def _from_name(name: str, identifier: str) -> str:
    """Make `first-integrati-9795c1` of a name and an id, the shape seen on providers."""
    cut = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:15]
    return with_suffix(cut or "integration", identifier)


def _untaken(records: Store, switches: Switches, make: Callable[[], str]) -> str:
    slug = make()
    while _is_taken(slug, records, switches):
        slug = make()
    return slug


def _is_taken(slug: str, records: Store, switches: Switches) -> bool:
    entry = records.entry(slug)
    if entry is None:
        return False
    if entry.record is None or entry.record["status"] == "archived":
        return not switches.slug_reuse_after_delete
    return True
