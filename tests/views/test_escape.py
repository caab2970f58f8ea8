"""Untrusted text has no effect on a terminal or a CI system."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.views.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, Grüße, 日本", "plain text, Grüße, 日本"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\tand", "two\\nlines\\r\\tand"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\x9b31m", "\\x9b31m"),
        ("\udc80", "\\udc80"),
        ("\U000e0041tag", "\\U000e0041tag"),
        ("::error::owned", "\\::error::owned"),
        ("  ::set-output", "  \\::set-output"),
        ("##[command]rm", "\\##[command]rm"),
    ],
)
def test_control_characters_are_shown_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert visible("a" * 500) == "a" * 199 + "…"
    assert visible("a" * 500, limit=None) == "a" * 500


@given(st.text(alphabet=st.characters()))
def test_the_result_is_one_encodable_line_that_is_not_a_command(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not shown.lstrip().startswith(("::", "##["))
