"""Outlines: the wording and values shared by all formats of plans and results."""

from html import unescape

import pytest

from reconciler.cli.console import render
from reconciler.execution.result import Status
from reconciler.planning.actions import ActionKind, Change, ChangeKind, ChangeOrigin, Risk
from reconciler.planning.plan import Plan, Unverified
from reconciler.views import notification, phrases, plan_outline, result_outline
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import CommandContext
from tests.views import samples


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.portkey.ai/v1", "api.portkey.ai"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://name:word@api.example/v1", "api.example"),
        ("https://[::1]:8080/v1?x#y", "[::1]:8080"),
        ("https://[text](x)", "[text](x)"),
        ("simulator:", "simulator"),
        ("nonsense", "nonsense"),
    ],
)
def test_the_header_names_target_host_and_ledger(base_url: str, host: str) -> None:
    line = plan_outline.header(target="production", base_url=base_url, ledger="fresh")
    assert line == f"target production · host {host} · ledger: none yet"


def change(op: ChangeKind, **others: object) -> str:
    made = Change("key", op, Risk.COSMETIC, **others)  # type: ignore[arg-type]  # fields of Change
    item = plan_outline.of_change(made)
    return f"{item.symbol} {item.text}"


def test_a_plain_change_shows_the_values_before_and_after() -> None:
    assert change(ChangeKind.REPLACE, before="a", after=None) == '~ key: "a" → null'
    assert change(ChangeKind.ADD, after=[1]) == "+ key: [1]"
    assert change(ChangeKind.REMOVE, before={"b": 1, "a": 2}) == '- key: {"a": 2, "b": 1}'


def test_a_sensitive_change_shows_only_references() -> None:
    assert change(ChangeKind.ADD, after="never", sensitive=True, reference="env:A") == (
        "+ key: (secret) reference env:A"
    )
    assert change(
        ChangeKind.REPLACE,
        sensitive=True,
        before="never",
        before_reference="env:A",
        reference="env:B",
    ) == ("~ key: (secret) reference env:A → reference env:B")
    assert (
        change(ChangeKind.REMOVE, before="never", sensitive=True)
        == "- key: (secret) value not shown"
    )


def test_a_resent_secret_has_a_reason() -> None:
    assert change(ChangeKind.RESEND, sensitive=True, reference="env:A") == (
        f"= key: (secret) reference env:A ({phrases.OP_NOTES[ChangeKind.RESEND]})"
    )


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        (ChangeOrigin.LOCAL, "the value behind the reference changed"),
        (ChangeOrigin.REMOTE, "the API has a value other than the one last sent"),
        (ChangeOrigin.UNKNOWN, "the mask in the API does not match the value"),
    ],
)
def test_a_rotation_states_its_cause(origin: ChangeOrigin, why: str) -> None:
    said = change(ChangeKind.ROTATE, sensitive=True, reference="env:A", origin=origin)
    assert said.startswith(f"~ key: (secret) reference env:A (rotate: {why}")


def test_a_change_made_outside_git_is_marked() -> None:
    assert change(ChangeKind.REPLACE, before=1, after=2, origin=ChangeOrigin.REMOTE).endswith(
        "(changed in the API, outside Git)"
    )


def test_a_long_value_is_shortened_only_in_a_line() -> None:
    item = plan_outline.of_change(
        Change("description", ChangeKind.ADD, Risk.COSMETIC, after="x" * 1000)
    )
    assert item.after == f'"{"x" * 1000}"'
    assert len(item.text) <= len("description: ") + 200
    assert "…[830 characters left out]…" in item.text


def test_every_kind_operation_and_status_has_a_description() -> None:
    assert set(phrases.SYMBOLS) == set(ActionKind)
    assert set(phrases.OP_SYMBOLS) == set(ChangeKind)
    assert set(phrases.STATUS_SYMBOLS) == set(Status)


def test_a_list_of_notes_names_twenty_and_counts_the_rest() -> None:
    plan = samples.plan(unverified=tuple(Unverified(f"s{n}", "key", "env:X") for n in range(25)))
    section = plan_outline.of_plan(plan, ledger="local").sections[0]
    assert (len(section.lines), section.more) == (20, 5)
    assert "(25)" in section.title


def test_the_next_step_fits_the_plan() -> None:
    narrowed = CommandContext(("--dir", "a b"), ("--only", "x*"), "p.json")

    def command(plan: Plan, context: CommandContext = CommandContext()) -> str:
        return plan_outline.of_plan(plan, ledger="local", context=context).command

    start = "reconcile --target production --dir 'a b' apply --only 'x*' p.json"
    assert command(samples.mixed_plan()) == "reconcile --target production apply"
    assert command(samples.mixed_plan(), narrowed) == start
    assert command(samples.undo_plan()) == "reconcile --target production apply PLAN"
    assert command(samples.undo_plan(), narrowed) == start
    assert command(samples.blocked_plan(), narrowed) == ""
    assert command(samples.empty_plan(), narrowed) == ""


def test_an_unsaved_undo_suggests_saving_it() -> None:
    def next_step(context: CommandContext) -> str:
        return plan_outline.of_plan(samples.undo_plan(), ledger="local", context=context).next_step

    assert "save the plan with `--out PLAN`" in next_step(CommandContext())
    assert "run the saved plan" in next_step(CommandContext(saved_plan="p.json"))


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (59_949, "59.9 s"), (59_950, "1 min 00 s")],
)
def test_a_duration_has_suitable_units(milliseconds: int, text: str) -> None:
    assert result_outline.duration(milliseconds) == text


def test_a_complete_result_has_no_details() -> None:
    result = samples.complete_result(samples.mixed_plan())
    shown = result_outline.of_result(result, ledger="local")
    assert (shown.half_done, shown.not_tried) == ("", ())
    assert shown.next_steps == (result_outline.NextStep(phrases.ALL_APPLIED),)


@pytest.mark.parametrize("style", ["text", "markdown", "html"])
def test_the_suggestion_after_an_unknown_outcome_repeats_target_and_options(style: str) -> None:
    result = samples.partial_result(samples.mixed_plan())
    context = CommandContext(global_options=("--dir", "a b"), plan_options=("--only", "x*"))
    shown = render("result", result, RenderOptions(ledger="local", context=context), style=style)
    command = "reconcile --target production --dir 'a b' plan --only 'x*'"
    assert command in unescape(shown)
    assert "`reconcile plan`" not in shown
    message = notification.of_failed_apply(result, ledger="local", context=context)
    assert command in message.body
