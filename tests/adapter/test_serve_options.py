"""The options of `serve`: their effects, and when it refuses to start."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from reconciler.cli import serve_wiring as serve
from reconciler.cli.commands.serve import command
from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation
from reconciler.cli.main import run
from reconciler.errors import InvalidInput
from tests.adapter.ports import READER, WRITER, bearer
from tests.contract.api import NO_TLS
from tests.end_to_end.harness import Project
from tests.end_to_end.upstream import serving as upstream_serving

EVERYWHERE = "0.0.0.0"  # noqa: S104  the case in point

USUAL: dict[str, Any] = {
    "host": "127.0.0.1",
    "rest_port": 0,
    "mcp_port": 0,
    "allow_host": (),
    "allow_origin": (),
    "forwarded_allow": (),
    "token_file": None,
    "insecure_no_auth": False,
    "rate_limit": 1000.0,
    "upstream_timeout": 30.0,
    "read_only": False,
    "guard_managed": False,
    "confirm_deletes": False,
    "with_gitops_tools": False,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Enter a project folder with a token in the environment."""
    made = Project.with_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECONCILE_SERVE_TOKEN", WRITER)
    return made


class Running:
    """Adapter in this process; `log_lines` is what it wrote to stderr."""

    def __init__(self, at: serve.Addresses, err: io.StringIO) -> None:
        self.at = at
        self._err = err

    @property
    def log_lines(self) -> list[str]:
        return self._err.getvalue().splitlines()

    def client(self, token: str = WRITER) -> httpx.AsyncClient:
        root = self.at.rest_url.removesuffix("/v1")
        return httpx.AsyncClient(base_url=root, headers=bearer(token), verify=NO_TLS)


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Running]:
    """Serve in this process until the block ends."""
    err = io.StringIO()
    invocation = Invocation(Console(stdin=None, stdout=None, stderr=err))
    stop, ready, where = asyncio.Event(), asyncio.Event(), []

    def announce(at: serve.Addresses) -> None:
        where.append(at)
        ready.set()

    chosen = serve.ServeOptions(**{**USUAL, **options})
    task = asyncio.create_task(serve.serve(invocation, chosen, stop=stop, ready=announce))
    starting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, starting], return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    try:
        if where:
            yield Running(where[0], err)
    finally:
        stop.set()
        await task


@pytest.mark.parametrize(
    ("arguments", "token", "code"),
    [
        ([], None, "no-token"),
        ([], "  ", "no-token"),
        ([], "canary-too-short", "bad-token"),
        (["--token-file", "missing"], WRITER, "cannot-read"),
        (["--insecure-no-auth", "--host", EVERYWHERE], WRITER, "insecure"),
        (["--host", EVERYWHERE], None, "no-token"),
        (["--host", "192.0.2.1"], WRITER, "port"),
        (["--target", "nowhere"], WRITER, "unknown-target"),
        (["--rest-port", "70000"], WRITER, "usage"),
        (["--rate-limit", "0"], WRITER, "usage"),
        (["--rate-limit", "nan"], WRITER, "usage"),
        (["--rate-limit", "inf"], WRITER, "usage"),
        (["--upstream-timeout", "nan"], WRITER, "usage"),
        (["--host", ""], WRITER, "usage"),
        (["--allow-host", "http://adapter.test"], WRITER, "usage"),
        (["--allow-host", "*"], WRITER, "usage"),
        (["--allow-origin", "*"], WRITER, "usage"),
        (["--allow-origin", "page.test"], WRITER, "usage"),
        (["--allow-origin", "https://page.test/path"], WRITER, "usage"),
    ],
)
def test_it_refuses_to_start(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    token: str | None,
    code: str,
) -> None:
    if token is None:
        monkeypatch.delenv("RECONCILE_SERVE_TOKEN")
    else:
        monkeypatch.setenv("RECONCILE_SERVE_TOKEN", token)
    ports = ["--mcp-port", "0"] if "--rest-port" in arguments else ["--rest-port", "0"]
    out, err = io.StringIO(), io.StringIO()
    words = ["serve", *ports, "--format", "json", *arguments]
    assert run(words, Console(stdin=None, stdout=out, stderr=err)) == 3
    document = json.loads(out.getvalue())
    assert (document["kind"], document["exit_code"]) == ("error", 3)
    assert [item["code"] for item in document["diagnostics"]] == [code]
    assert "canary" not in out.getvalue() + err.getvalue()


@pytest.mark.parametrize(
    ("content", "code"), [(b"\xff\xfe canary", "bad-token"), (b"ci write canary", "bad-token")]
)
def test_an_invalid_token_file_shows_the_format(
    project: Project, content: bytes, code: str
) -> None:
    (project.folder / "tokens").write_bytes(content)
    err = io.StringIO()
    words = ["serve", "--rest-port", "0", "--mcp-port", "0", "--token-file", "tokens"]
    assert run(words, Console(stdin=None, stdout=io.StringIO(), stderr=err)) == 3
    assert f"error[{code}]" in err.getvalue()
    assert "`name read TOKEN`" in err.getvalue()
    assert "canary" not in err.getvalue()


