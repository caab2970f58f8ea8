"""Build file of the image: its contents and its user. `ci.yml` builds and runs the image."""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from reconciler.adapter.middleware import PROBES
from reconciler.cli.commands import serve
from tests.workflows.test_rules import GITHUB, ROOT, load

RECIPE = GITHUB / "Containerfile"
LOCK = ".github/actions/setup-reconcile/requirements.txt"
DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the build file, each with its argument on one line."""
    lines = [line for line in RECIPE.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parts = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in parts]


def arguments(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(i for i, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def test_every_stage_begins_with_the_same_image_named_by_its_digest() -> None:
    bases = [rest.partition(" AS ")[0] for rest in arguments("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert all(DIGEST.fullmatch(base) for base in bases)


def test_it_installs_only_locked_packages() -> None:
    assert arguments("ADD") == []
    assert arguments("ARG") == []
    text = RECIPE.read_text("utf-8")
    assert not re.search(r"\b(curl|wget|apt-get|apk)\b|https://", text)
    installs = re.findall(r"pip install (.*?)(?: &&|$)", "\n".join(arguments("RUN")), re.MULTILINE)
    assert installs == [
        "--require-hashes --only-binary :all: -r requirements.txt",
        "--no-deps --no-build-isolation .",
    ]
    (lock,) = (shlex.split(rest)[0] for rest in arguments("COPY") if "requirements" in rest)
    assert lock == LOCK


def test_copied_files_exist_and_are_sent_to_the_builder() -> None:
    ignored = RECIPE.with_name("Containerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    copied = []
    for rest in arguments("COPY"):
        if not rest.startswith("--from="):
            copied += shlex.split(rest)[:-1]
    assert sorted(copied) == sorted(sent)
    for name in copied:
        assert (ROOT / name).exists()
        assert not any(fnmatch(name, secret) for secret in (".git", "*.db", ".env"))


def test_it_runs_as_a_non_root_user_with_a_fixed_id() -> None:
    users = [rest for word, rest in final_stage() if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])
    later = [word for word, _ in final_stage()]
    assert not {"RUN", "COPY"} & set(later[later.index("USER") :])
    assert final_stage()[-1] == ("ENTRYPOINT", '["reconcile"]')


def health_check() -> list[str]:
    (check,) = arguments("HEALTHCHECK")
    words: list[str] = json.loads(check.partition("CMD ")[2])
    return words


class Health(BaseHTTPRequestHandler):
    """Server that answers health checks with a status."""

    status = 200
    asked: str | None = None

    def do_GET(self) -> None:
        type(self).asked = self.path
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@contextmanager
def answering(status: int) -> Iterator[tuple[int, type[Health]]]:
    handler = type("Answering", (Health,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, handler
        finally:
            server.shutdown()
            thread.join()


def check(port: int) -> int:
    program, *rest = health_check()
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *rest],
        env={"PATH": os.defpath, "RECONCILE_SERVE_REST_PORT": str(port)},
        capture_output=True,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (401, 1)])
def test_the_health_check_uses_a_probe_that_needs_no_token(status: int, code: int) -> None:
    with answering(status) as (port, handler):
        assert check(port) == code
    assert handler.asked in PROBES
    assert check(port) == 1  # the server is closed


def test_the_health_check_uses_the_default_port_of_serve() -> None:
    (option,) = (p for p in serve.command.params if p.name == "rest_port")
    assert f"'RECONCILE_SERVE_REST_PORT', '{option.default}'" in health_check()[2]
    assert str(option.default) in arguments("EXPOSE")[0].split()


def test_ci_starts_it_as_the_guide_does_with_a_read_only_root() -> None:
    (step,) = (s for s in load(GITHUB / "workflows/ci.yml")["jobs"]["image"]["steps"][2:])
    for flag in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges"):
        assert flag in step["run"]
    guide = (GITHUB / "workflows/README.md").read_text("utf-8")
    (job,) = re.findall(r"```yaml\n(apiVersion: batch/v1.*?)```", guide, re.DOTALL)
    pod = yaml.safe_load(job)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "ghcr.io/OWNER/REPO:VERSION"
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"/reconcile/desired-state", "/reconcile/.reconcile"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
