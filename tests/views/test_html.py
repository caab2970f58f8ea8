"""HTML reports: one page that loads and runs nothing, with filters that work by CSS alone."""

import re
from base64 import b64encode
from hashlib import sha256

from reconciler.views import html
from reconciler.views.render_options import RenderOptions
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
    assert html.filters({"action": {"create"}, "risk": {"delete"}}) == ""


def test_the_greatest_count_fills_the_chart() -> None:
    chart = html.chart([("create", 200), ("update", 0), ("delete", 1)])
    assert re.findall(r'rect width="(\d+)"', chart) == ["100", "1"]
    assert "update" not in chart


def test_nothing_to_count_draws_nothing() -> None:
    assert html.chart([("create", 0)]) == ""
