"""Reference of diagnostic codes: complete, with valid examples, and equal to the generated page."""

import re
from pathlib import Path

import pytest

from reconciler.desired.load import check, load
from reconciler.views.diagnostic_reference import CodeEntry, as_text, entries, groups, handbook
from reconciler.views.escape import visible
from tests.desired.building import OPENAI, TODAY, files
from tests.views.emitted_codes import emitted_codes

PAGE = Path(__file__).parents[2] / "desired-state/DIAGNOSTICS.md"
OF_FILES = [entry for entry in entries().values() if entry.is_yaml]


def test_the_page_equals_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == handbook(), (
        "the table changed; if that is meant, run: python -m tests.views.test_diagnostic_reference"
    )


@pytest.mark.parametrize("code", sorted(entries()))
def test_a_narrow_terminal_wraps_words_and_does_not_wrap_the_example(code: str) -> None:
    shown = as_text(entries()[code], width=60)
    text, example = shown.split("EXAMPLE:\n")[0], shown.split("EXAMPLE:\n")[1].split("\nFIX:")[0]
    assert max(len(line) for line in text.splitlines()) <= 60
    assert " ".join(shown.split()) == " ".join(as_text(entries()[code]).split())
    assert [line.strip() for line in example.strip().splitlines()] == [
        visible(line, None).strip() for line in entries()[code].example.splitlines()
    ]


def test_every_code_that_the_source_emits_is_in_the_table() -> None:
    missing = {code: where for code, where in emitted_codes().items() if code not in entries()}
    assert missing == {}, "add them to reconciler/views/diagnostic_codes/"


def test_every_code_of_the_table_is_emitted_somewhere() -> None:
    assert sorted(set(entries()) - set(emitted_codes())) == []


def test_the_collector_finds_every_way_to_emit_a_code() -> None:
    # One code each for a call, a constant, a keyword, a class, a property, a tuple and a choice.
    ways = {"wrong-target", "unset-variable", "bad-slug", "github-token", "secret-not-allowed"}
    ways |= {"ledger-full", "secret-damaged", "vault-sealed", "custom-host-private", "worker-lost"}
    assert ways <= set(emitted_codes())


def test_no_code_belongs_to_two_groups() -> None:
    assert sum(len(group.entries) for group in groups()) == len(entries())


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.code)
def test_an_entry_consists_of_complete_sentences(entry: CodeEntry) -> None:
    assert re.fullmatch(r"[A-Z`].*\.", entry.meaning)
    assert re.fullmatch(r"[A-Z`].*\.", entry.fix)
    assert entry.example
    # A quoted message has this code.
    for code in re.findall(r"^(?:error|warning|notice)\[([^\]]+)\]", entry.example):
        assert code == entry.code


@pytest.mark.parametrize("entry", OF_FILES, ids=lambda entry: entry.code)
def test_the_lines_of_a_file_cause_the_code(entry: CodeEntry) -> None:
    text = entry.example + "\n"
    if not text.startswith("slug:"):
        text = OPENAI + text
    source = files({"integrations/a.yaml": text})
    found = check(source, target_name="simulator", today=TODAY)
    found += load(source, target_name=None, today=TODAY, expects_creates=True).diagnostics
    assert entry.code in {diagnostic.code for diagnostic in found}


def test_most_codes_of_files_have_an_example_that_causes_them() -> None:
    assert len(OF_FILES) >= 30


if __name__ == "__main__":
    PAGE.write_text(handbook(), encoding="utf-8", newline="\n")
