"""Each reference to a document, section or link resolves within this repository.

A reference is written `remote/API.md §1.4`; a following `§1.5` refers to the same document. In a
document with numbered headings, `§` refers to its own sections. Documents of other repositories are
written `owner/repository: path` and are not checked.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT, nodes, parsed

PLACES = ("reconciler", "tests", "desired-state", ".github", ".ci")
COMPARED_BYTE_BY_BYTE = {"golden", "compatibility"}
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".sh", ".txt", ""}
WRITTEN = {"benchmarks.md"}
"""Documents that a program writes where it is asked to."""

SIGN = "\N{SECTION SIGN}"
ELSEWHERE = re.compile(r"\b[\w.-]+/[\w.-]+: [\w./-]+")
REFERENCE = re.compile(
    rf"(?<![\w./-])(?P<document>[\w.-]+(/[\w.-]+)*\.md)\b|{SIGN}\s?(?P<section>\d+(\.\w+)*)"
)
NUMBER = re.compile(r"^#{1,6} (\d+(?:\.\d+)*)\.? ", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)#:\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
"""A Markdown link within the repository; one with a scheme leads elsewhere."""


def files() -> list[Path]:
    """Return the tracked files that contain prose."""
    found = [ROOT / "README.md", ROOT / "pyproject.toml"]
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            is_text = path.is_file() and path.suffix in SUFFIXES
            if is_text and not COMPARED_BYTE_BY_BYTE & set(path.relative_to(ROOT).parts):
                found.append(path)
    return found


def words(path: Path) -> str:
    """Return the prose of a file: all of a document, or the comments and strings of a program.

    Strings of a test count only if they are docstrings or name a section; others are often names of
    files that the test writes.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    if ".md" not in text and SIGN not in text:
        return ""  # parsing every module takes seconds
    is_test = PACKAGE not in path.parents
    found = [*comments(text), *strings(parsed(path), is_test=is_test)]
    return "\n".join(said for _, said in sorted(found))


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Return the comments of a program, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def strings(tree: ast.Module, *, is_test: bool) -> Iterator[tuple[int, str]]:
    """Return the strings of a program that count, each with its line."""
    docstrings = {node.value for node in nodes(tree) if isinstance(node, ast.Expr)}
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            counts = not is_test or node in docstrings or SIGN in node.value
            if counts:
                yield node.lineno, node.value


def resolve(name: str, reader: Path) -> Path | None:
    """Return the document to which this name refers in a file."""
    for folder in (reader.parent, PACKAGE, ROOT):
        if (folder / name).is_file():
            return folder / name
    return None


@cache
def sections(document: Path) -> frozenset[str]:
    """Return the numbers of the headings of a document."""
    return frozenset(NUMBER.findall(document.read_text(encoding="utf-8")))


def dead_ends(text: str, reader: Path) -> Iterator[str]:
    """Return the references in the prose of a file that do not resolve."""
    is_numbered = reader.suffix == ".md" and bool(sections(reader))
    document = reader if is_numbered else None
    for match in REFERENCE.finditer(ELSEWHERE.sub("", text)):
        name, section = match["document"], match["section"]
        if name is not None:
            found = resolve(name, reader)
            if found is None and name not in WRITTEN:
                yield f"{name} is not in this repository"
            if not is_numbered:
                document = found
        elif document is None or section not in sections(document):
            yield f"{SIGN}{section} leads to no heading"


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    titles = HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(text: str, document: Path) -> Iterator[str]:
    """Return the Markdown links of a document whose file or heading does not exist."""
    for match in LINK.finditer(text):
        target = document.parent / match["target"] if match["target"] else document
        if not target.exists():
            yield f"{match['target']} does not exist"
        elif match["anchor"] and match["anchor"] not in anchors(target):
            yield f"{target.name} has no heading #{match['anchor']}"


def test_every_reference_leads_to_a_document_of_this_repository() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in files()
        for problem in dead_ends(words(path), path)
    ]
    assert found == []


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in files()
        if path.suffix == ".md"
        for problem in dead_links(path.read_text(encoding="utf-8"), path)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"remote/API.md {SIGN}1.4, {SIGN}5.2", []),
        (f"see reconciler/remote/API.md\n{SIGN}9", []),
        ("Portkey-AI/terraform-provider-portkey: docs/index.md", []),
        (f"remote/API.md {SIGN}1.99", [f"{SIGN}1.99 leads to no heading"]),
        (f"remote/API.md {SIGN}14", [f"{SIGN}14 leads to no heading"]),
        (f"({SIGN}1.4)", [f"{SIGN}1.4 leads to no heading"]),
        (f"README.md {SIGN}2", [f"{SIGN}2 leads to no heading"]),
        ("../notes/contract.md", ["../notes/contract.md is not in this repository"]),
        (
            f"contract.md {SIGN}3",
            ["contract.md is not in this repository", f"{SIGN}3 leads to no heading"],
        ),
    ],
)
def test_a_reference_that_does_not_resolve_is_found(text: str, expected: list[str]) -> None:
    assert list(dead_ends(text, PACKAGE / "errors.py")) == expected


@pytest.mark.parametrize(
    "program",
    ['"""See contract.md."""\n', "# see contract.md\n", 'X = 1\n"""As contract.md says."""\n'],
)
def test_comments_and_docstrings_are_read(program: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(program, encoding="utf-8")
    assert list(dead_ends(words(file), file)) == ["contract.md is not in this repository"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[facts](reconciler/remote/API.md#6-change-markers-and-consistency)", []),
        ("[package](reconciler), [vendor](https://example.com/a.md#b)", []),
        ("[gone](reconciler/gone.md)", ["reconciler/gone.md does not exist"]),
        ("[facts](reconciler/remote/API.md#gone)", ["API.md has no heading #gone"]),
        ("[here](#gone)", ["README.md has no heading #gone"]),
    ],
)
def test_a_link_that_does_not_resolve_is_found(text: str, expected: list[str]) -> None:
    assert list(dead_links(text, ROOT / "README.md")) == expected
