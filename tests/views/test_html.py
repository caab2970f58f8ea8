"""HTML reports: one page that loads and runs nothing, with filters that work by CSS alone."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources

import pytest
from jinja2 import UndefinedError

from reconciler.views import html
from reconciler.views.render_options import RenderOptions
from reconciler.views.templating import Templates
from tests.views import samples

PAGE = html.plan(samples.mixed_plan(), RenderOptions(ledger="shared"))


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', PAGE)
    style = re.search(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    assert policy
    assert style
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy[1].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_the_page_loads_and_runs_nothing() -> None:
    assert not re.search(r"<(script|link|img|iframe|object|form)|https?://|url\(|@import", PAGE)


def test_each_filter_hides_what_it_names() -> None:
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


def test_nothing_to_count_draws_nothing() -> None:
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


def test_a_value_that_a_template_does_not_get_is_an_error() -> None:
    templates = Templates("reconciler.views", finalize=str)
    with pytest.raises(UndefinedError):
        templates.render("plan.html", title="Plan")
