"""Drift reports in every format: escaped, complete, and with commands to copy."""

import json as stdlib_json
import shlex
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.drift.report import DriftReport, detect_drift
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
)
from reconciler.planning.plan import Plan, Undeclared
from reconciler.views import drift_outline, html, json, markdown, notification, phrases, terminal
from reconciler.views.drift_states import DriftState
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import CommandContext
from tests.views import drift_samples, samples
from tests.views.hostile import MARK, plans, starts, texts
from tests.views.test_hostile import (
    COLOUR,
    COMMAND,
    UNSAFE,
    WORST,
    Page,
    assert_inert,
    worst_plan,
)

LOCAL = RenderOptions(ledger="local")


@pytest.mark.slow
@settings(max_examples=40)
@given(plans(), st.lists(texts, max_size=2))
@example(worst_plan(), [WORST])
def test_untrusted_text_in_markdown_is_only_in_code(plan: Plan, given: list[str]) -> None:
    assert_inert(
        markdown.drift(
            detect_drift(plan),
            replace(LOCAL, context=CommandContext(plan_options=tuple(given))),
        )
    )


@pytest.mark.slow
@given(st.lists(texts, max_size=30), st.integers(8192, 20_000))
@example([WORST] * 30, 8192)
def test_markdown_stays_within_its_limit_and_keeps_its_first_sentence(
    names: list[str], limit: int
) -> None:
    report = detect_drift(samples.plan(*(samples.creation(name, name * 5) for name in names)))
    text = markdown.drift(report, LOCAL, limit=limit)
    assert len(text.encode()) <= limit
    assert drift_outline.summary_of(report) in text
    assert_inert(text)


@pytest.mark.slow
@settings(max_examples=40)
@given(plans())
@example(worst_plan())
def test_untrusted_text_adds_neither_tags_nor_attributes_to_html(plan: Plan) -> None:
    page = Page(html.drift(detect_drift(plan), LOCAL))
    known = Page(html.drift(drift_samples.every_origin(), LOCAL))
    assert set(page.tags) <= set(known.tags)
    assert not {name for _, name in page.attributes} & {"src", "style", "onerror"}
    assert page.links <= {"#diagnostics"}
    assert page.tags.count("style") == page.tags.count("title") == 1


@pytest.mark.slow
@settings(max_examples=40)
@given(plans(text=starts), st.integers(40, 130))
def test_terminal_text_is_escaped_and_colour_adds_only_colour(plan: Plan, width: int) -> None:
    report = detect_drift(plan)
    text = terminal.drift(report, replace(LOCAL, width=width))
    coloured = terminal.drift(report, replace(LOCAL, width=width, color=True))
    assert not UNSAFE.search(text)
    assert not COMMAND.search(text)
    bare = COLOUR.sub("", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == text.splitlines()


@pytest.mark.slow
@settings(max_examples=40)
@given(plans())
def test_a_channel_gets_one_line_per_fact_and_no_untrusted_value(plan: Plan) -> None:
    plain = replace(plan, actions=tuple(replace(a, slug="alpha") for a in plan.actions))
    plain = replace(plain, target=samples.TARGET)
    message = notification.of_drift(detect_drift(plain), ledger="local")
    assert MARK not in message.body + message.title
    assert not UNSAFE.search(message.body)


@pytest.mark.slow
@settings(max_examples=40)
@given(plans())
def test_json_contains_the_report(plan: Plan) -> None:
    report = detect_drift(plan)
    assert stdlib_json.loads(json.document(report.as_json())) == report.as_json()


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (drift_samples.in_sync(), "In sync: the API matches Git; 12 unchanged."),
        (
            drift_samples.drifted(),
            "2 integrations differ: 1 deleted in the API, 1 changed in the API; 7 unchanged.",
        ),
        (drift_samples.git_ahead(), "3 integrations differ: 3 ahead in Git; 3 unchanged."),
        (
            drift_samples.every_origin(),
            (
                "4 integrations differ: 1 changed in the API, 1 changed in Git and in the API, "
                "1 ahead in Git, 1 of unknown origin; 1 blocked; 1 unchanged."
            ),
        ),
        (
            replace(detect_drift(samples.plan(samples.creation())), not_read=7),
            "1 integration differs: 1 of unknown origin; 0 unchanged, 7 not read in detail.",
        ),
    ],
)
def test_the_first_sentence_is_the_summary_in_every_format(
    report: DriftReport, sentence: str
) -> None:
    assert drift_outline.summary_of(report) == sentence
    text = terminal.drift(report, replace(LOCAL, width=200))
    assert text.split("\n\n")[1].splitlines()[0] == sentence
    for made in (
        markdown.drift(report, LOCAL),
        html.drift(report, LOCAL),
        notification.of_drift(report, ledger="local").body,
    ):
        assert sentence in made