def test_an_address_of_another_machine_has_a_hint(project: Project) -> None:
    err = io.StringIO()
    words = ["serve", "--rest-port", "0", "--mcp-port", "0", "--host", "192.0.2.1"]
    assert run(words, Console(stdin=None, stdout=io.StringIO(), stderr=err)) == 3
    assert "hint: set --host to an address of this machine" in err.getvalue()


def test_without_authentication_it_serves_loopback_with_a_warning(project: Project) -> None:
    async def work() -> None:
        async with (
            running(insecure_no_auth=True) as adapter,
            httpx.AsyncClient(verify=NO_TLS) as client,
        ):
            response = await client.get(f"{adapter.at.rest_url}/integrations")
            assert response.status_code == 200
        assert "insecure" in adapter.log_lines[0]

    asyncio.run(work())


def test_a_port_in_use_is_bad_input(project: Project) -> None:
    async def work() -> None:
        async with running() as adapter:
            taken = adapter.at.rest_port
            with pytest.raises(InvalidInput, match=f"127.0.0.1:{taken}"):
                async with running(rest_port=taken):
                    pass

    asyncio.run(work())


def test_tokens_of_a_file_and_the_environment_are_both_accepted(project: Project) -> None:
    file = project.folder / "tokens"
    file.write_text(f"watcher read {READER}\n")
    file.chmod(0o600)

    async def work() -> None:
        async with running(token_file=file) as adapter:
            for token, status in ((READER, 200), (WRITER, 200), ("x" * 32, 401)):
                async with adapter.client(token) as client:
                    assert (await client.get("/v1/integrations")).status_code == status
        principals = [json.loads(line)["principal"] for line in adapter.log_lines]
        assert principals == ["watcher", "default", None]

    asyncio.run(work())


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_token_file_readable_by_others_warns(project: Project, mode: int, warns: bool) -> None:
    file = project.folder / "my tokens"
    file.write_text(f"watcher read {READER}\n")
    file.chmod(mode)

    async def work() -> None:
        async with running(token_file=file) as adapter:
            text = "\n".join(adapter.log_lines)
            assert ("warning[exposed-tokens]" in text) is warns
            assert (f"chmod 600 '{file}'" in text) is warns
            assert READER not in text

    asyncio.run(work())


def test_upstream_calls_use_the_targets_key_only(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "pk-own-key-canary-00000000"
    monkeypatch.setenv("PORTKEY_API_KEY", key)

    async def work() -> str:
        async with running() as adapter, adapter.client() as client:
            assert (await client.get("/v1/integrations?page_size=5")).json()["total"] == 0
            assert (await client.get("/v1/integrations/none")).status_code == 404
        return "".join(adapter.log_lines)

    with upstream_serving() as upstream:
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
        text = asyncio.run(work())
    assert [(r.method, r.path, dict(r.query)) for r in upstream.requests] == [
        ("GET", "/integrations", {"page_size": "5"}),
        ("GET", "/integrations/none", {}),
    ]
    assert key not in text


def test_declared_integrations_are_guarded(project: Project) -> None:
    async def work() -> None:
        async with running(guard_managed=True) as adapter, adapter.client() as client:
            body = {"name": "x"}
            response = await client.put("/v1/integrations/openai-production", json=body)
            assert response.status_code == 409
            assert "openai-production.yaml" in response.json()["detail"]
            assert (await client.delete("/v1/integrations/somebody-elses")).status_code == 404

    asyncio.run(work())


def test_forwarded_headers_are_trusted_from_named_proxies_only(project: Project) -> None:
    async def work(trusted: tuple[str, ...]) -> str:
        async with running(forwarded_allow=trusted) as adapter, adapter.client() as client:
            await client.get("/v1/integrations", headers={"x-forwarded-for": "203.0.113.9"})
        return str(json.loads(adapter.log_lines[-1])["client"])

    assert asyncio.run(work(())) == "127.0.0.1"
    assert asyncio.run(work(("192.0.2.7",))) == "127.0.0.1"
    assert asyncio.run(work(("127.0.0.1",))) == "203.0.113.9"


def test_every_flag_is_described() -> None:
    described = {
        option: parameter.help
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    names = {f"--{name.replace('_', '-')}" for name in USUAL} | {"--format"}
    assert names <= described.keys()
    assert all(described[name] for name in names)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/"),
        (EVERYWHERE, "http://127.0.0.1:8080/"),
        ("::", "http://[::1]:8080/"),
        ("::1", "http://[::1]:8080/"),
        ("adapter.example", "http://adapter.example:8080/"),
    ],
)
def test_the_url_of_the_page_is_one_that_a_browser_can_open(host: str, url: str) -> None:
    assert serve.Addresses(host, 8080, 9090).page_url == url
