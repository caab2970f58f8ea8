"""Templates that write foreign text: every value passes `finalize` and is escaped for HTML.

The only module that knows jinja2. It is imported when a report or a page is rendered, not when the
command starts.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


class Templates:
    """The templates of a package, in its folder `templates`."""

    def __init__(
        self,
        package: str,
        *,
        finalize: Callable[[object], str],
        filters: Mapping[str, Callable[..., Any]] | None = None,
        tests: Mapping[str, Callable[..., bool]] | None = None,
        constants: Mapping[str, object] | None = None,
    ) -> None:
        """`filters`, `tests` and `constants` are known to all templates by their keys."""
        self._environment = Environment(
            loader=PackageLoader(package),
            autoescape=True,
            # Runs on the value of every expression, before it is escaped.
            finalize=finalize,
            # A misspelled name is an error instead of a gap in a report.
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # Templates are part of the package and do not change while a process runs.
            auto_reload=False,
        )
        self._environment.filters.update(filters or {})
        self._environment.tests.update(tests or {})
        self._environment.globals.update(constants or {})

    def render(self, name: str, **values: object) -> str:
        """Return a template filled with values."""
        return self._environment.get_template(name).render(values)
