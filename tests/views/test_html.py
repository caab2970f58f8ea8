"""HTML reports: a page that loads and executes nothing, with filters in CSS."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from importlib import resources

import pytest
from jinja2 import UndefinedError

from reconciler.diagnostics import error, notice, warning
from reconciler.drift.report import detect_drift
from reconciler.ledger.models import Anchor
from reconciler.views import html
from reconciler.views.render_options import RenderOptions
from reconciler.views.templating import Templates
from tests.views import samples

PAGE = html.plan(samples.mixed_plan(), RenderOptions(ledger="shared"))


def test_the_security_policy_allows_only_this_style() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    style = re.search(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    assert policy
    assert style
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy[1].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_the_page_loads_and_executes_nothing() -> None:
    assert not re.search(r"<(script|link|img|iframe|object|form)|https?://|url\(|@import", PAGE)


def test_each_filter_hides_the_other_rows() -> None:
    for control in re.findall(r'id="show-([a-z-]+)"', PAGE):
        assert f"body:has(#show-{control}:not(:checked)) .{control} {{ display: none; }}" in PAGE
        assert re.search(rf'class="action [^"]*\b{control}\b', PAGE)


def test_a_filter_with_one_value_is_not_offered() -> None:
    page = html.plan(samples.plan(samples.creation("a", "A")), RenderOptions(ledger="shared"))
    assert 'class="action action-create risk-' in page
    assert "<fieldset" not in page


def test_the_greatest_count_fills_the_chart() -> None:
    creations = [samples.creation(f"new-{number}", "New") for number in range(200)]
    plan = samples.plan(*creations, samples.deletion("old"))
    page = html.plan(plan, RenderOptions(ledger="shared"))
    rows = re.findall(r'<tr class="([a-z-]+)">.*?rect width="(\d+)"', page, re.DOTALL)
    assert rows == [("create", "100"), ("delete", "1"), ("blocked", "1")]


def test_without_counts_no_chart_is_drawn() -> None:
    page = html.plan(samples.empty_plan(), RenderOptions(ledger="shared"))
    assert 'class="chart"' not in page
    assert "<svg" not in page


@pytest.mark.parametrize("package", ["reconciler.views", "reconciler.adapter.ui"])
def test_no_template_writes_a_value_without_escaping(package: str) -> None:
    texts = [
        file.read_text(encoding="utf-8")
        for file in resources.files(package).joinpath("templates").iterdir()
    ]
    assert len(texts) > 1
    assert not [text for text in texts if re.search(r"\bsafe\b|autoescape|Markup", text)]


def test_a_missing_value_of_a_template_is_an_error() -> None:
    templates = Templates("reconciler.views", finalize=str)
    with pytest.raises(UndefinedError):
        templates.render("plan.html", title="Plan")


def test_notes_follow_the_actions_and_errors_are_first_among_them() -> None:
    plan = replace(
        samples.mixed_plan(),
        diagnostics=(notice("a", "first"), warning("b", "second"), error("c", "third")),
    )
    page = html.plan(plan, RenderOptions(ledger="shared"))
    places = [
        page.index(text) for text in ('class="action ', "error[c]", "warning[b]", "notice[a]")
    ]
    assert places == sorted(places)
    assert re.search(r'class="callout error">\s*<p>error\[c\]', page)
    report = html.drift(detect_drift(plan), RenderOptions(ledger="shared"))
    assert report.index('class="action ') < report.index("error[c]") < report.index("warning[b]")


def test_long_lists_are_collapsed_and_complete() -> None:
    names = tuple(f"by-hand-{number:03d}" for number in range(300))
    plan = samples.plan(samples.creation("a", "A"), unmanaged=names)
    for page in (
        html.plan(plan, RenderOptions(ledger="shared")),
        html.drift(detect_drift(plan), RenderOptions(ledger="shared")),
    ):
        folded = re.search(r'<details class="section">(.*?)</details>', page, re.DOTALL)
        assert folded
        assert [name for name in names if name not in folded[1]] == []
    short = html.plan(replace(plan, unmanaged=names[:3]), RenderOptions(ledger="shared"))
    assert '<details class="section" open>' in short


def test_values_are_side_by_side_only_if_there_are_two() -> None:
    created = html.plan(samples.plan(samples.creation("a", "A")), RenderOptions(ledger="shared"))
    assert re.findall(r'<th scope="col">(\w+)</th>', created) == ["field", "after"]
    deleted = html.plan(samples.plan(samples.deletion("a")), RenderOptions(ledger="shared"))
    assert re.findall(r'<th scope="col">(\w+)</th>', deleted) == ["field", "before"]
    tables = re.findall(r'<table class="fields">.*?</table>', PAGE, re.DOTALL)
    mixed = next(table for table in tables if "before</th>" in table and "after</th>" in table)
    for row in re.findall(r"<tr>\n<th scope=\"row\">.*?</tr>", mixed, re.DOTALL):
        assert row.count("<td ") + row.count('colspan="2"') == 2


def test_a_result_shows_the_outcomes_before_the_end_of_the_ledger() -> None:
    plan = samples.mixed_plan()
    result = replace(samples.partial_result(plan), ledger=Anchor("sha256:head", 2, "sha256:state"))
    page = html.result(result, RenderOptions(ledger="shared", plan=plan))
    assert page.rindex('class="action ') < page.index("sha256:head")
