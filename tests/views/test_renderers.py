"""The table of renderers: every kind of document in every format, loaded when it is used."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from reconciler.cli.output import PLAN_FORMATS
from reconciler.views.render_options import RenderOptions
from reconciler.views.renderers import RENDERERS
from tests.views import drift_samples, samples

OPTIONS = RenderOptions(ledger="shared")
PLAN = samples.mixed_plan()
RESULT = samples.partial_result(PLAN)
REPORT = drift_samples.drifted()

RENDERED: dict[str, Callable[[str], str]] = {
    "plan": lambda style: RENDERERS["plan"][style](PLAN, OPTIONS),
    "result": lambda style: RENDERERS["result"][style](RESULT, OPTIONS),
    "drift": lambda style: RENDERERS["drift"][style](REPORT, OPTIONS),
}
DOCUMENTS = {"plan": PLAN.as_json(), "result": RESULT.as_json(), "drift": REPORT.as_json()}
FIRST_LINES = {"text": "target production ·", "markdown": "### ", "html": "<!DOCTYPE html>"}


def test_the_table_has_every_kind_and_the_formats_that_the_cli_offers() -> None:
    assert set(RENDERERS) == set(RENDERED)
    for renderers in (RENDERERS["plan"], RENDERERS["result"], RENDERERS["drift"]):
        assert tuple(renderers) == PLAN_FORMATS


@pytest.mark.parametrize("kind", RENDERED)
@pytest.mark.parametrize("style", FIRST_LINES)
def test_each_entry_renders_its_format(kind: str, style: str) -> None:
    assert RENDERED[kind](style).startswith(FIRST_LINES[style])


@pytest.mark.parametrize("kind", RENDERED)
def test_json_is_the_document_whatever_the_options(kind: str) -> None:
    assert json.loads(RENDERED[kind]("json")) == DOCUMENTS[kind]


def test_the_table_loads_no_format_that_is_not_used() -> None:
    script = "import sys, reconciler.views.renderers; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "reconciler.views.json" in loaded
    views = {f"reconciler.views.{name}" for name in ("terminal", "markdown", "html")}
    assert not loaded & {"rich", *views}
