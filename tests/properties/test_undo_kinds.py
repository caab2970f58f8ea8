"""After runs of every kind, an undo restores the store, or names each leaf that it does not."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import DesiredState
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.undo import UndoRevision, options_for, undo_of
from reconciler.execution.undo_fields import NO_LITERALS, Literals
from reconciler.ledger.models import RunFacts
from reconciler.ledger.store import Ledger, open_ledger
from reconciler.planning.plan import Plan, PlanOptions, Selection
from reconciler.simulator.switches import Switches
from tests.builders import KEY, target
from tests.properties.strategies import (
    access,
    azure,
    maybe_words,
    model_lists,
    optional,
    words,
    workspace_lists,
)
from tests.properties.test_convergence import NO_LIMITS, NO_SHRINKING, wish
from tests.properties.test_undo import KEY as TARGET
from tests.properties.test_undo import named, store
from tests.runs import World

pytestmark = pytest.mark.slow

OTHER = SecretRef("env", "SECRET_OTHER")
references = st.sampled_from([KEY, OTHER])
Values = dict[SecretRef, Redacted]
Trees = dict[str, dict[str, Any]]
UNKNOWN_LITERAL = {"masked-write", "credential-unknown", "credential-retarget"}
"""What may hold an undo back that finds the value of a literal nowhere."""


def values_of(version: int) -> Values:
    """Return values whose visible parts differ from version to version."""
    return {
        KEY: Redacted(f"s{version}-key-a{version}"),
        OTHER: Redacted(f"o{version}-oth-b{version}"),
    }


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["x-token"] = draw(references)
    if draw(st.booleans()):
        found["X-A"] = Redacted(draw(st.sampled_from(["one", "two"])))
    return found


@st.composite
def hosted(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = draw(
        optional({"openai_organization": maybe_words, "openai_project": maybe_words})
    )
    if draw(st.booleans()):
        found["custom_headers"] = draw(headers())
    if draw(st.integers(0, 3)) == 0:
        host = draw(st.sampled_from(["one", "two"]))
        found |= {"custom_host": f"https://{host}.example.com", "provider_auth_type": "apiKey"}
    return found


@st.composite
def with_azure(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = draw(azure())
    found["azure_entra_client_secret"] = draw(references)
    return found


bedrock = st.fixed_dictionaries(
    {
        "aws_auth_type": st.just("accessKey"),
        "aws_region": st.sampled_from(["us-east-1", "eu-west-1"]),
        "aws_secret_access_key": references,
        "aws_access_key_id": st.sampled_from(["AKIAONE", "AKIATWO"]).map(Redacted),
    }
)
common = optional(
    {
        "description": maybe_words,
        "tags": st.one_of(st.none(), st.dictionaries(words, words, max_size=2)),
        "pricing_adjustments": st.one_of(
            st.none(),
            st.builds(lambda n: {"multiplier": {"default": n}}, st.sampled_from([0.5, 1])),
        ),
        "allow_all_models": st.booleans(),
        "models": model_lists(),
    }
)


@st.composite
def integration(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": draw(words), **draw(common)}
    provider = draw(st.sampled_from(["openai", "openai", "openai", "azure-openai", "bedrock"]))
    fields["ai_provider_id"] = provider
    match provider:
        case "openai":
            fields["key"] = draw(references)
            if draw(st.booleans()):
                fields["configurations"] = draw(hosted())
        case "azure-openai":
            fields |= {"configurations": draw(with_azure())}
            if draw(st.booleans()):
                fields["key"] = draw(references)
        case _:
            fields |= {"configurations": draw(bedrock)}
    own = draw(st.sampled_from([None, None, "ws-one", "ws-two"]))
    if own is not None:
        fields["workspace_id"] = own
    elif draw(st.booleans()):
        fields["workspace_id"] = (
            None  # declared, because access for a workspace-scoped one is refused
        )
        more = optional({"workspaces": workspace_lists(), "global_workspace_access": access})
        fields |= draw(more)
    return fields


trees = st.dictionaries(st.sampled_from(["one", "two", "three"]), integration(), max_size=3)


def apply(
    world: World, ledger: Ledger, run: str, desired: DesiredState, values: Values, **more: Any
) -> None:
    """Apply like the command, with a ledger, and without blocked actions."""
    books = LedgerListener(ledger, key=TARGET, facts=RunFacts(run=run), now=world.now)
    books.values = values
    undo: UndoRevision | None = more.get("undo")
    books.declared_in_git = undo.declared_in_git if undo is not None else None
    options = {"allow_replace": True, "allow_empty": True, **more.pop("options", {})}
    given: dict[str, Any] = {"last_applied": ledger.last_applied(TARGET), "secrets": values, **more}
    blocked = world.plan(desired, options=options, **given).blocked
    chosen: Selection = options.get("selection", Selection())
    options["selection"] = replace(chosen, exclude=tuple(action.slug for action in blocked))
    result = world.apply(desired, listen=books.emit, options=options, **given)
    assert [outcome.error for outcome in result.outcomes if outcome.error] == []


def carry_out(world: World, ledger: Ledger, values: Values, literals: Literals) -> Plan:
    """Undo the second run like the command, without blocked actions, and return the plan."""
    images = ledger.pre_images("second")
    undo = undo_of(
        "second",
        images,
        target=target(limits={**NO_LIMITS, "replaces": 99}),
        last_applied=ledger.last_applied(TARGET),
        made=ledger.made_by_runs("second", [image.slug for image in images]),
        literals=literals,
    )

    asked = options_for(images, PlanOptions())
    options = {name: getattr(asked, name) for name in ("selection", "prune", "allow_empty")}
    given = {"last_applied": undo.last_applied, "undo": undo, "diagnostics": undo.diagnostics}
    allowed = {**options, "allow_replace": True}
    planned = world.plan(undo.desired, secrets=values, options=allowed, **given)
    apply(world, ledger, "third", undo.desired, values, options=options, **given)
    return planned


def differing_leaves(one: Any, other: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of the leaves in which two stores differ."""
    if not isinstance(one, dict) and not isinstance(other, dict):
        return [] if one == other else [path]
    sides = [side if isinstance(side, dict) else {} for side in (one, other)]
    return [
        found
        for name in sorted({name for side in sides for name in side})
        for found in differing_leaves(sides[0].get(name), sides[1].get(name), (*path, name))
    ]


