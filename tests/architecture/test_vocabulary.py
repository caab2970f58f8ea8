"""The vocabulary of names and prose: standard terms of the field, and plain technical English."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT, modules, nodes

PRIVATE_WORDS = (
    "anew|clerk|crew|discreet|fulfilment|lanes|likeness|muster|newcomers|somebody|told|whoever"
)
"""Words that are banned everywhere, because a standard term exists."""

PRIVATE_NAMES = "books|door|meeting|picture|presence|remarks|wish"
"""Further words that are banned in names; a sentence may need them."""

PHRASE = r"(?:is|are|was|were)\s+to\s+be"
"""Use `must be`, or an active verb."""

FIRST_WORDS = {"Give", "Gives", "Say", "Says", "Tell", "Tells"}
"""First words of a docstring that leave open whether a function returns, writes or sends."""

_IN_TEXT = re.compile(rf"(?<![a-z])(?:{PRIVATE_WORDS}|{PHRASE})(?![a-z])", re.IGNORECASE)
_IN_NAMES = re.compile(rf"(?<![a-z])(?:{PRIVATE_NAMES}|{PRIVATE_WORDS})(?![a-z])", re.IGNORECASE)


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def texts(folder: Path) -> list[Path]:
    """Return the documents of a folder, and the modules if it is the package."""
    if folder == ROOT:
        return sorted(ROOT.glob("*.md"))
    modules_here = sources() if folder == PACKAGE else []
    return [*modules_here, *sorted(folder.rglob("*.md"))]


def in_words(text: str) -> str:
    """Return a text with its CamelCase names split."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)


def in_text(text: str) -> Iterator[tuple[int, str]]:
    """Find banned words and phrases; yields the line and the word."""
    split = in_words(text)
    for match in _IN_TEXT.finditer(split):
        yield split.count("\n", 0, match.start()) + 1, " ".join(match.group().split())


def in_names(text: str) -> Iterator[tuple[int, str]]:
    """Find banned words in the identifiers of a module."""
    if not _IN_NAMES.search(in_words(text)):
        return  # the text has none; tokenizing all modules takes a second
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and (match := _IN_NAMES.search(in_words(token.string))):
            yield token.start[0], match.group()


def in_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Find docstrings that begin with a banned word."""
    for node in nodes(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words and words[0] in FIRST_WORDS:
                yield node.body[0].lineno, words[0]


def places(file: Path, found: Iterator[tuple[int, str]]) -> list[str]:
    name = file.relative_to(ROOT).as_posix()
    return [f"{name}:{line}: {word}" for line, word in found]


def test_no_module_or_identifier_has_a_private_name() -> None:
    found = [p for file in sources() for p in places(file, in_names(file.read_text("utf-8")))]
    found += [
        f"{name}: {match.group()}"
        for file in sources()
        if (match := _IN_NAMES.search(name := file.relative_to(PACKAGE).as_posix()))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", ["reconciler", "tests", "desired-state", ".github", "."])
def test_prose_and_messages_use_plain_words(folder: str) -> None:
    files = texts(ROOT / folder)
    assert files != []
    found = [p for file in files for p in places(file, in_text(file.read_text("utf-8")))]
    assert not found, "\n".join(found)


def test_docstrings_begin_with_a_specific_verb() -> None:
    found = [p for name, tree in modules() for p in places(PACKAGE / name, in_docstrings(tree))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "told",
        "Whoever reads",
        "a.told_of(b)",
        "class BatchClerk: ...",
        "TOLD = 1",
        "what is\nto be done",
    ],
)
def test_a_banned_word_is_found_in_any_spelling(text: str) -> None:
    assert len(list(in_text(text))) == 1


@pytest.mark.parametrize("text", ["planes", "ours is a screw", "mustered", "it has to be", "tolds"])
def test_a_part_of_another_word_is_not_found(text: str) -> None:
    assert list(in_text(text)) == []


def test_names_and_first_words_are_found_with_their_lines() -> None:
    text = '"""Return a."""\n\ndef the_wish(bookshelf): "Give a."\n'
    assert list(in_names(text)) == [(3, "wish")]
    assert list(in_docstrings(ast.parse(text))) == [(3, "Give")]
