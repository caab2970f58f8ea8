"""One integration as the files declare it and as the API has it, field by field.

Which fields differ is the plan's to say; here they are only laid side by side.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from reconciler.domain.fields import KEYED_LISTS, show_path
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, Value, canonical_json, plain
from reconciler.planning.actions import Action

_SAME_AS_ABSENT = frozenset({"", "null", "false", "[]", "{}"})
"""Values that the API may just as well leave out; undeclared, they are no news."""


class Verdict(Enum):
    """What is known of a field on both sides."""

    SAME = "same"
    DIFFERS = "differs"
    UNVERIFIED = "unverified"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class Pair:
    """A field on both sides, as text; None where a side does not have it."""

    path: str
    declared: str | None
    observed: str | None
    verdict: Verdict


def pairs(
    declared: Declared | None,
    observed: Observed | None,
    action: Action | None,
    *,
    unverified: Collection[str] = (),
) -> list[Pair]:
    """Lay both sides out: what is declared first, then what only the API has.

    `unverified` are the secrets of which nobody knows whether they are the same.
    """
    wished = dict(_flat(declared.fields)) if declared else {}
    seen = dict(_flat(observed.fields)) if observed else {}
    changed = {change.path for change in action.changes} if action else set()

    def verdict(path: str) -> Verdict:
        if _touches(path, changed):
            return Verdict.DIFFERS
        if path not in wished:
            return Verdict.UNDECLARED
        return Verdict.UNVERIFIED if path in unverified else Verdict.SAME

    found = [
        Pair(path, wished.get(path), seen.get(path), verdict(path))
        for path in dict.fromkeys([*wished, *sorted(changed), *seen])
    ]
    return [pair for pair in found if not _is_no_news(pair)]


def _is_no_news(pair: Pair) -> bool:
    return pair.verdict is Verdict.UNDECLARED and (pair.observed or "") in _SAME_AS_ABSENT


def _touches(path: str, changed: set[str]) -> bool:
    return any(path == other or path.startswith((f"{other}.", f"{other}[")) for other in changed)


def _flat(value: Value, path: Path = ()) -> Iterator[tuple[str, str]]:
    """Walk the leaves; an entry of a keyed list goes by its key, as in plans."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, (*path, name))
    elif isinstance(value, list | tuple) and value and path and path[-1] in KEYED_LISTS:
        identity = KEYED_LISTS[path[-1]]
        for item in value:
            entry = dict(item) if isinstance(item, Mapping) else {}
            name = str(entry.pop(identity, "?"))
            yield from _flat(entry or "", (*path, name))
    else:
        yield show_path(path), _text(value)


def _text(value: Value) -> str:
    match value:
        case Redacted():
            return "[redacted]"
        case Mask():
            return value.text
        case str():
            return value
        case _:
            shown = plain(value)
            return shown if isinstance(shown, str) else canonical_json(shown)
