"""Initial world of a seed: behaviour of the API, files, contents and history."""

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from reconciler.domain.policy import ChangeWindow, Freeze, Probe, Prune, Rotation
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    DesiredState,
    Ignored,
    LastApplied,
    LastAppliedState,
    Lifecycle,
)
from reconciler.domain.tree import Tree
from reconciler.planning.plan import PlanOptions
from reconciler.simulator.switches import Switches
from tests.builders import declared, desired

KEYS = {
    SecretRef("env", "SECRET_ONE"): "sk-canary-one-4f1",
    SecretRef("env", "SECRET_TWO"): "zz-canary-two-9e7",
}
VALUES = {reference: Redacted(value) for reference, value in KEYS.items()}
NO_LIMITS = {
    "deletes": 99,
    "delete_ratio": 1,
    "replaces": 99,
    "credential_changes": 99,
    "access_removals": 99,
}
OPTIONS = PlanOptions(allow_replace=True, max_deletes=99)
SLUGS = ("one", "two", "three", "four", "five")
WITHDRAWN = ("old-a", "old-b")
WORDS = ("red", "green", "blue")
IGNORED: tuple[tuple[str, ...], ...] = (
    ("name",),
    ("description",),
    ("tags",),
    ("configurations",),
    ("configurations", "openai_organization"),
    ("configurations", "openai_project"),
    ("models",),
    ("models", "gpt-5"),
    ("models", "tuned", "enabled"),
    ("workspaces",),
    ("workspaces", "ws-a"),
    ("workspaces", "ws-b", "enabled"),
)
CLOSING, DAY = 660.0, 86_400.0
"""Seconds of a story at 12:11, and at 12:00 of the next day."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """Initial world; `present` are the bodies of creates, `after` those of later writes.

    `remembers` is whether a ledger is kept between runs, `staged` whether credentials are first
    tried in a shadow. Changes may be applied from `open_from` to `open_until`, in seconds of the
    story.
    """

    switches: Switches
    desired: DesiredState
    last_applied: LastAppliedState
    remembers: bool
    present: tuple[Fields, ...]
    after: tuple[tuple[str, Fields], ...]
    staged: bool = False
    open_from: float = 0.0
    open_until: float = math.inf

    @property
    def as_staged(self) -> "Scenario":
        """Return the same world with a target that tries credentials in a shadow first."""
        target = self.desired.target.model_copy(
            update={"rotation": Rotation(staged=True), "probe": Probe()}
        )
        return replace(self, staged=True, desired=replace(self.desired, target=target))

    def with_ignored(self, dice: Random) -> "Scenario":
        """Return the same world with files that ignore some fields."""
        integrations = {
            slug: replace(item, lifecycle=Lifecycle(ignore=_ignored(dice, item.fields)))
            for slug, item in self.desired.integrations.items()
        }
        return replace(self, desired=replace(self.desired, integrations=integrations))

    def with_window(self, dice: Random) -> "Scenario":
        """Return the same world with a window that closes, or a freeze that ends, in the story."""
        if dice.random() < 0.5:
            window = ChangeWindow(allow="Mon-Sun 12:00-12:11", zone="UTC")
            update: dict[str, Any] = {"windows": (window,)}
            times = {"open_until": CLOSING}
        else:
            freeze = Freeze(until="2026-11-23T12:11:00Z", reason="the year is closed")
            update, times = {"freeze": freeze}, {"open_from": CLOSING}
        target = self.desired.target.model_copy(update=update)
        return replace(self, desired=replace(self.desired, target=target), **times)

    def is_closed(self, seconds: float) -> bool:
        """Return whether nothing may be applied; a window opens again a day later."""
        return not self.open_from <= seconds < self.open_until and seconds < DAY

    def next_opening(self, seconds: float) -> float:
        """Return when changes may be applied."""
        if not self.is_closed(seconds):
            return seconds
        return max(seconds, self.open_from) if self.open_from else DAY

    @property
    def wanted(self) -> dict[str, Declared]:
        """Return what the files declare."""
        return dict(self.desired.integrations)


def _ignored(dice: Random, fields: Tree) -> tuple[Ignored, ...]:
    if dice.random() < 0.4:
        return ()
    # A path that no file declares ignores nothing, which is an error of the files.
    paths = [path for path in IGNORED if path[0] in fields]
    return tuple(Ignored(path) for path in dice.sample(paths, min(len(paths), dice.randint(1, 2))))


def make_scenario(dice: Random, *, over_http: bool) -> Scenario:
    """Draw an initial world."""
    slugs = dice.sample(SLUGS, dice.choice((1, 2, 3, 3, 4)))
    trees = {slug: draw_fields(dice) for slug in slugs}
    present: list[Fields] = []
    after: list[tuple[str, Fields]] = []
    for slug, fields in trees.items():
        if dice.random() < 0.55:
            present.append(_earlier(dice, slug, fields))
            if dice.random() < 0.3:
                after.append((f"/integrations/{slug}/models", _some_models(dice)))
    withdrawn = [slug for slug in WITHDRAWN if dice.random() < 0.5]
    present += [_body(slug, draw_fields(dice), key="kk-earlier-kkk") for slug in withdrawn]
    present += [their_body(dice, f"their-{n}") for n in range(dice.randrange(4))]
    dice.shuffle(present)
    remembers = dice.random() < 0.5
    return Scenario(
        switches=draw_switches(dice, over_http=over_http, remembers=remembers),
        desired=desired(
            *(declared(slug, **fields) for slug, fields in trees.items()),
            limits=NO_LIMITS,
            prune=dice.choice((Prune.MANAGED, Prune.MANAGED, Prune.MANAGED, Prune.ALL)),
        ),
        last_applied=LastAppliedState({slug: LastApplied({"name": slug}) for slug in withdrawn}),
        remembers=remembers,
        present=tuple(present),
        after=tuple(after),
    )


def draw_switches(dice: Random, *, over_http: bool, remembers: bool) -> Switches:
    """Draw the behaviour of an API; ids that return as UUIDs can be matched only with a ledger."""
    return Switches(
        configurations_put=dice.choice(("replace", "merge")),
        missing=dice.choice(("404_AB08", "403_AB03")),
        duplicate_slug=dice.choice(("409_AB07", "400_AB01", "suffixed")),
        delete="archived" if dice.random() < 0.1 else "hard",
        slug_reuse_after_delete=dice.random() < 0.9,
        delete_with_providers=dice.choice(("allow", "refuse")),
        detail_shape=dice.choice(("observed", "documented")),
        workspace_id_form=dice.choice(("slug", "uuid")) if remembers else "slug",
        flexbool=dice.choice(("mixed", "bool")),
        put_body=dice.choice(("{}", "empty")),
        empty_put=dice.choice(("accept", "refuse")),
        unexpected_fields=dice.choice(("refuse", "ignore")),
        server_added_fields=dice.random() < 0.3,
        unknown_model_delete=dice.choice(("refuse", "ignore")),
        access_touches_integration=dice.random() < 0.5,
        list_order=dice.choice(("created", "newest")),
        page_max=dice.choice((1, 2, 3, 100)),
        stale_read_ms=dice.choice((0, 0, 0, 0, 200, 1500)),
        rate_limit_after=dice.choice((0, 0, 7)) if over_http else 0,
        retry_after=dice.choice(("", "1")),
    )


def draw_fields(dice: Random) -> Fields:
    """Draw what a file declares."""
    fields: Fields = {
        "name": f"Name {dice.choice(WORDS)}",
        "ai_provider_id": "openai",
        "key": dice.choice(list(KEYS)),
    }
    if dice.random() < 0.6:
        fields["description"] = dice.choice(WORDS)
    if dice.random() < 0.5:
        fields["configurations"] = {"openai_organization": dice.choice(WORDS)}
    if dice.random() < 0.3:
        fields["tags"] = {"team": dice.choice(WORDS)}
    if dice.random() < 0.4:
        fields |= _some_models(dice)
    if dice.random() < 0.2:
        fields["workspace_id"] = "ws-own"
    elif dice.random() < 0.4:
        fields["workspaces"] = [{"id": dice.choice(("ws-a", "ws-b")), "enabled": True}]
    return fields


def their_body(dice: Random, slug: str) -> Fields:
    """Draw the create of another client."""
    body = {"slug": slug, "name": f"Their {dice.choice(WORDS)}", "ai_provider_id": "anthropic"}
    return body | {"key": "tt-their-own-ttt", "create_default_provider": False}


def twin_body(slug: str, fields: Fields) -> Fields:
    """Return a create of another client that looks like ours."""
    return _body(slug, fields, key="tt-their-own-ttt")


def _earlier(dice: Random, slug: str, fields: Fields) -> Fields:
    """Return an earlier state of an integration: equal, or different in some field."""
    body = _body(slug, fields, key=dice.choice((KEYS[fields["key"]], "kk-earlier-kkk")))
    if dice.random() < 0.6:
        body["description"] = "as it was before"
    if dice.random() < 0.3:
        body["configurations"] = {"openai_organization": "before", "openai_project": "theirs"}
    if dice.random() < 0.06:
        body["ai_provider_id"] = "anthropic"
    return body


def _body(slug: str, fields: Fields, *, key: str) -> Fields:
    names = ("name", "ai_provider_id", "description", "configurations", "tags", "workspace_id")
    body = {name: fields[name] for name in names if name in fields}
    return body | {"slug": slug, "key": key, "create_default_provider": False}


def _some_models(dice: Random) -> Fields:
    slugs = dice.sample(("gpt-5", "gpt-4.1", "tuned"), dice.randint(1, 2))
    models = []
    for slug in slugs:
        entry: Fields = {"slug": slug, "enabled": dice.random() < 0.7}
        if slug == "tuned":
            entry |= {"is_custom": True, "base_model_slug": "gpt-5"}
        models.append(entry)
    return {"allow_all_models": dice.random() < 0.5, "models": models}
