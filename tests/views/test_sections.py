"""The section of undeclared values shows how to declare them: the line to add and the command."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from reconciler.domain.schema import show_path
from reconciler.planning.plan import Plan, Undeclared
from reconciler.views import html, markdown, terminal
from reconciler.views.phrases import LISTED
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import CommandContext, Section, sections_of
from tests.views import samples


def with_undeclared(*values: Undeclared) -> Plan:
    return replace(samples.empty_plan(), undeclared=values)


def section_of(*values: Undeclared, context: CommandContext = CommandContext()) -> Section:
    (found,) = [s for s in sections_of(with_undeclared(*values), context) if s.key == "undeclared"]
    return found


def line_to_add(text: str) -> Any:
    """Parse the line as the YAML that a user would paste."""
    return yaml.safe_load(text.partition(": - ")[2].join(("- ", "")))


@pytest.mark.parametrize(
    ("path", "name", "entry"),
    [
        (("workspaces", "ws-a"), "workspaces", {"id": "ws-a", "enabled": True}),
        (("workspaces", "123"), "workspaces", {"id": "123", "enabled": True}),
        (("models", "gpt-5.1"), "models", {"slug": "gpt-5.1", "enabled": True}),
        (("models", "a: {b}, #c"), "models", {"slug": "a: {b}, #c", "enabled": True}),
        (("models", "no"), "models", {"slug": "no", "enabled": True}),
    ],
)
def test_access_is_shown_with_the_line_that_declares_it(
    path: tuple[str, ...], name: str, entry: dict[str, Any]
) -> None:
    (line,) = section_of(Undeclared("alpha", show_path(path))).lines
    assert (
        f"alpha: {show_path(path)}, granted outside Git; to declare it, add under {name}: - {{"
        in line
    )
    assert line_to_add(line) == [entry]


@pytest.mark.parametrize(
    "path",
    [
        ("description",),
        ("tags", "team"),
        ("configurations", "custom_host"),
        ("models", "tune", "configurations", "custom_host"),
        ("workspaces", "ws-a", "usage_limits"),
    ],
)
def test_any_other_value_is_named_only_by_its_path(path: tuple[str, ...]) -> None:
    assert section_of(Undeclared("alpha", show_path(path))).lines == (f"alpha: {show_path(path)}",)


def test_an_invalid_path_is_shown_unchanged() -> None:
    assert section_of(Undeclared("alpha", "models[")).lines == ("alpha: models[",)


def test_the_command_writes_each_file_once_and_repeats_the_folder() -> None:
    values = [Undeclared(slug, path) for slug in ("b", "a") for path in ("tags", "description")]
    context = CommandContext(global_options=("--dir", "gate way"), plan_options=("--only", "x"))
    command = section_of(*values, context=context).command
    assert command == "reconcile --target production --dir 'gate way' pull --force b a"


def test_the_first_of_many_integrations_are_named_and_counted() -> None:
    section = section_of(*(Undeclared(f"i-{n}", "tags") for n in range(LISTED + 2)))
    assert section.command.split()[-LISTED:] == [f"i-{n}" for n in range(LISTED)]
    assert f"(the first {LISTED} of {LISTED + 2} integrations):" in section.advice


def test_a_slug_that_resembles_an_option_is_pulled_as_a_slug() -> None:
    section = section_of(Undeclared("--all", "tags"))
    assert section.command == "reconcile --target production pull --force -- --all"


def test_every_form_of_a_plan_shows_line_and_command() -> None:
    plan = with_undeclared(Undeclared("alpha", "workspaces[ws-a]"))
    for text in (
        terminal.plan(plan, RenderOptions(ledger="local", width=120, verbose=True)),
        markdown.plan(plan, RenderOptions(ledger="local")),
        html.plan(plan, RenderOptions(ledger="local")),
    ):
        assert "add under workspaces: - {id: ws-a, enabled: true}" in " ".join(text.split())
        assert "reconcile --target production pull --force alpha" in text


def test_a_plan_without_undeclared_values_suggests_no_pull() -> None:
    assert "pull --force" not in terminal.plan(samples.empty_plan(), RenderOptions(ledger="local"))
