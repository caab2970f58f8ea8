"""The package as syntax trees, for the tests in this folder."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reconciler"


def modules(*places: str) -> Iterator[tuple[str, ast.Module]]:
    """Parse every module at or below these paths; without a path, the whole package."""
    for place in places or ("",):
        start = PACKAGE / place
        files = [start.with_suffix(".py")] if start.with_suffix(".py").is_file() else []
        if start.is_dir():
            files += sorted(start.rglob("*.py"))
        for file in files:
            yield file.relative_to(PACKAGE).as_posix(), parsed(file)


@cache
def parsed(file: Path) -> ast.Module:
    """Return the cached syntax tree of a file, which no test may change."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return all nodes of a parsed module, cached because a dozen tests walk the same trees."""
    return tuple(ast.walk(tree))


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of attributes, with `?` for a root that is not a name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Return the dotted name and the line of every call in a module."""
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node.lineno
