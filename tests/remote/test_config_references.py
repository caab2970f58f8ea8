"""References to providers in gateway configs, and the parts of a config that are kept."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.remote.config_references import ConfigReferences, references_in

KNOWN = frozenset({"openai", "openai-batch", "anthropic", "3"})


def found(content: Any) -> tuple[set[str], set[str], bool]:
    references = references_in(content, KNOWN)
    return set(references.certain), set(references.possible), references.unclear


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({}, set()),
        ({"provider": "@openai"}, {"openai"}),
        ({"provider": "@openai/gpt-5"}, {"openai"}),
        ({"provider": "openai", "api_key": "sk-1"}, set()),
        ({"provider": "@unknown"}, set()),
        ({"virtual_key": "openai"}, {"openai"}),
        ({"virtual_key": "@openai"}, {"openai"}),
        ({"virtualKey": "openai"}, {"openai"}),
        ({"virtual_key": ""}, set()),
        ({"virtual_key": None, "provider": None}, set()),
        ({"override_params": {"model": "@anthropic/claude"}}, {"anthropic"}),
        ({"overrideParams": {"model": "@anthropic/claude"}}, {"anthropic"}),
        ({"override_params": {"model": "gpt-5"}}, set()),
        ({"targets": []}, set()),
        ({"targets": None}, set()),
        (
            {"targets": [{"provider": "@openai"}, {"virtual_key": "anthropic"}]},
            {"openai", "anthropic"},
        ),
        ({"targets": [{"targets": [{"targets": [{"provider": "@openai"}]}]}]}, {"openai"}),
        ({"strategy": {"mode": "conditional", "default": "openai"}}, set()),
        ({"provider": ["@openai", "@anthropic"]}, {"openai", "anthropic"}),
        ({"virtual_key": "3"}, {"3"}),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_reference_is_certain(content: Any, names: set[str]) -> None:
    expected = names, set(), content == {"targets": None}
    assert found(content) == expected
    assert found(json.dumps(content)) == expected


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        [],
        7,
        "[" * 100_000,
        {"targets": "openai"},
        {"targets": 3},
        {"targets": ["openai"]},
        {"virtual_key": 3},
        {"virtual_key": {"slug": "openai"}},
        {"virtual_key": "{{openai}}"},
        {"virtual_key": "open ai"},
        {"provider": "@"},
        {"provider": "@{{name}}"},
        {"provider": "{{name}}"},
        {"provider": {"slug": "openai"}},
        {"override_params": {"model": "${model}"}},
        {"config": "pc-other-123456"},
        {"targets": [{"config_id": "pc-other-123456"}]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_content_is_unclear(content: Any) -> None:
    assert references_in(content, KNOWN).unclear


@pytest.mark.parametrize(
    "content",
    [
        {"metadata": {"owner": "@openai"}},
        {"override_params": '{"model": "@openai/gpt-5"}'},
        {"forward_headers": ["x-portkey-provider: @openai"]},
        {"hooks": [{"checks": [{"parameters": {"text": "see @openai, please"}}]}]},
    ],
)
def test_a_mention_anywhere_is_possible(content: Any) -> None:
    assert found(content) == (set(), {"openai"}, False)


def test_a_mention_of_a_certain_provider_is_counted_once() -> None:
    assert found({"provider": "@openai", "note": "@openai"}) == ({"openai"}, set(), False)


@settings(max_examples=50)
@pytest.mark.slow
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.sampled_from(["@openai", "sk-1"]),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text() | st.sampled_from(["provider", "virtual_key", "targets"]), inner
            )
        ),
    )
)
def test_no_text_but_known_slugs_is_kept(content: Any) -> None:
    references = references_in(content, KNOWN)
    assert isinstance(references, ConfigReferences)
    assert references.certain | references.possible <= KNOWN


def test_a_deep_config_is_walked_without_recursion() -> None:
    content: Any = {"provider": "@openai"}
    for _ in range(20_000):
        content = {"targets": [content]}
    assert references_in(content, KNOWN).certain == {"openai"}
