"""Pull from a simulated organisation into files in memory, and plan the result."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from reconciler.desired.load import Loaded, load
from reconciler.desired.source import MemorySource
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.planning.plan import Plan
from reconciler.pull.pull import PullOptions, PullResult, pull
from tests.runs import START, World

TODAY = date(2026, 11, 23)
SECRET = "sk-secret-0123456789"
CONFIG = """\
version: 1
default_target: here
targets:
  here: {base_url: "http://127.0.0.1:1/v1", api_key: "${env:PORTKEY_API_KEY}"}
"""
IN_PRODUCTION = CONFIG.replace('API_KEY}"', 'API_KEY}", environment: production')


@dataclass
class Repository:
    """Files of a repository, and the organisation that they describe."""

    world: World = field(default_factory=World)
    files: dict[str, bytes] = field(default_factory=dict)
    config: str = CONFIG
    values: Mapping[SecretRef, Redacted] = field(default_factory=dict)
    organisation: str | None = None

    def write(self, path: str, content: str) -> None:
        self.files[path] = content.encode()

    def text(self, path: str) -> str:
        return self.files[path].decode()

    def loaded(self) -> Loaded:
        content = {"reconcile.yaml": self.config.encode(), **self.files}
        return load(MemorySource(content), target_name=None, today=TODAY)

    def pull(self, *patterns: str, **options: Any) -> PullResult:
        """Pull, and store the changed files."""
        before = self.loaded()
        assert before.state is not None, before.diagnostics
        assert before.config is not None

        def at_hand(_integrations: Iterable[Declared]) -> Mapping[SecretRef, Redacted]:
            return self.values

        adoption = asyncio.run(
            pull(
                self.world.api,
                MemorySource({"reconcile.yaml": self.config.encode(), **self.files}),
                config=before.config,
                desired=before.state,
                options=PullOptions(patterns=patterns, **options),
                values=at_hand,
                today=TODAY,
                created_at=START.isoformat(),
                known_organisation=self.organisation,
            )
        )
        self.files |= adoption.changed
        return adoption

    def plan(self, **more: Any) -> Plan:
        """Plan the current files, without any secret values."""
        state = self.loaded().state
        assert state is not None, self.loaded().diagnostics
        return self.world.plan(state, **{"secrets": self.values, **more})

    def create(self, slug: str = "alpha", **body: Any) -> None:
        """Create an OpenAI integration through the API; a field set to `...` is omitted."""
        usual = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": SECRET}
        given = {name: value for name, value in (usual | body).items() if value is not ...}
        self.world.put("POST", "/integrations", given)


def changed_lines(before: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    """Return the pairs of lines that differ between two versions of equal length."""
    old, new = before.split(b"\n"), after.split(b"\n")
    assert len(old) == len(new), (before, after)
    return [(a, b) for a, b in zip(old, new, strict=True) if a != b]
