"""The map in `reconciler/README.md`: the named modules exist, and the examples work."""

import re
import sys
from types import ModuleType
from typing import Any

import pytest

from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from tests.architecture.source import PACKAGE

MAP = (PACKAGE / "README.md").read_text(encoding="utf-8")
LONGEST_TOUR = 3


def test_every_named_module_exists() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|md))`", MAP))
    assert "planning/updates.py" in named
    assert {name for name in named if not (PACKAGE / name).is_file()} == set()


def test_every_name_in_parentheses_occurs_in_its_module() -> None:
    named = re.findall(r"`([a-z_/]+\.py)` \(`([^`]+)`\)", MAP)
    assert ("planning/normalize.py", "_workspaces") in named
    absent = [
        (module, name)
        for module, name in named
        if name not in (PACKAGE / module).read_text(encoding="utf-8")
    ]
    assert absent == []


def test_it_describes_every_package() -> None:
    rows = set(re.findall(r"^\| `([a-z_.]+)` \|", MAP, re.MULTILINE))
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages - rows == set()


def test_every_question_is_answered_by_at_most_three_files() -> None:
    tours = [line for line in MAP.splitlines() if " → " in line and line.startswith("| ")]
    lengths = [len(re.findall(r"\.py`", line)) for line in tours]
    assert len(lengths) >= 3
    assert max(lengths) <= LONGEST_TOUR


def test_the_example_of_a_resolver_reads_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(import keyring\n.*?)```", MAP, re.DOTALL)
    passwords = {("portkey", "openai"): "sk-from-the-keyring"}
    library = ModuleType("keyring")
    library.__dict__["get_password"] = lambda service, user: passwords.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", library)
    namespace: dict[str, Any] = {}
    exec(example, namespace)  # noqa: S102  it is our own document
    resolver = namespace["KeyringResolver"](context=None)
    known, unknown = SecretRef("keyring", "portkey#openai"), SecretRef("keyring", "portkey#other")
    answers = resolver.read([known, unknown])
    assert isinstance(answers[known], Redacted)
    assert answers[known].reveal() == "sk-from-the-keyring"
    assert isinstance(answers[unknown], SecretError)
