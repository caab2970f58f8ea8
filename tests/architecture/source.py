"""The package as syntax trees, for the tests in this folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "reconciler"


def modules(*places: str) -> Iterator[tuple[str, ast.Module]]:
    """Parse every module at or below these places, all of the package without any."""
    for place in places or ("",):
        start = PACKAGE / place
        files = [start.with_suffix(".py")] if start.with_suffix(".py").is_file() else []
        if start.is_dir():
            files += sorted(start.rglob("*.py"))
        for file in files:
            name = file.relative_to(PACKAGE).as_posix()
            yield name, ast.parse(file.read_text(encoding="utf-8"), filename=name)


def dotted(node: ast.expr) -> str:
    """Write `a.b.c` for a chain of attributes; what the chain hangs on is `?` if not a name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give every call in a module as the dotted name that is called, and the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node.lineno
