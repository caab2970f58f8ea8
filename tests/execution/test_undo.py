"""Undo of a run: the desired state, what cannot be restored, and the plan."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diagnostics import Severity, SourceLocation, error, warning
from reconciler.domain.policy import Prune
from reconciler.domain.secrets import Pepper, Redacted, SecretRef
from reconciler.domain.state import LastApplied, LastAppliedState, Lifecycle
from reconciler.domain.tree import Path
from reconciler.execution.undo import NOTHING, UndoRevision, options_for, undo_of
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import Action, ActionKind, Risk
from reconciler.planning.plan import Plan, PlanOptions, PlanTarget, Selection, Undeclared
from tests.builders import KEY, mask, observed, target

CREATE, UPDATE, REPLACE, DELETE = ActionKind
RUN = SourceLocation("run r-1")
OTHER = SecretRef("env", "OTHER_KEY")
ID = frozenset({"id-1"})


def image(slug: str, kind: ActionKind, *changed: Path, **more: Any) -> PreImage:
    """Return a pre-image of an integration, as stored by a run."""
    seen = None if kind is CREATE else observed(slug, **more.pop("fields", {}))
    return PreImage(slug, kind, more.pop("seen", seen), changed=changed, **more)


def undo(*images: PreImage, **known: LastApplied) -> UndoRevision:
    """Undo run `r-1` with these pre-images; the other arguments are the current records."""
    return undo_of("r-1", images, target=target(), last_applied=LastAppliedState(known))


def action(slug: str, kind: ActionKind, **more: Any) -> Action:
    place = SourceLocation(f"{slug}.yaml")
    return Action(slug, kind, "name differs", Risk.COSMETIC, source=place, **more)


def plan(*actions: Action, **more: Any) -> Plan:
    here = PlanTarget("production", "http://127.0.0.1:1/v1", "org-1")
    return Plan(here, "2026-11-23T12:00:00Z", "sha256:0", actions=actions, **more)


# -- what it asks for ------------------------------------------------------------------------


def test_changed_fields_are_declared_as_before_the_run() -> None:
    fields = {"description": "old", "tags": {"team": "a"}}
    taken_back = undo(image("alpha", UPDATE, ("description",), fields=fields))
    assert taken_back.run == "r-1"
    assert taken_back.desired.target == target()
    (declared,) = taken_back.desired.integrations.values()
    assert (declared.slug, declared.fields) == ("alpha", {"description": "old"})
    assert declared.source == RUN


def test_a_deleted_integration_is_declared_completely() -> None:
    taken_back = undo(image("alpha", DELETE, fields={"description": "old"}))
    fields = taken_back.desired.integrations["alpha"].fields
    assert fields == {"name": "Alpha", "ai_provider_id": "openai", "description": "old"}


def test_a_created_integration_is_not_declared_and_counts_as_declared_before() -> None:
    taken_back = undo(image("alpha", CREATE, made="id-1"))
    assert taken_back.desired.integrations == {}
    assert taken_back.last_applied.of("alpha") == LastApplied(declared={}, identities=ID)


def test_a_created_integration_without_a_recorded_id_is_named_and_kept() -> None:
    taken_back = undo(image("alpha", CREATE), alpha=LastApplied({"name": "Alpha"}))
    assert taken_back.last_applied.of("alpha").declared is None
    assert [d.code for d in taken_back.diagnostics] == ["not-on-record"]


def test_the_record_of_a_created_integration_is_kept() -> None:
    known = LastApplied({"name": "Alpha"}, protected=True)
    now = undo(image("alpha", CREATE, made="id-1"), alpha=known).last_applied.of("alpha")
    assert now == replace(known, identities=ID)


def test_no_declaration_is_assumed_for_an_existing_integration() -> None:
    assert undo(image("alpha", UPDATE, ("description",))).last_applied.of("alpha") == LastApplied()


def test_an_added_entry_counts_as_declared_so_that_it_is_withdrawn() -> None:
    picture = image("alpha", UPDATE, ("workspaces", "ws-b", "enabled"), fields={"workspaces": []})
    assert undo(picture).last_applied.of("alpha").declared == {"workspaces": [{"id": "ws-b"}]}


def test_current_protection_is_kept_during_an_undo() -> None:
    known = LastApplied({"name": "Alpha"}, protected=True)
    taken_back = undo(image("alpha", UPDATE, ("name",)), alpha=known)
    assert taken_back.desired.integrations["alpha"].lifecycle == Lifecycle(protected=True)
    assert taken_back.declared_in_git["alpha"].lifecycle == Lifecycle(protected=True)
    assert undo(image("alpha", DELETE)).desired.integrations["alpha"].lifecycle == Lifecycle()


def test_records_of_other_integrations_are_kept() -> None:
    pepper = Pepper("p1", Redacted("pepper"))
    last_applied = LastAppliedState(
        {"beta": LastApplied({"name": "Beta"})}, pepper=pepper, complete=True
    )
    after = undo_of(
        "r-1", [image("alpha", CREATE)], target=target(), last_applied=last_applied
    ).last_applied
    assert (after.pepper, after.complete) == (pepper, True)
    assert set(after.integrations) == {"alpha", "beta"}
    assert after.of("beta") is last_applied.of("beta")


def test_current_references_are_sent_with_a_write_that_needs_them() -> None:
    stored = {"configurations": {"openai_project": "old"}}
    picture = image("alpha", UPDATE, ("configurations", "openai_project"), fields=stored)
    now = LastApplied({"configurations": {"custom_headers": {"x-token": OTHER}}})
    configurations = undo(picture, alpha=now).desired.integrations["alpha"].fields["configurations"]
    assert configurations == {"openai_project": "old", "custom_headers": {"x-token": OTHER}}


# -- current declarations of Git -------------------------------------------------------------


def test_declarations_of_git_before_and_after_the_run_are_kept() -> None:
    before = {"name": "Before", "description": "old", "workspaces": [{"id": "ws-a"}]}
    now = LastApplied({"name": "Now", "workspaces": [{"id": "ws-b"}]})
    taken_back = undo(image("alpha", UPDATE, ("name",), declared=before), alpha=now)
    declared_in_git = taken_back.declared_in_git["alpha"]
    assert declared_in_git.slug == "alpha"
    assert declared_in_git.fields == {
        "name": "Now",
        "description": "old",
        "workspaces": [{"id": "ws-b"}, {"id": "ws-a"}],
    }
    assert declared_in_git.source == SourceLocation("-")
    assert declared_in_git.lifecycle == Lifecycle()


def test_the_declaration_of_a_deleted_integration_before_the_run_is_kept() -> None:
    taken_back = undo(image("alpha", DELETE, declared={"name": "Before"}))
    assert taken_back.declared_in_git["alpha"].fields == {"name": "Before"}


def test_without_a_record_and_for_a_new_integration_there_is_no_declaration() -> None:
    known = LastApplied({"name": "Beta"})
    assert undo(image("alpha", DELETE), image("beta", CREATE), beta=known).declared_in_git == {}


# -- what cannot come back -------------------------------------------------------------------

ANEW = frozenset({CREATE, REPLACE})
GONE = error(
    "deleted-since",
    "alpha was deleted after the run, but undo restores only what the run changed",
    hint="first undo the run that deleted it, or exclude it with --exclude",
    at=RUN,
)
MASKED = error(
    "credential-unknown",
    "alpha: the ledger has only a mask of key, no reference",
    hint="restore its file from Git, with a reference, and apply that",
    at=RUN,
)
HALF = error(
    "not-on-record",
    "alpha: the run ended before the whole integration was recorded",
    hint="restore its file from Git and apply that",
    at=RUN,
)
LISTED_ONLY = replace(observed(key=mask()), detailed=False)


@pytest.mark.parametrize(
    ("picture", "findings"),
    [
        pytest.param(image("alpha", CREATE), [], id="created"),
        pytest.param(image("alpha", UPDATE, ("name",)), [GONE], id="updated"),
        pytest.param(image("alpha", DELETE), [], id="deleted, without a secret"),
        pytest.param(image("alpha", DELETE, fields={"key": mask()}), [MASKED], id="deleted"),
        pytest.param(image("alpha", REPLACE, fields={"key": mask()}), [MASKED], id="replaced"),
        pytest.param(
            image("alpha", DELETE, fields={"key": mask()}, declared={"key": KEY}),
            [],
            id="its reference is on record",
        ),
        pytest.param(
            image("alpha", DELETE, seen=LISTED_ONLY), [MASKED, HALF], id="only its line in the list"
        ),
    ],
)
def test_an_integration_that_cannot_be_restored_has_a_reason_and_a_hint(
    picture: PreImage, findings: list[Any]
) -> None:
    obstacles = undo(picture).obstacles
    assert [o.finding for o in obstacles] == findings
    assert all((o.slug, o.kinds) == ("alpha", ANEW) for o in obstacles)


def test_a_rotated_credential_is_named_as_lost() -> None:
    picture = image("alpha", UPDATE, ("key",), fields={"key": mask()}, declared={"key": KEY})
    lost = warning(
        "credential-not-restored",
        "alpha: the run replaced key, and the previous value is not stored; it is left unchanged",
        hint="store the old value under the reference and apply the files",
    )
    assert undo(picture, alpha=LastApplied({"key": KEY})).diagnostics == (lost,)


def test_a_credential_whose_reference_is_restored_is_not_lost() -> None:
    picture = image("alpha", UPDATE, ("key",), fields={"key": mask()}, declared={"key": KEY})
    assert undo(picture, alpha=LastApplied({"key": OTHER})).diagnostics == ()
    assert undo(image("alpha", CREATE, ("key",), made="id-1")).diagnostics == ()


# -- the plan of it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("did", "word"),
    [(CREATE, "created"), (UPDATE, "changed"), (REPLACE, "replaced"), (DELETE, "deleted")],
)
def test_an_action_describes_the_change_of_the_run_and_has_no_file(
    did: ActionKind, word: str
) -> None:
    fresh = plan(action("alpha", UPDATE))
    (revised,) = undo(image("alpha", did)).revise(fresh).actions
    assert revised == replace(fresh.actions[0], reason=f"run r-1 {word} it", source=None)


def test_a_required_create_that_is_impossible_is_blocked_with_a_reason() -> None:
    taken_back = undo(image("alpha", UPDATE, ("name",)))
    revised = taken_back.revise(plan(action("alpha", CREATE, blocked_by=("too-many",))))
    assert revised.actions[0].blocked_by == ("too-many", "deleted-since")
    assert revised.diagnostics == (GONE,)


def test_one_reason_for_several_secrets_blocks_once() -> None:
    headers = {"custom_headers": {"x-token": mask()}}
    picture = image("alpha", DELETE, fields={"key": mask(), "configurations": headers})
    revised = undo(picture).revise(plan(action("alpha", CREATE)))
    assert revised.actions[0].blocked_by == ("credential-unknown",)
    assert [d.code for d in revised.diagnostics] == ["credential-unknown"] * 2


def test_an_existing_integration_is_not_blocked_by_the_needs_of_a_create() -> None:
    taken_back = undo(image("alpha", UPDATE, ("name",)), image("beta", DELETE))
    revised = taken_back.revise(plan(action("alpha", UPDATE), action("beta", CREATE)))
    assert [a.blocked_by for a in revised.actions] == [(), ()]
    assert revised.diagnostics == ()


def test_actions_outside_the_run_are_unchanged() -> None:
    other = action("gamma", UPDATE)
    revised = undo(image("alpha", CREATE)).revise(plan(action("alpha", DELETE), other))
    assert revised.actions[1] is other


def test_the_plan_keeps_its_diagnostics_in_order_and_drops_undeclared_values() -> None:
    own = warning("odd", "something is odd", at=SourceLocation("a.yaml"))
    fresh = plan(
        action("alpha", CREATE),
        undeclared=(Undeclared("beta", "tags"),),
        diagnostics=(error("late", "later", at=SourceLocation("z.yaml")), own),
    )
    revised = undo(image("alpha", UPDATE, ("name",))).revise(fresh)
    assert [d.code for d in revised.diagnostics] == ["odd", "deleted-since", "late"]
    assert revised.diagnostics[0].severity is Severity.WARNING
    assert revised.undeclared == ()
    assert (revised.target, revised.created_at) == (fresh.target, fresh.created_at)


# -- what is looked at -----------------------------------------------------------------------


def test_only_integrations_of_the_run_are_selected_and_can_be_deleted() -> None:
    asked = PlanOptions(max_deletes=3, push_secrets=True, prune=Prune.NONE)
    options = options_for([image("alpha", CREATE), image("beta", DELETE)], asked)
    assert options == replace(
        asked, selection=Selection(only=("alpha", "beta")), prune=Prune.MANAGED, allow_empty=True
    )


def test_the_exclusions_of_the_caller_are_kept() -> None:
    asked = PlanOptions(selection=Selection(exclude=("a*",)))
    options = options_for([image("alpha", CREATE), image("beta", DELETE)], asked)
    assert options.selection == Selection(only=("beta",))


def test_an_empty_selection_selects_nothing() -> None:
    asked = PlanOptions(selection=Selection(exclude=("*",)))
    selection = options_for([image("alpha", CREATE)], asked).selection
    assert selection == NOTHING
    assert not selection.includes("alpha")
