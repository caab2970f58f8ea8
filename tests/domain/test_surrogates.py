"""Lone surrogates: kept in memory, shown escaped, and stored as U+FFFD."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.surrogates import escaped, has_lone_surrogate, repaired, repaired_tree

texts = st.text(st.characters() | st.characters(categories=["Cs"]))


@given(texts)
def test_a_repaired_text_is_utf_8_of_the_same_length(text: str) -> None:
    assert len(repaired(text).encode().decode()) == len(text)
    assert has_lone_surrogate(text) is (repaired(text) != text)


@given(texts)
def test_within_json_an_escaped_text_is_the_same_text(text: str) -> None:
    written = escaped(json.dumps(text, ensure_ascii=False))
    assert json.loads(written.encode()) == text


def test_two_keys_never_become_equal() -> None:
    keys = ["a\ud83d", "a\ud83e", "a\ufffd", "plain"]
    mended = repaired_tree(dict(zip(keys, [1, [{"\udfff": "b\ud83d"}], 2, None], strict=True)))
    assert len(mended) == 4
    assert mended["a\ufffd"] == 2
    assert json.dumps(mended, ensure_ascii=False).encode()
