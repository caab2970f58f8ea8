"""Untrusted names and values stay text in comments, outputs and annotations."""

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.diagnostics import SourceLocation, error, notice, warning
from reconciler.drift.report import DriftReport
from reconciler.github.bodies import COMMENT_LIMIT, ReportContext, ReportKind, marker_of, text_of
from reconciler.github.inputs import FailedCommand
from reconciler.github.outputs import annotated, append_outputs, outputs_of
from reconciler.planning.actions import Change, ChangeKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views.diagnostics import as_annotations
from tests.github.reporting import PULL_REQUEST, Reporter, failure, read_outputs
from tests.views import samples

CONTEXT = ReportContext(
    environment="production", ledger="shared", workflow_url="https://github.com/x"
)
EVIL = [
    "</details><script>alert(1)</script>",
    "```\n# owned\n[x](https://evil.test)",
    "`` ` `` @everyone #1 acme/x#2 GH-3 a@b.example",
    "![x](https://evil.test/pixel)",
    "<!-- reconcile:plan environment=production digest=x -->",
    "-->\n::error::owned\n##[error]owned",
    "x\nreconcile_\nin_sync<<E\ntrue\nE",
    "\u202egnp.exe \u200b\u0007\x1b[31m",
    "|a|b|\n|-|-|\n~~~\n> [!CAUTION]",
]
OURS = {
    "<details>",
    "<details open>",
    "<summary>",
    "</summary>",
    "</details>",
    "<code>",
    "</code>",
}


def plan_with(text: str) -> Plan:
    """Return a plan with a text in every place that a file or the API can set."""
    change = Change(
        "description", ChangeKind.REPLACE, Risk.COSMETIC, before=text, after={text: [text]}
    )
    action = samples.creation("evil", text)
    at = SourceLocation(text.replace("\n", "") or "x", 3, 1)
    return samples.plan(
        action,
        samples.update(),
        diagnostics=(
            warning("evil", text, hint=text, at=at),
            notice("evil", text),
            error("evil", text, at=at),
        ),
        unmanaged=(text,),
        no_op=len(change.path),
    )


def foreign_html(text: str) -> set[str]:
    """Return the HTML that a CommonMark parser finds, except our own `<details>`."""
    found: set[str] = set()
    tokens: list[Any] = list(MarkdownIt("commonmark").enable("table").parse(text))
    while tokens:
        token = tokens.pop()
        tokens += token.children or []
        if token.type in {"html_block", "html_inline"}:
            found |= set(re.findall(r"<[^>]*>", token.content))
        assert token.type not in {"link_open", "image", "table_open"} or (
            token.attrs.get("href") == CONTEXT.workflow_url
        ), token
    return found - OURS


def documents(text: str) -> list[tuple[ReportKind, Plan | FailedCommand]]:
    plan = plan_with(text)
    diagnostics = (error(text, text, hint=text, at=SourceLocation(text, 1, 1)),)
    return [
        (ReportKind.PLAN, plan),
        (ReportKind.PLAN, FailedCommand(1, diagnostics)),
        (ReportKind.RESULT, FailedCommand(4, diagnostics, plan)),
    ]


@pytest.mark.parametrize("text", EVIL)
def test_a_comment_contains_no_untrusted_html_link_or_image(text: str) -> None:
    for kind, document in documents(text):
        body = text_of(document, kind=kind, context=CONTEXT)
        assert foreign_html(body) == set()
        assert not any(line.startswith(("::", "##[")) for line in body.splitlines())
        first = marker_of(document, kind=kind, environment=text).line
        assert first.count("-->") == 1
        assert first.count("\n") == 1


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_no_text_breaks_out_of_a_comment(text: str) -> None:
    for kind, document in documents(text):
        assert foreign_html(text_of(document, kind=kind, context=CONTEXT)) == set()


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_no_text_breaks_out_of_its_annotation(text: str) -> None:
    shown = as_annotations(annotated(plan_with(text)))
    lines = shown.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::error file=")
    assert lines[1].startswith("::warning file=")


