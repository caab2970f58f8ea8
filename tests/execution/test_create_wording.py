"""Messages and hints of a create that fails or has an unknown outcome."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.calls import OperationName
from reconciler.execution.result import ActionFailure
from reconciler.simulator.faults import Fault, FaultKind
from tests.builders import KEY, declared, desired
from tests.execution.stories import (
    another_client_creates,
    another_client_had_created,
    before,
    create,
    get,
    post,
    sent,
    world,
)
from tests.execution.test_creating import TWIN, echo
from tests.runs import World

BROKE = "POST /integrations: the connection was closed before the response was complete"
MAY_ARRIVE = "a create without a response may have been carried out, or may still be"
LATER = "wait a moment and run apply again: it checks first whether the integration exists"
COMPARE = "compare both in the console and delete the duplicate"
CHECK_KEY = "check the target's api_key (usually the variable PORTKEY_API_KEY) and auth_header"


def lost_for_good() -> World:
    return world(post(FaultKind.RESET_BEFORE, times=-1))


def plainly_foreign() -> World:
    story = world(post(FaultKind.RESET_BEFORE))
    before(story, "POST", "/integrations", another_client_creates(story))
    return story


def equal_and_older() -> World:
    story = world(post(FaultKind.RESET_BEFORE))

    before(story, "POST", "/integrations", another_client_had_created(story, **TWIN))
    return story


def created_meanwhile() -> World:
    story = world()
    before(story, "POST", "/integrations", another_client_creates(story))
    return story


def created_after_the_plan() -> World:
    story = world()
    before(story, "GET", "/integrations/alpha", another_client_creates(story))
    return story


def taken_while_another_slug_was_given() -> World:
    story = world(duplicate_slug="suffixed")
    before(story, "POST", "/integrations", another_client_creates(story))
    return story


def own_slugs() -> World:
    story = world(duplicate_slug="suffixed", slug_reuse_after_delete=False)
    another_client_creates(story)()
    story.put("DELETE", "/integrations/alpha")
    return story


def ours_is_hidden_by_a_denial() -> World:
    return world(
        post(FaultKind.RESET_AFTER),
        get(FaultKind.STALE, skip=1),
        get(FaultKind.STATUS, status=401, skip=1, times=-1),
        duplicate_slug="suffixed",
    )


def half_completed() -> World:
    refused = Fault(kind=FaultKind.STATUS, method="PUT", status=500)
    return world(post(FaultKind.RESET_AFTER), refused)


def made_twice() -> World:
    return world(post(FaultKind.LATE, amount=2), duplicate_slug="suffixed")


@pytest.mark.parametrize(
    ("told", "status", "failure"),
    [
        pytest.param(
            lost_for_good,
            "unknown",
            ActionFailure("connection-lost", f"{BROKE}; {MAY_ARRIVE}", LATER),
            id="no answer and no trace",
        ),
        pytest.param(
            plainly_foreign,
            "failed",
            ActionFailure(
                "foreign-integration",
                "another client created an integration with this slug during our create",
                "plan again to compare it; it was not changed",
            ),
            id="somebody else's",
        ),
        pytest.param(
            equal_and_older,
            "unknown",
            ActionFailure(
                "foreign-integration",
                "an equal integration exists, but this run did not create it",
                "check it in the console, then plan again; it was not changed",
            ),
            id="equal, and older than our call",
        ),
        pytest.param(
            created_meanwhile,
            "failed",
            ActionFailure(
                "AB07",
                "POST /integrations returned 409 AB07: Integration with this slug already exists",
                "plan again: the integration was created after the plan was made",
                409,
            ),
            id="refused as a duplicate",
        ),
        pytest.param(
            created_after_the_plan,
            "failed",
            ActionFailure(
                "changed-since-plan",
                "the integration exists now, although the list did not contain it",
                "plan again to see the changes; this run did not write to the integration",
            ),
            id="there before the first call",
        ),
        pytest.param(
            lambda: world(echo(None)),
            "unknown",
            ActionFailure(
                "slug-not-honoured",
                "the API created the integration, but did not return its slug "
                "(already done: created)",
                "run apply again: it checks whether the slug was honoured",
            ),
            id="no slug in the answer",
        ),
        pytest.param(
            ours_is_hidden_by_a_denial,
            "unknown",
            ActionFailure(
                "AB04",
                "GET /integrations/alpha returned 401 AB04: Internal server error; "
                f"{MAY_ARRIVE} (already done: created, deleted)",
                CHECK_KEY,
                401,
            ),
            id="ours under another slug after a loss, and no reading",
        ),
        pytest.param(
            lambda: world(echo("gamma")),
            "unknown",
            ActionFailure(
                "slug-not-honoured",
                "the API returned gamma instead of alpha, and gamma may belong to another client"
                " (already done: created)",
                COMPARE,
            ),
            id="another slug that shows nothing",
        ),
        pytest.param(
            taken_while_another_slug_was_given,
            "failed",
            ActionFailure(
                "changed-since-plan",
                "the integration was created after the plan was made "
                "(already done: created, deleted)",
                "plan again; this run did not write to the integration",
            ),
            id="taken, and ours under another slug",
        ),
        pytest.param(
            own_slugs,
            "failed",
            ActionFailure(
                "slug-not-honoured",
                "the API created alpha-000004 instead of alpha; alpha-000004 was deleted"
                " (already done: created, deleted)",
                "use another slug: the API reserves this one, or does not honour chosen slugs",
            ),
            id="a server with slugs of its own",
        ),
        pytest.param(
            half_completed,
            "unknown",
            ActionFailure(
                "AB04",
                "the integration was created, but completing it failed: "
                "PUT /integrations/alpha returned 500 AB04: Internal server error",
                LATER,
            ),
            id="found again and not completed",
        ),
        pytest.param(
            made_twice,
            "unknown",
            ActionFailure(
                "possible-duplicate",
                "alpha-000004 may be a duplicate of alpha, made by a create whose response was lost"
                " (already done: created)",
                COMPARE,
            ),
            id="a second one beside it",
        ),
        pytest.param(
            lambda: world(post(FaultKind.RESET_BEFORE), post(FaultKind.STATUS, status=401)),
            "unknown",
            ActionFailure(
                "AB04",
                f"POST /integrations returned 401 AB04: Internal server error; {MAY_ARRIVE}",
                CHECK_KEY,
                401,
            ),
            id="refused after a lost answer",
        ),
    ],
)
def test_a_failed_create_has_a_message_and_a_hint(
    told: Callable[[], World], status: str, failure: ActionFailure
) -> None:
    outcome = create(told())
    assert (outcome.status.value, outcome.error) == (status, failure)


# -- how long it looks, and where ------------------------------------------------------------


def test_the_delay_between_attempts_increases() -> None:
    story = world(post(FaultKind.RESET_BEFORE, times=-1))
    create(story)
    assert story.seconds == 0.5 + 1.0 + 2.0


def test_after_a_lost_response_it_waits_before_it_excludes_a_duplicate() -> None:
    story = world(post(FaultKind.RESET_AFTER))
    create(story)
    assert story.seconds == 0.5 + 2.0


def test_with_a_response_there_is_no_wait() -> None:
    story = world()
    create(story)
    assert story.seconds == 0.0


def test_a_stray_that_appears_late_is_awaited_and_removed() -> None:
    late = Fault(kind=FaultKind.STATUS, method="GET", path="/alpha-", status=404, code="AB08")
    story = world(replace(late, times=3), duplicate_slug="suffixed")
    before(story, "POST", "/integrations", another_client_creates(story))
    create(story)
    assert set(story.remote.integrations) == {"alpha"}
    assert story.seconds == 0.5 + 1.0 + 2.0


def test_an_archived_integration_under_the_slug_is_not_ours() -> None:
    story = world(post(FaultKind.RESET_BEFORE), delete="archived")

    def come_and_go() -> None:
        another_client_creates(story)()
        story.put("DELETE", "/integrations/alpha")

    before(story, "POST", "/integrations", come_and_go)
    assert create(story).status.value == "applied"
    assert sent(story) == ["create", "create"]


def test_only_duplicates_that_can_be_ours_are_named() -> None:
    story = world(post(FaultKind.RESET_AFTER))

    def others() -> None:
        another_client_creates(story, "theirs")()
        another_client_creates(story, "twin-b", **TWIN)()
        another_client_creates(story, "twin-a", **TWIN)()

    before(story, "GET", "/integrations/alpha", others, skip=1)
    outcome = create(story)
    assert outcome.error is not None
    assert outcome.error.message.startswith("twin-a, twin-b may be a duplicate of alpha, made by")


def test_an_integration_of_another_file_is_not_a_duplicate() -> None:
    story = world(post(FaultKind.RESET_AFTER))
    files = desired(declared("alpha", key=KEY), declared("beta", key=KEY, name="Alpha"))
    assert story.apply(files, parallelism=1).complete


# -- whose it is afterwards ------------------------------------------------------------------


def test_a_found_and_completed_integration_is_ours() -> None:
    assert create(world(post(FaultKind.RESET_AFTER))).accepted == {OperationName.UPDATE}


def test_a_namesake_of_a_found_integration_is_not_ours() -> None:
    story = world(post(FaultKind.RESET_AFTER))

    def replace_it() -> None:
        story.put("DELETE", "/integrations/alpha")
        another_client_creates(story, **TWIN)()

    before(story, "GET", "/integrations/alpha", replace_it, skip=2)
    outcome = create(story)
    assert outcome.error is not None
    assert (outcome.status.value, outcome.error.code) == ("unknown", "changed-since-plan")


@pytest.mark.parametrize("told", ["int-1", 7, None])
def test_an_id_in_another_form_in_the_response_proves_nothing(told: Any) -> None:
    shown = get(FaultKind.EDIT, merge={"id": "int-2"}, times=-1)
    outcome = create(world(post(FaultKind.EDIT, merge={"id": told}), shown))
    assert (outcome.status.value, outcome.warnings) == ("applied", ())
