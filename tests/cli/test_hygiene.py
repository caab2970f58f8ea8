"""Hostile text in every field, error and file: each output can be parsed, and nothing executes it.

Tests in tests/views generate such texts for each view; these tests check the output of commands.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from reconciler.simulator.faults import Fault, FaultKind
from tests.cli.project import Here
from tests.end_to_end.harness import Done
from tests.end_to_end.upstream import Upstream, serving
from tests.views.hostile import FRAGMENTS
from tests.views.test_hostile import COMMAND, UNSAFE

TEXTS = [*(text for text in FRAGMENTS if text != "\ud800"), "\r", "\x00", "\x7f", "\u2028", "\x85"]
WORST = "\n::error::x\r##[error]x\x1b]0;t\x07\x9b2J\u202e\u200b\u2028\x00\x7f<script>x</script>`|"

WILD = {"slug": "wild", "name": "W", "ai_provider_id": "openai", "key": "sk-0123456789"}

Words = tuple[object, ...]


def store_what_nobody_would(upstream: Upstream) -> None:
    """Store hostile text in each field that accepts free text, bypassing the checks of the API."""
    upstream.world.put("POST", "/integrations", WILD)
    upstream.remote.integrations["wild"] |= {
        "name": WORST,
        "description": "".join(TEXTS),
        "ai_provider_id": WORST,
        "tags": {f"t{i}": text for i, text in enumerate(TEXTS)} | dict.fromkeys(TEXTS, "v"),
        "configurations": dict.fromkeys((*TEXTS, WORST, "openai_project"), WORST),
        "status": WORST,
    }


def commands(folder: Path) -> Iterator[Words]:
    saved = folder / "plan.json"
    for style in ("text", "json", "markdown", "html"):
        yield "plan", "--format", style, "--out", saved
        yield "show", saved, "--format", style
        yield "drift", "--format", style
    for style in ("text", "json", "yaml"):
        yield "list", "--format", style
        yield "get", "wild", "--format", style
    yield ("doctor",)
    for style in ("text", "json"):
        yield "-vv", "apply", "--yes", "--allow-replace", "--format", style
        yield "history", "--format", style
    yield "--log-format", "json", "-vv", "plan"
    yield "--log-format", "json", "-vv", "apply", "--yes", "--format", "json"
    yield "pull", "wild", "--force"


def judge(words: Words, done: Done) -> None:
    style = words[words.index("--format") + 1] if "--format" in words else "text"
    for text in (done.out, done.err):
        assert not UNSAFE.search(text), f"{words}: {UNSAFE.findall(text)[:3]!r}"
        assert style == "github" or not COMMAND.search(text), words
        assert "error[internal]" not in text
    match style:
        case "json" | "sarif":
            json.loads(done.out)
        case "yaml":
            assert yaml.safe_load(done.out) is not None or done.code
        case "html":
            assert "<script" not in done.out
        case "github":
            assert all(line.startswith(("::error ", "::warning ")) for line in full(done.out))
    if "--log-format" in words:
        assert all("event" in json.loads(line) for line in full(done.err))


def full(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def project(folder: Path, upstream: Upstream) -> Here:
    here = Here(folder, PORTKEY_API_KEY="pk")
    here.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
    here.integration("wild", description="ours", tags={"a": "b"}, configurations={}, models=[])
    return here


def test_no_command_passes_on_hostile_text_of_a_field(tmp_path: Path) -> None:
    with serving() as upstream:
        store_what_nobody_would(upstream)
        here = project(tmp_path, upstream)
        for words in commands(tmp_path):
            judge(words, here.run(*words))


@pytest.mark.parametrize(("method", "path"), [("GET", "/wild$"), ("GET", "s$"), ("PUT", "/wild$")])
def test_no_command_passes_on_hostile_text_of_an_error(
    tmp_path: Path, method: str, path: str
) -> None:
    fault = Fault(
        kind=FaultKind.STATUS,
        method=method,
        path=path,
        times=-1,
        status=400,
        code="AB01",
        message=WORST,
        headers={"x-request-id": "::error::x"},
    )
    with serving(fault) as upstream:
        upstream.world.put("POST", "/integrations", WILD)
        here = project(tmp_path, upstream)
        failed = 0
        for words in commands(tmp_path):
            done = here.run(*words)
            judge(words, done)
            failed += done.code in {1, 5}
        assert failed


@pytest.mark.parametrize("style", ["text", "json", "github", "sarif"])
def test_no_diagnostic_passes_on_hostile_text_of_a_file(tmp_path: Path, style: str) -> None:
    here = Here(tmp_path)
    for number, text in enumerate((*TEXTS, WORST)):
        wild = {"slug": f"a{number}", "name": text, "ai_provider_id": text, text: text}
        here.write(f"integrations/{number}.yaml", json.dumps(wild))
    here.write("integrations/\n::error::\u202e\x1b[31m.yaml", "slug: [\n")
    here.write("integrations/::error::x.yaml", "slug: x\nname: \x07\n")
    words = ("validate", "--format", style)
    done = here.run(*words)
    assert done.code == 3
    judge(words, done)
