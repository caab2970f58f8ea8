"""Comparison of one integration, field by field: as declared, and as observed.

The plan decides which fields differ. Both sides are shown in the plan's own normal form, so that a
path has the same meaning in both.
"""

from collections.abc import Collection, Iterator
from enum import Enum

from reconciler.domain.schema import any_provider_schema, parse_path, show_path
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Tree, Value, canonical_json, leaves, plain
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.comparison import declared_tree
from reconciler.planning.normalize import normalize

_SAME_AS_ABSENT = frozenset({"", "null", "false", "[]", "{}"})
"""Values that are equal to an absent field; undeclared ones are not shown."""


class FieldStatus(Enum):
    """Result of comparing a field."""

    SAME = "same"
    DIFFERS = "differs"
    UNVERIFIED = "unverified"
    NOT_COMPARED = "not compared"
    UNDECLARED = "not declared"


@dataclass(frozen=True, slots=True)
class ComparedField:
    """A field on both sides, as text; None if a side does not have it."""

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
    """Return both sides of each field: declared ones first, then those that only the API has.

    `changed` are the paths that a plan would change, `unverified` the secrets that could not be
    compared. Fields that the files ignore, that the API never returns or that the plan does not
    read, such as the limits of a workspace without access, are `NOT_COMPARED`.
    """
    declared_texts = _texts(normalize(declared.fields)) if declared else {}
    observed_texts = _texts(normalize(observed.fields)) if observed else {}
    compared = _texts(declared_tree(declared)) if declared else {}
    paths_of_changes = set(changed)
    paths_above_changes = {prefix for path in changed for prefix in _prefixes(path)}

    def status_of(path: str) -> FieldStatus:
        # A change may lie below a field that is empty on one side, or name a whole entry.
        if path in paths_above_changes or paths_of_changes.intersection(_prefixes(path)):
            return FieldStatus.DIFFERS
        if path not in declared_texts:
            return FieldStatus.UNDECLARED
        if path in unverified:
            return FieldStatus.UNVERIFIED
        differs = _contradict(path, declared_texts[path], observed_texts.get(path))
        if path not in compared or differs:
            return FieldStatus.NOT_COMPARED
        return FieldStatus.SAME

    paths = dict.fromkeys([*declared_texts, *sorted(changed), *observed_texts])
    fields = [
        ComparedField(path, declared_texts.get(path), observed_texts.get(path), status_of(path))
        for path in paths
    ]
    return [field for field in fields if not _is_undeclared_default(field)]


def _contradict(path: str, declared: str, observed: str | None) -> bool:
    """Return whether two shown values cannot be equal; those of secrets always look different."""
    field = any_provider_schema().at(parse_path(path) or ())
    if declared == observed or field.facts.sensitive:
        return False
    return observed is not None and not {declared, observed} & _SAME_AS_ABSENT


def _is_undeclared_default(field: ComparedField) -> bool:
    is_empty = (field.observed or "") in _SAME_AS_ABSENT
    return field.status is FieldStatus.UNDECLARED and is_empty


def _prefixes(path: str) -> Iterator[str]:
    """Yield a path and every path above it."""
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