def is_named(plan: Plan, path: tuple[str, ...]) -> bool:
    """Return whether a diagnostic names the integration and the leaf."""
    slug, *parts = path
    texts = [d.summary for d in plan.diagnostics if d.summary.startswith(f"{slug}: ")]
    return any(".".join(parts) in text.replace(",", " ").split() for text in texts)


@settings(max_examples=20, phases=NO_SHRINKING, deadline=None)
@given(
    before=trees,
    after=trees,
    rotated=st.booleans(),
    finds_literals=st.booleans(),
    behaviour=named,
)
def test_an_undo_restores_or_names_every_leaf(
    before: Trees, after: Trees, *, rotated: bool, finds_literals: bool, behaviour: Switches
) -> None:
    world = World(behaviour)
    first, second = values_of(1), values_of(2 if rotated else 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with open_ledger(None, path=path, pepper="p") as ledger:
            apply(world, ledger, "first", _wish(before), first)
            was = store(world)
            apply(world, ledger, "second", _wish(after), second)
            if "second" not in {run["run"] for run in ledger.history()}:
                return
            literals = Literals(after, (before,)) if finds_literals else NO_LITERALS
            plan = carry_out(world, ledger, second, literals)
    codes = {code for action in plan.blocked for code in action.blocked_by}
    assert codes <= (set() if finds_literals else UNKNOWN_LITERAL)
    held_back = {action.slug for action in plan.blocked}
    open_ = [path for path in differing_leaves(was, store(world)) if path[0] not in held_back]
    assert [path for path in open_ if not is_named(plan, path)] == []
    if finds_literals and not rotated:
        assert [path for path in open_ if path[1:] != ("key",)] == []


def _wish(trees: Mapping[str, dict[str, Any]]) -> DesiredState:
    found = wish(dict(trees))
    limits = found.target.limits.model_copy(update={"replaces": 99})
    return DesiredState(found.target.model_copy(update={"limits": limits}), found.integrations)
