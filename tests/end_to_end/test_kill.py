"""SIGKILL of the real process before, during and after each write: one clean run converges."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import Request, Response, error_response
from tests.end_to_end.harness import INSTALLED, SECRET, Project
from tests.end_to_end.upstream import Upstream, serving
from tests.runs import World

pytestmark = pytest.mark.slow

Moment = Literal["before", "during", "after"]
MODELS = [{"slug": "gpt-5", "enabled": False}]
GRANT = [{"id": "ws-a", "enabled": True}]
WANTED: dict[str, dict[str, Any]] = {
    **{f"create-{n}": {} for n in (1, 2, 3)},
    **{f"fields-{n}": {"description": "Ours"} for n in (1, 2)},
    **{f"models-{n}": {"models": MODELS} for n in (1, 2)},
    **{f"spaces-{n}": {"workspaces": GRANT} for n in (1, 2)},
}
UNWANTED = ("old-1", "old-2", "old-3")
APPLY = ("apply", "--yes", "--max-deletes", "3")
WRITES = 12
"""What an apply of all that has to write: 3 creates, 6 updates, 3 deletes, one call each."""


class Deadly(SimulatedAPI):
    """API that kills a client at one of its writes.

    `before`: the write is not carried out. `during`: it is carried out, but no client receives the
    response. `after`: the client receives the response and is killed at its next request.
    """

    victim: int | None = None
    at: int = 0
    moment: Moment = "before"
    seen: int = 0

    def handle(self, request: Request, *, stale: bool = False) -> Response:
        """Answer one request, even if the client is gone."""
        if self.victim is None:
            return super().handle(request, stale=stale)
        if self.moment == "after" and self.seen == self.at:
            return self._kill()
        self.seen += request.writes
        strikes = request.writes and self.seen == self.at
        if strikes and self.moment == "before":
            return self._kill()
        response = super().handle(request, stale=stale)
        return self._kill() if strikes and self.moment == "during" else response

    def _kill(self) -> Response:
        assert self.victim is not None
        os.kill(self.victim, signal.SIGKILL)
        self.victim = None
        return error_response(500, "AB04", "nobody reads this")


class DeadlyWorld(World):
    """World whose API kills its client."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.remote: Deadly = Deadly(self.switches, self.now, self.new_id)


def furnish(world: World) -> None:
    for slug in (*WANTED, *UNWANTED):
        if not slug.startswith("create"):
            body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": SECRET}
            world.put("POST", "/integrations", body)


def project_at(folder: Path, upstream: Upstream) -> Project:
    project = Project(folder, PORTKEY_API_KEY="pk-test")
    project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
    for slug, fields in WANTED.items():
        project.integration(slug, **fields)
    return project


def killed_apply(project: Project, world: DeadlyWorld, *, at: int, moment: Moment) -> int:
    """Run an apply that the API kills, and return its result."""
    world.remote.at, world.remote.moment = at, moment
    with subprocess.Popen(
        [*INSTALLED, *APPLY, "--parallelism", "1"],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        world.remote.victim = process.pid
        return process.wait(timeout=60)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_after_a_kill_at_a_write_one_clean_run_converges(
    tmp_path: Path, at: int, moment: Moment
) -> None:
    world = DeadlyWorld()
    furnish(world)
    with serving(world=world) as upstream:
        project = project_at(tmp_path, upstream)
        assert killed_apply(project, world, at=at, moment=moment) == -signal.SIGKILL
        clean = project.run(*APPLY, "--format", "json", command=INSTALLED)
        assert clean.code == 0, clean.err
        assert set(upstream.remote.integrations) == set(WANTED)
        for slug, fields in WANTED.items():
            record = upstream.record(slug)
            assert record["key"] == SECRET
            assert record["description"] == fields.get("description")
            assert set(record["models"]) == ({"gpt-5"} if "models" in fields else set())
            assert set(record["workspaces"]) == ({"ws-a"} if "workspaces" in fields else set())


ROTATED = "sk-canary-rotated-0001"
STAGED = {
    "api_key": "${env:PORTKEY_API_KEY}",
    "probe": {"gateway": {"api_key": "${env:PORTKEY_API_KEY}"}, "workspace": "ws-p"},
    "rotation": {"staged": True},
}


@pytest.mark.parametrize("at", range(1, 5))
def test_after_a_kill_at_a_write_of_a_rotation_a_working_credential_remains(
    tmp_path: Path, at: int
) -> None:
    """Writes: create the shadow, grant access to it, update the integration, delete the shadow."""
    world = DeadlyWorld()
    with serving(world=world) as upstream:
        project = Project(tmp_path, PORTKEY_API_KEY="pk-test")
        project.config(upstream.url, **STAGED)
        project.integration("alpha")
        assert project.run("apply", "--yes", command=INSTALLED).code == 0
        project.environment["SECRET_KEY"] = ROTATED
        world.remote.seen = 0
        assert killed_apply(project, world, at=at, moment="during") == -signal.SIGKILL
        # The shadow proved the new credential before it was written to the integration.
        assert upstream.record("alpha")["key"] == (SECRET if at < 3 else ROTATED)
        clean = project.run("apply", "--yes", command=INSTALLED)
        assert clean.code == 0, clean.err
        assert set(upstream.remote.integrations) == {"alpha"}
        assert upstream.record("alpha")["key"] == ROTATED
        assert upstream.remote.providers == []
        assert project.run("plan", "--detailed-exitcode", command=INSTALLED).code == 0
