"""The documentation quotes the real output of commands, and its links resolve."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.architecture.source import ROOT
from tests.cli.project import Here
from tests.end_to_end.upstream import serving
from tests.runs import World
from tests.simulation.test_boundaries import KINDS, calls
from tests.views import terminal_picture

README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = README.splitlines()[:40]
LONGEST_README = 200
DOCUMENTS = [
    ROOT / "README.md",
    *(
        file
        for top in (".github", "desired-state", "reconciler")
        for file in ROOT.glob(f"{top}/**/*.md")
    ),
    ROOT / "tests/README.md",
]


def test_the_help_in_the_readme_is_that_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "--help"],
        cwd=ROOT,
        env={"PATH": os.defpath, "COLUMNS": "100", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"```text\n$ reconcile --help\n{done.stdout}```\n" in README


def test_the_first_screen_holds_both_commands_for_a_fresh_machine() -> None:
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/reconcile apply --yes",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
    ):
        assert any(line.strip() == command for line in FIRST_SCREEN)


def test_ci_finds_only_those_two_commands() -> None:
    assert len(re.findall("^python3 -m venv", README, re.MULTILINE)) == 2


def test_the_front_page_has_at_most_200_lines() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_the_picture_of_a_plan_equals_the_output_of_the_command() -> None:
    drawn = {file.name: file.read_text("utf-8") for file in terminal_picture.FOLDER.iterdir()}
    assert drawn == terminal_picture.pictures(), (
        "the output changed; if that is meant, run: python -m tests.views.terminal_picture"
    )


def test_the_error_in_the_guide_is_reported_as_shown(tmp_path: Path) -> None:
    guide = (ROOT / "desired-state/README.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```text\n(error\[.*?)```", guide, re.DOTALL)
    project = Here.with_examples(tmp_path)
    file = project.files / "integrations/openai-production.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("\ndescription:", "\ndescripton:"))
    done = project.run("validate")
    assert done.code == 3
    assert quoted in done.out + done.err


FRESH_MACHINE = "python3 -m venv"
"""Beginning of the two commands that the front page must show as they are."""
USES_A_TARGET = re.compile(
    r"\breconcile (?P<before>(?:-\S+ (?:[a-z.]+ )?)*)"
    r"(?:plan|apply|drift|pull|list|get|history|undo|doctor|serve)\b"
)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_sample_names_the_target(file: Path) -> None:
    for block in MarkdownIt().parse(file.read_text(encoding="utf-8")):
        for line in block.content.splitlines() if block.type == "fence" else ():
            found = USES_A_TARGET.search(line)
            # `name:` is the title of a workflow, not a target.
            if found and not line.startswith((FRESH_MACHINE, "name: ")):
                assert "--target " in found["before"], line


def test_the_section_about_an_organisation_works_as_written(tmp_path: Path) -> None:
    section = README.partition("## Your own organisation")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    commands = [line.partition("#")[0].split() for line in block.splitlines()]
    folder = tmp_path / "gateway"
    assert commands[0] == ["mkdir", "gateway", "&&", "cd", "gateway"]
    assert ["export", "PORTKEY_API_KEY=…"] in commands
    folder.mkdir()
    world = World()
    for slug in ("openai-production", "elsewhere"):
        world.put("POST", "/integrations", existing(slug))
    with serving(world=world) as upstream:
        # The variable that the section names for a trial run.
        assert "`PORTKEY_BASE_URL`" in section
        project = Here(folder, PORTKEY_API_KEY="pk-1", PORTKEY_BASE_URL=upstream.url)
        shutil.rmtree(project.files)
        lines = [words[1:] for words in commands if words[0] == "reconcile"]
        done = [project.run(*words) for words in lines]
    assert [it.code for it in done] == [0] * len(lines), done[-1].err
    assert lines[-1] == ["--target", "production", "plan"]
    assert "2 integrations, 0 differences, 2 secrets unverified" in done[-2].out
    assert "No changes: the API matches the files; 2 unchanged." in done[-1].out


def existing(slug: str) -> dict[str, str]:
    body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai"}
    return {**body, "key": "sk-first-0a1b2c3d4e5f"}


def test_the_number_of_interrupted_calls_is_the_one_in_the_guarantees() -> None:
    promises = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    assert f"each of its {calls()} calls with {len(KINDS)} kinds of fault" in promises


@cache
def links(file: Path) -> list[str]:
    """Return the relative targets of links and pictures."""
    found: list[str] = []
    for token in MarkdownIt().enable("table").parse(file.read_text(encoding="utf-8")):
        for inline in [token, *(token.children or ())]:
            if inline.type in {"html_block", "html_inline"}:
                found += re.findall(r'(?:src|srcset|href)="([^"]+)"', inline.content)
            target = inline.attrGet("href") or inline.attrGet("src")
            if target and not re.match(r"https?://", str(target)):
                found.append(str(target))
    return found


@cache
def anchors(file: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a document."""
    tokens = MarkdownIt().parse(file.read_text(encoding="utf-8"))
    texts = [
        after.content
        for before, after in itertools.pairwise(tokens)
        if before.type == "heading_open"
    ]
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_relative_link_resolves(file: Path) -> None:
    for link in links(file):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_document_is_reachable_from_the_front_page() -> None:
    reached: set[Path] = set()
    unread = [ROOT / "README.md"]
    while unread:
        file = unread.pop()
        reached.add(file)
        if file.suffix == ".md" and file.is_file():
            linked = {(file.parent / link.partition("#")[0]).resolve() for link in links(file)}
            unread += linked - reached
    assert {file for file in DOCUMENTS if file.name != "pull_request_template.md"} <= reached
