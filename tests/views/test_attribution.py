"""Attribution is shown in every format, and an id is always plain text."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.drift.codec import decode_report
from reconciler.drift.who import Certainty, FieldWho, Reason, Writer
from reconciler.views import html, json, markdown, notification, terminal
from reconciler.views.attribution import line_of
from reconciler.views.render_options import RenderOptions
from tests.views import drift_samples
from tests.views.hostile import MARK, starts, texts
from tests.views.test_hostile import COMMAND, UNSAFE, WORST, Page, assert_inert

LOCAL = RenderOptions(ledger="local")
ANN = Writer("2026-11-29T09:30:00.000Z", "user", "ann", "PUT", "ui")
KEY = Writer("2026-11-29T09:10:00Z", "api_key", "ci", "DELETE", "api")


def said(verdict: Certainty, *writers: Writer, reason: Reason | None = None) -> str:
    return line_of(FieldWho("alpha", "name", verdict, writers, reason))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (said(Certainty.KNOWN, ANN), "who: user ann (PUT, UI, 2026-11-29 09:30:00 UTC)"),
        (
            said(Certainty.AMBIGUOUS, ANN, KEY),
            (
                "who: ambiguous: user ann (PUT, UI, 2026-11-29 09:30:00 UTC) or "
                "API key ci (DELETE, API, 2026-11-29 09:10:00 UTC)"
            ),
        ),
        (
            said(Certainty.KNOWN, Writer(None, "unknown", None, "", "unknown")),
            "who: an unknown actor",
        ),
        (
            said(
                Certainty.AMBIGUOUS, Writer(None, "run", "run-7", "PUT", "api"), KEY, KEY, KEY, KEY
            ),
            (
                "who: ambiguous: run run-7 (PUT, API) or API key ci (DELETE, API, "
                "2026-11-29 09:10:00 UTC) or API key ci (DELETE, API, 2026-11-29 09:10:00 UTC) "
                "or 2 more"
            ),
        ),
        (
            said(
                Certainty.AMBIGUOUS, replace(KEY, id=None, time=None), reason=Reason.EARLIER_CHANGE
            ),
            "who: ambiguous: an API key without an id (DELETE, API) or an earlier change",
        ),
        (
            said(Certainty.UNKNOWN, reason=Reason.LOG_BEGINS_LATER),
            "who: unknown: the log begins later",
        ),
        (
            said(Certainty.UNKNOWN, reason=Reason.LOG_INCOMPLETE),
            "who: unknown: the log could not be read completely",
        ),
        (
            said(Certainty.UNKNOWN, reason=Reason.NO_RECORD),
            "who: unknown: no record of the log matches",
        ),
    ],
)
def test_a_verdict_is_one_line(line: str, expected: str) -> None:
    assert line == expected


@pytest.mark.slow
@given(texts, texts)
@example(WORST, WORST)
def test_an_id_in_markdown_is_only_in_code(identity: str, method: str) -> None:
    assert_inert(markdown.drift(drift_samples.attributed(identity, method), LOCAL))


@pytest.mark.slow
@settings(max_examples=40)
@given(texts)
@example(WORST)
def test_an_id_adds_neither_tags_nor_attributes_to_html(identity: str) -> None:
    page = Page(html.drift(drift_samples.attributed(identity), LOCAL))
    plain = Page(html.drift(drift_samples.attributed(), LOCAL))
    assert (page.tags, page.links) == (plain.tags, plain.links)
    assert page.attributes == plain.attributes


@pytest.mark.slow
@given(starts, st.integers(40, 130))
def test_an_id_has_no_effect_on_a_terminal(identity: str, width: int) -> None:
    report = drift_samples.attributed(identity)
    text = terminal.drift(report, replace(LOCAL, width=width))
    assert not UNSAFE.search(text)
    assert not COMMAND.search(text)


@given(texts)
@example(WORST)
@example("@octocat")
@example("ann@corp.example")
def test_a_channel_gets_no_id_that_it_could_link(identity: str) -> None:
    body = notification.of_drift(drift_samples.attributed(identity), ledger="local").body
    # Every hostile fragment has more than letters, digits and hyphens.
    assert MARK not in body or f"(user {identity})" in body
    assert "@" not in body
    assert "://" not in body
    named = notification.of_drift(drift_samples.attributed(), ledger="local").body
    assert f"(user {drift_samples.ANN})" in named


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_saved_report_has_the_same_verdicts(identity: str) -> None:
    report = drift_samples.attributed(identity)
    read = decode_report(json.document(report.as_json()), name="drift.json")
    assert read.who == report.who
    assert (read.fingerprint, replace(report, who=None).as_json().keys() & {"who"}) == (
        report.fingerprint,
        set(),
    )
