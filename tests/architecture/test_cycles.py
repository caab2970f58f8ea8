"""No import cycles, including imports in functions and under TYPE_CHECKING."""

import ast
from graphlib import CycleError, TopologicalSorter

from tests.architecture.source import PACKAGE, modules, nodes

Graph = dict[str, set[str]]


def test_there_is_no_import_cycle() -> None:
    assert cycle_of(imports()) == []


def test_a_cycle_under_type_checking_or_in_a_function_is_found() -> None:
    names = {"a", "b"}
    type_checking = "if TYPE_CHECKING:\n    from reconciler.b import B"
    lazy = "def use():\n    from reconciler import a"
    graph = {
        "a": imported_by(ast.parse(type_checking), names),
        "b": imported_by(ast.parse(lazy), names),
    }
    assert set(cycle_of(graph)) == names


def imports() -> Graph:
    """Return the modules of the package that each module imports."""
    trees = {_dotted(file): tree for file, tree in modules()}
    return {name: imported_by(tree, set(trees)) for name, tree in trees.items()}


def imported_by(tree: ast.Module, known: set[str]) -> set[str]:
    """Return the modules that a module imports, at its top, under a condition or in a function."""
    found: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found.update(_within(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            package = _within(node.module)
            submodules = {f"{package}.{alias.name}".lstrip(".") for alias in node.names}
            found |= submodules & known
            # A name that is not a module is defined in the package itself.
            if not submodules <= known:
                found.add(package)
    return found & known


def cycle_of(graph: Graph) -> list[str]:
    """Return the modules of one cycle, empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def _within(module: str) -> str:
    """Return a module's name within the package; empty for the package itself and for others."""
    package, _, name = module.partition(".")
    return name if package == PACKAGE.name else ""


def _dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
