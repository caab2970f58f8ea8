"""One integration as the files declare it and as the API has it, field by field.

Which fields differ is the plan's to say; here they are only laid side by side, in the plan's own
canonical form, so that a path means the same in both.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from reconciler.domain.field_paths import parse_path, show_path
from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Tree, Value, canonical_json, leaves, plain
from reconciler.planning.comparison import declared_tree
from reconciler.planning.normalize import normalize

_SAME_AS_ABSENT = frozenset({"", "null", "false", "[]", "{}"})
"""Values that the API may just as well leave out; undeclared, they are no news."""


class FieldStatus(Enum):
    """What is known of a field on both sides."""

    SAME = "same"
    DIFFERS = "differs"
    UNVERIFIED = "unverified"
    NOT_COMPARED = "not compared"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class ComparedField:
    """A field on both sides, as text; None where a side does not have it."""

    path: str
    declared: str | None
    observed: str | None
    status: FieldStatus


def compare_fields(
    declared: Declared | None,
    observed: Observed | None,
    *,
    changed: Collection[str] = (),
    unverified: Collection[str] = (),
) -> list[ComparedField]:
    """Return both sides of each field: what is declared first, then what only the API has.

    `changed` are the paths that a plan would change, `unverified` the secrets of which it is not
    known whether they are the same. What the files ignore, what the API never returns and what the
    plan does not look at, such as the limits of a workspace without access, is not compared.
    """
    wished = _texts(normalize(declared.fields)) if declared else {}
    seen = _texts(normalize(observed.fields)) if observed else {}
    compared = _texts(declared_tree(declared)) if declared else {}
    paths_of_changes = set(changed)
    paths_above_changes = {prefix for path in changed for prefix in _prefixes(path)}

    def status(path: str) -> FieldStatus:
        # A change may be below what is empty on one side, or name a whole entry.
        if path in paths_above_changes or paths_of_changes.intersection(_prefixes(path)):
            return FieldStatus.DIFFERS
        if path not in wished:
            return FieldStatus.UNDECLARED
        if path in unverified:
            return FieldStatus.UNVERIFIED
        if path not in compared or _contradict(path, wished[path], seen.get(path)):
            return FieldStatus.NOT_COMPARED
        return FieldStatus.SAME

    found = [
        ComparedField(path, wished.get(path), seen.get(path), status(path))
        for path in dict.fromkeys([*wished, *sorted(changed), *seen])
    ]
    return [pair for pair in found if not _is_no_news(pair)]


def _contradict(path: str, declared: str, observed: str | None) -> bool:
    """Return whether two values are shown that cannot be the same; secrets look different."""
    field = any_provider_schema().at(parse_path(path) or ())
    if declared == observed or field.facts.sensitive:
        return False
    return observed is not None and not {declared, observed} & _SAME_AS_ABSENT


def _is_no_news(pair: ComparedField) -> bool:
    return pair.status is FieldStatus.UNDECLARED and (pair.observed or "") in _SAME_AS_ABSENT


def _prefixes(path: str) -> Iterator[str]:
    """Return a path and every path above it."""
    yield path
    for place, character in enumerate(path):
        if character in ".[":
            yield path[:place]


def _texts(tree: Tree) -> dict[str, str]:
    return {show_path(path): _text(value) for path, value in leaves(tree)} if tree else {}


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
