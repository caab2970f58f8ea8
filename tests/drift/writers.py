"""Writers of a simulated API: a user, API keys, and their requests in the audit log."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.cli import settings
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Fault, Wire
from reconciler.simulator.messages import Actor, Request
from reconciler.simulator.store import MemoryStore
from reconciler.workflows import timestamp
from tests.cli.project import Here
from tests.end_to_end.harness import Done
from tests.end_to_end.upstream import Upstream, serving
from tests.runs import World

BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"
ANN = Actor("user", "3c90c3cc-0d44-4b50-8888-8dd25736052a", BROWSER)
BOB = Actor("user", "b0b0b0b0-0d44-4b50-8888-8dd25736052a", BROWSER)
KEY = Actor("api_key", "aaaaaaaa-1d44-4b50-8888-8dd25736052a", "curl/8.5")


class ClearableStore(MemoryStore):
    """Store whose audit log can be emptied."""

    def clear_audit_log(self) -> None:
        self._audit.clear()


@dataclass
class LoggedWorld(World):
    """World whose audit log a test can extend."""

    store: ClearableStore = field(default_factory=ClearableStore)

    def __post_init__(self) -> None:
        self.remote = SimulatedAPI(self.switches, self.now, self.new_id, self.store)
        self.wire = Wire(self.remote, faults=self.faults, before=self.before)

    def write(
        self, actor: Actor, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> int:
        """Send a write as an actor, and return the status."""
        request = Request(method, f"/integrations{path}", {}, body, actor=actor)
        return self.remote.handle(request).status

    def log(self, **members: Any) -> None:
        """Add a record to the log; a member that is `...` is omitted."""
        record = {
            "timestamp": self.now(),
            "method": "PUT",
            "uri": "/v1/integrations/alpha",
            "request_id": f"made-{self.store.audit_length()}",
            "request_body": json.dumps({"key": CANARY}),
            "query_params": json.dumps({"secret": CANARY}),
            "request_headers": json.dumps({"user-agent": BROWSER, "cookie": CANARY}),
            "user_id": ANN.id,
            "user_type": ANN.kind,
            "organisation_id": self.remote.organisation_id,
            "response_status_code": 200,
            "resource_type": "integrations",
            "action": "update",
        }
        merged = record | members
        kept = {name: value for name, value in merged.items() if value is not ...}
        self.store.add_audit_record(kept)


CANARY = "sk-canary-body-77aa55cc33ee"


@dataclass
class LiveWorld(LoggedWorld):
    """World that uses the clock of the commands."""

    def now(self) -> str:
        return timestamp(settings.now())


@dataclass
class Writers:
    """Project files, the API that they are compared with, and its writers."""

    project: Here
    upstream: Upstream
    world: LiveWorld

    def write(self, actor: Actor, method: str, path: str, body: Any = None) -> None:
        """Send a write; the test fails if it is refused."""
        assert self.world.write(actor, method, path, body) == 200

    def drift(self, *words: object) -> Done:
        """Run `drift --who`; the test fails unless something differs."""
        done = self.project.run("-vv", "drift", "--who", *words)
        assert done.code == 2, done.err or done.out
        return done

    def answers(self, *words: object) -> dict[tuple[str, str | None], Any]:
        """Return the verdicts by slug and path."""
        found = self.drift("--format", "json", *words).json["who"]["fields"]
        return {(item["slug"], item["path"]): item for item in found}

    @property
    def pages(self) -> int:
        """Return the number of log requests."""
        return sum(request.path == "/audit-logs" for request in self.upstream.requests)


@contextmanager
def writers(folder: Path, *faults: Fault, **switches: Any) -> Iterator[Writers]:
    """Serve an API with a log, and a project for it."""
    from reconciler.simulator.switches import Switches

    world = LiveWorld(switches=Switches.parse(switches))
    with serving(*faults, world=world) as upstream:
        project = Here(folder, PORTKEY_API_KEY="pk-canary-own-9f1e")
        project.config(upstream.url, prune="all", api_key="${env:PORTKEY_API_KEY}")
        yield Writers(project, upstream, world)


def known(actor: Actor, answer: Mapping[str, Any]) -> bool:
    """Return whether a verdict names only this actor."""
    named = {(writer["actor"], writer["id"]) for writer in answer["writers"]}
    return answer["verdict"] == "known" and named == {(actor.kind, actor.id)}
