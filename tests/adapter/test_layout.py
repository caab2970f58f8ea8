"""Pages and reports in a real browser, at two widths, light and dark.

These rules hold with the fonts of any machine: nothing is wider than the screen, no box is cut off
or overlaps another, and the computed colours have enough contrast. `tests/adapter/test_pictures.py`
has pictures of the same pages.
"""

from pathlib import Path

import pytest

from reconciler.views import html
from reconciler.views.render_options import RenderOptions
from tests.adapter.test_gitops_tools import ALPHA
from tests.adapter.test_page import Site
from tests.browser import Browser, browser
from tests.views import drift_samples, samples

pytestmark = pytest.mark.needs_system

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")

# Contrast as WCAG 2 defines it: 4.5 for text, 3 for the borders of controls.
MEASURE = """(() => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const name = e => e.tagName.toLowerCase() + '.' + e.className + ' ' + e.textContent.slice(0, 30);
  const root = document.documentElement;
  const problems = [];
  if (root.scrollWidth > root.clientWidth) problems.push('wider than the screen');
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    if (!element.checkVisibility() || !box.width || element.matches('.skip')) continue;
    const style = getComputedStyle(element);
    if (box.right > root.clientWidth + 1 || box.left < -1)
      problems.push('cut at the side: ' + name(element));
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (own && contrast(numbers(style.color), ground(element)) < 4.5)
      problems.push('text without contrast: ' + name(element));
    if (element.matches('input[type=search], input[type=password], select, button') &&
        contrast(numbers(style.borderTopColor), ground(element.parentElement)) < 3)
      problems.push('border without contrast: ' + name(element));
  }
  for (const row of document.querySelectorAll('tr')) {
    const cells = [...row.children].map(cell => cell.getBoundingClientRect());
    cells.forEach((a, place) => cells.slice(place + 1).forEach(b => {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 &&
          b.top < a.bottom - 1) problems.push('cells overlap: ' + name(row));
    }));
    for (const mark of row.querySelectorAll('.mark'))
      if (mark.getBoundingClientRect().right > mark.parentElement.getBoundingClientRect().right)
        problems.push('wider than its cell: ' + name(mark));
  }
  return problems;
})()"""


def long_names() -> Site:
    """Return a page with every sync status, and with the longest slug that the API allows."""
    names = ("alpha", "beta", "gamma", "w" * 255)
    site = Site(**{name: ALPHA.replace(b"alpha", name.encode()) for name in names})
    site.here.folder["reconcile.yaml"] = (
        b"version: 1\ndefault_target: here\ntargets:\n"
        b"  here: {base_url: 'simulator:', prune: all, limits: {deletes: 0}}\n"
    )
    site.exists("alpha", name="Moved " * 15).exists("surplus")
    site.exists("beta", name="Alpha", configurations={"custom_host": "https://" + "h" * 200})
    return site.exists("w" * 255, name="Alpha")


def written(folder: Path) -> dict[str, str]:
    """Write the pages and reports as files and return their URLs by name.

    A page loads its style sheet from the same folder instead of from a server.
    """
    site = long_names()
    options = RenderOptions(ledger="shared")
    texts = {
        "overview": site.page(),
        "detail": site.page("/integrations/beta"),
        "history": site.page("/history"),
        "login": site.get("/", headers={}).text,
        "plan": html.plan(samples.mixed_plan(), options),
        "blocked": html.plan(samples.blocked_plan(), options),
        "drift": html.drift(drift_samples.every_origin(), options),
    }
    (folder / "page.css").write_text(site.get("/page.css").text, encoding="utf-8")
    for name, text in texts.items():
        local = text.replace('href="/page.css"', 'href="page.css"')
        (folder / f"{name}.html").write_text(local, encoding="utf-8")
    return {name: f"file://{folder}/{name}.html" for name in texts}


def problems_of(shown: Browser, urls: dict[str, str]) -> dict[str, list[str]]:
    found = {}
    for name, url in urls.items():
        for width in WIDTHS:
            for scheme in SCHEMES:
                shown.open(url, width=width, scheme=scheme)
                found[f"{name} {width} {scheme}"] = shown.evaluate(MEASURE)
    return found


def test_nothing_is_cut_off_and_contrast_is_sufficient_at_each_width_in_both_schemes(
    tmp_path: Path,
) -> None:
    urls = written(tmp_path)
    with browser(tmp_path) as shown:
        found = problems_of(shown, urls)
        assert {name: problems for name, problems in found.items() if problems} == {}
        assert len(found) == len(urls) * 4
        # Both schemes take effect: the background of a dark page is not that of the light one.
        grounds = []
        for scheme in SCHEMES:
            shown.open(urls["overview"], width=1280, scheme=scheme)
            grounds.append(shown.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert grounds[0] != grounds[1]


def test_in_print_everything_is_expanded_and_filters_are_hidden(tmp_path: Path) -> None:
    urls = written(tmp_path)
    with browser(tmp_path) as shown:
        shown.open(urls["plan"], width=800, scheme="dark", media="print")
        shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
        heights = shown.evaluate(
            "[...document.querySelectorAll('details .inside')].map(e => e.offsetHeight)"
        )
        assert heights
        assert min(heights) > 0
        assert (
            shown.evaluate("getComputedStyle(document.querySelector('.filters')).display") == "none"
        )
        ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
