"""If no workspace has access, `pull` declares `workspaces: []`, so that later access differs."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.desired.source import MemorySource
from reconciler.pull.undo_edits import RestoreTarget, restore
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.messages import Request, Response
from tests.pull.pulling import IN_PRODUCTION, TODAY, Repository
from tests.pull.test_pull import NOBODY
from tests.runs import World

PLAIN = "slug: alpha\nname: {name}\nai_provider_id: openai\nkey: ${{env:SECRET_ALPHA_KEY}}\n"
TUNE = {"slug": "tune", "is_custom": True, "base_model_slug": "gpt-5"}


def grant(here: Repository, *ids: str, enabled: bool = True, **fields: Any) -> None:
    entries = [{"id": id_, "enabled": enabled} for id_ in ids]
    body = {"workspaces": entries, "create_default_provider": False, **fields}
    here.world.put("PUT", "/integrations/alpha/workspaces", body)


def pulled(here: Repository, **options: Any) -> str:
    here.pull(**options)
    assert here.plan().in_sync
    return here.text("integrations/alpha.yaml")


def test_a_workspace_that_is_granted_later_is_a_difference() -> None:
    here = Repository()
    here.create()
    assert pulled(here).endswith(f"{NOBODY}\n")
    grant(here, "ws-a")
    (change,) = here.plan().actions[0].changes
    assert (change.path, change.before, change.after) == ("workspaces[ws-a].enabled", True, False)


def test_without_the_line_the_list_is_not_managed() -> None:
    here = Repository()
    here.create()
    pulled(here)
    text = here.text("integrations/alpha.yaml")
    here.write("integrations/alpha.yaml", text.replace(f"{NOBODY}\n", ""))
    grant(here, "ws-a")
    assert here.plan().in_sync


def test_entries_without_access_do_not_count() -> None:
    here = Repository()
    here.create()
    grant(here, "ws-a")
    grant(here, "ws-a", enabled=False)
    assert pulled(here).endswith(f"{NOBODY}\n")


def test_it_is_not_written_with_listed_or_global_access() -> None:
    here = Repository()
    here.create()
    grant(here, "ws-a")
    assert "workspaces:\n  - {id: ws-a, enabled: true}" in pulled(here)
    open_to_all = Repository()
    open_to_all.create()
    grant(open_to_all, global_workspace_access={"enabled": True})
    assert "\nworkspaces:" not in pulled(open_to_all)


def test_it_is_not_written_for_an_integration_of_one_workspace() -> None:
    here = Repository()
    here.create(workspace_id="ws-a")
    assert "workspaces:" not in pulled(here)


class Forgetful(SimulatedAPI):
    """API that counts a workspace which is missing in the list of workspaces."""

    def handle(self, request: Request) -> Response:
        response = super().handle(request)
        if request.path.endswith("/workspaces") and isinstance(response.body, dict):
            return replace(response, body={**response.body, "workspaces": []})
        return response


def test_it_is_not_written_if_more_workspaces_are_counted_than_listed() -> None:
    world = World()
    world.remote = Forgetful(world.switches, world.now, world.new_id)
    world.wire = type(world.wire)(world.remote)
    here = Repository(world)
    here.create()
    grant(here, "ws-a")
    here.pull()
    assert "workspaces:" not in here.text("integrations/alpha.yaml")


@pytest.mark.parametrize("enabled", [True, False])
def test_custom_models_are_listed_and_an_empty_list_of_models_is_never_written(
    enabled: bool,
) -> None:
    here = Repository()
    here.create()
    assert "models:" not in pulled(here)
    here.files.clear()
    models = [TUNE | {"enabled": enabled}]
    here.world.put("PUT", "/integrations/alpha/models", {"models": models})
    assert "models:\n  - {slug: tune," in pulled(here)


def test_an_edit_in_place_adds_no_line_and_force_does() -> None:
    here = Repository()
    here.create()
    here.write("integrations/alpha.yaml", PLAIN.format(name="Local"))
    assert pulled(here) == PLAIN.format(name="Alpha")
    assert pulled(here, force=True) == PLAIN.format(name="Alpha") + f"{NOBODY}\n"
    assert here.pull(force=True).changed == {}


def test_force_adds_no_line_where_workspaces_are_ignored() -> None:
    here = Repository()
    here.create()
    ignoring = PLAIN.format(name="Alpha") + "lifecycle:\n  ignore:\n    - workspaces\n"
    here.write("integrations/alpha.yaml", ignoring)
    assert pulled(here, force=True) == ignoring


def test_it_is_not_written_to_a_file_shared_by_other_environments() -> None:
    here = Repository(config=IN_PRODUCTION)
    here.write("environments/production/names.yaml", "# nothing differs yet\n")
    here.create()
    assert "workspaces:" not in pulled(here)
    assert "workspaces:" not in pulled(here, force=True)


@pytest.mark.parametrize(("on_record", "said"), [({}, False), ({"workspaces": []}, True)])
def test_an_undo_writes_it_only_if_it_is_recorded(on_record: dict[str, Any], said: bool) -> None:
    here = Repository()
    before = here.loaded()
    assert before.state is not None
    assert before.config is not None
    fields = {"name": "Alpha", "ai_provider_id": "openai", **on_record}
    restored = restore(
        MemorySource({"reconcile.yaml": here.config.encode()}),
        config=before.config,
        desired=before.state,
        targets={"alpha": RestoreTarget(fields, is_whole=True)},
        gone=(),
        today=TODAY,
    )
    assert (NOBODY.encode() in restored.changed["integrations/alpha.yaml"]) == said
