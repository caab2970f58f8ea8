"""Long values are shortened: the difference is kept, and omitted characters are counted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import abridged, abridged_pair
from reconciler.planning.actions import is_shown_whole

NOTE = re.compile(r"…\[(\d+) characters left out\]…")


def accounted(shown: str) -> int:
    """Return the number of characters that are shown or counted as omitted."""
    return len(NOTE.sub("", shown)) + sum(int(n) for n in NOTE.findall(shown))


@given(st.text(alphabet="ab", max_size=900), st.integers(100, 400))
def test_every_character_is_shown_or_counted(text: str, limit: int) -> None:
    shown = abridged(text, limit)
    assert accounted(shown) == len(text)
    assert len(shown) <= max(len(text), limit)
    assert (shown == text) is (len(text) <= limit)
    assert shown.endswith(text[-20:])
    assert shown.startswith(text[:20])


@given(
    st.text(alphabet="ab", max_size=600),
    st.text(alphabet="cd", max_size=150),
    st.text(alphabet="ef", max_size=150),
    st.text(alphabet="ab", max_size=600),
)
def test_the_difference_is_shown_on_both_sides(head: str, one: str, other: str, tail: str) -> None:
    texts = f"{head}{one}{tail}", f"{head}{other}{tail}"
    shown = abridged_pair(*texts)
    for text, short in zip(texts, shown, strict=True):
        assert accounted(short) == len(text)
        assert (short == text) or len(text) > 200
    assert one in shown[0]
    assert other in shown[1]
    assert (shown[0] == shown[1]) is (texts[0] == texts[1])


def test_both_ends_of_a_long_difference_are_shown() -> None:
    before, after = "a" * 100 + "b" * 1000 + "a" * 100, "a" * 100 + "c" * 1000 + "a" * 100
    shown = abridged_pair(before, after)[1]
    assert NOTE.findall(shown) == ["600"]
    assert accounted(shown) == 1200


@pytest.mark.parametrize(
    "path",
    [
        "configurations.custom_host",
        "configurations.azure_foundry_url",
        "configurations.azure_resource_name",
        "configurations.huggingface_base_url",
        "configurations.a_field_that_nobody_knows",
        'configurations.custom_headers["x.host"]',
        "models[m].configurations.custom_host",
        "configurations..",
        "no_such_field",
    ],
)
def test_a_value_that_can_contain_a_host_is_never_shortened(path: str) -> None:
    assert is_shown_whole(path)


@pytest.mark.parametrize(
    "path",
    ["name", "description", "tags.host", "workspaces[ws].usage_limits.credit_limit", "models[m]"],
)
def test_a_value_without_a_host_is_shortened_unless_it_is_a_url(path: str) -> None:
    assert not is_shown_whole(path, "text with https://a.example in it", 3, None, {"a": ["b"]})
    assert is_shown_whole(path, None, "https://a.example/")
