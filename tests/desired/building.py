"""Builders of small repositories in memory."""

from datetime import date
from textwrap import dedent

from reconciler.desired.load import Loaded, load
from reconciler.desired.source import MemorySource
from reconciler.diagnostics import Diagnostic
from reconciler.domain.state import Declared

TODAY = date(2026, 11, 23)

CONFIG = """\
version: 1
default_target: simulator
targets:
  simulator: {base_url: "simulator:"}
  production: {base_url: "https://api.portkey.ai/v1", api_key: "${env:PORTKEY_API_KEY}", environment: production}
"""  # noqa: E501  one target a line reads best

OPENAI = "slug: a\nname: A\nai_provider_id: openai\n"


def files(content: dict[str, str | bytes] | None = None, *, config: str = CONFIG) -> MemorySource:
    """Build a source with `reconcile.yaml` and the given files."""
    named = {"reconcile.yaml": config, **(content or {})}
    return MemorySource(
        {p: dedent(c).encode() if isinstance(c, str) else c for p, c in named.items()}
    )


def loaded(
    content: dict[str, str | bytes] | None = None,
    *,
    config: str = CONFIG,
    target: str | None = None,
    base_url: str | None = None,
) -> Loaded:
    """Load a source with these files."""
    return load(
        files(content, config=config),
        target_name=target,
        today=TODAY,
        base_url_override=base_url,
    )


def integration(text: str, *, slug: str = "a") -> Loaded:
    """Load a source whose only integration file has this text."""
    return loaded({f"integrations/{slug}.yaml": text})


def declared(text: str, *, slug: str = "a") -> Declared:
    """Load a valid integration."""
    result = integration(text, slug=slug)
    assert result.state is not None, result.diagnostics
    return result.state.integrations[slug]


def places(diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, str, int, int]]:
    """Return the code, file, line and column of each diagnostic."""
    return [
        (d.code, d.at.file.removeprefix("desired-state/"), d.at.line, d.at.column)
        for d in diagnostics
        if d.at is not None
    ]
