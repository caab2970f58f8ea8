"""The field reference in desired-state/ equals the schema and renders as tables."""

import re
from pathlib import Path

import pytest

from reconciler.domain.providers import KNOWN_PROVIDERS, PROVIDERS
from reconciler.views.field_reference import GENERATED, handbook

REFERENCE = Path(__file__).parents[2] / "desired-state/README.md"


def guide() -> str:
    """Return the handwritten text above the generated part."""
    before, line, _ = REFERENCE.read_text(encoding="utf-8").partition(GENERATED)
    assert line == GENERATED
    return before


def test_it_equals_the_schema() -> None:
    assert guide() + handbook() == REFERENCE.read_text(encoding="utf-8"), (
        "the schema changed; if that is meant, run: python -m tests.views.test_field_reference"
    )


def test_every_row_has_three_cells() -> None:
    rows = [line for line in handbook().splitlines() if line.startswith("|")]
    assert len(rows) > 100
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}


def test_a_table_follows_an_empty_line() -> None:
    lines = handbook().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("| field |")]
    assert all(lines[number - 1] == "" for number in starts)


@pytest.mark.parametrize("provider", sorted(KNOWN_PROVIDERS))
def test_every_provider_is_named(provider: str) -> None:
    assert f"`{provider}`" in handbook()


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_field_of_a_provider_has_a_row(provider: str) -> None:
    text = handbook()
    for field in PROVIDERS[provider].model_fields:
        assert f"| `configurations.{field}` |" in text


if __name__ == "__main__":
    REFERENCE.write_text(guide() + handbook(), encoding="utf-8", newline="\n")
