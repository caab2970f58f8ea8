"""Traversal of field trees."""

from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.tree import Tree, references

ONE, TWO, THREE = (SecretRef("env", name) for name in ("ONE", "TWO", "THREE"))


def test_references_are_found_at_any_depth_in_key_order() -> None:
    tree: Tree = {
        "models": [{"headers": {"x": THREE}}, "text"],
        "configurations": {"b": (TWO, ONE), "a": ONE, "literal": Redacted("v"), "mask": Mask("*")},
        "name": "env:ONE",
        "nothing": None,
    }
    assert list(references(tree)) == [
        (("configurations", "a"), ONE),
        (("configurations", "b"), TWO),
        (("configurations", "b"), ONE),
        (("models", "headers", "x"), THREE),
    ]


def test_a_tree_that_is_a_reference_contains_only_itself() -> None:
    assert list(references(ONE)) == [((), ONE)]
    assert list(references({})) == []
