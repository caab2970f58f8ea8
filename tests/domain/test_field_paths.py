"""Notation of paths: each path has one text, which is parsed back to the same path."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.domain.schema import parse_path, show_path
from reconciler.domain.tree import Path

names = st.one_of(
    st.sampled_from(
        ["models", "workspaces", "a", "a.b", "a[b]", '"', "", "\\", "a]", "[", ".", " "]
    ),
    st.text(max_size=4),
)
paths = st.lists(names, min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("configurations", "openai_project"), "configurations.openai_project"),
        (("models", "gpt-4.1", "enabled"), "models[gpt-4.1].enabled"),
        (("configurations", "custom_headers", "x.y"), 'configurations.custom_headers["x.y"]'),
        (("tags", "a[b]"), 'tags["a[b]"]'),
        (("tags", 'a"b'), 'tags["a\\"b"]'),
        (("tags", "a\\b"), 'tags["a\\\\b"]'),
        (("tags", ""), 'tags[""]'),
        (("tags", "a\nb"), 'tags["a\\nb"]'),
        (("tags", "cost center"), "tags.cost center"),
        (("models", "a].x", "enabled"), 'models["a].x"].enabled'),
        (("workspaces", "ws", "usage_limits"), "workspaces[ws].usage_limits"),
    ],
)
def test_a_key_that_would_read_as_several_steps_is_quoted(path: Path, text: str) -> None:
    assert show_path(path) == text
    assert parse_path(text) == path


@given(paths)
@example(("tags", "a\u200b"))
def test_every_path_is_read_back_from_its_text(path: Path) -> None:
    assert parse_path(show_path(path)) == path


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "models[", "a[b]c", 'a["b]', "a]", 'a["\\x"]', "a[]"]
)
def test_text_that_is_not_a_path_is_not_parsed(text: str) -> None:
    assert parse_path(text) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("tags[team]", ("tags", "team")),
        ("models.gpt-5", ("models", "gpt-5")),
        ('models["gpt-5"].enabled', ("models", "gpt-5", "enabled")),
    ],
)
def test_any_key_can_be_in_brackets(text: str, path: Path) -> None:
    assert parse_path(text) == path