def commands(report: DriftReport, context: CommandContext = CommandContext()) -> list[list[str]]:
    steps = drift_outline.suggestions(report, context=context)
    return [shlex.split(step.command) for step in steps if step.command]


def test_the_commands_to_revert_and_to_adopt_can_be_copied() -> None:
    report = drift_samples.drifted()
    text = terminal.drift(report, replace(LOCAL, width=40))
    heal = f"reconcile --target production apply --expect-digest {report.fingerprint}"
    assert f"\n    {heal}\n" in text
    assert "\n    reconcile --target production pull bedrock-eu\n" in text
    assert heal in markdown.drift(report, LOCAL)
    assert heal in html.drift(report, LOCAL)


def test_the_command_to_revert_repeats_the_selection() -> None:
    context = CommandContext(global_options=("--dir", "a b"), plan_options=("--only", "team-*"))
    heal, adopt = commands(drift_samples.drifted(), context)
    assert heal[1:8] == ["--target", "production", "--dir", "a b", "apply", "--only", "team-*"]
    assert adopt[1:6] == ["--target", "production", "--dir", "a b", "pull"]


def test_changes_in_git_only_suggest_no_adoption() -> None:
    assert [line[3] for line in commands(drift_samples.git_ahead())] == ["apply"]
    assert commands(drift_samples.in_sync()) == []


def test_an_integration_deleted_in_the_api_is_named_and_not_pulled() -> None:
    _, adopt, gone = drift_outline.suggestions(drift_samples.drifted())
    assert "openai-production" not in adopt.command
    assert (gone.text, gone.slugs) == (phrases.ADOPT_ABSENCE, ("openai-production",))


def test_an_integration_with_a_tombstone_is_named_and_not_pulled() -> None:
    report = detect_drift(samples.plan(samples.deletion()))
    assert [line[3] for line in commands(report)] == ["apply"]
    *_, keep = drift_outline.suggestions(report)
    assert (keep.text, keep.slugs) == (phrases.KEEP, ("old-openai",))


def test_a_block_is_shown_before_the_command_that_it_stops() -> None:
    first, second, *_ = drift_outline.suggestions(drift_samples.every_origin())
    assert (first.text, first.command) == (phrases.NEXT_BLOCKED, "")
    assert second.text == "Once no action is blocked, to make the API match Git, run:"


def test_the_command_to_adopt_names_the_first_of_many_and_states_it() -> None:
    many = [drift_samples.edited_in_the_api(f"team-{n:02d}") for n in range(25)]
    _, adopt = drift_outline.suggestions(detect_drift(samples.plan(*many)))
    assert adopt.text == phrases.ADOPT_MORE.format(20, 25)
    assert len(shlex.split(adopt.command)) == 4 + 20


def test_a_slug_that_resembles_an_option_is_pulled_as_a_slug() -> None:
    report = detect_drift(samples.plan(drift_samples.edited_in_the_api("--all")))
    _, adopt = commands(report)
    assert adopt == ["reconcile", "--target", "production", "pull", "--", "--all"]


def test_a_change_names_its_origin_only_if_the_group_does_not() -> None:
    both = drift_outline.of_report(drift_samples.every_origin(), ledger="local")
    notes = {c.path: c.note for item in both.groups[1].items for c in item.changes}
    assert notes["description"] == phrases.DRIFT_NOTES[ChangeOrigin.REMOTE]
    assert notes["configurations.azure_api_version"] == phrases.DRIFT_NOTES[ChangeOrigin.LOCAL]
    assert notes["workspaces[ws-team-b].enabled"] == phrases.DRIFT_NOTES[ChangeOrigin.BOTH]
    assert {c.note for item in both.groups[0].items for c in item.changes} == {""}


def test_every_origin_has_a_description() -> None:
    assert set(phrases.DRIFT_STATES) == {state.value for state in DriftState}
    assert set(phrases.DRIFT_UNKNOWN_WORDS) == set(ActionKind)


def test_a_failed_apply_names_unapplied_actions_and_the_next_step() -> None:
    result = samples.partial_result(samples.mixed_plan())
    message = notification.of_failed_apply(result, ledger="shared")
    assert message.title == "reconcile: Apply incomplete on production"
    assert "✗ failed: update azure-search" in message.body
    assert "openai-production" not in message.body
    assert phrases.STATUS_ADVICE[samples.Status.FAILED] in message.body


