"""No secret value reaches any output: text, plan files, records, logs at `-vv`, failures."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from reconciler.simulator.faults import Fault, FaultKind
from tests.end_to_end.harness import Project
from tests.end_to_end.upstream import serving

pytestmark = pytest.mark.slow

PEM = "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZQ0FOQVJZ\nZm9ydHktdHdv==\n-----END PRIVATE KEY-----"
VALUES = {
    "padded": "c2VjcmV0LWNhbmFyeS12YWx1ZQ==",
    "pem": PEM,
    "quotes": 'it\'s "quoted" \\ and ${env:HOME} `back`',
    "one character": "\N{SNOWMAN}",
    "looks like yaml": "key: sk-canary-7731 # no comment",
}
API_KEY = "pk-canary-c29tZSBrZXk="


def project_with(folder: Path, url: str, value: str) -> Project:
    project = Project(folder, PORTKEY_API_KEY=API_KEY, SECRET_KEY=value, SECRET_TWO=value)
    project.config(url, api_key="${env:PORTKEY_API_KEY}")
    project.integration("alpha")
    project.integration(
        "beta",
        configurations={
            "custom_host": "https://models.example",
            "custom_headers": {"Authorization": "${env:SECRET_TWO}"},
        },
    )
    return project


def sinks(project: Project) -> str:
    """Return all contents of the project folder except the simulator, which stores keys."""
    files = (p for p in project.folder.rglob("*") if p.is_file() and "simulator" not in p.name)
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


def forms(value: str) -> set[str]:
    """Return the value and its parts, as text and as the bytes that `sinks` would show."""
    parts = {value, *(line for line in value.splitlines() if len(line) > 8)}
    return parts | {part.encode().decode("latin-1") for part in parts}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_secret_is_in_its_request_and_nowhere_else(tmp_path: Path, value: str) -> None:
    with serving() as upstream:
        project = project_with(tmp_path, upstream.url, value)
        done = [
            project.run("plan", "-vv", "--out", "plan.json"),
            project.run("apply", "plan.json", "-vv", "--format", "json"),
            project.run("plan", "-vv", "--push-secrets", "--format", "markdown"),
            project.run("apply", "-vv", "--yes", "--push-secrets"),
            project.run("get", "beta", "--format", "yaml"),
            project.run("show", "plan.json"),
        ]
        assert [d.code for d in done] == [0] * len(done), done[0].err + done[1].err + done[3].err
        assert upstream.record("alpha")["key"] == value
        headers = upstream.record("beta")["configurations"]["custom_headers"]
        assert headers == {"Authorization": value}
    heard = "".join(d.out + d.err for d in done) + sinks(project)
    assert [form for form in forms(value) | {API_KEY} if form in heard] == []


@pytest.mark.parametrize(
    "answer",
    [
        Fault(kind=FaultKind.STATUS, method="POST", status=400, code="AB01", message="bad {}"),
        Fault(kind=FaultKind.STATUS, method="POST", status=500, code="AB04", message="{} broke"),
        Fault(kind=FaultKind.RAW, method="POST", status=200, body="<html>{}</html>"),
    ],
    ids=["refused", "broken", "html"],
)
def test_a_response_that_echoes_the_secret_is_redacted(tmp_path: Path, answer: Fault) -> None:
    value = VALUES["padded"]
    echo = Fault(
        kind=answer.kind,
        method=answer.method,
        times=-1,
        status=answer.status,
        code=answer.code,
        message=(answer.message or "").replace("{}", value),
        body=(answer.body or "").replace("{}", value),
    )
    with serving(echo) as upstream:
        done = project_with(tmp_path, upstream.url, value).run("apply", "--yes", "-vv")
    assert done.code == 5
    assert value not in done.out + done.err


ESCAPES: dict[str, Callable[[str], str]] = {
    "html": html.escape,
    "lower-case percent": lambda text: quote(text, safe="").lower(),
    "units": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escaped_echo_is_in_no_output_and_no_record(tmp_path: Path, name: str) -> None:
    value = "sk%2Fcanary&PCT+CANARY/"
    echoed = ESCAPES[name](value)
    fault = Fault(
        kind=FaultKind.STATUS,
        method="POST",
        times=-1,
        status=400,
        code="AB01",
        message=f"bad key <{echoed}>",
    )
    with serving(fault) as upstream:
        project = project_with(tmp_path, upstream.url, value)
        done = project.run("apply", "--yes", "-vv", "--format", "json")
    assert done.json["outcomes"][0]["error"]["message"].endswith(": bad key [redacted]")
    heard = done.out + done.err + sinks(project)
    assert [text for text in (value, echoed, json.dumps(echoed)[1:-1]) if text in heard] == []


def test_a_literal_is_refused_without_being_repeated(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.config()
    for number, line in enumerate(
        [
            'key: "{}"',
            "key: {}",
            "configurations: {azure_entra_client_secret: {}, nonsense: 1}",
            "configurations:\n  custom_headers: {X-Api-Key: {}}",
            "configurations: {azure_auth_mode: {}}",
            "kye: {}",
            "{}: v",
            "key: {}\nkey: {}",
            "key: {}\n\ttab: 1",
        ]
    ):
        text = line.replace("{}", "sk-canary-literal-4711")
        slug = f"i{number}"
        head = f"slug: {slug}\nname: N\nai_provider_id: azure-openai\n"
        project.write(f"integrations/{slug}.yaml", head + text + "\n")
    for style in ("text", "json", "github", "sarif"):
        done = project.run("validate", "--format", style, "-vv")
        assert done.code == 3
        assert "4711" not in done.out + done.err


@pytest.mark.parametrize("escaped", [False, True])
def test_an_echo_of_a_secret_that_this_call_did_not_send_is_redacted(
    tmp_path: Path, escaped: bool
) -> None:
    value = "p@ss\"w'ord==\\canary1"
    text = json.dumps(value)[1:-1] if escaped else value
    echo = Fault(
        kind=FaultKind.STATUS, method="PUT", times=-1, status=400, code="AB01", message=f"is {text}"
    )
    with serving(echo) as upstream:
        project = project_with(tmp_path, upstream.url, value)
        assert project.run("apply", "--yes").code == 0
        project.integration("alpha", description="new")
        done = project.run("apply", "--yes", "-vv", "--format", "json")
    assert [request.body for request in upstream.writes[2:]] == [{"description": "new"}]
    assert done.code == 5
    assert done.json["outcomes"][0]["error"]["message"].endswith("AB01: is [redacted]")
    heard = done.out + done.err + sinks(project)
    assert [part for part in ("w'ord==", value, text) if part in heard] == []
