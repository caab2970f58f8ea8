"""`catalogue update`, `--fail-on`, and notices that `drift` prints once."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jsonschema
import pytest

from reconciler.cli import settings
from reconciler.desired.catalogue_file import digest_of
from tests.architecture.source import ROOT
from tests.cli.project import Here
from tests.end_to_end.harness import Project

PLAIN = b"""\
# Targets of this folder.
version: 1
default_target: here # the simulator
targets:
  here: {base_url: "simulator:", prune: all}
"""


def in_days(days: int) -> str:
    """Return the date this many days from now."""
    return (settings.now() + timedelta(days=days)).date().isoformat()


def litellm(**models: int | None) -> bytes:
    """Return a catalogue of OpenAI, with the days left of each model."""
    document: dict[str, Any] = {}
    for name, days in models.items():
        entry = {"litellm_provider": "openai"}
        if days is not None:
            entry["deprecation_date"] = in_days(days)
        document[name.replace("_", "-")] = entry
    return json.dumps(document).encode()


def pinned(folder: Path, *, config: bytes = PLAIN, **models: int | None) -> Here:
    """Return a project with an integration of these models, and a catalogue that lists them."""
    project = Here(folder)
    (project.files / "reconcile.yaml").write_bytes(config)
    listed = [{"slug": name.replace("_", "-"), "enabled": True} for name in models]
    project.integration("alpha", allow_all_models=False, models=listed)
    update(project, **models)
    return project


def update(project: Here, **models: int | None) -> None:
    source = project.folder / "source.json"
    source.write_bytes(litellm(**models))
    done = project.run("catalogue", "update", "source.json")
    assert done.code == 0, done.err


@dataclass
class Site:
    """Web server on loopback with a response for each path, which records the requested paths."""

    port: int = 0
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"


@contextmanager
def site() -> Iterator[Site]:
    there = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.requested.append(self.path)
            status, headers, body = there.answers.get(self.path.strip("/"), (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        there.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_file_is_pinned_and_no_other_byte_of_the_configuration_changes(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    content = (tmp_path / "source.json").read_bytes()
    assert (project.files / "catalogue.json").read_bytes() == content
    added = f"catalogue:\n  file: catalogue.json\n  digest: {digest_of(content)}\n".encode()
    config = project.files / "reconcile.yaml"
    assert config.read_bytes() == PLAIN + added

    update(project, gpt_5=20)
    content = (tmp_path / "source.json").read_bytes()
    assert config.read_bytes().startswith(PLAIN)
    assert config.read_bytes().count(b"catalogue:") == 1
    assert digest_of(content).encode() in config.read_bytes()
    again = project.run("catalogue", "update", "source.json")
    assert again.err.startswith("unchanged: ")
    assert project.run("validate").code == 0


@pytest.mark.parametrize(
    "config",
    [
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN + b"catalogue:\n",
        PLAIN + b"catalogue: {file: models/all.json, digest: sha256:%b} # pinned\n" % (b"0" * 64),
        PLAIN + b"catalogue:\n  file: models/all.json\n",
        PLAIN + b"catalogue: {file: all.json, digest: todo}\n",
        b'{"version": 1, "targets": {"here": {"base_url": "simulator:"}}}',
        b"version: 1\ntargets: {here: {base_url: 'simulator:'}}\n\n# the end",
    ],
    ids=["CRLF", "empty", "elsewhere", "no digest", "placeholder", "JSON", "no line end"],
)
def test_the_configuration_is_edited_in_the_style_of_its_author(
    tmp_path: Path, config: bytes
) -> None:
    project = pinned(tmp_path, config=config, gpt_5=None)
    path = project.files / "reconcile.yaml"
    edited = path.read_bytes()
    digest = digest_of((tmp_path / "source.json").read_bytes()).encode()
    assert edited.count(digest) == 1
    assert (b"\r\n" in edited) is (b"\r\n" in config)
    for line in config.splitlines():
        assert line in edited or b"catalogue" in line or line.startswith(b"{")
    assert project.run("--target", "here", "validate").code == 0


def test_a_url_is_downloaded_and_several_files_are_joined_by_provider(tmp_path: Path) -> None:
    price = {"pricing_config": {}}
    with site() as there:
        for name in ("openai", "anthropic"):
            body = json.dumps({"default": price, f"{name}-1": price}).encode()
            there.answers[f"pricing/{name}.json"] = (200, {}, body)
        there.answers["moved.json"] = (302, {"Location": "/pricing/openai.json"}, b"")
        project = Here(tmp_path)
        urls = [there.url(f"pricing/{name}.json") for name in ("openai", "anthropic")]
        done = project.run("catalogue", "update", *urls)
        assert done.code == 0, done.err
        assert "2 models of 2 providers, 0 with a retirement date" in done.err
        document = json.loads((project.files / "catalogue.json").read_text())
        assert document == {
            name: {"default": price, f"{name}-1": price} for name in ("openai", "anthropic")
        }
        # The name comes from the URL that was passed, and a redirect to the same host is followed.
        moved = project.run("catalogue", "update", there.url("moved.json"))
        assert moved.code == 3
        assert "does not name its provider" in moved.err
        assert there.requested[-1] == "/pricing/openai.json"
    project.integration("alpha", models=[{"slug": "openai-2", "enabled": True}])
    assert "model-unknown" in project.run("validate").out


def test_files_are_joined_with_each_number_as_it_is_and_one_file_for_each_provider(
    tmp_path: Path,
) -> None:
    project = Here(tmp_path)
    number = "9" * 5000 + ".10"
    for name in ("openai.json", "anthropic.json", "open-ai.json"):
        text = f'{{"{name}": {{"pricing_config": {{"price": {number}}}}}}}'
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    done = project.run("catalogue", "update", "openai.json", "anthropic.json")
    assert done.code == 0, done.err
    written = (project.files / "catalogue.json").read_text()
    assert written.count(number) == 2
    twice = project.run("catalogue", "update", "openai.json", "open-ai.json")
    assert twice.code == 3
    assert "openai.json and open-ai.json both list models of openai" in twice.err
    assert (project.files / "catalogue.json").read_text() == written


REFUSED = [
    ("https://example.com/openai.json", 4, "host-not-allowed", "RECONCILE_ALLOWED_CATALOGUES"),
    ("http://configs.portkey.ai/openai.json", 3, "invalid-url", "must begin with https://"),
    ("ftp://configs.portkey.ai/openai.json", 3, "invalid-url", "must begin with https://"),
    ("https://user:pw@configs.portkey.ai/o.json", 3, "invalid-url", "user name"),
    ("https://configs.portkey.ai\\@example.com/", 3, "invalid-url", "backslashes"),
    ("https://configs.portkey.ai.example.com/o.json", 4, "host-not-allowed", "example.com"),
    ("https://169.254.169.254/latest", 4, "host-not-allowed", "169.254.169.254"),
    ("https://[::ffff:10.0.0.1]/o.json", 4, "host-not-allowed", "::ffff"),
    ("missing.json", 3, "catalogue-unreadable", "missing.json"),
]


@pytest.mark.parametrize(("source", "code", "error", "said"), REFUSED)
def test_an_unsafe_source_is_refused_and_nothing_is_written(
    tmp_path: Path, source: str, code: int, error: str, said: str
) -> None:
    project = Here(tmp_path)
    before = (project.files / "reconcile.yaml").read_bytes()
    done = project.run("catalogue", "update", source)
    assert done.code == code
    assert f"error[{error}]" in done.err
    assert said in done.err
    assert "pw" not in done.err
    assert (project.files / "reconcile.yaml").read_bytes() == before
    assert not (project.files / "catalogue.json").exists()


def test_redirects_to_other_hosts_and_large_answers_are_refused(tmp_path: Path) -> None:
    project = Here(tmp_path)
    with site() as there:
        there.answers["away"] = (302, {"Location": there.url("o.json", "localhost")}, b"")
        there.answers["round"] = (302, {"Location": "/round"}, b"")
        there.answers["bare"] = (302, {}, b"")
        there.answers["large"] = (200, {}, b" " * (16 * 1024 * 1024 + 1))
        for path, said in {
            "away": "redirects to localhost",
            "round": "more than 3 redirects",
            "bare": "more than 3 redirects",
            "large": "larger than 16 MiB",
            "absent": "the response has the status 404",
        }.items():
            done = project.run("catalogue", "update", there.url(path))
            assert (path, done.code) == (path, 1)
            assert "error[catalogue-download]" in done.err
            assert said in done.err
        assert "/o.json" not in there.requested
    assert "catalogue" not in (project.files / "reconcile.yaml").read_text()


def test_the_old_catalogue_is_kept_if_the_configuration_cannot_be_written(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    before = (project.files / "catalogue.json").read_bytes()
    (tmp_path / "source.json").write_bytes(litellm(gpt_5=20))
    link = project.files / "reconcile.yaml"
    outside = tmp_path / "elsewhere.yaml"
    outside.write_bytes(link.read_bytes())
    link.unlink()
    link.symlink_to(outside)
    done = project.run("catalogue", "update", "source.json")
    assert done.code == 3
    assert (project.files / "catalogue.json").read_bytes() == before
    assert outside.read_bytes().count(b"digest") == 1


def test_a_catalogue_behind_a_link_is_not_written_through(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_5=None)
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    path = project.files / "catalogue.json"
    path.unlink()
    path.symlink_to(outside)
    done = project.run("catalogue", "update", "source.json")
    assert done.code == 3
    assert "error[symlink]" in done.err
    assert outside.read_text() == "{}"


def test_the_catalogue_of_the_simulator_lists_the_models_of_its_providers(tmp_path: Path) -> None:
    project = Here(tmp_path)
    done = project.run("catalogue", "update", "simulator:")
    assert done.code == 0, done.err
    listed = [{"slug": slug, "enabled": True} for slug in ("gpt-5", "gpt-4-32k", "gpt-6000")]
    project.integration("alpha", models=listed)
    codes = [d["code"] for d in project.run("validate", "--format", "json").json["diagnostics"]]
    assert codes == ["model-retired", "model-unknown"]


def test_the_catalogue_of_the_simulator_lists_every_model_of_the_examples(tmp_path: Path) -> None:
    project = Here(tmp_path)
    shutil.copytree(ROOT / "desired-state", project.files, dirs_exist_ok=True)
    assert project.run("catalogue", "update", "simulator:").code == 0
    done = project.run("validate", "--fail-on", "model-unknown", "--fail-on", "model-retired")
    assert done.out == "desired-state: no problem found\n"


GATES = [
    ([], 0),
    (["model-retiring:7d"], 0),
    (["model-retiring:30d"], 3),
    (["model-retiring"], 3),
    (["model-retired"], 0),
    (["model-unknown"], 0),
    (["model-unknown", "model-retiring:30d"], 3),
]


@pytest.mark.parametrize(("gates", "code"), GATES)
def test_a_gate_fails_for_the_models_that_it_names(
    tmp_path: Path, gates: list[str], code: int
) -> None:
    project = pinned(tmp_path, gpt_4=20, gpt_5=None)
    options = [word for gate in gates for word in ("--fail-on", gate)]
    severity = "error" if code else "warning"
    for command in ("validate", "plan", "drift"):
        done = project.run(command, *options, "--format", "json")
        usual = 2 if command == "drift" else 0
        assert (command, done.code) == (command, code or usual)
        [found] = [d for d in done.json["diagnostics"] if d["code"] == "model-retiring"]
        assert found["severity"] == severity
        assert found["file"].endswith("integrations/alpha.yaml")


def test_a_date_that_cannot_be_read_fails_the_gates_for_dates(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=None)
    document = {"gpt-4": {"litellm_provider": "openai", "deprecation_date": "soon"}}
    (tmp_path / "source.json").write_text(json.dumps(document))
    assert project.run("catalogue", "update", "source.json").code == 0
    for gate, code in (("model-retiring:7d", 3), ("model-retired", 3), ("model-unknown", 0)):
        done = project.run("validate", "--fail-on", gate)
        assert done.code == code
        severity = "error" if code else "warning"
        assert f"{severity}[catalogue-date]: the catalogue has no valid retirement" in done.out
    assert "retiring" not in project.run("drift", "--format", "json").json


def test_a_gate_can_look_further_ahead_and_includes_retired_models(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_3=-20, gpt_4=150, gpt_5=400)
    for gate, failed in (("100d", ["gpt-3"]), ("200d", ["gpt-3", "gpt-4"])):
        done = project.run("validate", "--fail-on", f"model-retiring:{gate}", "--format", "json")
        assert done.code == 3
        errors = [d["summary"] for d in done.json["diagnostics"] if d["severity"] == "error"]
        assert [text.split("`")[1] for text in errors] == failed
    project.integration("beta")
    environment = {"RECONCILE_PLAN_FAIL_ON": "model-retired"}
    assert project.run("plan", **environment).code == 3
    assert project.run("plan", "--only", "beta", **environment).code == 0


@pytest.mark.parametrize(
    "gate", ["model-gone", "model-retiring:d", "model-retiring:-1d", "model-unknown:7d", "x:7d"]
)
def test_a_wrong_gate_is_a_usage_error(tmp_path: Path, gate: str) -> None:
    done = Here(tmp_path).run("validate", "--fail-on", gate)
    assert done.code == 3
    assert "--fail-on" in done.err


def warned(project: Here, *options: str) -> list[str]:
    """Return the models that a drift check warns about; the check must be in sync."""
    done = project.run("drift", "--format", "json", *options)
    assert done.code == 0, done.err
    jsonschema.Draft202012Validator(project.run("schema", "--kind", "drift").json).validate(
        done.json
    )
    return [
        d["summary"].split("`")[1]
        for d in done.json["diagnostics"]
        if d["code"] == "model-retiring"
    ]


def test_drift_announces_each_threshold_once(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=60, gpt_5=None)
    project.apply()
    assert warned(project) == ["gpt-4"]
    assert warned(project) == []
    # In place of time that passes, the date in the catalogue moves closer.
    for days in (20, 5):
        update(project, gpt_4=days, gpt_5=None)
        assert warned(project) == ["gpt-4"]
        assert warned(project) == []
    listed = project.run("drift", "--format", "json").json["retiring"]
    assert [(r["slug"], r["model"], r["threshold"], r["due"]) for r in listed] == [
        ("alpha", "gpt-4", 7, False)
    ]
    assert "gpt-4 of alpha retires on " in project.run("drift", "-v").out
    assert "gpt-4 of alpha retires on " in project.run("drift", "--format", "markdown").out
    assert "gpt-4 of alpha retires on " in project.run("drift", "--format", "html").out
    assert "gpt-4" not in project.run("drift").out


def test_a_check_of_a_selection_keeps_the_announcements_of_the_others(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=60)
    project.integration("beta", models=[{"slug": "gpt-5", "enabled": True}])
    update(project, gpt_4=60, gpt_5=60)
    project.apply()
    assert warned(project) == ["gpt-4", "gpt-5"]
    update(project, gpt_4=20, gpt_5=60)
    assert warned(project, "--only", "alpha") == ["gpt-4"]
    assert warned(project) == []


def test_a_gate_shows_models_that_were_announced_before(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=20)
    project.apply()
    assert warned(project) == ["gpt-4"]
    done = project.run("drift", "--fail-on", "model-retiring:30d")
    assert done.code == 3
    assert "error[model-retiring]: alpha: model `gpt-4`" in done.out


def test_without_a_ledger_each_check_announces(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=20)
    project.apply("--no-ledger")
    assert warned(project) == ["gpt-4"]
    assert warned(project) == ["gpt-4"]


def test_a_model_that_has_retired_is_in_every_report(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=-20)
    project.apply()
    for _ in range(2):
        done = project.run("drift")
        assert done.code == 0
        assert "warning[model-retired]: alpha: model `gpt-4` was retired on" in done.out


def test_a_saved_report_keeps_the_models_that_retire(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=20)
    project.apply()
    (tmp_path / "drift.json").write_text(project.run("drift", "--format", "json").out)
    shown = project.run("show", "drift.json", "--format", "json")
    assert shown.json["retiring"] == json.loads((tmp_path / "drift.json").read_text())["retiring"]


def test_a_wrong_digest_stops_plan_apply_and_drift(tmp_path: Path) -> None:
    project = pinned(tmp_path, gpt_4=20)
    (project.files / "catalogue.json").write_bytes(litellm(gpt_4=None))
    for command in (["plan"], ["apply", "--yes"], ["drift"], ["validate"]):
        done = project.run(*command)
        assert done.code == 3
        assert "error[catalogue-digest]" in done.err + done.out
    assert project.run("catalogue", "update", str(project.files / "catalogue.json")).code == 0
    assert project.run("plan").code == 0


def test_a_gate_fails_in_a_file_with_more_problems_than_are_reported(
    tmp_path: Path,
) -> None:
    project = pinned(tmp_path, gpt_5=None)
    unknown = [{"slug": f"model-{number}", "enabled": True} for number in range(300)]
    project.integration("alpha", models=unknown)
    done = project.run("validate", "--fail-on", "model-unknown", "--format", "json")
    assert (done.code, done.json["valid"]) == (3, False)
    errors = [d for d in done.json["diagnostics"] if d["severity"] == "error"]
    assert len(errors) == 300


@pytest.mark.slow
@pytest.mark.parametrize("command", [("validate",), ("plan",), ("drift",)])
def test_without_the_setting_no_catalogue_module_is_loaded(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    project = Here(tmp_path)
    project.integration("alpha")
    start = (
        "import atexit, sys\n"
        "from reconciler.cli.main import main\n"
        "parts = ('catalogue', 'budget_guard', 'cost_changes')\n"
        "loaded = lambda: [name for name in sys.modules for part in parts if part in name]\n"
        "atexit.register(lambda: print(loaded(), file=sys.stderr))\n"
        "main()\n"
    )
    done = Project.run(project, *command, command=(sys.executable, "-c", start))
    assert done.err.rstrip().endswith("[]")


def test_another_error_in_the_configuration_is_still_reported(tmp_path: Path) -> None:
    project = Here(tmp_path)
    (tmp_path / "source.json").write_bytes(litellm(gpt_5=None))
    for wrong in (b"catalogue: {digest: todo}\n", b"catalogue: 7\n", b"prune: [\n", b"x: 1\n"):
        (project.files / "reconcile.yaml").write_bytes(PLAIN + wrong)
        done = project.run("catalogue", "update", "source.json")
        assert done.code == 3
        assert "error[" in done.err
        assert (project.files / "reconcile.yaml").read_bytes() == PLAIN + wrong
        assert not (project.files / "catalogue.json").exists()
