"""API in which single records are damaged or missing: rows, details and sub-resources."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Wire
from reconciler.simulator.messages import Request, Response
from tests.cli.project import Here
from tests.cli.scene import Scene
from tests.end_to_end.upstream import serving
from tests.runs import World

Damage = Callable[[dict[str, Any]], Any]
NOT_FOUND = Response(404, {"success": False, "data": {"message": "Not found", "errorCode": "AB08"}})


class DamagedRemote(SimulatedAPI):
    """Simulated API with damaged parts.

    `rows` by slug and `answers` by path are functions that change a row or an answer; `missing` are
    paths that answer 404 even for integrations in the list.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: dict[str, Damage] = {}
        self.answers: dict[str, Damage] = {}
        self.missing: set[str] = set()

    def handle(self, request: Request, *, stale: bool = False) -> Response:
        path = request.path.removeprefix("/integrations").strip("/")
        if request.method == "GET" and path in self.missing:
            return NOT_FOUND
        response = super().handle(request, stale=stale)
        if request.method != "GET" or response.status != 200:
            return response
        if not path:
            rows = [self._row(row) for row in response.body["data"]]
            return Response(200, {**response.body, "data": rows})
        damage = self.answers.get(path)
        return response if damage is None else Response(200, damage(dict(response.body)))

    def _row(self, row: Mapping[str, Any]) -> Any:
        damage = self.rows.get(row["slug"])
        return row if damage is None else damage(dict(row))


@dataclass
class DamagedWorld(World):
    """Organisation whose API can be damaged."""

    def __post_init__(self) -> None:
        self.damaged = DamagedRemote(self.switches, self.now, self.new_id)
        self.remote = self.damaged
        self.wire = Wire(self.remote, faults=self.faults, before=self.before)


@contextmanager
def damaged_scene(folder: Path, **rules: Any) -> Iterator[tuple[Scene, DamagedRemote]]:
    """Serve such an API, with a project whose target prunes what Git no longer declares."""
    world = DamagedWorld()
    with serving(world=world) as upstream:
        made = Scene(Here(folder, PORTKEY_API_KEY="pk-canary"), upstream)
        made.config(**{"prune": "managed", **rules})
        yield made, world.damaged


def with_value(name: str, value: Any) -> Damage:
    """Return a function that replaces the value of one field."""
    return lambda record: {**record, name: value}


def without(name: str) -> Damage:
    """Return a function that removes one field."""
    return lambda record: {key: value for key, value in record.items() if key != name}
