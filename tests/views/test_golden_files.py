"""Outputs equal the golden files, which tests/views/golden.py writes."""

import pytest

from tests.views.golden import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_the_output_equals_the_golden_file(name: str) -> None:
    assert CASES[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_every_golden_file_has_a_case() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(CASES)
