"""Documents for scripts: one strict JSON text per command, with sorted keys and only ASCII.

The structure comes from `as_json` of each value; nothing is added or omitted.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.drift.report import DriftReport
    from reconciler.execution.result import ApplyResult
    from reconciler.views.render_options import RenderOptions


def plan(value: Plan, _options: "RenderOptions") -> str:
    """Return the whole plan; options affect only formats for users."""
    return document(value.as_json())


def result(value: "ApplyResult", _options: "RenderOptions") -> str:
    """Return the whole result."""
    return document(value.as_json())


def drift(value: "DriftReport", _options: "RenderOptions") -> str:
    """Return the whole drift report."""
    return document(value.as_json())


def document(value: Mapping[str, object]) -> str:
    """Return a document as text in pure ASCII, without control characters for a terminal."""
    # NaN and Infinity are not JSON: a strict parser would refuse the whole document.
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def error(diagnostics: Iterable[Diagnostic], *, exit_code: int, refused: Plan | None = None) -> str:
    """Return the document of a failed command; `refused` is its plan, if any."""
    content: dict[str, object] = {
        "format_version": "1",
        "kind": "error",
        "exit_code": exit_code,
        "diagnostics": [item.as_json() for item in diagnostics],
    }
    if refused is not None:
        content["plan"] = refused.as_json()
    return document(content)
