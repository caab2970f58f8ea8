"""Show diagnostics as GitHub workflow commands, which annotate the lines of a pull request."""

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic
from reconciler.views.escape import shortened, visible

_LONGEST = 400


def as_annotations(diagnostics: Iterable[Diagnostic]) -> str:
    """Give one `::error`, `::warning` or `::notice` command a line."""
    return "".join(_command(d) + "\n" for d in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    properties = []
    if diagnostic.at is not None:
        properties = [
            f"file={_property(diagnostic.at.file)}",
            f"line={diagnostic.at.line}",
            f"col={diagnostic.at.column}",
        ]
    properties.append(f"title={_property(diagnostic.code)}")
    message = _data(shortened(diagnostic.summary, _LONGEST))
    if diagnostic.hint:
        message += "%0Ahint: " + _data(shortened(diagnostic.hint, _LONGEST))
    return f"::{diagnostic.severity} {','.join(properties)}::{message}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text, None)).replace(":", "%3A").replace(",", "%2C")
