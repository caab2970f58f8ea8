"""Documents for scripts: one strict JSON text per command, with sorted keys and only ASCII.

The structure comes from `as_json` of each value; nothing is added or omitted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring_ascii
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


def streamed(value: Mapping[str, object], name: str, items: Iterable[object]) -> Iterator[str]:
    """Yield the text of a document in parts, with a list of `items` as the member `name`.

    The text is that of `document`; only one item is in memory at a time.
    """
    # A line break within a string is escaped, and deeper members have more spaces, so only this
    # member can begin like this.
    begin = f'\n  "{name}": ['
    before, _, after = document({**value, name: []}).partition(f"{begin}]")
    yield before + begin
    separator = ""
    for item in items:
        yield f"{separator}\n    {_indented(item, '    ')}"
        separator = ","
    yield ("\n  ]" if separator else "]") + after


def _indented(value: object, indent: str) -> str:
    """Return a value at an indentation, as `document` does, whose encoder is slower."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None:
        return "null"
    if isinstance(value, dict) and value:
        inner = indent + "  "
        lines = [
            f"{inner}{encode_basestring_ascii(name)}: {_indented(value[name], inner)}"
            for name in sorted(value)
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and value:
        inner = indent + "  "
        lines = [inner + _indented(item, inner) for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    if value is True or value is False:
        return "true" if value else "false"
    return json.dumps(value, allow_nan=False)


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
