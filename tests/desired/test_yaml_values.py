"""A file is read to the same documents with and without positions."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_values import MAX_DEPTH, MAX_NODES, read_documents
from tests.desired.building import CONFIG, OPENAI

PARSERS: list[Any] = [yaml.CSafeLoader, yaml.SafeLoader]
PIECES = """
a b c: slug: 'a' "a" '' '<<' << <<: 1 -1.5 1e3 0123 true false null ~ tf é 😀 [ ] { } , : ? - ---
... & &x * *x ! !!str !t # | > % @ ` {a,b} {a:} [a:] [?] [:]
"""
GAPS = ["", " ", "\n", "\n  ", "\n    ", ": ", "\t", "\u2028"]
TEXTS = st.lists(st.tuples(st.sampled_from(PIECES.split()), st.sampled_from(GAPS))).map(
    lambda pairs: "".join(piece + gap for piece, gap in pairs)
)


def with_types(node: Any) -> Any:
    """Return a value that differs from another one if any type in it differs."""
    if isinstance(node, dict):
        return {name: with_types(value) for name, value in node.items()}
    if isinstance(node, list):
        return [with_types(value) for value in node]
    return type(node), node


def read_twice(data: bytes, parser: Any) -> bool:
    """Compare both readers, and return whether the one without positions reads the file."""
    documents = read_documents(data, parser=parser)
    if documents is None:
        return False
    reading = read_yaml(data, parser=parser)
    assert reading.faults == []
    found, expected = (
        [(d.index, d.line, with_types(d.value)) for d in each]
        for each in (documents, reading.documents)
    )
    assert found == expected
    return True


@given(TEXTS | st.text(max_size=30))
@example("a: {b: c,d}")
@example("a: &x b\nc: *x")
@example("a: 1\na: 2")
@example("a: b\n---\n- 1\n- \n---\n")
def test_no_text_is_read_differently(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for parser in PARSERS:
        if not read_twice(data, parser):
            # A quoted `<<` is a name only for the other reader.
            assert read_yaml(data, parser=parser).faults or "<<" in text


@given(st.binary(max_size=60))
def test_no_bytes_are_read_differently(data: bytes) -> None:
    read_twice(data, yaml.CSafeLoader)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        OPENAI,
        CONFIG,
        "",
        "# nothing\n",
        "a: b\n---\n---\nc: [d, {e: 1}]\n",
        "\ufeffa: b\r\nc: |\r\n  d\r\n",
        "a:\nb: ~\nc: null\nd: 'null'\ne: ''\n",
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    ],
)
def test_a_file_without_a_fault_is_read_without_positions(text: str, parser: Any) -> None:
    assert read_twice(text.encode(), parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2\n",
        "a: {b: 1, b: 2}\n",
        "a: &x 1\nb: *x\n",
        "*x : 1\n",
        "<<: {a: 1}\n",
        "a: !!str 1\n",
        "!t a: 1\n",
        "!t {a: 1}\n",
        "- !t [a]\n",
        "{a: b,c}\n",
        "{a,b}\n",
        "? [a]\n: b\n",
        "? {a: b}\n: c\n",
        "a: 'b\n",
        "<<<<<<< HEAD\na: b\n",
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    ],
)
def test_a_file_with_a_fault_is_not_read(text: str, parser: Any) -> None:
    assert read_documents(text.encode(), parser=parser) is None
    assert read_yaml(text.encode(), parser=parser).faults


def test_the_limit_of_nodes_is_the_same() -> None:
    # The list is a node, too.
    largest = b"[" + b"1," * (MAX_NODES - 1) + b"]"
    assert read_twice(largest, yaml.CSafeLoader)
    assert read_documents(largest.replace(b"]", b"1]")) is None
