"""Every visible word is pinned; tests/views/golden.py makes the files."""

import pytest

from tests.views.golden import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_golden_one(name: str) -> None:
    assert CASES[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_every_golden_file_has_a_case() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(CASES)
