"""Project files, and an API over HTTP that records its requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.simulator.switches import Switches
from tests.cli.project import Here
from tests.end_to_end.harness import Done
from tests.end_to_end.upstream import Upstream, serving
from tests.runs import World


@dataclass
class Scene:
    """Project files, and the API that they are compared with."""

    project: Here
    upstream: Upstream
    options: list[object] = field(default_factory=list)

    def config(self, **rules: Any) -> None:
        rules = {"prune": "all", "api_key": "${env:PORTKEY_API_KEY}", **rules}
        self.project.config(self.upstream.url, **rules)

    def file(self, slug: str, **fields: Any) -> None:
        self.project.integration(slug, **fields)

    def exists(self, *slugs: str, **fields: Any) -> None:
        for slug in slugs:
            body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai"}
            stored = {"key": "sk-first-0a1b2c3d4e5f"}
            self.upstream.world.put("POST", "/integrations", body | stored | fields)

    def run(self, *words: object) -> Done:
        return self.project.run(*words)


@contextmanager
def scene(folder: Path, *, switches: Switches = Switches()) -> Iterator[Scene]:
    with serving(world=World(switches=switches)) as upstream:
        made = Scene(Here(folder, PORTKEY_API_KEY="pk-canary"), upstream)
        made.config()
        yield made
