"""Attribution with unusual audit logs: never a guess, and only writers in the records."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler import workflows
from reconciler.domain.state import Declared, LastApplied, LastAppliedState
from reconciler.drift.attribution import NOTHING_SEEN
from reconciler.drift.audit_reading import with_attribution
from reconciler.drift.who import FieldWho, Who
from reconciler.ledger.models import Confirmation, OwnCall, OwnWrites, SeenState
from reconciler.planning.plan import PlanOptions
from tests.builders import KEY as SECRET
from tests.builders import declared, desired
from tests.drift.writers import ANN, BOB, KEY, LoggedWorld
from tests.runs import START

DECLARED = declared("alpha", description="declared", key=SECRET)
IDS = {ANN.id: "ann", BOB.id: "bob", KEY.id: "key", None: "?", "run-2": "run"}
HOUR = 3600.0


def moment(seconds: float) -> str:
    """Return a time as text, in seconds after the start."""
    at = START + timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log:
    """Integration that was applied at the start and changed an hour later, with its audit log."""

    asked_at = 2 * HOUR

    def __init__(self, *files: Declared) -> None:
        self.world = LoggedWorld()
        self.files = files or (DECLARED,)
        self.world.apply(desired(*self.files))
        self.own: OwnWrites | None = OwnWrites({"alpha": Confirmation("run-1", moment(0))})
        self.world.seconds = HOUR
        self.world.put("PUT", "/integrations/alpha", {"description": "by hand"})
        # The log contains only the records that a test adds.
        self.world.store.clear_audit_log()

    def log(self, seconds: float = HOUR, **members: Any) -> "Log":
        self.world.log(**({"timestamp": moment(seconds)} | members))
        return self

    def who(
        self, *, since: datetime | None = None, seen: Mapping[str, SeenState] = NOTHING_SEEN
    ) -> Who:
        self.world.seconds = self.asked_at
        ids = {record["id"] for record in self.world.remote.integrations.values()}
        ours = frozenset(ids if self.own and self.own.confirmations else ())
        known = {d.slug: LastApplied(declared=d.fields, identities=ours) for d in self.files}
        session = self.world.session(
            desired(*self.files),
            last_applied=LastAppliedState(integrations=known, complete=True),
            known_organisation=self.world.remote.organisation_id,
        )

        async def own_writes(_slugs: Collection[str]) -> OwnWrites | None:
            return self.own

        async def run() -> Who:
            report = await workflows.drift(session, PlanOptions())
            attributed = await with_attribution(
                report,
                api=session.api,
                own_writes=own_writes,
                known_organisation=session.known_organisation,
                now=lambda: session.now,
                since=since,
                seen=seen,
            )
            assert attributed.who is not None
            return attributed.who

        return asyncio.run(run())

    def answer(self, path: str | None = "description", **options: Any) -> FieldWho:
        return self.who(**options).by_place["alpha", path]

    def said(self, **options: Any) -> str:
        """Return the verdict, the named writers and the reason."""
        found = self.answer(**options)
        names = "".join(f" {IDS.get(writer.id, writer.id)}" for writer in found.writers)
        return f"{found.verdict.value}{names}" + (
            f" ({found.reason.value})" if found.reason else ""
        )


BY_KEY = {"user_id": KEY.id, "user_type": "api_key"}
BY_BOB = {"user_id": BOB.id}


ONE_RECORD: list[tuple[str, dict[str, Any], str]] = [
    ("a write of the part", {}, "known ann"),
    ("another path prefix", {"uri": "/x/v2/integrations/alpha?y=1"}, "known ann"),
    ("a masked id", {"user_id": "3c9*****7a"}, "known 3c9*****7a"),
    ("a deleted user", {"user_id": None}, "known ?"),
    ("no id", {"user_id": ...}, "known ?"),
    ("no client", {"request_headers": ...}, "known ann"),
    ("an unknown kind of user", {"user_type": "robot"}, "known ann"),
    ("201", {"response_status_code": 201}, "known ann"),
    ("refused", {"response_status_code": 403}, "unknown (log-begins-later)"),
    ("throttled", {"response_status_code": 429}, "unknown (log-begins-later)"),
    ("perhaps carried out", {"response_status_code": 502}, "ambiguous ann (unknown-effect)"),
    ("status 0", {"response_status_code": 0}, "ambiguous ann (unknown-effect)"),
    ("status 102", {"response_status_code": 102}, "ambiguous ann (unknown-effect)"),
    ("no status", {"response_status_code": ...}, "ambiguous ann (unknown-effect)"),
    ("an unknown method", {"method": "PATCH"}, "ambiguous ann (unknown-effect)"),
    ("no method", {"method": None}, "ambiguous ann (unknown-effect)"),
    ("a read", {"method": "GET"}, "unknown (log-begins-later)"),
    ("an unknown part", {"uri": "/v1/integrations/alpha/x"}, "ambiguous ann (unknown-effect)"),
    (
        "below a workspace",
        {"uri": "/v1/workspaces/ws-a/integrations/alpha"},
        "ambiguous ann (unknown-effect)",
    ),
    ("no path", {"uri": None}, "ambiguous ann (unknown-effect)"),
    (
        "another kind of resource",
        {"resource_type": "prompts"},
        "ambiguous ann (unknown-effect)",
    ),
    ("another part", {"uri": "/v1/integrations/alpha/models"}, "unknown (log-begins-later)"),
    ("another one", {"uri": "/v1/integrations/beta"}, "unknown (log-begins-later)"),
    ("a namesake", {"uri": "/v1/virtual-keys/alpha"}, "unknown (log-begins-later)"),
    (
        "a create of another",
        {"method": "POST", "uri": "/v1/integrations"},
        "unknown (log-begins-later)",
    ),
]


@pytest.mark.parametrize(
    ("members", "said"),
    [pytest.param(members, said, id=name) for name, members, said in ONE_RECORD],
)
def test_a_single_record(members: dict[str, Any], said: str) -> None:
    assert Log().log(**members).said() == said


def test_the_id_of_the_integration_also_identifies_it() -> None:
    log = Log()
    identity = log.world.remote.integrations["alpha"]["id"]
    assert log.log(uri=f"/v1/integrations/{identity}").said() == "known ann"
    assert log.log(20, uri=f"/v1/integrations/{identity.upper()}", **BY_BOB).said() == (
        "ambiguous ann bob"
    )


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda log: log.log(10).log(20, **BY_KEY), "ambiguous key ann"),
        (lambda log: log.log(20, **BY_KEY).log(10), "ambiguous key ann"),
        (lambda log: log.log(10).log(20).log(30), "known ann"),
        (lambda log: log.log(10, user_id=None).log(20, user_id=None), "ambiguous ? ?"),
        (lambda log: log.log(10, method="PATCH", **BY_BOB).log(20), "ambiguous ann bob"),
        (lambda log: log.log(10, uri=None, **BY_BOB).log(20), "ambiguous ann bob"),
        (lambda log: log.log(-10, **BY_BOB).log(20), "known ann"),
        (lambda log: log.log(-10, **BY_BOB), "unknown (no-record)"),
    ],
)
def test_several_records(build: Callable[[Log], Log], said: str) -> None:
    assert build(Log()).said() == said


def test_the_latest_record_of_a_writer_counts() -> None:
    answer = Log().log(30).log(10).log(20).answer()
    assert [writer.time for writer in answer.writers] == ["2026-11-23T12:00:30.000Z"]


def own(started: float, ended: float, *, run: str = "run-1", **more: Any) -> OwnCall:
    fields = more.pop("fields", frozenset({"description"}))
    return OwnCall(
        run=run,
        slug="alpha",
        operation="update-integration",
        fields=fields,
        started_at=moment(started),
        ended_at=moment(ended),
        **more,
    )


def with_calls(*calls: OwnCall) -> Log:
    log = Log()
    log.own = OwnWrites({"alpha": Confirmation("run-1", moment(0))}, calls)
    return log


def test_our_own_write_is_excluded_by_its_request_id() -> None:
    log = with_calls(own(0, 1, request_id="mine"))
    log.log(600, request_id="mine", **BY_KEY).log(900)
    assert log.said() == "known ann"


def test_our_own_write_is_excluded_by_its_time_but_not_a_later_one_with_the_same_key() -> None:
    log = with_calls(own(0, 1)).log(0.5, **BY_KEY)
    assert log.said() == "unknown (no-record)"
    assert log.log(50, **BY_KEY).said() == "known key"


def test_a_write_by_a_user_never_counts_as_our_own() -> None:
    assert with_calls(own(0, 1)).log(0.5).said() == "known ann"


def test_repeated_requests_of_one_call_are_all_ours() -> None:
    log = with_calls(own(0, 30)).log(1, response_status_code=502, **BY_KEY).log(20, **BY_KEY)
    assert log.log(40).said() == "known ann"


def test_two_keys_at_the_time_of_our_write_are_not_distinguished() -> None:
    other = {"user_id": "another", "user_type": "api_key"}
    log = with_calls(own(0, 30)).log(10, **BY_KEY).log(20, **other)
    assert log.said() == "ambiguous another key"


def test_a_write_by_our_run_hides_earlier_writes() -> None:
    log = with_calls(own(100, 101, request_id="mine")).log(50, **BY_BOB)
    log.log(100.5, request_id="mine", **BY_KEY).log(200)
    assert log.said() == "known ann"


def test_the_last_write_of_our_run_hides_writes_during_the_run() -> None:
    first = own(100, 101, fields=frozenset({"name"}), request_id="first")
    log = with_calls(first, own(200, 201, request_id="last")).log(150, **BY_BOB)
    log.log(100.5, request_id="first", **BY_KEY).log(200.5, request_id="last", **BY_KEY).log(300)
    assert log.said() == "known ann"


@pytest.mark.parametrize("skew", [-300, 0, 300])
def test_a_clock_that_differs_is_corrected_by_our_own_record(skew: float) -> None:
    log = with_calls(own(100, 101, request_id="mine"))
    log.log(100.5 + skew, request_id="mine", **BY_KEY)
    log.log(90 + skew, **BY_BOB).log(110 + skew)
    assert log.said() == "known ann"


def test_a_later_run_that_failed_is_a_possible_writer() -> None:
    failed = own(500, 501, run="run-2", is_done=False)
    assert with_calls(failed).said() == "ambiguous run (unknown-effect)"
    assert with_calls(failed).log(600).said() == "ambiguous ann run"
    other = own(500, 501, run="run-2", is_done=False, fields=frozenset({"name"}))
    assert with_calls(other).log(600).said() == "known ann"
    refused = own(500, 501, run="run-2", is_done=False, request_id="mine")
    log = with_calls(refused).log(500.5, request_id="mine", response_status_code=409, **BY_KEY)
    assert log.log(600).said() == "known ann"


def test_without_a_run_in_the_ledger_an_earlier_change_is_possible() -> None:
    log = Log().log(600)
    log.own = OwnWrites()
    # The integration was created within the time range, and the log does not show by whom.
    assert log.said() == "ambiguous ann (earlier-change)"
    created = {"method": "POST", "uri": "/v1/integrations", **BY_BOB}
    assert log.log(0, **created).said() == "ambiguous ann bob"


def test_since_is_the_beginning_without_a_run_in_the_ledger() -> None:
    log = Log().log(600, **BY_BOB).log(1200)
    log.own = OwnWrites()
    log.world.remote.integrations["alpha"]["created_at"] = moment(-HOUR * 24 * 90)
    assert log.said(since=START + timedelta(seconds=900)) == "known ann"
    assert log.said() == "ambiguous ann bob"


def test_a_run_long_ago_needs_a_log_that_reaches_back_to_it() -> None:
    log = Log().log(600)
    log.own = OwnWrites({"alpha": Confirmation("run-1", moment(-HOUR * 24 * 60))})
    assert log.said() == "ambiguous ann (earlier-change)"
    old = moment(-HOUR * 24 * 60 - 60)
    assert log.log(uri="/v1/configs/x", timestamp=old).said() == "known ann"


def test_with_an_unreadable_ledger_no_writer_is_named() -> None:
    log = Log().log()
    log.own = None
    found = log.who()
    assert (found.fields, found.complete, found.calls) == ((), False, 0)


def test_a_deleted_integration_has_one_verdict() -> None:
    log = Log()
    log.world.put("DELETE", "/integrations/alpha")
    log.world.store.clear_audit_log()
    log.log(10, **BY_BOB).log(20, uri="/v1/integrations/alpha", method="DELETE")
    found = log.answer(None)
    assert [IDS[writer.id] for writer in found.writers] == ["ann"]
    assert found.verdict == "known"


def test_the_deletion_of_a_workspace_explains_lost_access() -> None:
    granted = declared("alpha", key=SECRET, workspaces=[{"id": "ws-a", "enabled": True}])
    log = Log(granted)
    revoked = {"workspaces": [{"id": "ws-a", "enabled": False}]}
    log.world.put("PUT", "/integrations/alpha/workspaces", revoked)
    log.world.store.clear_audit_log()
    log.log(uri="/v1/admin/workspaces/ws-b", method="DELETE", **BY_BOB)
    path = "workspaces[ws-a].enabled"
    assert log.answer(path).verdict == "unknown"
    log.log(uri="/v1/admin/workspaces/ws-a", method="DELETE")
    assert [IDS[writer.id] for writer in log.answer(path).writers] == ["ann"]


def test_nothing_is_read_if_only_git_changed() -> None:
    log = Log()
    log.world.put("PUT", "/integrations/alpha", {"description": "declared"})
    assert log.who() == Who()
