"""Other clients that use the same API during a run."""

from random import Random

from reconciler.simulator.messages import Request
from tests.simulation.chronicle import STRANGER, WatchedRemote
from tests.simulation.scenario import WORDS, Scenario, their_body, twin_body


class Strangers:
    """Source of occasional changes, preferably to the integration that the run is writing."""

    def __init__(
        self,
        dice: Random,
        scenario: Scenario,
        *,
        remote: WatchedRemote,
        rate: float,
    ) -> None:
        self._dice = dice
        self._scenario = scenario
        self._remote = remote
        self._rate = rate
        self._count = 0

    def __call__(self, request: Request) -> None:
        """Possibly act before a request of the run is handled."""
        if self._dice.random() < self._rate:
            self._act(request)

    def _act(self, request: Request) -> None:
        dice = self._dice
        live = [s for s, r in self._remote.integrations.items() if r["status"] == "active"]
        absent = [slug for slug in self._scenario.wanted if slug not in live]
        aimed = self._aimed_at(request)
        target = aimed if aimed in live and dice.random() < 0.6 else _any(dice, live)
        kind = dice.choice(("new", "ours", "ours", "edit", "edit", "edit", "delete", "again"))
        if kind == "new" or (kind == "ours" and not absent) or target is None:
            self._create(self._fresh())
        elif kind == "ours":
            self._create(aimed if aimed in absent else dice.choice(absent))
        elif kind == "edit":
            self._edit(target)
        else:
            self._do("DELETE", f"/integrations/{target}")
            if kind == "again":
                self._do("POST", "/integrations", their_body(dice, target))

    def _aimed_at(self, request: Request) -> str | None:
        if isinstance(request.body, dict) and "slug" in request.body:
            return str(request.body["slug"])
        parts = request.path.split("/")
        return parts[2] if len(parts) > 2 else None

    def _fresh(self) -> str:
        self._count += 1
        return f"new-{self._count}"

    def _create(self, slug: str) -> None:
        wanted = self._scenario.wanted.get(slug)
        if wanted is not None and self._dice.random() < 0.2:
            body = twin_body(slug, dict(wanted.fields))
        else:
            body = their_body(self._dice, slug)
        self._do("POST", "/integrations", body)

    def _edit(self, slug: str) -> None:
        dice = self._dice
        word = dice.choice(WORDS)
        path = f"/integrations/{slug}"
        match dice.randrange(5):
            case 0 | 1:
                self._do("PUT", path, {"description": f"by hand {word}"})
            case 2:
                self._do("PUT", path, {"name": f"By hand {word}"})
            case 3:
                models = [{"slug": "gpt-5", "enabled": dice.random() < 0.5}]
                self._do("PUT", f"{path}/models", {"models": models})
            case _:
                granted = [{"id": "ws-a", "enabled": dice.random() < 0.5}]
                body = {"workspaces": granted, "create_default_provider": False}
                self._do("PUT", f"{path}/workspaces", body)

    def _do(self, method: str, path: str, body: object = None) -> None:
        self._remote.act(STRANGER, Request(method, path, {}, body))


def _any(dice: Random, slugs: list[str]) -> str | None:
    return dice.choice(slugs) if slugs else None
