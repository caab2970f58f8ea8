"""Field trees: fields of an integration as nested mappings with scalars at the leaves.

Both sides of a comparison have this form. A tree is never changed; functions build new ones.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType, NoneType
from typing import TypeAlias, TypeGuard

from reconciler.domain.secrets import Mask, Redacted, SecretRef

Scalar: TypeAlias = bool | int | float | str | None
Leaf: TypeAlias = Scalar | SecretRef | Redacted | Mask
Value: TypeAlias = "Leaf | Sequence[Value] | Mapping[str, Value]"
Tree: TypeAlias = Mapping[str, Value]
Path: TypeAlias = tuple[str, ...]
Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"

_NO_MEMBERS: Tree = MappingProxyType({})
_CONTAINERS = (list, tuple, dict)
_SCALARS = frozenset({bool, int, float, str, NoneType})


def is_empty(value: object) -> bool:
    """Return whether a value is equivalent to an absent one."""
    # 0 and false are values: a limit of 0 or a disabled switch cannot be omitted.
    return value is None or value == "" or (isinstance(value, _CONTAINERS) and not value)


def is_mapping(value: object) -> TypeGuard[Tree]:
    """Return whether a value of a tree has members; checks for a dict first, which is faster."""
    kind = type(value)
    return kind is dict or (kind not in _SCALARS and isinstance(value, Mapping))


def as_mapping(value: Value) -> Tree:
    """Return a mapping unchanged, and an empty mapping for any other value."""
    return value if is_mapping(value) else _NO_MEMBERS


def is_enabled(entry: Value) -> bool:
    """Return whether an entry or an object is enabled."""
    return is_mapping(entry) and bool(entry.get("enabled"))


def lookup(tree: Tree, path: Path) -> Value:
    """Return the value at a path, or None if the tree ends before it."""
    here: Value = tree
    for key in path:
        if not is_mapping(here) or key not in here:
            return None
        here = here[key]
    return here


def leaves(value: Value, path: Path = ()) -> Iterator[tuple[Path, Value]]:
    """Yield the leaves in key order; an empty mapping or a list counts as a leaf."""
    if is_mapping(value) and value:
        for key in sorted(value):
            yield from leaves(value[key], (*path, key))
    else:
        yield path, value


def references(value: Value, path: Path = ()) -> Iterator[tuple[Path, SecretRef]]:
    """Yield the secret references in key order; one inside a list has the path of the list."""
    if isinstance(value, SecretRef):
        yield path, value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from references(value[key], (*path, key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item, path)


def canonical_json(value: object) -> str:
    """Return the canonical JSON of a value: sorted keys, no spaces, no NaN, not only ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: object) -> str:
    """Return `sha256:…` of the canonical JSON of a value."""
    # A lone surrogate has no UTF-8 form, but a tree with one must still have a digest.
    text = canonical_json(value)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Value) -> Json:
    """Return a tree as plain JSON for display: names for references, nothing for secret values."""
    match value:
        case str() | int() | float() | None:  # checked first, because it is the most frequent type
            return value
        case SecretRef():
            return value.as_written
        case Redacted():
            return {"redacted": True}
        case Mask():
            return {"mask": value.text}
        case dict() | Mapping():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return [plain(item) for item in value]
