"""Differences between what two environments declare, field by field.

Nothing is read from the API. Both sides are canonical trees of declarations, so a secret is
compared by its reference. A field that only one side declares differs, because the other side does
not manage it; values that declare emptiness are equal to each other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

from reconciler.domain.differs import ExpectedDifference
from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.schema import FieldKind, FieldSchema, any_provider_schema
from reconciler.domain.secrets import Redacted, SecretRef, closed
from reconciler.domain.tree import Path, Tree, Value, is_empty, is_mapping, leaves
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.normalize import OFF, SHARED_ACCESS


class Absent(Enum):
    """The value of a field that is not declared; `None` declares that it is empty."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
Side: TypeAlias = "Value | Absent"

_NOTHING: Tree = {}
_WHOLE = frozenset({FieldKind.SINGLE, FieldKind.LIST})
"""Kinds of values that an overlay replaces as a whole, so that no part of them can differ
separately.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Field that differs; the empty path is an integration that only one side declares."""

    slug: str
    path: Path
    source: Side
    target: Side

    @property
    def sends_elsewhere(self) -> bool:
        """Return whether the field decides where a credential is sent."""
        return any(_is_host(path) for path in self._leaf_paths())

    @property
    def is_credential(self) -> bool:
        """Return whether the field contains or names a credential."""
        paths = self._leaf_paths()
        return _holds_reference(self.source, self.target) or any(map(_is_credential, paths))

    @property
    def filled(self) -> frozenset[Path]:
        """Return the fields that secret mappings of either side fill."""
        mappings = [path for path in self._leaf_paths() if path[0] == MAPPINGS and len(path) > 1]
        return frozenset(target_path(path[1]) for path in mappings)

    def _leaf_paths(self) -> Iterator[Path]:
        for side in (self.source, self.target):
            if not isinstance(side, Absent):
                yield from (path for path, _ in leaves(side, self.path))


def differences(
    slug: str, source: Tree, target: Tree, expected: Sequence[ExpectedDifference] = ()
) -> list[Difference]:
    """Return the fields that differ, ordered by path.

    Differences that `expected` covers are included. They are separate from the others, even inside
    a part that only one side declares.
    """
    relevant = [entry for entry in expected if entry.concerns(slug)]
    walk = _Walk(slug, relevant)
    sides = _with_switch(source), _with_switch(target)
    return list(walk.through(*sides, (), any_provider_schema()))


def _with_switch(tree: Tree) -> Tree:
    """Return a tree in which access of all workspaces that is declared empty is off."""
    if SHARED_ACCESS in tree and is_empty(tree[SHARED_ACCESS]):
        return {**tree, SHARED_ACCESS: OFF}
    return tree


def is_expected(difference: Difference, expected: Iterable[ExpectedDifference]) -> bool:
    """Return whether a difference is declared in `differs`."""
    return any(entry.covers(difference.slug, difference.path) for entry in expected)


def filled_otherwise(
    promoted: Iterable[Difference], kept: Iterable[Difference]
) -> tuple[list[Difference], list[Difference]]:
    """Split the changes of one integration into those to make and those of fields with a mapping.

    If a mapping of a field stays, the field also stays: otherwise it would have two values or none.
    """
    filled = {path for item in kept for path in item.filled}
    changes = list(promoted)
    held = [item for item in changes if item.path in filled]
    return [item for item in changes if item not in held], held


def unpaired(
    promoted: Iterable[Difference], kept: Iterable[Difference]
) -> tuple[list[Difference], list[Difference]]:
    """Split the changes of one integration into those to make and those to hold back.

    A host is not changed without its credentials, and a credential is not changed without its host.
    Otherwise, the credential of one environment would be sent to the host of the other. `kept` are
    the differences that stay.
    """
    made, staying = list(promoted), list(kept)
    held: list[Difference] = []
    while True:
        has_host = any(item.sends_elsewhere for item in staying)
        has_credential = any(item.is_credential for item in staying)
        alone = [
            item
            for item in made
            if (item.sends_elsewhere and has_credential) or (item.is_credential and has_host)
        ]
        if not alone:
            return made, held
        made = [item for item in made if item not in alone]
        held += alone
        # Changes that are held back also stay, and can separate further pairs.
        staying += alone


@dataclass(frozen=True, slots=True)
class _Walk:
    slug: str
    expected: Sequence[ExpectedDifference]

    def through(
        self, source: Side, target: Side, path: Path, field: FieldSchema
    ) -> Iterator[Difference]:
        """Yield the differences of two values at a path."""
        if self._is_divided(source, target, path, field):
            ours, theirs = _members(source), _members(target)
            for name in sorted(ours.keys() | theirs.keys()):
                one, other = ours.get(name, ABSENT), theirs.get(name, ABSENT)
                found = list(self.through(one, other, (*path, name), field.child(name)))
                # An entry is kept as a whole or not at all: a part of it is not valid.
                if field.key and one is ABSENT and not all(self._is_expected(d) for d in found):
                    found = [Difference(self.slug, (*path, name), one, other)]
                yield from found
        elif not _same(source, target):
            yield Difference(self.slug, path, source, target)

    def _is_expected(self, item: Difference) -> bool:
        return is_expected(item, self.expected)

    def _is_divided(self, source: Side, target: Side, path: Path, field: FieldSchema) -> bool:
        """Return whether the members of two values are compared instead of the values."""
        if field.kind in _WHOLE:
            return False
        if is_mapping(source) and is_mapping(target):
            return True
        only = source if isinstance(target, Absent) else target
        if not (isinstance(source, Absent) or isinstance(target, Absent)):
            return False
        # A part that only one side has is one difference, unless `differs` covers a part of it.
        is_split = any(entry.reaches_into(self.slug, path) for entry in self.expected)
        return is_mapping(only) and bool(only) and is_split


def _members(side: Side) -> Tree:
    return side if is_mapping(side) else _NOTHING


def _same(one: Side, other: Side) -> bool:
    if isinstance(one, Absent) or isinstance(other, Absent):
        return one is other
    if is_empty(one) and is_empty(other):
        return True
    if isinstance(one, Redacted):
        # The value of the other side can be shown if only its target lists the field in
        # `known_fields`.
        return one.equals(closed(other)) if not isinstance(other, SecretRef) else False
    if isinstance(other, Redacted):
        return _same(other, one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same(a, b) for a, b in pairs)
    if is_mapping(one) and is_mapping(other):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    # In Python, true and 1 are equal.
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _is_host(path: Path) -> bool:
    # The provider determines the default host.
    if path == ("ai_provider_id",):
        return True
    # A mapping can fill a host.
    if path[0] == MAPPINGS and len(path) > 1:
        path = target_path(path[1])
    facts = any_provider_schema().at(path).facts
    return facts.host or facts.endpoint


def _is_credential(path: Path) -> bool:
    if path[0] == MAPPINGS:
        return True
    facts = any_provider_schema().at(path).facts
    # A header with a harmless name is hidden, but is not a credential.
    in_headers = any_provider_schema().at(path[:-1]).facts.headers
    return facts.secret or (facts.redacted and not in_headers)


def _holds_reference(*sides: object) -> bool:
    for side in sides:
        if isinstance(side, SecretRef):
            return True
        if isinstance(side, Mapping) and _holds_reference(*side.values()):
            return True
        if isinstance(side, list | tuple) and _holds_reference(*side):
            return True
    return False
