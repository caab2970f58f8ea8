"""Number of lines of text output: few without changes, and fewer than Terraform prints."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from reconciler.diagnostics import Diagnostic, Severity, error, notice, warning
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, ChangeOrigin, Risk
from reconciler.planning.plan import Plan, Undeclared, Unverified
from reconciler.views import html, markdown, terminal
from reconciler.views.findings import LINT, NEVER_CUT, findings_of
from reconciler.views.findings import as_text as errors_as_text
from reconciler.views.render_options import RenderOptions
from tests.views import drift_samples, samples

LOCAL = RenderOptions(ledger="local")
VERBOSE = replace(LOCAL, verbose=True)
ON_TERMINAL = replace(LOCAL, width=80)
SIZES = (4, 30, 500)

# Lines of `terraform plan` 1.11 with `-no-color`: the text around the actions, one line for each
# resource that is read, and the sentences of a plan without changes. These are minimum counts. With
# a resource for each model and all attributes of the API, as in the documented schema of the
# vendor's provider, Terraform 1.11.4 printed 129, 883 and 14,513 lines for 4, 30 and 500 creates of
# one model each, 32, 84 and 1,024 for one change, and 13, 65 and 1,005 for none.
TERRAFORM_FRAME = 13
TERRAFORM_NOTHING = 5


def terraform_create(action: Action) -> int:
    """Return the number of lines of a create: comment, braces, `id`, attributes and a blank line.

    Models are objects in a list: brackets around the list, braces and two attributes for each.
    """
    models = {c.path.split("]")[0] for c in action.changes if c.path.startswith("models[")}
    attributes = sum(not change.path.startswith("models[") for change in action.changes)
    return 5 + attributes + (2 if models else 0) + 4 * len(models)


TERRAFORM_ONE_ATTRIBUTE = 7
"""Comment, braces, `id`, the attribute, `# (N unchanged attributes hidden)` and a blank line."""


def lines(text: str) -> int:
    return len(text.splitlines())


def creations(count: int) -> list[Action]:
    return [samples.creation(f"seed-{n:05}", f"Seed {n}") for n in range(count)]


def without_provider(slugs: Iterable[str]) -> tuple[Diagnostic, ...]:
    return tuple(
        notice(
            "no-provider",
            f"{slug}: workspace ws-{slug} gets access and no provider, so it cannot call yet",
            hint="create a provider there, or declare create_default_provider: true",
            at=samples.place(slug),
        )
        for slug in slugs
    )


def created(count: int) -> Plan:
    """Return a plan of creates, each with an unverified secret, and every fourth with a notice."""
    actions = creations(count)
    slugs = [action.slug for action in actions]
    return samples.plan(
        *actions,
        unverified=tuple(Unverified(slug, "key", "env:SECRET_KEY") for slug in slugs),
        diagnostics=without_provider(slugs[::4]),
    )


def unchanged(count: int) -> Plan:
    return samples.plan(
        no_op=count,
        unverified=tuple(Unverified(f"s{n}", "key", f"env:SECRET_{n}") for n in range(count)),
        undeclared=tuple(Undeclared(f"s{n}", "tags") for n in range(count)),
        unmanaged=tuple(f"by-hand-{n}" for n in range(count)),
        forgotten=tuple(f"old-{n}" for n in range(min(count, 3))),
        diagnostics=tuple(
            warning(code, f"{code} {n}", at=samples.place(f"s{n}"))
            for code in sorted(LINT)
            for n in range(count)
        ),
    )


def one_change(count: int) -> Plan:
    change = Change("description", ChangeKind.REPLACE, Risk.COSMETIC, before="a", after="b")
    slug = "seed-00000"
    action = Action(
        slug=slug,
        kind=ActionKind.UPDATE,
        reason="description differs",
        risk=Risk.COSMETIC,
        changes=(change,),
        source=samples.place(slug),
    )
    return replace(unchanged(count), actions=(action,), diagnostics=without_provider([slug]))


@pytest.mark.parametrize("count", SIZES)
def test_a_text_has_fewer_lines_than_that_of_terraform(count: int) -> None:
    table = {
        "create all": (
            terminal.plan(created(count), LOCAL),
            TERRAFORM_FRAME + sum(map(terraform_create, creations(count))),
        ),
        "change one": (
            terminal.plan(one_change(count), LOCAL),
            count + TERRAFORM_FRAME + TERRAFORM_ONE_ATTRIBUTE,
        ),
        "change nothing": (
            terminal.plan(unchanged(count), LOCAL),
            count + TERRAFORM_NOTHING,
        ),
    }
    longer = {name: (lines(text), limit) for name, (text, limit) in table.items()}
    assert {name: sizes for name, sizes in longer.items() if sizes[0] >= sizes[1]} == {}


@pytest.mark.parametrize("count", SIZES)
def test_on_a_terminal_no_change_takes_five_lines_and_one_change_fifteen(count: int) -> None:
    assert lines(terminal.plan(unchanged(count), ON_TERMINAL)) <= 5
    change = replace(one_change(count), diagnostics=())
    assert lines(terminal.plan(change, ON_TERMINAL)) <= 15
    assert lines(terminal.plan(one_change(count), LOCAL)) <= 15


def test_the_first_of_many_creates_are_shown_in_full_and_the_rest_in_rows() -> None:
    text = terminal.plan(created(500), LOCAL)
    assert text.count("source: ") == 20
    rows = re.findall(r"^\+ create (seed-\d+) +additive +(.*)$", text, re.MULTILINE)
    assert [slug for slug, _ in rows] == [f"seed-{n:05}" for n in range(20, 500)]
    assert rows[0][1] == '"Seed 20" · provider "openai" · 1 model'
    assert terminal.plan(created(500), VERBOSE).count("source: ") == 500


def hosted(slug: str) -> Action:
    host = "https://" + "a" * 300 + ".example"
    change = Change(
        "configurations.custom_host", ChangeKind.REPLACE, Risk.CREDENTIAL, before="x", after=host
    )
    return Action(slug, ActionKind.UPDATE, "host differs", Risk.CREDENTIAL, (change,))


def revoking(slug: str) -> Action:
    change = Change(
        f"workspaces[{slug}].enabled", ChangeKind.REMOVE, Risk.ACCESS_REMOVAL, before=True
    )
    return Action(slug, ActionKind.UPDATE, "workspaces differ", Risk.ACCESS_REMOVAL, (change,))


@pytest.mark.parametrize(
    "action",
    [
        samples.deletion(),
        samples.replacement(),
        samples.reference_change(),
        hosted("host"),
        revoking("revoked"),
        replace(samples.creation("stopped"), blocked_by=("protected",)),
        Action("reason-alone", ActionKind.UPDATE, "archived in the API", Risk.COSMETIC),
    ],
    ids=lambda action: str(action.slug),
)
def test_removals_and_credential_changes_are_always_shown_in_full(action: Action) -> None:
    alone = terminal.plan(samples.plan(action), LOCAL, in_progress=True)
    among = terminal.plan(samples.plan(*creations(60), action), LOCAL, in_progress=True)
    shown = alone.split("\n\n", maxsplit=2)[2]
    assert shown.count("\n") >= 2
    assert among.endswith(shown)


def test_an_update_in_a_row_loses_no_value() -> None:
    actions = one_change(0).actions
    text = terminal.plan(samples.plan(*creations(25), *actions), LOCAL)
    assert '~ update seed-00000  cosmetic  ~ description: "a" → "b"' in text


def test_notes_of_one_kind_are_one_note_in_every_text() -> None:
    plan = created(500)
    for text in (terminal.plan(plan, LOCAL), markdown.plan(plan, LOCAL), html.plan(plan, LOCAL)):
        assert text.count("notice[no-provider]") == 1
        assert "(125): workspace … gets access and no provider" in text
        assert text.count("create a provider there") == 1
    whole = html.plan(plan, LOCAL)
    assert all(f"ws-seed-{n:05}" in whole for n in range(0, 500, 4))
    document = plan.as_json()["diagnostics"]
    assert isinstance(document, list)
    assert len(document) == 125
    every = terminal.plan(plan, VERBOSE)
    assert all(f"ws-seed-{n:05}" in every for n in range(0, 500, 4))


MASKED = "configurations has to be sent whole, and of {} only a mask is known"


def kinds(*items: Diagnostic) -> list[tuple[str, list[str], str]]:
    found = findings_of(items)
    return [(f.headline, [entry.name for entry in f.entries], f.hint) for f in found]


def test_a_list_of_notes_has_the_differing_words_and_the_line_to_add() -> None:
    assert kinds(
        *(
            error(
                "masked-write",
                f"{slug}: {MASKED.format(path)}",
                hint=f"declare it in the file: {path}: ${{env:SECRET_{slug.upper()}}}",
            )
            for slug, path in (("alpha", "a_key"), ("beta", "b_key"))
        )
    ) == [
        (
            f"error[masked-write] (2): {MASKED.format('…')}",
            ["alpha: a_key · env:SECRET_ALPHA", "beta: b_key · env:SECRET_BETA"],
            "declare it in the file: …: ${…}",
        )
    ]


def test_different_sentences_are_separate() -> None:
    found = kinds(
        warning("undeclared-access", "alpha: models[a] is enabled, and Git never declared it"),
        warning("undeclared-access", "beta: 3 workspaces have access, and no file lists any"),
        notice("undeclared-access", "beta: models[b] is enabled, and Git never declared it"),
        warning("other", "beta: models[b] is enabled, and Git never declared it"),
    )
    assert [entries for _, entries, _ in found] == [[], [], [], []]


@pytest.mark.parametrize("code", sorted(NEVER_CUT))
@pytest.mark.parametrize("severity", Severity)
def test_unreadable_values_are_listed_completely(code: str, severity: Severity) -> None:
    items = [
        Diagnostic(severity, code, f"s-{n} exists and cannot be read: truncated") for n in range(90)
    ]
    plan = samples.plan(diagnostics=tuple(items), no_op=1)
    for text in (terminal.plan(plan, LOCAL), markdown.plan(plan, LOCAL), errors_as_text(items)):
        assert {f"s-{n}" for n in range(90)} <= set(re.findall(r"s-\d+", text))


def test_lint_warnings_are_shown_by_validate_and_with_verbose() -> None:
    plan = samples.plan(diagnostics=(warning("file-name", "a.yaml holds the slug b"),), no_op=1)
    for view in (terminal.plan, markdown.plan, html.plan):
        assert "file-name" not in view(plan, LOCAL)
        assert "file-name" in view(plan, VERBOSE)
    assert "file-name" in str(plan.as_json())


def test_a_text_shows_twelve_digits_of_a_digest_and_all_in_commands() -> None:
    plan = samples.mixed_plan()
    digits = plan.digest.removeprefix("sha256:")
    text = terminal.plan(plan, LOCAL)
    assert f"digest: {digits[:12]} ·" in text
    assert digits not in text
    assert plan.digest in terminal.plan(plan, VERBOSE)


def interrupted(*, applied: int, skipped: int) -> ApplyResult:
    stopped = ActionFailure("skipped", "interrupted by SIGINT", hint="run apply again")
    cut = ActionFailure("interrupted", "interrupted by SIGINT (already done: created)")
    slugs = [action.slug for action in creations(applied + 1 + skipped)]
    outcomes = [
        *(Outcome(slug, ActionKind.CREATE, Status.APPLIED, 1) for slug in slugs[:applied]),
        Outcome(
            slugs[applied],
            ActionKind.CREATE,
            Status.FAILED,
            1,
            error=cut,
            half_done="created, models missing",
        ),
        *(
            Outcome(slug, ActionKind.CREATE, Status.SKIPPED, error=stopped)
            for slug in slugs[applied + 1 :]
        ),
    ]
    return ApplyResult("run-1", samples.TARGET, "sha256:" + "ab" * 32, tuple(outcomes))


def test_an_interrupted_run_names_partial_actions_and_counts_the_rest() -> None:
    result = interrupted(applied=14, skipped=485)
    text = terminal.result(result, replace(LOCAL, plan=created(500)))
    assert "\nhalf done: seed-00014 (created, models missing)\n" in text
    assert "\n485 not tried: interrupted by SIGINT\n" in text
    assert lines(text) <= 27
    assert "already done" not in text
    assert "Fix the errors" not in text
    assert text.count("pply again") == 1
    assert terminal.result(result, VERBOSE).count("skipped  create") == 485


def test_other_formats_count_skipped_actions() -> None:
    result = interrupted(applied=1, skipped=485)
    for text in (markdown.result(result, LOCAL), html.result(result, LOCAL)):
        assert text.count("485 not tried: interrupted by SIGINT") == 1
        assert "half done: seed-00001 (created, models missing)" in text
    few = markdown.result(interrupted(applied=1, skipped=2), LOCAL)
    assert few.count("**skipped**") == 2


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN])
def test_failures_with_one_reason_are_named_with_the_reason_once(status: Status) -> None:
    reason = ActionFailure("unreachable", "the API cannot be reached", hint="check the network")
    text = ended(status, error=reason)
    assert text.count("the API cannot be reached") == 1
    assert all(f"create   {action.slug}" in text for action in creations(50))


def test_the_first_of_many_applied_actions_are_named_and_the_others_counted() -> None:
    text = ended(Status.APPLIED)
    assert "… and 30 more applied; -v lists all" in text
    assert text.count("applied  create") == 20


def ended(status: Status, *, error: ActionFailure | None = None) -> str:
    """Return the text of an apply of 50 creates with the same outcome."""
    plan = samples.plan(*creations(50))
    outcomes = tuple(Outcome(a.slug, a.kind, status, 3, error=error) for a in plan.actions)
    result = ApplyResult("run-1", samples.TARGET, "sha256:" + "ab" * 32, outcomes)
    return terminal.result(result, replace(LOCAL, plan=plan))


def test_a_result_below_its_plan_does_not_name_the_target_again() -> None:
    result = interrupted(applied=1, skipped=0)
    assert terminal.result(result, LOCAL).count("target production") == 1
    below = terminal.result(result, replace(LOCAL, continues=True))
    assert "target production" not in below
    assert "digest" not in below


def test_a_result_below_a_plan_without_changes_states_only_once_that_there_are_none() -> None:
    result = ApplyResult("", samples.TARGET, "sha256:" + "ab" * 32, ())
    below = replace(ON_TERMINAL, plan=samples.plan(), continues=True)
    assert terminal.result(result, below) == "There was nothing to apply.\n"
    in_log = terminal.result(result, replace(below, width=None))
    assert "0 applied, 0 failed, 0 skipped, 0 unknown." in in_log


def test_the_cause_of_a_create_is_named_once() -> None:
    action = drift_samples.moved(samples.creation(), ChangeOrigin.REMOTE)
    for view in (terminal.plan, markdown.plan, html.plan):
        text = view(samples.plan(action), LOCAL)
        assert text.count("deleted in the API, outside Git") == 1
        assert "changed in the API" not in text
