"""Renderers by kind of document and output format: `RENDERERS["plan"]["html"](plan, options)`.

To add a format, write a module with a function for each kind and add it here.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from reconciler.execution.result import ApplyResult
from reconciler.planning.plan import Plan
from reconciler.views import json
from reconciler.views.render_options import RenderOptions

if TYPE_CHECKING:
    from reconciler.drift.report import DriftReport

T = TypeVar("T")
Renderer = Callable[[T, RenderOptions], str]


class RendererTable(TypedDict):
    """Renderers by kind of document and format."""

    plan: Mapping[str, Renderer[Plan]]
    result: Mapping[str, Renderer[ApplyResult]]
    drift: Mapping[str, Renderer["DriftReport"]]


class _HasDocument(Protocol):
    def as_json(self) -> Mapping[str, object]: ...


def _json(value: _HasDocument, _options: RenderOptions) -> str:
    """Return the whole document; options concern only formats for people."""
    return json.document(value.as_json())


def _lazy(module: str, function: str) -> Renderer[Any]:
    """Return a renderer whose module is imported by the first call.

    A command needs only one format, and importing the modules of all takes a tenth of its time.
    """

    def render(value: object, options: RenderOptions) -> str:
        found: Renderer[Any] = getattr(import_module(f"reconciler.views.{module}"), function)
        return found(value, options)

    return render


RENDERERS: RendererTable = {
    "plan": {
        "text": _lazy("terminal", "plan"),
        "json": _json,
        "markdown": _lazy("markdown", "plan"),
        "html": _lazy("html", "plan"),
    },
    "result": {
        "text": _lazy("terminal", "result"),
        "json": _json,
        "markdown": _lazy("markdown", "result"),
        "html": _lazy("html", "result"),
    },
    "drift": {
        "text": _lazy("terminal", "drift"),
        "json": _json,
        "markdown": _lazy("markdown", "drift"),
        "html": _lazy("html", "drift"),
    },
}
