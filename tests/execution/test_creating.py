"""Every rule for a create whose response is lost or wrong (remote/API.md §1.3)."""

from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.remote.errors import NotSent
from reconciler.simulator.faults import Fault, FaultKind
from tests.builders import KEY, declared, desired
from tests.execution.stories import (
    OURS,
    THEIRS,
    another_client_creates,
    another_client_had_created,
    before,
    create,
    ending,
    get,
    post,
    sent,
    world,
)
from tests.runs import World

TWIN = {"name": "Alpha", "ai_provider_id": "openai"}


def slugs(story: World) -> set[str]:
    return set(story.remote.integrations)


def test_a_lost_request_is_repeated_after_a_read_shows_absence() -> None:
    story = world(post(FaultKind.RESET_BEFORE))
    assert ending(create(story)) == ("applied", None)
    assert sent(story) == ["create", "create"]
    assert slugs(story) == {"alpha"}


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RESET_AFTER,
        FaultKind.HANG_AFTER,
        FaultKind.STATUS_AFTER,
        FaultKind.TRUNCATE,
        FaultKind.EMPTY,
    ],
)
def test_a_lost_response_is_resolved_by_a_read_without_a_second_request(kind: Any) -> None:
    story = world(post(kind))
    outcome = create(story)
    assert ending(outcome) == ("applied", None)
    assert outcome.warnings == (
        "the response to the create was lost; the integration was found and completed",
    )
    assert sent(story) == ["create", "update"]


@pytest.mark.parametrize("duplicate", ["409_AB07", "400_AB01"])
def test_a_late_request_makes_the_second_one_a_duplicate_and_is_adopted(
    duplicate: Any,
) -> None:
    story = world(post(FaultKind.LATE, amount=1), duplicate_slug=duplicate)
    assert ending(create(story)) == ("applied", None)
    assert sent(story) == ["create", "create", "update"]
    assert slugs(story) == {"alpha"}


def test_a_second_integration_by_a_late_request_is_found_and_named() -> None:
    story = world(post(FaultKind.LATE, amount=2), duplicate_slug="suffixed")
    outcome = create(story)
    (twin,) = slugs(story) - {"alpha"}
    assert ending(outcome) == ("unknown", "possible-duplicate")
    assert outcome.error is not None
    assert twin in outcome.error.message
    assert "alpha" in outcome.error.message


def test_a_second_integration_is_named_although_completing_the_first_failed() -> None:
    story = world(
        post(FaultKind.LATE, amount=1),
        post(FaultKind.RESET_AFTER),
        Fault(kind=FaultKind.STATUS, method="PUT", status=500),
        duplicate_slug="suffixed",
    )
    outcome = create(story)
    (twin,) = slugs(story) - {"alpha"}
    assert ending(outcome) == ("unknown", "possible-duplicate")
    assert outcome.error is not None
    assert twin in outcome.error.message


def test_an_integration_hidden_by_a_stale_read_is_adopted() -> None:
    story = world(post(FaultKind.RESET_AFTER), get(FaultKind.STALE, skip=1))
    assert ending(create(story)) == ("applied", None)
    assert sent(story) == ["create", "create", "update"]


def test_our_own_duplicate_under_another_slug_is_removed_and_the_first_one_adopted() -> None:
    story = world(
        post(FaultKind.RESET_AFTER), get(FaultKind.STALE, skip=1), duplicate_slug="suffixed"
    )
    assert ending(create(story)) == ("applied", None)
    assert sent(story) == ["create", "create", "delete", "update"]
    assert slugs(story) == {"alpha"}


def test_after_three_requests_without_effect_the_outcome_is_unknown() -> None:
    story = world(post(FaultKind.RESET_BEFORE, times=-1))
    assert ending(create(story)) == ("unknown", "connection-lost")
    assert sent(story) == ["create"] * 3


def test_a_failed_read_does_not_prove_absence() -> None:
    story = world(post(FaultKind.RESET_BEFORE), get(FaultKind.HTML, skip=1, times=-1))
    assert ending(create(story)) == ("unknown", "not-json")
    assert sent(story) == ["create"]


