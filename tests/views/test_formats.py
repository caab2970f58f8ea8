"""Every kind of document in every format; the module of a format is loaded on use."""

import json
import subprocess
import sys
from importlib import import_module
from typing import Literal

import pytest

from reconciler.cli.console import RENDERERS, render
from reconciler.views.render_options import RenderOptions
from tests.views import drift_samples, samples

OPTIONS = RenderOptions(ledger="shared")
PLAN = samples.mixed_plan()
RESULT = samples.partial_result(PLAN)
REPORT = drift_samples.drifted()

Kind = Literal["plan", "result", "drift"]
KINDS: tuple[Kind, ...] = ("plan", "result", "drift")
VALUES = {"plan": PLAN, "result": RESULT, "drift": REPORT}
DOCUMENTS = {"plan": PLAN.as_json(), "result": RESULT.as_json(), "drift": REPORT.as_json()}
FIRST_LINES = {"text": "target production ·", "markdown": "### ", "html": "<!DOCTYPE html>"}


def test_every_format_renders_every_kind() -> None:
    found = {
        (style, kind): callable(getattr(import_module(module), kind, None))
        for style, module in RENDERERS.items()
        for kind in KINDS
    }
    assert all(found.values()), found
    assert set(RENDERERS) == {*FIRST_LINES, "json"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", FIRST_LINES)
def test_each_entry_renders_its_format(kind: Kind, style: str) -> None:
    assert render(kind, VALUES[kind], OPTIONS, style=style).startswith(FIRST_LINES[style])


@pytest.mark.parametrize("kind", KINDS)
def test_json_is_the_document_for_any_options(kind: Kind) -> None:
    assert json.loads(render(kind, VALUES[kind], OPTIONS, style="json")) == DOCUMENTS[kind]


def test_rendering_loads_no_other_format() -> None:
    script = (
        "import sys; from types import SimpleNamespace; from reconciler.cli import console;"
        "print(console.render('plan', SimpleNamespace(as_json=dict), None, style='json'));"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "reconciler.views.json" in loaded
    views = {f"reconciler.views.{name}" for name in ("terminal", "markdown", "html")}
    assert not loaded & {"rich", *views}
