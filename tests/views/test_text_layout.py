"""Wrapping of lines that are too long for a terminal."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from reconciler.diagnostics import Excerpt, SourceLocation, error
from reconciler.domain.state import ObservedState
from reconciler.views import diagnostics, listings
from reconciler.views.text_layout import TextLayout, table_lines
from tests.builders import observed
from tests.views import samples

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
        ("+ " + "x" * 60, ["    + " + "x" * 60]),
    ],
)
def test_a_value_that_fits_on_the_next_line_is_not_broken(text: str, lines: list[str]) -> None:
    assert laid_out(text, width=50, indent=4) == lines


def test_a_word_longer_than_a_line_stays_after_the_preceding_words() -> None:
    assert laid_out("see " + "y" * 60 + " there", width=40) == ["see " + "y" * 60, "  there"]


@pytest.mark.parametrize(
    "command", ["`reconcile pull --force alpha`", "run: reconcile --target simulator apply --yes"]
)
def test_a_command_is_one_word(command: str) -> None:
    text = f"hint: to have the files written as they are, {command}"
    assert any(command.removeprefix("run: ") in line for line in laid_out(text, width=50))


def test_without_a_width_no_line_is_broken() -> None:
    page = TextLayout(width=None, color=False)
    page.line("word " * 100)
    assert len(page.text().splitlines()) == 1


# Two columns, none, two, and one for each character.
NAMES = ("東京", "e\u0301te\u0301", "🙂🙂", "plain name")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_aligned_in_the_terminal_for_any_preceding_text(name: str) -> None:
    first, second = table_lines([(name, "|"), ("x" * 12, "|")])
    assert cell_len(first) == cell_len(second) == 15


def test_a_list_is_aligned_with_names_in_every_script() -> None:
    rows = {f"s-{n}": observed(slug=f"s-{n}", name=name) for n, name in enumerate(NAMES)}
    text = listings.list_text(ObservedState(rows), target=samples.TARGET, ledger="local")
    lines = [line for line in text.splitlines() if "openai" in line]
    assert len(lines) == len(NAMES)
    assert len({cell_len(line.partition("openai")[0]) for line in lines}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_carets_are_below_the_value_that_they_mark(name: str) -> None:
    line = f"name: {name}, colour: red"
    start = line.index("colour")
    found = error("unknown-field", "no", at=SourceLocation("a.yaml"))
    found = replace(found, excerpt=Excerpt(line, start, 6))
    shown, carets = diagnostics.as_text([found]).splitlines()[2:4]
    assert cell_len(carets.partition("^")[0]) == cell_len(shown.partition("colour")[0])
