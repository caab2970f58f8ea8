"""Import rules: the contracts in pyproject.toml, and rules that a contract cannot express."""

import ast
import os

import pytest
from importlinter.cli import lint_imports

from tests.architecture.source import ROOT, calls, dotted, modules, nodes

PURE = ("domain", "planning", "drift/report", "simulator/api")
CLOCKS = {
    "date.today",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.now",
    "datetime.utcnow",
    "time.monotonic",
    "time.perf_counter",
    "time.time",
}
IMPURE_CALLS = CLOCKS | {"open", "input", "print", "eval", "exec", "__import__", "uuid4"}


def test_every_import_contract_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert os.path.exists("pyproject.toml")  # noqa: PTH110  the linter finds it in this folder
    status = lint_imports(no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("place", PURE)
def test_the_pure_core_uses_no_clock_file_or_random_number(place: str) -> None:
    found = [
        f"{name}:{line}: {called}"
        for name, tree in modules(place)
        for called, line in calls(tree)
        if called in IMPURE_CALLS
    ]
    assert found == []


def test_only_the_settings_read_the_environment_and_the_clock() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.Attribute)
        and dotted(node) in CLOCKS | {"os.environ", "os.getenv"}
        and name != "cli/settings.py"
    ]
    assert found == []


def test_imports_are_absolute() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert found == []
