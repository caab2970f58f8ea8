"""Where the simulator is the default target, its output cannot be mistaken for production."""

import io
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from tests.cli.project import Here

ON_SIMULATOR = "on the embedded simulator"

SEVERAL = """\
version: 1
default_target: rehearsal
targets:
  rehearsal: {base_url: "simulator:"}
  eu: {base_url: "https://eu.example/v1", api_key: "${env:PORTKEY_KEY_EU}"}
  us: {base_url: "https://us.example/v1", api_key: "${vault:kv/us#key}"}
"""


class Terminal(io.StringIO):
    """Stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(tmp_path: Path) -> Here:
    made = Here(tmp_path)
    (made.files / "reconcile.yaml").write_text(SEVERAL, "utf-8")
    made.integration("alpha")
    return made


def ends(text: str) -> tuple[str, str]:
    lines = text.strip().splitlines()
    return lines[0], lines[-1]


@pytest.mark.parametrize("options", [(), ("--no-ledger",), ("--only", "alpha")])
def test_a_piped_result_names_the_simulator_in_its_first_and_last_line(
    project: Here, options: tuple[str, ...]
) -> None:
    for _ in range(2):  # with actions, and with nothing to apply
        done = project.run("apply", "--yes", *options)
        assert done.code == 0, done.err
        assert all(ON_SIMULATOR in line for line in ends(done.out))


def test_a_result_after_its_plan_and_a_quiet_one_also_name_the_simulator(project: Here) -> None:
    class Log(io.StringIO):
        """Log that receives both streams."""

    log = Log()
    project.run("apply", "--yes", console=Console(stdin=None, stdout=log, stderr=log))
    assert ON_SIMULATOR in ends(log.getvalue())[1]
    done = project.run("-q", "apply", "--yes")
    assert all(ON_SIMULATOR in line for line in ends(done.out))


@pytest.mark.parametrize("variables", [{}, {"RECONCILE_TARGET": "rehearsal"}])
def test_an_explicitly_chosen_target_has_no_notice(
    project: Here, variables: dict[str, str]
) -> None:
    words = [] if variables else ["--target", "rehearsal"]
    done = project.run(*words, "apply", "--yes", PORTKEY_KEY_EU="pk-1", **variables)
    assert done.code == 0, done.err
    assert ON_SIMULATOR not in done.out
    assert "notice: PORTKEY" not in done.err


def test_on_a_terminal_the_plan_names_the_target(project: Here) -> None:
    screen = Terminal()
    project.run("apply", "--yes", console=Console(stdin=None, stdout=screen, stderr=screen))
    assert "host simulator" in screen.getvalue()
    assert ON_SIMULATOR not in screen.getvalue()


def test_json_has_no_notice(project: Here) -> None:
    done = project.run("apply", "--yes", "--format", "json")
    assert done.json["target"]["base_url"] == "simulator:"
    assert ON_SIMULATOR not in done.out


@pytest.mark.parametrize(
    "command", [("plan",), ("apply", "--yes"), ("drift",), ("list",), ("doctor",), ("history",)]
)
@pytest.mark.parametrize("name", ["PORTKEY_API_KEY", "PORTKEY_KEY_EU", "PORTKEY_BASE_URL"])
def test_a_key_that_the_default_simulator_does_not_use_gets_a_notice(
    project: Here, command: tuple[str, ...], name: str
) -> None:
    done = project.run(*command, **{name: "pk-canary-0815"})
    assert f"notice: {name} is set but not used: target rehearsal" in done.err
    assert "add --target NAME" in done.err
    assert "pk-canary-0815" not in done.out + done.err
    # An empty variable, and one that no target names, do not count.
    quiet = project.run(*command, PORTKEY_CONFIG="pc-1", **{name: ""})
    assert "is set but not used" not in quiet.err


def test_the_notice_names_the_only_other_target(project: Here) -> None:
    config = SEVERAL.replace("  us:", "  #").replace("PORTKEY_KEY_EU", "PORTKEY_API_KEY")
    (project.files / "reconcile.yaml").write_text(config, "utf-8")
    done = project.run("plan", PORTKEY_API_KEY="pk-1")
    assert "add --target eu" in done.err
    assert "notice" not in project.run("-q", "plan", PORTKEY_API_KEY="pk-1").err


def test_a_drift_that_sends_nothing_has_no_notice_on_placeholders(tmp_path: Path) -> None:
    project = Here(tmp_path)
    project.integration("alpha", key="${env:SECRET_UNSET}")
    assert "notice[placeholder]" in project.run("drift").out
    project.apply()
    assert "placeholder" not in project.run("drift").out
    assert "notice[placeholder]" in project.run("-v", "drift").out
