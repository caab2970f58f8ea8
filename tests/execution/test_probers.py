"""Command and gateway probers: their requests, and which answers are valid."""

import asyncio
import itertools
import json
import os
import sys
import time
from pathlib import Path

import httpx
import pytest

from reconciler.domain.secrets import Redacted
from reconciler.execution.credential_probe import Prober, ProbeRequest, ProbeResult, ProbeVerdict
from reconciler.execution.probers import CommandProber, GatewayProber, ProberWithDeadline
from reconciler.limited_process import TimeLimit
from reconciler.remote.exchange import Transport
from reconciler.remote.gateway import GatewayClient
from reconciler.remote.retry import Deadline
from reconciler.simulator.auth import ApiService
from reconciler.simulator.switches import Switches
from reconciler.simulator.transport import SimulatorTransport
from tests.remote.over_httpx import OverHttpx
from tests.runs import World

ALPHA = ProbeRequest("alpha", "alpha", "openai", "ws-a", "alpha")
CANARY = "sk-canary-gateway-0001"


def ask(prober: Prober, request: ProbeRequest = ALPHA) -> ProbeResult:
    return asyncio.run(prober.probe(request))


def python(script: str, *, seconds: float = 20) -> CommandProber:
    environ = {"PATH": os.defpath, "SECRET_X": CANARY}
    return CommandProber(
        [sys.executable, "-c", script], environ, TimeLimit(seconds, time.monotonic)
    )


# -- a command ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("pass", ProbeVerdict.ALIVE),
        ("raise SystemExit(1)", ProbeVerdict.DEAD),
        ("raise SystemExit(7)", ProbeVerdict.DEAD),
        ("import os; os.kill(os.getpid(), 9)", ProbeVerdict.UNKNOWN),
    ],
)
def test_the_exit_code_of_a_command_is_its_answer(script: str, verdict: ProbeVerdict) -> None:
    assert ask(python(script)).verdict is verdict


def test_a_command_that_does_not_end_is_unknown() -> None:
    found = ask(python("import signal; signal.pause()", seconds=0.3))
    assert found.verdict is ProbeVerdict.UNKNOWN
    assert found.reason == "the probe did not finish within 0.3 s and was stopped"


def test_a_command_that_cannot_run_is_unknown() -> None:
    limits = TimeLimit(20, time.monotonic)
    found = ask(CommandProber(["/no/such/program"], {"PATH": os.defpath}, limits))
    assert found.verdict is ProbeVerdict.UNKNOWN
    assert found.reason == "the probe cannot be run: No such file or directory"


def test_a_command_that_leaves_a_process_is_unknown() -> None:
    script = "import subprocess; subprocess.Popen(['sleep', '600'])"
    # Each reading of the clock is one second later, so that the test does not wait.
    limits = TimeLimit(10_000, itertools.count().__next__)
    command = [sys.executable, "-c", script]
    found = ask(CommandProber(command, {"PATH": os.defpath}, limits))
    assert (found.verdict, "left a process running" in found.reason) == (ProbeVerdict.UNKNOWN, True)


