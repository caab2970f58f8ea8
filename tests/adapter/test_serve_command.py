"""The command as a process: its output, how it stops, and requests from the official SDK."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapter.adapter_process import running
from tests.adapter.ports import WRITER
from tests.end_to_end.harness import SECRET, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.with_examples(tmp_path)


def test_it_serves_the_simulator_without_any_account(project: Project) -> None:
    with running(project) as adapter, adapter.client() as client:
        assert adapter.announced["kind"] == "serving"
        assert adapter.announced["rest_url"] == f"{adapter.root}/v1"
        assert adapter.announced["page_url"] == f"{adapter.root}/"
        body = {"slug": "a", "name": "A", "ai_provider_id": "openai", "key": SECRET}
        assert client.post("/v1/integrations", json=body).status_code == 200
        assert client.get("/v1/integrations").json()["total"] == 1
        # The connection of the client is still open and must not delay the exit.
        assert adapter.end() == 143
    assert [json.loads(line)["status"] for line in adapter.lines] == [200, 200]
    assert SECRET not in "".join(adapter.lines)
    listed = project.run("list", "--format", "json").json
    assert [row["slug"] for row in listed["integrations"]] == ["a"]


def test_it_prints_one_line_and_ends_at_ctrl_c(project: Project) -> None:
    script = (
        "import subprocess,sys,signal;"
        "p=subprocess.Popen(sys.argv[1:],stdout=-1,stderr=-1,text=True);"
        "print(p.stdout.readline(),end='');p.send_signal(signal.SIGINT);sys.exit(p.wait())"
    )
    serve = [sys.executable, "-m", "reconciler", "serve", "--rest-port", "0", "--mcp-port", "0"]
    outer = (sys.executable, "-c", script)
    done = project.run(*serve, command=outer, RECONCILE_SERVE_TOKEN=WRITER)
    words = done.out.split()
    assert (done.code, words[0], words[2]) == (130, "REST", "MCP")
    assert words[1].startswith("http://127.0.0.1:")
    assert words[3].endswith("/mcp")
    assert words[4:] == ["page", words[1].removesuffix("v1")]


@pytest.mark.parametrize("library", ["mcp", "starlette"])
def test_a_missing_extra_is_named(project: Project, library: str) -> None:
    hidden = f"import sys; sys.modules[{library!r}] = None; sys.argv[0] = 'reconcile'; "
    done = project.run(
        "serve",
        command=(sys.executable, "-c", hidden + "from reconciler.cli.main import main; main()"),
        RECONCILE_SERVE_TOKEN=WRITER,
    )
    assert done.code == 3
    assert f"`serve` needs {library}" in done.err
    assert "portkey-reconciler[serve]" in done.err


_WITH_THE_SDK = """
import json, sys
from portkey_ai import Portkey
calls = Portkey(api_key=sys.argv[2], base_url=sys.argv[1]).integrations
made = calls.create(name="A", slug="sdk", ai_provider_id="openai", key=sys.argv[3])
listed = calls.list(page_size=5)
read = calls.retrieve(slug="sdk")
calls.update(slug="sdk", name="B")
changed = calls.retrieve(slug="sdk")
calls.delete(slug="sdk")
left = calls.list()
print(json.dumps([made.slug, listed.total, read.name, changed.name, left.total]))
"""


def test_the_official_sdk_works_with_the_adapter_as_its_base_url(project: Project) -> None:
    with running(project) as adapter:
        url = adapter.announced["rest_url"]
        done = subprocess.run(
            [sys.executable, "-c", _WITH_THE_SDK, url, WRITER, SECRET],
            capture_output=True,
            text=True,
            check=False,
        )
        adapter.end()
    assert json.loads(done.stdout or "[]") == ["sdk", 1, "A", "B", 0], done.stderr
    operations = [json.loads(line)["operation"] for line in adapter.lines]
    assert operations == [
        "create-integration",
        "list-all-integrations",
        "get-integration",
        "update-integration",
        "get-integration",
        "delete-integration",
        "list-all-integrations",
    ]
    assert SECRET not in "".join(adapter.lines)
    assert WRITER not in "".join(adapter.lines)
