"""Renderers by kind of document and output format: `RENDERERS["plan"]["html"](plan, options)`.

To add a format, write a module with a function for each kind and enter it here.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypedDict, TypeVar

from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan
from reconciler.views import html, json, markdown, terminal
from reconciler.views.render_options import RenderOptions

T = TypeVar("T")
Renderer = Callable[[T, RenderOptions], str]


class RendererTable(TypedDict):
    """For each kind of document its renderers by format."""

    plan: Mapping[str, Renderer[Plan]]
    result: Mapping[str, Renderer[ApplyResult]]
    drift: Mapping[str, Renderer[DriftReport]]


class _HasDocument(Protocol):
    def as_json(self) -> Mapping[str, object]: ...


def _json(value: _HasDocument, _options: RenderOptions) -> str:
    """Return the whole document; options are for readers, and JSON is for programs."""
    return json.document(value.as_json())


RENDERERS: RendererTable = {
    "plan": {
        "text": terminal.plan,
        "json": _json,
        "markdown": markdown.plan,
        "html": html.plan,
    },
    "result": {
        "text": terminal.result,
        "json": _json,
        "markdown": markdown.result,
        "html": html.result,
    },
    "drift": {
        "text": terminal.drift,
        "json": _json,
        "markdown": markdown.drift,
        "html": html.drift,
    },
}