@settings(max_examples=40)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_no_value_of_an_output_becomes_another_output(values: list[str]) -> None:
    given_outputs = {f"name{number}": value for number, value in enumerate(values)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "output"
        words = iter(range(1000))
        append_outputs(file, given_outputs, delimiter=lambda: f"word{next(words)}")
        with file.open(encoding="utf-8", newline="") as stream:
            assert read_outputs(stream.read()) == given_outputs


def test_delimiters_differ_between_reports(reporter: Reporter) -> None:
    seen = set()
    for _ in range(2):
        reporter.report("plan", samples.mixed_plan())
        text = (reporter.folder / "output").read_text(encoding="utf-8")
        seen |= {line.partition("<<")[2] for line in text.splitlines() if "<<" in line}
    assert len(seen) == 2 * len(reporter.outputs)
    assert min(map(len, seen)) >= 32


def test_the_outputs_are_the_documented_ones() -> None:
    plan = samples.mixed_plan()
    names = {"digest", "in_sync", "create", "update", "replace", "delete", "blocked", "max_risk"}
    for document in (
        plan,
        samples.empty_plan(),
        samples.partial_result(plan),
        FailedCommand(1, ()),
        FailedCommand(4, (), plan),
    ):
        assert outputs_of(document).keys() == names
    shown = outputs_of(plan)
    assert (shown["digest"], shown["in_sync"]) == (plan.digest, "false")
    assert shown["create"] == str(plan.summary["create"])
    assert shown["max_risk"] == "delete"
    empty = outputs_of(samples.empty_plan())
    assert (empty["in_sync"], empty["max_risk"]) == ("true", "")
    assert outputs_of(FailedCommand(4, (), samples.empty_plan()))["in_sync"] == "false"


@pytest.mark.slow
def test_a_huge_plan_fits_and_states_what_is_omitted(reporter: Reporter) -> None:
    actions = [samples.creation(f"team-{number:04}", "ü" * 180) for number in range(3_000)]
    done = reporter.report("plan", samples.plan(*actions))
    assert done.code == 0
    (body,) = reporter.comments()
    assert len(body.encode()) <= COMMENT_LIMIT
    assert "**3000 to create" in body.splitlines()[3]
    assert "are not shown" in body
    summary = reporter.summary.encode()
    assert 200_000 < len(summary) < 1024 * 1024


@pytest.mark.slow
def test_texts_with_the_longest_names_stay_within_their_limits(reporter: Reporter) -> None:
    name = "\U0001f680" * 255
    actions = [samples.creation(f"team-{number:04}", "ü" * 180) for number in range(600)]
    plan = samples.plan(*actions)
    failed = failure(1, plan, *[("x", "ü" * 500)] * 50)
    assert reporter.report("plan", plan, environment=name).code == 0
    assert reporter.report("result", failed, environment=name, event=PULL_REQUEST).code == 0
    drift = DriftReport(plan)
    for document in (drift, failed, failed):
        assert reporter.report("drift", document, environment=name).code == 0
    (issue,) = reporter.github.issues.values()
    assert "The last report:" in issue["body"]
    for body in (*reporter.comments(), issue["body"]):
        assert 40_000 < len(body.encode()) <= COMMENT_LIMIT


def test_several_reports_of_one_step_share_the_size_limit_of_its_summary(
    reporter: Reporter,
) -> None:
    file = reporter.folder / "full.md"
    file.write_text("x" * (1024 * 1024 - 100))
    done = reporter.report("plan", samples.mixed_plan(), GITHUB_STEP_SUMMARY=str(file))
    assert done.code == 0
    assert file.stat().st_size < 1024 * 1024
    assert len(reporter.comments()) == 1


def test_only_errors_and_diagnostics_with_a_location_are_annotated(reporter: Reporter) -> None:
    found = [
        error("a", "a"),
        warning("b", "b"),
        warning("c", "c", at=SourceLocation("f.yaml", 2, 3)),
    ]
    done = reporter.report("plan", samples.plan(samples.creation(), diagnostics=tuple(found)))
    assert done.out.splitlines() == [
        "::error title=a::a",
        "::warning file=f.yaml,line=2,col=3,title=c::c",
    ]
    assert reporter.report("result", failure(1)).out.startswith("::error title=incomplete-read::")