def test_a_command_reads_what_is_probed(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    ask(python(f"import sys; open({str(seen)!r}, 'w').write(sys.stdin.read())"))
    assert json.loads(seen.read_text()) == {
        "slug": "alpha",
        "integration": "alpha",
        "provider": "openai",
        "workspace": "ws-a",
    }


def test_the_output_of_a_command_is_dropped() -> None:
    script = "import os, sys; print(os.environ['SECRET_X']); print('x', file=sys.stderr); exit(3)"
    prober = python(script)
    assert CANARY not in repr((ask(prober), prober))


def test_a_cancelled_probe_kills_its_command(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    end = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{held}; echo begun >&3; sleep 1000"
    limits = TimeLimit(60, time.monotonic)
    prober = CommandProber(["/bin/sh", "-c", script], {"PATH": os.defpath}, limits)

    async def cancelled() -> None:
        probing = asyncio.create_task(prober.probe(ALPHA))
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()
        loop.add_reader(end, begun.set)
        await begun.wait()
        loop.remove_reader(end)
        probing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probing

    asyncio.run(cancelled())
    os.set_blocking(end, True)
    with os.fdopen(end, "rb") as stream:
        assert stream.read() == b"begun\n"  # it ends once the command has ended


# -- the gateway -------------------------------------------------------------------------


class Answers(httpx.AsyncBaseTransport):
    """Transport that returns these answers in turn, and records the headers of the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def gateway(transport: Transport | httpx.AsyncBaseTransport, world: World) -> GatewayProber:
    if isinstance(transport, httpx.AsyncBaseTransport):
        transport = OverHttpx(transport)
    client = GatewayClient(
        base_url="http://127.0.0.1:1/v1",
        api_key=Redacted(CANARY),
        clock=world.clock,
        timeout_seconds=5,
        transport=transport,
    )
    return GatewayProber(client, world.clock)


def answer(status: int, body: object = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, stream=httpx.ByteStream(content))


LIST = {"object": "list", "data": [{"id": "gpt-5"}]}
EMPTY = {"object": "list", "data": []}
OK = 200, LIST


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([OK], ProbeVerdict.ALIVE),
        ([(401, {}), OK], ProbeVerdict.DEAD),
        ([(403, {}), OK], ProbeVerdict.DEAD),
        # The key of the gateway is refused, which proves nothing about the credential.
        ([(401, {}), (401, {})], ProbeVerdict.UNKNOWN),
        ([(404, {})], ProbeVerdict.UNKNOWN),
        ([(400, {})], ProbeVerdict.UNKNOWN),
        ([(412, {})], ProbeVerdict.UNKNOWN),
        ([(301, {})], ProbeVerdict.UNKNOWN),
        ([(204, b"")], ProbeVerdict.UNKNOWN),
        ([(200, b"<html>")], ProbeVerdict.UNKNOWN),
        ([(200, {"data": {}})], ProbeVerdict.UNKNOWN),
        ([(200, [])], ProbeVerdict.UNKNOWN),
        ([(200, EMPTY)], ProbeVerdict.UNKNOWN),
        ([(200, {"data": [None]})], ProbeVerdict.UNKNOWN),
        ([(200, {"data": ["gpt-5"]})], ProbeVerdict.UNKNOWN),
        ([(200, {**LIST, "error": {"message": "Incorrect API key"}})], ProbeVerdict.UNKNOWN),
        ([(200, {**LIST, "error": None})], ProbeVerdict.ALIVE),
        # An empty catalogue still shows that the gateway accepts its key.
        ([(401, {}), (200, EMPTY)], ProbeVerdict.DEAD),
        ([(200, b"[" * 100_000)], ProbeVerdict.UNKNOWN),
        ([(429, {}), (503, {}), OK], ProbeVerdict.ALIVE),
        ([(429, {}), (429, {}), (429, {})], ProbeVerdict.UNKNOWN),
        ([(503, {}), (401, {}), OK], ProbeVerdict.DEAD),
    ],
)
def test_only_a_list_of_models_proves_a_credential(
    answers: list[tuple[int, object]], verdict: ProbeVerdict
) -> None:
    network = Answers(*(answer(status, body) for status, body in answers))
    assert ask(gateway(network, World())).verdict is verdict
    assert network.answers == []


@pytest.mark.parametrize(
    ("answers", "obstacle"),
    [
        ([(404, {})], ""),
        ([(400, {})], ""),
        # The gateway may answer so for a name that it does not know.
        ([(401, {})], ""),
        ([(503, {}), (404, {})], ""),
        # A provider that was deleted may still be in its cache.
        ([OK, (404, {})], ""),
        ([OK, OK, OK], "the gateway has another provider @alpha, or still uses a deleted one"),
        (
            [(200, EMPTY)] * 3,
            "the gateway has another provider @alpha, or still uses a deleted one",
        ),
        ([(503, {})] * 3, "the gateway responded with 503 for @alpha"),
    ],
)
def test_a_name_of_an_existing_provider_is_an_obstacle(
    answers: list[tuple[int, object]], obstacle: str
) -> None:
    network = Answers(*(answer(status, body) for status, body in answers))
    assert asyncio.run(gateway(network, World()).obstacle(ALPHA)) == obstacle
    assert network.answers == []


def test_a_gateway_that_cannot_be_reached_is_an_obstacle() -> None:
    found = gateway(Answers(*[httpx.ReadError("reset")] * 3), World()).obstacle(ALPHA)
    assert "GET /models of the gateway" in asyncio.run(found)


def test_a_command_has_no_obstacle() -> None:
    assert asyncio.run(python("raise SystemExit(1)").obstacle(ALPHA)) == ""


def test_a_broken_connection_is_retried_and_then_unknown() -> None:
    reset = httpx.ReadError("reset")
    assert ask(gateway(Answers(reset, reset, answer(*OK)), World())).verdict is ProbeVerdict.ALIVE
    found = ask(gateway(Answers(reset, reset, reset), World()))
    assert found.verdict is ProbeVerdict.UNKNOWN
    assert CANARY not in repr(found)


def test_the_gateway_gets_its_key_and_the_provider_in_headers() -> None:
    network = Answers(answer(401), answer(*OK))
    ask(gateway(network, World()), ProbeRequest("alpha", "alpha", "openai", None, "prov-1"))
    first, control = network.requests
    assert str(first.url) == "http://127.0.0.1:1/v1/models"
    assert first.headers["x-portkey-api-key"] == CANARY
    assert first.headers["x-portkey-provider"] == "@prov-1"
    assert "x-portkey-provider" not in control.headers


@pytest.mark.parametrize(
    ("key", "verdict"), [("sk-good-1", ProbeVerdict.ALIVE), ("sk-dead-1", ProbeVerdict.DEAD)]
)
def test_the_simulated_gateway_answers_like_the_provider(key: str, verdict: ProbeVerdict) -> None:
    world = World(Switches(dead_keys="*dead*"))
    body = {"slug": "alpha", "name": "Alpha", "ai_provider_id": "openai", "key": key}
    world.put("POST", "/integrations", body)
    network = SimulatorTransport(ApiService(world.wire))
    assert ask(gateway(network, world)).verdict is verdict
    other = ProbeRequest("beta", "beta", "openai", None, "beta")
    assert ask(gateway(network, world), other).verdict is ProbeVerdict.UNKNOWN


def test_a_default_provider_has_a_separate_slug_in_the_simulated_gateway() -> None:
    world = World(Switches(dead_keys="*dead*"))
    body = {"slug": "alpha", "name": "Alpha", "ai_provider_id": "openai", "key": "sk-dead-1"}
    world.put("POST", "/integrations", body)
    grant = {
        "workspaces": [{"id": "ws-a", "enabled": True, "default_provider_slug": "prov"}],
        "create_default_provider": True,
    }
    world.put("PUT", "/integrations/alpha/workspaces", grant)
    network = SimulatorTransport(ApiService(world.wire))
    request = ProbeRequest("alpha", "alpha", "openai", "ws-a", "prov")
    assert ask(gateway(network, world), request).verdict is ProbeVerdict.DEAD


# -- the deadline of the run -------------------------------------------------------------


PAUSE = (
    "import os, pathlib, signal; pathlib.Path({!r}).write_text(str(os.getpid())); signal.pause()"
)
"""Program that writes its process id and then does not end."""


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_probe_ends_at_the_deadline_of_the_run(tmp_path: Path, seconds: float) -> None:
    started = tmp_path / "started"
    prober = python(PAUSE.format(str(started)))
    found = ask(ProberWithDeadline(prober, Deadline(time.monotonic, seconds)))
    assert found == ProbeResult(ProbeVerdict.UNKNOWN, "the deadline of the run has passed")
    assert not is_running(started)


class Unreachable:
    """Prober that must not be used."""

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        raise AssertionError(request)

    async def obstacle(self, request: ProbeRequest) -> str:
        raise AssertionError(request)


class Slow:
    """Prober that does not end."""

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        await asyncio.Event().wait()
        raise AssertionError(request)

    async def obstacle(self, request: ProbeRequest) -> str:
        await asyncio.Event().wait()
        raise AssertionError(request)


@pytest.mark.parametrize(("prober", "seconds"), [(Unreachable(), 0), (Slow(), 0.01)])
def test_without_time_nothing_is_probed(prober: Prober, seconds: float) -> None:
    bounded = ProberWithDeadline(prober, Deadline(time.monotonic, seconds))
    assert ask(bounded) == ProbeResult(ProbeVerdict.UNKNOWN, "the deadline of the run has passed")
    bounded = ProberWithDeadline(prober, Deadline(time.monotonic, seconds))
    assert asyncio.run(bounded.obstacle(ALPHA)) == "the deadline of the run has passed"


def is_running(started: Path) -> bool:
    """Return whether the program that wrote its process id to this file is still running."""
    if not started.exists():
        return False
    try:
        os.kill(int(started.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("seconds", [None, 900])
@pytest.mark.parametrize("status", [0, 3])
def test_a_probe_within_the_deadline_gives_its_own_answer(
    seconds: float | None, status: int
) -> None:
    prober = python(f"raise SystemExit({status})")
    bounded = ProberWithDeadline(prober, Deadline(time.monotonic, seconds))
    assert ask(bounded) == ask(prober)
