"""Size limits of functions and files."""

import ast

from tests.architecture.source import PACKAGE, ROOT, modules, nodes

LONGEST_FUNCTION = 50
LONGEST_FILE = 450
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "reconciler",
    "desired-state",
    "tests",
    ".github",
    ".ci",
    ".gitignore",
    ".gitattributes",
    ".git",
}


def test_no_function_is_longer_than_fifty_lines() -> None:
    found = [
        f"{name}:{node.lineno} {node.name}: {length} lines"
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert found == []


def test_no_file_is_longer_than_four_hundred_and_fifty_lines() -> None:
    lengths = {
        file.relative_to(PACKAGE).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in PACKAGE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}


def test_every_module_has_a_docstring() -> None:
    silent = [name for name, tree in modules() if not ast.get_docstring(tree)]
    assert silent == []


def test_the_top_level_contains_only_the_documented_entries() -> None:
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    there = {path.name for path in ROOT.iterdir()}
    assert there - TOP_LEVEL - ignored == set()
    assert {"pyproject.toml", "README.md", "reconciler", "desired-state", "tests"} <= there
