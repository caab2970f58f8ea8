"""Field-level differences between two canonical trees. The only importer of deepdiff.

Equality is checked first, and DeepDiff gets only the fields that differ. For 10,000 equal
integrations, DeepDiff would take most of a minute; the check takes a few hundredths of a second.
"""

from collections.abc import Iterator

from reconciler.domain.schema import any_provider_schema
from reconciler.domain.tree import Path, Tree, Value, is_mapping, leaves
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One differing leaf; `had` and `has` state whether there was and will be a value."""

    path: Path
    before: Value
    after: Value
    had: bool
    has: bool


def changed_fields(before: Tree, after: Tree) -> list[FieldChange]:
    """Return the leaves that differ between two canonical trees, ordered by path.

    A list without identity is one leaf. An added or removed mapping is returned leaf by leaf.
    """
    differing = [
        name
        for name in before.keys() | after.keys()
        # `get` alone cannot distinguish a null field from an absent one.
        if (name in before) != (name in after) or before.get(name) != after.get(name)
    ]
    if not differing:
        return []
    old = {name: before[name] for name in differing if name in before}
    new = {name: after[name] for name in differing if name in after}
    changes: dict[Path, FieldChange] = {}
    for path in _differing_paths(old, new):
        # DeepDiff reports each differing index of a list; together they are one leaf.
        changes |= {change.path: change for change in _leaf_changes(path, old, new)}
    return [changes[path] for path in sorted(changes)]


def _differing_paths(old: Tree, new: Tree) -> Iterator[Path]:
    from deepdiff import DeepDiff  # noqa: PLC0415  # 180 ms to import, needed only for differences

    report = DeepDiff(
        old,
        new,
        view="tree",
        # 1 and 1.0 are equal in the canonical form.
        ignore_numeric_type_changes=True,
        threshold_to_diff_deeper=0,  # otherwise mappings with little in common are one change
        # Only paths are used; values are read from the trees themselves.
        verbose_level=0,
    )
    for kind in report:
        for node in report[kind]:
            yield _to_first_index(node.path(output_format="list"))


def _to_first_index(steps: list[object]) -> Path:
    path: list[str] = []
    for step in steps:
        if not isinstance(step, str):
            break
        path.append(step)
    return tuple(path)


def _leaf_changes(path: Path, old: Tree, new: Tree) -> Iterator[FieldChange]:
    before, had = _at(old, path)
    after, has = _at(new, path)
    if had and has:
        yield FieldChange(path, before, after, had=True, has=True)
        return
    if had:
        for leaf, value in _removed(before, path):
            yield FieldChange(leaf, value, None, had=True, has=False)
    else:
        for leaf, value in leaves(after, path):
            yield FieldChange(leaf, None, value, had=False, has=True)


def _removed(value: Value, path: Path) -> Iterator[tuple[Path, Value]]:
    """Yield the leaves, but a removed entry of a keyed list as a whole."""
    is_entry = len(path) > 1 and any_provider_schema().at(path[:-1]).key is not None
    if is_mapping(value) and value and not is_entry:
        for name in sorted(value):
            yield from _removed(value[name], (*path, name))
    else:
        yield path, value


def _at(tree: Tree, path: Path) -> tuple[Value, bool]:
    here: Value = tree
    for step in path:
        if not is_mapping(here) or step not in here:
            return None, False
        here = here[step]
    return here, True
