"""Hostile names stay text in every format, according to parsers of each format."""

import json as stdlib_json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.cells import cell_len

from reconciler.domain.state import ObservedState
from reconciler.planning.plan import Plan
from reconciler.views import html, json, listings, markdown, terminal
from reconciler.views.escape import visible
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import sections_of
from tests.views import samples
from tests.views.hostile import FRAGMENTS, MARK, observed_states, plans, results, starts, texts

pytestmark = pytest.mark.slow

LOCAL = RenderOptions(ledger="local")

OUR_TAGS = re.compile(r"<details( open)?>|</?(summary|code)>|</details>")
COMMAND = re.compile(r"^\s*(::|##\[)", re.MULTILINE)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WORST = MARK + "".join(FRAGMENTS)


def worst_plan() -> Plan:
    return samples.plan(
        samples.creation(WORST, WORST), samples.deletion(WORST), unmanaged=(WORST,), commit=WORST
    )


class Page(HTMLParser):
    """Page as parsed by a browser: the tags, their attributes, and the text by enclosing tag."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[tuple[str, str]] = set()
        self.links: set[str | None] = set()
        self.outside_code = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.links |= {value for name, value in attrs if name == "href"}
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "code" not in self._open:
            self.outside_code += data


def flat(tokens: list[Token]) -> list[Token]:
    return [token for top in tokens for token in (top, *(top.children or []))]


def assert_inert(text: str) -> None:
    tokens = flat(MarkdownIt("commonmark", {"html": True}).enable("table").parse(text))
    assert not {t.type for t in tokens} & {"link_open", "image", "table_open", "hr", "code_block"}
    for token in tokens:
        if token.type in {"text", "text_special"}:
            assert MARK not in token.content
        if token.type in {"html_inline", "html_block"}:
            assert not re.search(r"<(?!/?(details|summary|code)\b)", token.content)
            assert re.sub(OUR_TAGS, "", token.content).count("<") == 0
            assert MARK not in Page(token.content).outside_code
    assert not COMMAND.search(text)
    assert not UNSAFE.search(text)


@given(plans())
@example(worst_plan())
def test_untrusted_text_in_a_markdown_plan_is_only_in_code(plan: Plan) -> None:
    assert_inert(markdown.plan(plan, LOCAL))


@settings(max_examples=40)
@given(st.data())
def test_untrusted_text_in_a_markdown_result_is_only_in_code(data: st.DataObject) -> None:
    plan = data.draw(plans())
    assert_inert(markdown.result(data.draw(results(plan)), replace(LOCAL, plan=plan)))


@given(st.lists(texts, max_size=30), st.integers(8192, 20_000))
@example([WORST] * 30, 8192)
def test_markdown_keeps_its_limit_and_summary_and_contains_no_markup(
    names: list[str], limit: int
) -> None:
    plan = samples.plan(*(samples.creation(name, name * 5) for name in names), unmanaged=("x",))
    text = markdown.plan(plan, LOCAL, limit=limit)
    assert len(text.encode()) <= limit
    assert f"{len(names)} to create" in text or not names
    assert ("Shortened to fit" in text) == (text != markdown.plan(plan, LOCAL, limit=10**9))
    assert_inert(text)


@given(plans())
@example(worst_plan())
def test_untrusted_text_adds_neither_tags_nor_attributes_to_html(plan: Plan) -> None:
    page = Page(html.plan(plan, LOCAL))
    assert set(page.tags) <= set(Page(html.plan(samples.mixed_plan(), LOCAL)).tags) | {"header"}
    assert not {name for _, name in page.attributes} & {"src", "style", "onerror"}
    assert page.links <= {"#diagnostics"}
    assert page.tags.count("details") == len(plan.actions) + len(sections_of(plan))
    assert page.tags.count("style") == page.tags.count("title") == 1


@settings(max_examples=40)
@given(st.data())
def test_untrusted_text_in_an_html_result_adds_no_tags(data: st.DataObject) -> None:
    plan = data.draw(plans())
    page = Page(html.result(data.draw(results(plan)), replace(LOCAL, plan=plan)))
    assert set(page.tags) <= set(Page(html.plan(samples.mixed_plan(), LOCAL)).tags)
    assert page.tags.count("details") == len(plan.actions)


@settings(max_examples=60)
@given(plans(text=starts), st.integers(40, 130))
@example(samples.plan(samples.creation("a" * 60 + " ::error::x", "::error::" * 30)), 40)
@example(samples.plan(samples.creation("写" * 50, "写真" * 60)), 41)
def test_terminal_text_is_wrapped_and_escaped(plan: Plan, width: int) -> None:
    text = terminal.plan(plan, replace(LOCAL, width=width))
    assert not UNSAFE.search(text)
    assert not COMMAND.search(text)
    whole = terminal.plan(plan, replace(LOCAL, width=None))
    # Words are never broken, so a line break adds only white space, or a backslash in a command.
    assert text.replace("\\", "").split() == whole.replace("\\", "").split()
    # Never broken, so that it can be copied.
    places = ("    source: ", "  --> ", "    reconcile --target ")
    lines = [line for line in text.splitlines() if not line.startswith(places)]
    for line in lines:
        # A word that is longer than a line stays after the preceding words.
        assert cell_len(line) <= width or cell_len(longest_word(line)) > width // 2


def longest_word(line: str) -> str:
    commands = re.findall(r"`[^`]+`|(?:^| )reconcile .*$", line)
    return max([*line.split(), *commands], key=cell_len)


@settings(max_examples=40)
@given(st.data(), st.integers(40, 130))
def test_colour_adds_only_colour(data: st.DataObject, width: int) -> None:
    plan = data.draw(plans())
    result = data.draw(results(plan))
    for plain, coloured in (
        (
            terminal.plan(plan, replace(LOCAL, width=width)),
            terminal.plan(plan, replace(LOCAL, width=width, color=True)),
        ),
        (
            terminal.result(result, replace(LOCAL, plan=plan, width=width)),
            terminal.result(result, replace(LOCAL, plan=plan, width=width, color=True)),
        ),
    ):
        bare = COLOUR.sub("", coloured)
        assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


@settings(max_examples=40)
@given(st.data())
def test_json_contains_the_original_text(data: st.DataObject) -> None:
    plan = data.draw(plans())
    result = data.draw(results(plan))
    assert stdlib_json.loads(json.document(plan.as_json())) == plan.as_json()
    assert stdlib_json.loads(json.document(result.as_json())) == result.as_json()
    assert json.document(plan.as_json()).isascii()


@given(observed_states())
def test_a_list_is_escaped_as_text_and_unchanged_as_data(state: ObservedState) -> None:
    text = listings.list_text(state, target=samples.TARGET, ledger="local")
    as_yaml = listings.list_yaml(state, target=samples.TARGET, ledger="local")
    as_json = listings.list_json(state, target=samples.TARGET)
    for shown in (text, as_yaml):
        assert not UNSAFE.search(shown)
        assert not COMMAND.search(shown)
    assert yaml.safe_load(as_yaml) == stdlib_json.loads(as_json)["integrations"]


@given(starts)
def test_escaping_twice_changes_nothing(text: str) -> None:
    once = visible(text, limit=None)
    assert visible(once, limit=None) == once
