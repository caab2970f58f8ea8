"""Versions of uvicorn whose internals the adapter was tested with.

`reconciler.adapter.http_protocol` and `reconciler.adapter.server` extend classes outside the public
API of uvicorn. Before you extend the range in pyproject.toml, run `tests/adapter` with the new
version.
"""

import inspect
import re
import tomllib
from importlib.metadata import version

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from tests.end_to_end.harness import ROOT

FIRST, BEFORE = (0, 34), (0, 55)


def test_the_installed_version_is_in_the_tested_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    serve = project["optional-dependencies"]["serve"]
    [wanted] = [name for name in serve if name.startswith("uvicorn")]
    bounds = re.fullmatch(r"uvicorn>=(\d+)\.(\d+),<(\d+)\.(\d+)", wanted)
    assert bounds is not None
    numbers = tuple(int(part) for part in bounds.groups())
    assert (numbers[:2], numbers[2:]) == (FIRST, BEFORE)
    installed = tuple(int(part) for part in version("uvicorn").split(".")[:2])
    assert FIRST <= installed < BEFORE


def test_the_extended_classes_exist() -> None:
    for name in (
        "connection_made",
        "connection_lost",
        "data_received",
        "on_response_complete",
        "pause_writing",
        "resume_writing",
        "send_400_response",
        "timeout_keep_alive_handler",
    ):
        assert callable(getattr(H11Protocol, name)), name
    made = inspect.signature(RequestResponseCycle).parameters
    assert {"scope", "message_event", "on_response"} <= made.keys()
    for name in ("startup", "shutdown", "capture_signals", "serve"):
        assert callable(getattr(uvicorn.Server, name)), name
