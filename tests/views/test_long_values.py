"""Long values: hosts are shown in full everywhere, other values by their difference."""

import html as entities
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from reconciler.diagnostics import warning
from reconciler.drift.report import detect_drift
from reconciler.execution.preflight import Approval, objections
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import diagnostics, html, markdown, terminal
from reconciler.views.render_options import RenderOptions
from tests.views import samples

LOCAL = RenderOptions(ledger="local")

LABEL = "api.portkey.ai." + "a" * 60 + "."
HOST = f"https://{LABEL * 3}evil.example"
LONGER = f"https://{LABEL * 60}evil.example"

VIEWS: dict[str, Callable[[Plan], str]] = {
    "text": lambda plan: terminal.plan(plan, LOCAL),
    "narrow": lambda plan: terminal.plan(plan, replace(LOCAL, width=40)),
    "markdown": lambda plan: markdown.plan(plan, LOCAL),
    "html": lambda plan: html.plan(plan, LOCAL),
    "drift text": lambda plan: terminal.drift(detect_drift(plan), LOCAL),
    "drift markdown": lambda plan: markdown.drift(detect_drift(plan), LOCAL),
    "drift html": lambda plan: html.drift(detect_drift(plan), LOCAL),
    "result text": lambda plan: terminal.result(
        samples.partial_result(plan), replace(LOCAL, plan=plan)
    ),
    "result markdown": lambda plan: markdown.result(
        samples.partial_result(plan), replace(LOCAL, plan=plan)
    ),
    "result html": lambda plan: html.result(
        samples.partial_result(plan), replace(LOCAL, plan=plan)
    ),
}


def changed(*changes: Change, slug: str = "azure-search") -> Action:
    return Action(slug, ActionKind.UPDATE, "configurations differ", Risk.CREDENTIAL, changes)


def host_change(after: str, *, path: str = "configurations.custom_host") -> Change:
    before = "https://api.portkey.ai"
    return Change(path, ChangeKind.REPLACE, Risk.CREDENTIAL, before=before, after=after)


def joined(text: str) -> str:
    """Remove the line breaks of a terminal and of a diff, and decode HTML entities."""
    return re.sub(r"\s+", "", entities.unescape(re.sub(r"\n[-+!=] {5}", "", text)))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("host", [HOST, LONGER])
@pytest.mark.parametrize(
    "path",
    [
        "configurations.custom_host",
        "models[gpt-5].configurations.custom_host",
        "configurations.new",
    ],
)
def test_a_host_is_shown_in_full(view: str, host: str, path: str) -> None:
    assert joined(host) in joined(VIEWS[view](samples.plan(changed(host_change(host, path=path)))))


@pytest.mark.parametrize("view", VIEWS)
def test_the_name_of_a_header_is_shown_in_full(view: str) -> None:
    path = f'configurations.custom_headers["{LABEL * 5}x"]'
    change = Change(path, ChangeKind.ADD, Risk.CREDENTIAL, sensitive=True, reference="env:SECRET_X")
    assert path in joined(VIEWS[view](samples.plan(changed(change))))


@pytest.mark.parametrize("view", VIEWS)
def test_the_difference_of_another_long_value_is_shown(view: str) -> None:
    before, after = "a" * 900 + "OLD" + "b" * 900, "a" * 900 + "NEW" + "b" * 900
    change = Change("description", ChangeKind.REPLACE, Risk.COSMETIC, before=before, after=after)
    shown = joined(VIEWS[view](samples.plan(changed(change))))
    if "html" in view:
        assert before in shown
        assert after in shown
        return
    assert "aaaOLDbbb" in shown
    assert "aaaNEWbbb" in shown
    assert len(re.findall(r"…\[\d+charactersleftout\]…", shown)) == 4
    assert len(shown) < 3000


def test_a_host_that_fits_no_comment_sends_the_reader_to_the_artifact() -> None:
    hidden = changed(host_change("https://" + "a" * 70_000 + ".example"), slug="hidden")
    fitting = changed(host_change(HOST), slug="fitting")
    plan = samples.plan(hidden, fitting, samples.deletion())
    for text in (
        markdown.plan(plan, LOCAL),
        markdown.drift(detect_drift(plan), LOCAL),
    ):
        assert len(text.encode()) <= markdown.LIMIT
        assert "is too long for this text and must be reviewed from the artifact" in text
        assert "host changes of 1 of 3 actions are missing" in " ".join(text.split())
        assert HOST in text
        assert "aaaa" * 30 not in text.replace(HOST, "")


@pytest.mark.slow
@pytest.mark.parametrize("limit", [8192, 20_000, 65_536])
def test_hosts_come_first_where_space_is_limited(limit: int) -> None:
    many = [samples.creation(f"team-{number:04}") for number in range(900)]
    deletions = [samples.deletion() for _ in range(900)]
    notes = tuple(warning("noted", "x" * 900) for _ in range(20))
    host = changed(host_change(HOST), slug="needle")
    plan = samples.plan(*deletions, *many, host, diagnostics=notes)
    text = markdown.plan(plan, LOCAL, limit=limit)
    assert len(text.encode()) <= limit
    assert HOST in text
    assert "Shortened to fit" in text
    assert "must be reviewed from the artifact" not in text


def test_a_host_among_many_changes_of_one_action_is_listed() -> None:
    tags = [Change(f"tags.{n:03}", ChangeKind.ADD, Risk.COSMETIC, after="x") for n in range(150)]
    plan = samples.plan(changed(*tags, host_change(HOST)))
    text = markdown.plan(plan, LOCAL)
    assert HOST in text
    assert "… and 50 more" in text


def test_the_host_of_the_target_is_shown_in_full() -> None:
    base = samples.plan()
    long = HOST.removeprefix("https://") + ".another.example"
    target = type(base.target)("production", f"https://{long}/v1")
    plan = type(base)(target, base.created_at, base.desired_digest, (changed(host_change("x")),))
    for view in VIEWS.values():
        assert long in joined(view(plan))


def test_a_refusal_shows_the_approved_and_the_planned_hosts() -> None:
    approved = samples.plan(changed(host_change(HOST)))
    fresh = samples.plan(changed(host_change(LONGER)))
    found = objections(
        Approval(plans=(approved,)),
        fresh,
        now=datetime.fromisoformat(approved.created_at),
        max_age_hours=24,
    )
    text = diagnostics.as_text(found)
    assert f'"{HOST}"' in text
    assert f'"{LONGER}"' in text
