"""Tokens: parsing, and that none is ever shown."""

import pytest

from reconciler.adapter.auth import Token, Tokens, TokenScope, parse_tokens
from reconciler.errors import InvalidInput
from tests.adapter.ports import READER, WRITER


def test_a_token_file_is_parsed() -> None:
    text = f"# who may call\n\nci  write  {WRITER}\n\twatcher read {READER}\r\n"
    found = parse_tokens(text, file="tokens")
    assert [(t.principal.name, t.principal.scope) for t in found] == [
        ("ci", TokenScope.WRITE),
        ("watcher", TokenScope.READ),
    ]
    assert Tokens(found).find(READER.encode()) == found[1].principal
    assert Tokens(found).find(READER[:-1].encode()) is None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (f"ci {WRITER}", "three words"),
        (f"ci write {WRITER} more", "three words"),
        (f"ci admin {WRITER}", "scope"),
        (f"c/i write {WRITER}", "name"),
        ("ci write canary-too-short", "32"),
        (f"ci write {WRITER}ü", "ASCII"),
    ],
)
def test_an_invalid_line_is_named_without_its_token(line: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_tokens(f"# first\n{line}\n", file="tokens")
    [problem] = caught.value.diagnostics
    assert text in problem.summary
    assert problem.at is not None
    assert (problem.at.file, problem.at.line) == ("tokens", 2)
    assert WRITER not in str(problem)
    assert "canary" not in str(problem)


def test_every_bad_line_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_tokens("one\ntwo\n", file="tokens")
    assert len(caught.value.diagnostics) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nobody\n",
        f"a read {WRITER}\na read {READER}\n",
        f"a read {WRITER}\nb read {WRITER}\n",
    ],
)
def test_an_empty_list_and_a_duplicate_token_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_tokens(text, file="tokens")


@pytest.mark.parametrize("text", ["", "x" * 31, "x" * 31 + " ", "x" * 40 + "\n", "ü" * 40])
def test_a_weak_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Token.of(text)


def test_a_token_is_never_printed() -> None:
    tokens = Tokens((Token.of(WRITER),))
    assert WRITER not in repr(tokens)
    assert WRITER not in str(tokens.known[0].digest)
