"""Messages of each guard, and the exact limit at which it blocks."""

from typing import Any

import pytest

from reconciler.diagnostics import named
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, Risk
from reconciler.planning.guards import ChangeCounts, GuardViolation, block, check
from reconciler.planning.plan import PlanOptions, Selection
from tests.builders import target

LIMITS = {"deletes": 2, "replaces": 1, "credential_changes": 1, "access_removals": 1}


def actions(count: int, kind: ActionKind, *changes: Change) -> list[Action]:
    return [Action(f"s-{n}", kind, "x", Risk.DELETE, changes=changes) for n in range(count)]


def found(
    planned: list[Action], *, declared: int = 1, owned: int = 5, limits: Any = None, **options: Any
) -> list[GuardViolation]:
    deletes = sum(action.kind is ActionKind.DELETE for action in planned)
    return check(
        planned,
        counts=ChangeCounts(declared, owned, deletes),
        limits=target(limits=LIMITS | (limits or {})).limits,
        options=PlanOptions(**options),
    )


def words(findings: list[GuardViolation]) -> list[tuple[str, str, str]]:
    return [(f.diagnostic.code, f.diagnostic.summary, f.diagnostic.hint) for f in findings]


def deletes(count: int) -> list[Action]:
    return actions(count, ActionKind.DELETE)


def replaces(count: int) -> list[Action]:
    return actions(count, ActionKind.REPLACE)


def test_an_empty_folder_deletes_nothing_unless_allowed() -> None:
    assert words(found(deletes(2), declared=0)) == [
        (
            "empty-desired-state",
            "the files declare no integration, but 2 would be deleted",
            "check --dir; to delete every integration, add --allow-empty",
        )
    ]
    assert found(deletes(2), declared=0, allow_empty=True) == []
    assert found(deletes(2), declared=1) == []
    assert found([], declared=0) == []


@pytest.mark.parametrize(
    ("count", "settings", "why"),
    [
        (3, {}, "the limit is 2"),
        (1, {"max_deletes": 0}, "--max-deletes allows 0"),
        (4, {"max_deletes": 3}, "--max-deletes allows 3"),
        (2, {"owned": 10, "limits": {"delete_ratio": 0.19}}, "the limit is 19% of 10 owned"),
    ],
)
def test_too_many_deletes_name_the_limit_and_the_flag(
    count: int, settings: dict[str, Any], why: str
) -> None:
    noun = "1 integration" if count == 1 else f"{count} integrations"
    [finding] = found(deletes(count), **settings)
    assert words([finding]) == [
        (
            "too-many-deletes",
            f"{noun} would be deleted, but {why}",
            f"if that is intended, add --max-deletes {count}",
        )
    ]
    assert finding.slugs == {f"s-{n}" for n in range(count)}


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, {}),
        (3, {"max_deletes": 3}),
        (2, {"owned": 9, "limits": {"delete_ratio": 0.0}}),
        (2, {"owned": 10, "limits": {"delete_ratio": 0.2}}),
    ],
)
def test_deletes_up_to_the_limit_are_allowed(count: int, settings: dict[str, Any]) -> None:
    assert found(deletes(count), **settings) == []


def test_replaces_are_named_if_none_are_allowed_and_counted_otherwise() -> None:
    assert words(found(replaces(6), limits={"replaces": 0})) == [
        (
            "replace-not-allowed",
            (
                "6 integrations would be replaced (deleted and re-created): "
                "s-0, s-1, s-2, s-3, s-4 and 1 more"
            ),
            "an immutable field differs; use a new slug, or allow it with --allow-replace",
        )
    ]
    assert words(found(replaces(2))) == [
        (
            "too-many-replaces",
            "2 integrations would be replaced (deleted and re-created), but the limit is 1",
            "raise limits.replaces, or exclude some with --exclude",
        )
    ]
    assert found(replaces(1)) == []
    assert found(replaces(6), limits={"replaces": 0}, allow_replace=True) == []


ROTATED = Change("key", ChangeKind.ROTATE, Risk.CREDENTIAL)
RESENT = Change("key", ChangeKind.RESEND, Risk.CREDENTIAL)
MOVED = Change("configurations.custom_host", ChangeKind.REPLACE, Risk.CREDENTIAL)
REVOKED = Change("workspaces[a].enabled", ChangeKind.REPLACE, Risk.ACCESS_REMOVAL)
UPDATE = ActionKind.UPDATE


@pytest.mark.parametrize(
    ("changes", "code", "says", "flag"),
    [
        (
            (ROTATED,),
            "too-many-credential-changes",
            "2 credential changes planned, but the limit is 1",
            "--max-credential-changes 2",
        ),
        (
            (RESENT, MOVED),
            "too-many-credential-changes",
            "4 credential changes planned, but the limit is 1",
            "--max-credential-changes 4",
        ),
        (
            (REVOKED,),
            "too-many-access-removals",
            "2 access removals planned, but the limit is 1",
            "--max-access-removals 2",
        ),
    ],
)
def test_too_many_changes_name_the_limit_and_the_flag(
    changes: tuple[Change, ...], code: str, says: str, flag: str
) -> None:
    [finding] = found(actions(2, UPDATE, *changes))
    assert words([finding]) == [(code, says, f"if that is intended, add {flag}")]
    assert finding.slugs == {"s-0", "s-1"}
    option, number = flag.removeprefix("--").replace("-", "_").split()
    allowed: dict[str, Any] = {option: int(number)}
    assert found(actions(2, UPDATE, *changes), **allowed) == []


def test_an_action_without_a_credential_change_is_not_counted() -> None:
    assert found(actions(9, UPDATE, RESENT)) == []
    assert found(actions(9, ActionKind.CREATE, ROTATED, REVOKED)) == []


def test_a_shard_names_its_share_of_the_limit() -> None:
    shard = Selection(shard=(2, 3))
    limits = {"access_removals": 4}
    [finding] = found(actions(2, UPDATE, REVOKED), limits=limits, selection=shard)
    assert finding.diagnostic.summary == (
        "2 access removals planned, but the share of shard 2/3 in the limit of 4 is 1"
    )


def test_an_action_is_blocked_by_every_guard_that_names_it() -> None:
    planned = deletes(3)
    findings = found(planned, declared=0)
    blocked = block([*planned, *actions(4, UPDATE)[3:]], findings)
    assert [action.blocked_by for action in blocked] == [
        *[("empty-desired-state", "too-many-deletes")] * 3,
        (),
    ]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(5, "s-0, s-1, s-2, s-3, s-4"), (7, "s-0, s-1, s-2, s-3, s-4 and 2 more")],
)
def test_replaces_beyond_the_named_ones_are_counted(count: int, shown: str) -> None:
    ((_, summary, _),) = words(found(replaces(count), limits={"replaces": 0}))
    assert summary.endswith(f"(deleted and re-created): {shown}")


@pytest.mark.parametrize(
    ("names", "separator", "line"),
    [
        ([], ", ", ""),
        (["a", "b"], ", ", "a, b"),
        (["a", "b", "c"], ", ", "a, b and 1 more"),
        (["a: x", "b: y", "c: z", "d"], "; ", "a: x; b: y; and 2 more"),
    ],
)
def test_a_message_names_the_first_and_counts_the_others(
    names: list[str], separator: str, line: str
) -> None:
    assert named(names, limit=2, separator=separator) == line
