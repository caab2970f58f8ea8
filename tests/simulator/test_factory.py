"""The assembled simulator of the command and of `simulator:` targets."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.errors import ReconcilerError
from reconciler.remote.exchange import Request
from reconciler.simulator.factory import (
    Dependencies,
    Script,
    latency,
    read_script,
    serve_simulator,
    simulator_transport,
)
from reconciler.simulator.faults import Fault, FaultKind, InvalidFaults
from reconciler.simulator.switches import InvalidSwitch, Switches
from tests.contract.api import KEY, NO_TLS, ManualClock, openai


def dependencies() -> Dependencies:
    count = itertools.count(1)
    return Dependencies(ManualClock().now, lambda: f"id-{next(count):06x}", lambda: 0.0)


def ask(path: str = "", /, **options: Any) -> httpx.Response:
    """Serve with these options, and request one path."""

    async def run() -> httpx.Response:
        stop = asyncio.Event()
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        given = {
            "host": "127.0.0.1",
            "port": 0,
            "seed": None,
            "latency_ms": 0,
            "jitter_ms": 0,
            "rate_limit": None,
            "faults": None,
            "db": None,
            **options,
        }
        server = asyncio.create_task(
            serve_simulator(
                on_ready=url.set_result, stop=stop, dependencies=dependencies(), **given
            )
        )
        started: list[asyncio.Future[Any]] = [server, url]
        await asyncio.wait(started, return_when=asyncio.FIRST_COMPLETED)
        if server.done():
            await server
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
            response = await client.get(f"{await url}/integrations{path}", headers=KEY)
        stop.set()
        await server
        return response

    return asyncio.run(run())


def written(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_serves_a_seed() -> None:
    assert ask(seed="12").json()["total"] == 12


def test_it_keeps_its_state_in_a_file(tmp_path: Path) -> None:
    db = tmp_path / "simulator.db"
    ask(seed="3", db=db)
    assert ask(seed="3", db=db).json()["total"] == 3
    assert ask(db=db).json()["total"] == 3


def test_it_limits_the_rate() -> None:
    assert ask(rate_limit=1).status_code == 200


def test_it_accepts_the_configured_key_alone() -> None:
    assert ask(api_key="test-key").status_code == 200
    assert ask(api_key="another").status_code == 401


def test_it_applies_the_faults_of_a_script(tmp_path: Path) -> None:
    script = written(tmp_path, "- {kind: status, status: 503}")
    assert ask(faults=script).status_code == 503


def test_a_script_can_have_switches(tmp_path: Path) -> None:
    script = written(tmp_path, "switches: {missing: 403_AB03}\nfaults: []\n")
    assert ask("/nobody", faults=script).status_code == 403


def test_a_seed_is_complete_whatever_the_faults(tmp_path: Path) -> None:
    whims = "{rate_limit_after: 3, require_provider_auth_type: true, duplicate_slug: suffixed}"
    script = written(tmp_path, f"switches: {whims}")
    for _ in range(2):
        assert ask(seed="24", faults=script, db=tmp_path / "db").json()["total"] == 24


def test_a_script_is_read_as_yaml_or_json(tmp_path: Path) -> None:
    expected = Script(Switches(page_max=5), (Fault(kind=FaultKind.HTML, times=-1),))
    text = '{"switches": {"page_max": 5}, "faults": [{"kind": "html", "times": -1}]}'
    assert read_script(written(tmp_path, text)) == expected
    assert (
        read_script(written(tmp_path, "switches: {page_max: 5}\nfaults: [{kind: html, times: -1}]"))
        == expected
    )
    assert read_script(written(tmp_path, "")) == Script()


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "faults: 7",
        "odd: []",
        "[{kind: odd}]",
        "switches: 7",
        "{",
        "a: b: c",
        "- {kind: slow, seconds: 2024-01-01}",
        "- {kind: slow, seconds: 2024-99-99}",
    ],
)
def test_an_invalid_script_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidFaults):
        read_script(written(tmp_path, text))


def test_an_unknown_switch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSwitch):
        read_script(written(tmp_path, "switches: {odd: 1}"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: b: c", "it is not YAML in UTF-8 at line 1, column 5"),
        ("- 2024-13-01", "a value cannot be read as a date or number: month must be in 1..12"),
        (None, "No such file or directory"),
    ],
)
def test_a_script_that_cannot_be_parsed_is_explained_in_one_line(
    tmp_path: Path, text: str | None, why: str
) -> None:
    path = tmp_path / "none" if text is None else written(tmp_path, text)
    with pytest.raises(InvalidFaults) as caught:
        read_script(path)
    assert caught.value.summary == f"{path}: {why}"


def test_a_missing_or_binary_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary", ""):
        with pytest.raises(InvalidFaults):
            read_script(tmp_path / name)


def test_an_unknown_seed_fails_before_the_server_starts() -> None:
    with pytest.raises(ReconcilerError, match="no seed"):
        ask(seed="odd")


def test_latency_is_between_its_bounds_and_repeatable() -> None:
    first, second = latency(10, 5, seed=3), latency(10, 5, seed=3)
    assert first is not None
    assert second is not None
    drawn = [first() for _ in range(100)]
    assert drawn == [second() for _ in range(100)]
    assert all(0.010 <= seconds <= 0.015 for seconds in drawn)
    assert latency(0, 0) is None


def test_an_in_process_target_keeps_its_state_between_clients(tmp_path: Path) -> None:
    db = tmp_path / ".reconcile" / "simulator.db"

    async def run(method: str, content: bytes | None = None) -> Any:
        transport = simulator_transport(db, dependencies())
        answer = await transport.send(Request(method, "http://simulator/integrations", [], content))
        await transport.aclose()
        return json.loads(answer.body)

    asyncio.run(run("POST", json.dumps(openai()).encode()))
    assert asyncio.run(run("GET"))["total"] == 1
