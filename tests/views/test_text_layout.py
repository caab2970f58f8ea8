"""How lines that are too long for a terminal are continued."""

import pytest

from reconciler.views.text_layout import TextLayout

HOST = '"https://foundry-5.services.ai.azure.com"'


def laid_out(text: str, *, width: int, indent: int = 0) -> list[str]:
    page = TextLayout(width=width, color=False)
    page.line(text, indent=indent)
    return page.text().splitlines()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"+ configurations.url: {HOST}", ["    + configurations.url:", f"      {HOST}"]),
        (f"+ url: {HOST} [credential]", ["    + url:", f"      {HOST}", "      [credential]"]),
        ("+ " + "x" * 60, ["    + " + "x" * 44, "      " + "x" * 16]),
    ],
)
def test_a_value_that_fits_the_next_line_stays_whole(text: str, lines: list[str]) -> None:
    assert laid_out(text, width=50, indent=4) == lines


def test_a_word_that_fits_no_line_begins_where_the_words_before_it_end() -> None:
    assert laid_out("see " + "y" * 60, width=40) == ["see " + "y" * 36, "  " + "y" * 24]
