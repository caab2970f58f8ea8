"""Rules for an integration created by our own call, and for one equal to the declaration."""

from typing import Any

import pytest

from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import LastApplied
from reconciler.domain.tree import Path
from reconciler.execution.secret_values import sent_secrets
from reconciler.execution.verification import (
    CLOCK_SKEW,
    created_between,
    equals_declared,
    missing_paths,
    unseen_secrets,
)
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Change, ChangeKind, Risk
from reconciler.planning.credentials import LITERAL
from tests.builders import KEY, NOON, declared, observed
from tests.runs import START

BEGAN = START.timestamp()
UUID = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("early", "late", "ours"),
    [
        (0.0, 0.0, True),
        (CLOCK_SKEW, CLOCK_SKEW, True),
        (-CLOCK_SKEW, -CLOCK_SKEW, True),
        (CLOCK_SKEW + 1, CLOCK_SKEW + 2, False),
        (-CLOCK_SKEW - 2, -CLOCK_SKEW - 1, False),
    ],
)
def test_a_creation_time_within_the_clock_tolerance_is_ours(
    early: float, late: float, ours: bool
) -> None:
    assert created_between(observed(created_at=NOON), BEGAN + early, BEGAN + late) is ours


@pytest.mark.parametrize("moment", [None, "", "yesterday"])
def test_an_integration_without_a_valid_time_is_never_ours(moment: str | None) -> None:
    assert not created_between(observed(created_at=moment), 0.0, BEGAN * 2)


def test_a_differing_non_identifying_field_does_not_exclude_it() -> None:
    ours = declared(description="new", configurations={"a": "1"})
    assert equals_declared(ours, observed(description="old", configurations={"a": "1"}))
    assert not equals_declared(ours, observed(name="Theirs", configurations={"a": "1"}))
    assert not equals_declared(ours, observed(configurations={"a": "2"}))


def test_fields_that_differ_from_the_declaration_are_named_by_path() -> None:
    ours = declared(description="new", tags={"team": "a", "tier": "1"})
    shown = observed(description="new", tags={"team": "b", "tier": "1"})
    assert missing_paths(ours, shown, LastApplied()) == ["tags.team"]


def test_clocks_can_differ_by_two_minutes() -> None:
    assert CLOCK_SKEW == 120


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ("ws-own", UUID, True),
        (UUID, "ws-own", True),
        ("ws-own", "ws-other", False),
        (UUID, UUID.replace("1", "2"), False),
        ("ws-own", None, False),
    ],
)
def test_an_id_in_another_form_can_be_equal(sent: str, shown: str | None, same: bool) -> None:
    found = observed(**({} if shown is None else {"workspace_id": shown}))
    assert equals_declared(declared(workspace_id=sent), found) is same


def test_a_name_in_another_form_differs() -> None:
    assert not equals_declared(declared(name=UUID), observed(name="alpha"))


def test_an_undeclared_default_is_not_a_difference() -> None:
    assert missing_paths(declared(), observed(description="theirs"), LastApplied()) == []
    assert missing_paths(declared(description="ours"), observed(), LastApplied()) == ["description"]


def test_a_workspace_returned_as_a_uuid_is_the_one_that_was_sent() -> None:
    sent = declared(workspaces=[{"id": "ws-own", "enabled": True}])
    shown = observed(workspaces=[{"id": UUID, "enabled": True}])
    assert missing_paths(sent, shown, LastApplied()) == []


# -- secrets, of which only masks are shown --------------------------------------------------

VALUE = Redacted("sk-value-abc")
OLD, NEW = Mask("tt*****old"), Mask("sk*****abc")
HEADERS = {"custom_headers": {"x-team": Redacted("literal-value-1")}}
HEADER = ("configurations", "custom_headers", "x-team")


def action(kind: ActionKind, *changes: Change, had: Any = None, **fields: Any) -> Action:
    subject = ActionInputs(declared(**fields) if fields else None, had)
    return Action("alpha", kind, "", Risk.CREDENTIAL, changes, subject=subject)


def change(path: str, op: ChangeKind = ChangeKind.ROTATE, *, sensitive: bool = True) -> Change:
    return Change(path, op, Risk.CREDENTIAL, sensitive=sensitive)


KEY_ROTATES = change("key")
HEADER_ROTATES = change("configurations.custom_headers.x-team")
BOTH = {("key",), HEADER}


@pytest.mark.parametrize(
    ("kind", "changes", "sent"),
    [
        pytest.param(ActionKind.CREATE, [], BOTH, id="a create sends all"),
        pytest.param(ActionKind.REPLACE, [], BOTH, id="a replace sends all"),
        pytest.param(ActionKind.UPDATE, [], set(), id="an update sends what it lists"),
        pytest.param(ActionKind.UPDATE, [KEY_ROTATES], {("key",)}, id="the key"),
        pytest.param(ActionKind.UPDATE, [KEY_ROTATES, HEADER_ROTATES], BOTH, id="both"),
        pytest.param(ActionKind.UPDATE, [change("key", ChangeKind.REMOVE)], set(), id="a removal"),
        pytest.param(ActionKind.UPDATE, [change("key", sensitive=False)], set(), id="no secret"),
    ],
)
def test_a_write_sends_new_and_changed_secrets(
    kind: ActionKind, changes: list[Change], sent: set[Path]
) -> None:
    write = action(kind, *changes, key=KEY, configurations=HEADERS)
    assert {path for path, _, _ in sent_secrets(write, {KEY: VALUE})} == sent


def test_a_secret_is_sent_by_reference_or_as_a_literal_with_a_value() -> None:
    write = action(ActionKind.CREATE, key=KEY, configurations=HEADERS)
    literal = HEADERS["custom_headers"]["x-team"]
    assert set(sent_secrets(write, {KEY: VALUE})) == {
        (("key",), KEY, VALUE),
        (HEADER, LITERAL, literal),
    }
    assert [path for path, _, _ in sent_secrets(write, {})] == [HEADER]
    assert list(sent_secrets(action(ActionKind.DELETE), {KEY: VALUE})) == []


@pytest.mark.parametrize(
    ("shown", "unseen"),
    [
        pytest.param({"key": OLD}, ["key"], id="the mask of before"),
        pytest.param({"key": NEW}, [], id="the new one"),
        pytest.param({"key": Mask("zz*****zzz")}, [], id="another one"),
        pytest.param({"key": OLD, "last_updated_at": "later"}, [], id="a later picture"),
        pytest.param({}, [], id="no mask"),
    ],
)
def test_the_mask_from_before_the_update_shows_a_stale_read(
    shown: dict[str, Any], unseen: list[str]
) -> None:
    had = observed(key=OLD, last_updated_at="before")
    now = observed(**{"last_updated_at": "before"} | shown)
    values = {KEY: VALUE}
    update = action(ActionKind.UPDATE, KEY_ROTATES, had=had, key=KEY)
    assert unseen_secrets(update, now, values) == unseen
    replace = action(ActionKind.REPLACE, KEY_ROTATES, had=had, key=KEY)
    create = action(ActionKind.UPDATE, KEY_ROTATES, key=KEY)
    assert unseen_secrets(replace, now, values) == unseen_secrets(create, now, values) == []


def test_a_mask_that_fits_both_values_does_not_show_a_stale_read() -> None:
    had = observed(key=NEW, last_updated_at="before")
    update = action(ActionKind.UPDATE, KEY_ROTATES, had=had, key=KEY)
    assert unseen_secrets(update, had, {KEY: VALUE}) == []