def test_a_request_that_was_not_sent_is_a_failure() -> None:
    story = world()

    class Unplugged:
        async def call(self, call: Call) -> Reply:
            if call.operation is OperationName.CREATE:
                raise NotSent("no network", code="unreachable")
            return await story.api.call(call)

    result = story.apply(desired(declared("alpha", key=KEY)), api=Unplugged())
    assert ending(result.outcomes[0]) == ("failed", "unreachable")


def test_a_refused_request_is_a_failure_and_not_repeated() -> None:
    story = world(post(FaultKind.STATUS, status=422))
    assert ending(create(story)) == ("failed", "AB04")
    assert sent(story) == ["create"]


def test_after_a_lost_response_a_refusal_leaves_the_first_request_unknown() -> None:
    story = world(post(FaultKind.LATE, amount=9), post(FaultKind.STATUS, status=401))
    outcome = create(story)
    assert ending(outcome) == ("unknown", "AB04")
    assert outcome.error is not None
    assert "may have been carried out, or may still be" in outcome.error.message


# -- servers that answer 403 for what is not there -------------------------------------------


def test_if_a_missing_slug_is_403_a_new_list_proves_absence() -> None:
    story = world(post(FaultKind.RESET_BEFORE), missing="403_AB03")
    assert ending(create(story)) == ("applied", None)
    assert sent(story) == ["create", "create"]


def test_a_403_for_a_listed_slug_is_a_denial_and_nothing_is_repeated() -> None:
    story = world(
        post(FaultKind.RESET_AFTER),
        get(FaultKind.STATUS, status=403, code="AB03", skip=1, times=-1),
    )
    assert ending(create(story)) == ("unknown", "AB03")
    assert sent(story) == ["create"]


# -- another client at the same time ---------------------------------------------------------


def test_a_clearly_foreign_integration_under_our_slug_is_not_changed() -> None:
    story = world(post(FaultKind.RESET_BEFORE))
    before(story, "POST", "/integrations", another_client_creates(story))
    assert ending(create(story)) == ("failed", "foreign-integration")
    assert story.remote.integrations["alpha"]["key"] == THEIRS
    assert sent(story) == ["create"]


def test_an_equal_integration_older_than_our_call_is_unknown_and_not_changed() -> None:
    story = world(post(FaultKind.RESET_BEFORE))

    before(story, "POST", "/integrations", another_client_had_created(story, **TWIN))
    assert ending(create(story)) == ("unknown", "foreign-integration")
    assert story.remote.integrations["alpha"]["key"] == THEIRS


@pytest.mark.parametrize(
    "difference",
    [
        {"name": "Other"},
        {"ai_provider_id": "anthropic"},
        {"configurations": {"openai_organization": "other"}},
    ],
)
def test_name_provider_and_declared_configurations_must_be_equal(difference: Any) -> None:
    story = world(post(FaultKind.RESET_BEFORE))
    theirs = {**TWIN, "configurations": {"openai_organization": "ours"}, **difference}
    before(story, "POST", "/integrations", another_client_creates(story, **theirs))
    outcome = create(story, configurations={"openai_organization": "ours"})
    assert ending(outcome) == ("failed", "foreign-integration")
    assert story.remote.integrations["alpha"]["key"] == THEIRS


def test_an_adopted_integration_is_written_again_with_the_key_and_all_fields() -> None:
    story = world(post(FaultKind.RESET_AFTER))

    def key_is_lost() -> None:
        story.put("PUT", "/integrations/alpha", {"key": THEIRS, "description": ""})

    before(story, "GET", "/integrations/alpha", key_is_lost, skip=1)
    assert ending(create(story, description="ours")) == ("applied", None)
    assert story.remote.integrations["alpha"]["key"] == OURS
    assert story.remote.integrations["alpha"]["description"] == "ours"


def test_an_adopted_integration_that_cannot_be_completed_is_unknown() -> None:
    story = world(
        post(FaultKind.RESET_AFTER),
        Fault(kind=FaultKind.STATUS, method="PUT", status=500),
    )
    outcome = create(story)
    assert ending(outcome) == ("unknown", "AB04")
    assert outcome.error is not None
    assert outcome.error.message.startswith("the integration was created, but completing it failed")


def test_ids_returned_in_another_form_do_not_make_ours_foreign() -> None:
    story = world(post(FaultKind.RESET_AFTER), workspace_id_form="uuid")
    assert ending(create(story, workspace_id="ws-own")) == ("applied", None)
    assert sent(story) == ["create", "update"]