def remote(path: str, before: object, after: object) -> Change:
    return Change(
        path,
        ChangeKind.REPLACE,
        Risk.RESTRICTIVE,
        before=before,  # type: ignore[arg-type]  # any JSON
        after=after,  # type: ignore[arg-type]
        origin=ChangeOrigin.REMOTE,
    )


GRANT = remote("workspaces[ws-a].enabled", True, False)
EDIT = remote("description", "by hand", "as declared")


def updated(*changes: Change, at: str | None = None) -> Action:
    return Action(
        "alpha",
        ActionKind.UPDATE,
        "differs",
        Risk.RESTRICTIVE,
        changes,
        precondition=Precondition(at, None),
    )


def every_text(report: DriftReport) -> list[str]:
    return [
        terminal.drift(report, LOCAL),
        markdown.drift(report, LOCAL).replace("<code>", "").replace("</code>", ""),
        html.drift(report, LOCAL).replace("<strong>", "").replace("</strong>", ""),
        notification.of_drift(report, ledger="local").body,
    ]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (drift_samples.moved(samples.creation("alpha"), ChangeOrigin.REMOTE), "deleted in the API"),
        (updated(EDIT), "changed in the API"),
        (updated(GRANT), "granted outside Git"),
        (updated(GRANT, EDIT), "changed in the API"),
        (drift_samples.moved(samples.creation("alpha"), ChangeOrigin.LOCAL), "ahead in Git"),
        (drift_samples.moved(updated(EDIT), ChangeOrigin.LOCAL), "ahead in Git"),
        (drift_samples.moved(updated(EDIT), ChangeOrigin.UNKNOWN), "differs"),
        (samples.creation("alpha"), "only in Git"),
        (
            replace(drift_samples.withdrawn(), slug="alpha"),
            "ahead in Git, apply would delete it",
        ),
        (
            drift_samples.moved(replace(samples.replacement(), slug="alpha"), ChangeOrigin.REMOTE),
            "changed in the API, apply would replace it",
        ),
    ],
)
def test_each_integration_is_described_by_its_change(action: Action, words: str) -> None:
    for text in every_text(detect_drift(samples.plan(action))):
        assert f" {words}: alpha" in text or f"</span> {words}: alpha" in text


@pytest.mark.parametrize(
    ("at", "age"),
    [
        ("2026-03-01T09:59:30Z", " 1 min ago"),
        ("2026-03-01T09:15:00Z", " 45 min ago"),
        ("2026-03-01T07:00:00Z", " 3 h ago"),
        ("2026-02-28T09:00:00Z", " 1 day ago"),
        ("2025-12-01T10:00:00Z", " 90 days ago"),
        ("2026-03-01T11:00:00Z", ""),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_a_change_in_the_api_has_its_age_at_the_time_of_the_report(
    at: str | None, age: str
) -> None:
    report = detect_drift(samples.plan(updated(EDIT, at=at)))
    assert f"~ changed in the API{age}: alpha" in terminal.drift(report, LOCAL)


def test_access_has_no_separate_age() -> None:
    report = detect_drift(samples.plan(updated(GRANT, at="2026-03-01T07:00:00Z")))
    assert " ago" not in terminal.drift(report, LOCAL)


def test_access_granted_outside_git_is_counted_and_named() -> None:
    plan = samples.plan(
        no_op=1, undeclared=(Undeclared("alpha", "workspaces[ws-a]"), Undeclared("alpha", "tags"))
    )
    for text in every_text(detect_drift(plan))[:3]:
        assert "In sync: the API matches Git; 1 unchanged; 1 granted outside Git." in text
        assert "alpha: workspaces[ws-a], granted outside Git; to declare it, add" in text


def test_the_chart_and_the_filters_count_the_changes() -> None:
    page = html.drift(drift_samples.drifted(), LOCAL)
    chart = page[page.index('<table class="chart">') : page.index("</table>")]
    assert "deleted in the API" in chart
    assert "changed in the API" in chart
    assert "create" not in chart
    assert "update" not in chart
    assert 'id="show-drift-deleted"' in page
    assert '<th scope="col">in the API</th><th scope="col">in Git</th>' in page


def test_many_differences_are_rows_with_both_values() -> None:
    many = [
        replace(updated(EDIT), slug=f"team-{n:02d}", source=samples.place("alpha"))
        for n in range(40)
    ]
    text = terminal.drift(detect_drift(samples.plan(*many)), LOCAL)
    assert text.count("source: ") == 20
    row = 'team-39  restrictive  ~ description: in the API "by hand", in Git "as declared"'
    assert f"~ changed in the API: {row}" in text
