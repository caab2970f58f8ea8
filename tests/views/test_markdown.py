"""Untrusted text in Markdown is unchanged in code spans, fences and `<code>`."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.views.escape import visible
from reconciler.views.markdown import code, fence, html_code
from tests.views.hostile import starts


@given(starts | st.text())
@example("`")
@example("``a`")
@example(" a ")
@example("a\\")
def test_a_code_span_contains_exactly_the_visible_text(text: str) -> None:
    (_, inline, _) = MarkdownIt().parse(f"before {code(text)} after")
    before, span, after = inline.children or []
    assert (before.content, span.type, after.content) == ("before ", "code_inline", " after")
    assert span.content == (visible(text, limit=None) or " ")


@given(st.lists(starts | st.text() | st.just("```") | st.just("~~~~"), max_size=5))
@example(["```", "</details>", "````"])
def test_a_fence_contains_exactly_the_visible_lines(lines: list[str]) -> None:
    tokens = MarkdownIt().parse(fence(lines) + "\nafter")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content == "".join(visible(line, limit=None) + "\n" for line in lines)


@given(starts | st.text())
def test_html_code_contains_exactly_the_visible_text(text: str) -> None:
    inside = html_code(text).removeprefix("<code>").removesuffix("</code>")
    assert "<" not in inside
    assert unescape(inside) == visible(text, limit=None)


@pytest.mark.parametrize("command", ["::set-output name=x::y", "##[error]x"])
@pytest.mark.parametrize("language", ["text", "diff"])
def test_no_part_of_a_long_line_begins_like_a_command(command: str, language: str) -> None:
    for length in range(60, 110):
        text = fence([f"{'a ' * (length // 2)}{command}"], language=language)
        assert not re.search(r"^\s*(::|##\[)", text, re.MULTILINE)
        assert command.split(maxsplit=1)[0] in text
