"""Every visible word is pinned."""

import pytest

from tests.github.golden import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_one_that_was_agreed_on(name: str) -> None:
    assert CASES[name]() == (FOLDER / name).read_text(encoding="utf-8"), (
        "look at the difference; `python -m tests.github.golden` updates the file"
    )


def test_no_file_is_left_over() -> None:
    assert {file.name for file in FOLDER.iterdir()} == set(CASES)
