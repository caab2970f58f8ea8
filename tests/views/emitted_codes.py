"""Diagnostic codes that the source can emit, collected from its syntax trees.

A code is a literal, or a constant with a literal, in the position of a code: an argument of a
function that builds a diagnostic or an error, a variable or property named `code`, or the first
item of a tuple in a table of reasons.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from tests.architecture.source import modules, nodes

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_POSITIONS = {
    "ActionFailure": 0,
    "Diagnostic": 1,
    "MemberNote": 1,
    "Objection": 1,
    "InvalidValue": 0,
    "UnreadableFile": 0,
    "UnreadableIntegration": 1,
    "YamlError": 0,
    "_error": 0,
    "_nothing": 2,
    "_refuse": 0,
    "_report": 0,
    "_stop": 0,
    "add": 1,
    "error": 0,
    "failed": 1,
    "notice": 0,
    "report": 0,
    "warning": 0,
}
"""Functions and classes that take a code, by the position of that argument."""

_VARIABLES = frozenset({"code", "default_code"})
_TABLES_OF_REASONS = frozenset({"ledger/errors.py", "secrets/sops.py"})
_OTHER_CODES = frozenset({"adapter/problems.py"})
"""Problems of REST and MCP have codes of their own, which OpenAPI lists."""


@cache
def emitted_codes() -> dict[str, list[str]]:
    """Return each code with the places that emit it."""
    constants = _constants()
    found = defaultdict(list)
    for name, tree in modules():
        if name in _OTHER_CODES:
            continue
        for node in nodes(tree):
            for place in _places_of_codes(node, name):
                for code in _texts(place, constants):
                    if _CODE.fullmatch(code):
                        found[code].append(f"{name}:{place.lineno}")
    return dict(found)


def _places_of_codes(node: ast.AST, module: str) -> Iterator[ast.expr]:
    """Find the expressions in a node that are in the position of a code."""
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        position = _POSITIONS.get(called)
        if position is not None and len(node.args) > position:
            yield node.args[position]
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _assigned(target, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _assigned(node.target, node.value)
    elif isinstance(node, ast.FunctionDef) and node.name == "code":
        yield from (n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value)
    elif isinstance(node, ast.Tuple) and module in _TABLES_OF_REASONS:
        # Other tuples there contain single words that a database or a program prints.
        yield from (e for e in node.elts[:1] if isinstance(e, ast.Name) or "-" in ast.unparse(e))


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """Find the values of variables that hold a code, alone or in a tuple."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=True):
            yield from _assigned(inner, part)
    elif isinstance(target, ast.Name) and target.id in _VARIABLES:
        yield value


def _texts(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    """Return the literals to which an expression can evaluate."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, constants)
        yield from _texts(node.orelse, constants)
    elif isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in constants:
            yield constants[name]


def _constants() -> dict[str, str]:
    """Return the string constants of all modules by name; upper-case names are unique enough."""
    found = {}
    for _, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for target in node.targets:
                    if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                        found[target.id] = node.value.value
    return found