def test_a_duplicate_of_another_client_is_refused_with_a_hint() -> None:
    story = world()
    before(story, "POST", "/integrations", another_client_creates(story))
    outcome = create(story)
    assert ending(outcome) == ("failed", "AB07")
    assert outcome.error is not None
    assert outcome.error.hint == "plan again: the integration was created after the plan was made"


# -- servers that choose another slug --------------------------------------------------------


def test_a_server_that_does_not_honour_the_slug_fails_and_nothing_is_left_behind() -> None:
    story = world(duplicate_slug="suffixed", slug_reuse_after_delete=False)
    another_client_creates(story)()
    story.put("DELETE", "/integrations/alpha")
    assert ending(create(story)) == ("failed", "slug-not-honoured")
    assert sent(story) == ["create", "delete"]
    assert slugs(story) == set()


def test_our_stray_is_removed_if_another_client_took_the_slug_concurrently() -> None:
    story = world(duplicate_slug="suffixed")
    before(story, "POST", "/integrations", another_client_creates(story))
    assert ending(create(story)) == ("failed", "changed-since-plan")
    assert slugs(story) == {"alpha"}
    assert story.remote.integrations["alpha"]["key"] == THEIRS


def echo(slug: str | None) -> Fault:
    return post(FaultKind.EDIT, merge={"slug": slug})


def kept(story: World) -> tuple[str, str | None]:
    """Create while the API answers with `beta`, and check that `beta` is unchanged."""
    outcome = create(story)
    assert "delete" not in sent(story)
    assert "beta" in slugs(story)
    assert outcome.error is not None
    assert "beta instead of alpha" in outcome.error.message
    return ending(outcome)


def test_a_stray_that_was_in_the_list_before_is_not_removed() -> None:
    story = world(echo("beta"))
    another_client_creates(story, "beta", **TWIN)()
    assert kept(story) == ("unknown", "slug-not-honoured")


def test_a_stray_from_before_our_call_is_not_removed() -> None:
    story = world(echo("beta"))

    before(story, "POST", "/integrations", another_client_had_created(story, "beta", **TWIN))
    assert kept(story) == ("unknown", "slug-not-honoured")


def test_a_stray_that_does_not_equal_ours_is_not_removed() -> None:
    story = world(echo("beta"))
    before(story, "POST", "/integrations", another_client_creates(story, "beta", name="Beta"))
    assert kept(story) == ("unknown", "slug-not-honoured")


def test_a_stray_that_another_file_declares_is_not_removed() -> None:
    story = world(echo("beta"))
    result = story.apply(
        desired(declared("alpha", key=KEY), declared("beta", key=KEY, name="Alpha")), parallelism=1
    )
    assert ending(result.outcomes[0]) == ("unknown", "slug-not-honoured")
    assert {"alpha", "beta"} <= slugs(story)


def test_a_stray_that_never_appears_is_unknown_and_not_absent() -> None:
    story = world(echo("gamma"))
    assert ending(create(story)) == ("unknown", "slug-not-honoured")


def test_a_stray_that_cannot_be_removed_is_named() -> None:
    story = world(
        Fault(kind=FaultKind.STATUS, method="DELETE", status=500), duplicate_slug="suffixed"
    )
    before(story, "POST", "/integrations", another_client_creates(story))
    outcome = create(story)
    (stray,) = slugs(story) - {"alpha"}
    assert ending(outcome) == ("unknown", "AB04")
    assert outcome.error is not None
    assert f"the API created {stray} instead of alpha" in outcome.error.message


def test_a_stray_that_is_denied_before_it_appears_is_read_again() -> None:
    denied = Fault(
        kind=FaultKind.STATUS, method="GET", path="^/integrations/alpha-", status=403, code="AB03"
    )
    story = world(denied, duplicate_slug="suffixed")
    before(story, "POST", "/integrations", another_client_creates(story))
    create(story)
    assert sent(story) == ["create", "delete"]
    assert slugs(story) == {"alpha"}


@pytest.mark.parametrize("slug", [None, "../other", "with\nnewline"])
def test_an_answer_without_a_usable_slug_is_unknown(slug: str | None) -> None:
    story = world(echo(slug))
    assert ending(create(story)) == ("unknown", "slug-not-honoured")
    assert sent(story) == ["create"]
