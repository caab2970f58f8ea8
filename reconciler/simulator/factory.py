"""Assembly of the simulator, for `reconcile simulate` and for `simulator:` targets.

The clock and the source of ids are passed in, as everywhere below the command line.
"""

import asyncio
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from random import Random

import yaml

from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.asgi import SimulatorApp
from reconciler.simulator.auth import (
    ApiService,
    Throttle,
    accept_any_key,
    accept_only,
    accept_without_key,
)
from reconciler.simulator.faults import Fault, FaultScript, InvalidFaults, Wire, parse_faults
from reconciler.simulator.http_server import serve
from reconciler.simulator.seeds import apply_seed
from reconciler.simulator.sqlite_store import SqliteStore
from reconciler.simulator.store import MemoryStore
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import SimulatorTransport


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Clocks and the source of ids.

    `now` returns ISO-8601 UTC with milliseconds, `new_id` a UUID, `monotonic` seconds.
    """

    now: Callable[[], str]
    new_id: Callable[[], str]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Script:
    """Switches and faults of a `--fault` file."""

    switches: Switches = field(default_factory=Switches)
    faults: tuple[Fault, ...] = ()


def read_script(path: Path) -> Script:
    """Read a `--fault` file, YAML or JSON: a list of faults, or `{switches: …, faults: […]}`.

    Raises `InvalidFaults` or `InvalidSwitch`, exit code 3.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as reason:
        # PyYAML builds dates itself: 2026-99-99 is a ValueError without a position.
        raise InvalidFaults(str(path), _describe(reason)) from reason
    # An empty file is a script without faults.
    if isinstance(content, list) or content is None:
        return Script(faults=parse_faults(content or []))
    if not isinstance(content, dict) or set(content) - {"switches", "faults"}:
        raise InvalidFaults(
            str(path), "it must be a list of faults, or a mapping of `switches` and `faults`"
        )
    switches = content.get("switches") or {}
    if not isinstance(switches, dict):
        raise InvalidFaults(str(path), "`switches` must be a mapping")
    return Script(Switches.parse(switches), parse_faults(content.get("faults") or []))


def _describe(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return problem.strerror or "it cannot be read"
    # A file that is not UTF-8 also raises a `ValueError`, but none of its values was read.
    if isinstance(problem, ValueError) and not isinstance(problem, UnicodeDecodeError):
        return f"a value cannot be read as a date or number: {problem}"
    mark = getattr(problem, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"it is not YAML in UTF-8{where}"


async def serve_simulator(
    *,
    host: str,
    port: int,
    seed: str | None,
    latency_ms: float,
    jitter_ms: float,
    rate_limit: int | None,
    faults: Path | None,
    db: Path | None,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
    dependencies: Dependencies,
    api_key: str | None = None,
) -> None:
    """Serve the simulator until `stop` is set; `on_ready` is called with the base URL.

    Without `db` the state is in memory; without `api_key` any key is accepted. Latency is
    `latency_ms` and up to `jitter_ms` more. Raises `ReconcilerError` for a bad seed, script or
    state, and OSError if the port is in use.
    """
    script = read_script(faults) if faults else Script()
    store = SqliteStore(db) if db else MemoryStore()
    try:
        if seed:
            # Without the script, because a 429 must not leave gaps in the seed.
            apply_seed(SimulatedAPI(Switches(), dependencies.now, dependencies.new_id, store), seed)
        api = SimulatedAPI(script.switches, dependencies.now, dependencies.new_id, store)
        service = ApiService(
            Wire(api, faults=FaultScript(script.faults)),
            accepts=accept_only(api_key) if api_key else accept_any_key,
            throttle=Throttle(rate_limit, dependencies.monotonic) if rate_limit else None,
        )
        app = SimulatorApp(service, latency=latency(latency_ms, jitter_ms))
        await serve(app, host=host, port=port, ready=_announce(host, on_ready), stop=stop)
    finally:
        if isinstance(store, SqliteStore):
            store.close()


def simulator_transport(
    db: Path, dependencies: Dependencies, *, script: Script | None = None
) -> SimulatorTransport:
    """Build the transport of a `simulator:` target, with its state in the file `db`.

    No key is required. The transport closes the file when its client closes.
    """
    script = script or Script()
    store = SqliteStore(db)
    api = SimulatedAPI(script.switches, dependencies.now, dependencies.new_id, store)
    service = ApiService(Wire(api, faults=FaultScript(script.faults)), accepts=accept_without_key)
    return SimulatorTransport(service, on_close=store.close)


def latency(latency_ms: float, jitter_ms: float, *, seed: int = 0) -> Callable[[], float] | None:
    """Build the function that draws the seconds of each response; None for no latency."""
    if not latency_ms and not jitter_ms:
        return None
    random = Random(seed)  # noqa: S311  repeatable jitter, not a secret
    return lambda: (latency_ms + random.random() * jitter_ms) / 1000


def _announce(host: str, on_ready: Callable[[str], None]) -> Callable[[int], None]:
    # In a URL, an IPv6 address is enclosed in brackets.
    shown = f"[{host}]" if ":" in host else host
    return lambda port: on_ready(f"http://{shown}:{port}/v1")
