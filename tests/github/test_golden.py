"""Texts for GitHub equal the golden files."""

import pytest

from tests.github.golden import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_the_text_equals_the_golden_file(name: str) -> None:
    assert CASES[name]() == (FOLDER / name).read_text(encoding="utf-8"), (
        "look at the difference; `python -m tests.github.golden` updates the file"
    )


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(CASES)
