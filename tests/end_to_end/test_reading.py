"""All commands but apply only read, and invalid responses and redirects are not trusted."""

import socket
from pathlib import Path

import pytest

from reconciler.simulator.faults import Fault, FaultKind
from tests.end_to_end.harness import Project
from tests.end_to_end.upstream import Upstream, serving

pytestmark = pytest.mark.slow

LIST = r"^/integrations$"

READING = [
    ("validate",),
    ("render",),
    ("plan",),
    ("plan", "--out", "plan.json"),
    ("plan", "--push-secrets", "--prune", "all", "--allow-empty"),
    ("list",),
    ("get", "alpha"),
    ("drift",),
    ("pull",),
    ("doctor",),
    ("history",),
    ("fmt", "--check"),
    ("schema",),
]

OFFLINE = {"validate", "render", "history", "fmt", "schema"}


def prepared(folder: Path, upstream: Upstream) -> Project:
    """Return a project with something to create, to change and to delete."""
    body = {"name": "Old", "ai_provider_id": "openai", "key": "sk-value-abc"}
    for slug in ("alpha", "gone"):
        upstream.world.put("POST", "/integrations", {"slug": slug, **body})
    project = Project(folder, PORTKEY_API_KEY="pk")
    project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}")
    project.integration("alpha", models=[{"slug": "gpt-5", "enabled": False}], workspaces=[])
    project.integration("beta")
    return project


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_send_only_get_requests(tmp_path: Path, command: tuple[str, ...]) -> None:
    with serving() as upstream:
        done = prepared(tmp_path, upstream).run(*command)
        assert done.code in {0, 2}, done.err
        assert upstream.methods <= {"GET"}
        assert bool(upstream.requests) == (command[0] not in OFFLINE)


def test_a_redirect_is_not_followed_and_the_other_host_receives_nothing(tmp_path: Path) -> None:
    with serving() as other:
        away = Fault(
            kind=FaultKind.STATUS,
            path=LIST,
            times=-1,
            status=302,
            headers={"location": f"{other.url}/integrations"},
        )
        with serving(away) as upstream:
            done = prepared(tmp_path, upstream).run("apply", "--yes")
            assert done.code == 1, done.err
            assert upstream.writes == []
        assert other.requests == []


def test_proxy_variables_and_netrc_are_ignored(tmp_path: Path) -> None:
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    with socket.create_server(("127.0.0.1", 0)) as proxy, serving() as upstream:
        proxy.setblocking(False)
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = prepared(tmp_path, upstream).run("plan", **dict.fromkeys(names, url), NO_PROXY="")
        assert done.code == 0, done.err
        assert upstream.requests
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.STATUS, path=LIST, times=-1, status=403, code="AB03"),
        Fault(kind=FaultKind.HTML, path=LIST, times=-1),
        Fault(kind=FaultKind.TRUNCATE, path=LIST, times=-1),
        Fault(kind=FaultKind.WRONG_TOTAL, path=LIST, times=-1, amount=1),
        Fault(kind=FaultKind.WRONG_TOTAL, path=LIST, times=-1, amount=-1),
        Fault(kind=FaultKind.MISSING_TOTAL, path=LIST, times=-1),
        Fault(kind=FaultKind.EMPTY, path=LIST, times=-1),
    ],
    ids=lambda fault: f"{fault.kind.value}{fault.amount or ''}",
)
def test_an_unreliable_list_stops_the_run_before_any_write(tmp_path: Path, fault: Fault) -> None:
    with serving(fault) as upstream:
        done = prepared(tmp_path, upstream).run("apply", "--yes", "--format", "json")
        assert done.code == 1
        assert done.json["kind"] == "error"
        assert upstream.writes == []


def test_a_transient_error_is_retried(tmp_path: Path) -> None:
    faults = (
        Fault(kind=FaultKind.STATUS, method="GET", path=LIST, status=500, code="AB04"),
        Fault(
            kind=FaultKind.STATUS,
            method="PUT",
            path="alpha$",
            status=429,
            code="AB06",
            headers={"retry-after": "1"},
        ),
    )
    with serving(*faults) as upstream:
        done = prepared(tmp_path, upstream).run("apply", "--yes")
        assert done.code == 0, done.err
        assert set(upstream.remote.integrations) == {"alpha", "beta"}


def test_two_hundred_and_fifty_integrations_are_three_list_calls(tmp_path: Path) -> None:
    with serving() as upstream:
        for number in range(250):
            body = {"name": "N", "ai_provider_id": "openai", "key": "sk-value-abc"}
            upstream.world.put("POST", "/integrations", {"slug": f"n-{number}", **body})
        project = Project(tmp_path, PORTKEY_API_KEY="pk")
        project.config(upstream.url, api_key="${env:PORTKEY_API_KEY}", prune="managed")
        project.integration("n-7", name="N", key=...)
        done = project.run("plan", "--format", "json")
        assert done.json["actions"] == []
        assert len(done.json["unmanaged"]) == 249
        assert [r.path for r in upstream.requests].count("/integrations") == 3
        assert len(upstream.requests) == 4
