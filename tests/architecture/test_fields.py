"""Only the schema has facts about fields; other code reads the schema and names no field.

`test_one_field` adds a field to the schema and checks everything that is derived from it.
"""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.architecture.source import modules, nodes

MOST_MODULES = 3
"""The model, and a rule or two that are really about the field."""


def names(tree: ast.Module) -> Iterator[str]:
    """Return the strings, the attributes and the fields of classes in a module."""
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            targets = (item.target for item in node.body if isinstance(item, ast.AnnAssign))
            yield from (target.id for target in targets if isinstance(target, ast.Name))


@cache
def modules_and_names() -> dict[str, frozenset[str]]:
    return {name: frozenset(names(tree)) for name, tree in modules()}


@pytest.mark.parametrize(
    "field",
    [
        "secret_mappings",
        "pricing_adjustments",
        "usage_limits",
        "global_workspace_access",
        "allow_all_models",
        "azure_deployment_config",
        "create_default_provider",
        "custom_host",
        "azure_auth_mode",
    ],
)
def test_few_modules_name_a_field(field: str) -> None:
    found = [
        module
        for module, named in modules_and_names().items()
        if not module.startswith("simulator/") and field in named
    ]
    assert 1 <= len(found) <= MOST_MODULES, found
