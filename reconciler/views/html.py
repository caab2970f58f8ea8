"""Plans, results and drift as one self-contained page without scripts and external resources.

The text comes from the outlines, and the markup from `templates`. Every value that a template
writes is made visible and escaped for HTML automatically. The style sheets are next to this file;
filters are checkboxes and CSS.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from types import MappingProxyType

from markupsafe import Markup

from reconciler.diagnostics import Severity
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import ActionKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import drift_outline, phrases, plan_outline, result_outline
from reconciler.views.drift_states import DriftState
from reconciler.views.escape import visible
from reconciler.views.findings import Finding, severities_of
from reconciler.views.render_options import RenderOptions
from reconciler.views.sections import CommandContext, Section, sections_of
from reconciler.views.templating import Templates

OPENED = 10
"""Maximum number of actions that are all expanded; with more, only blocked and failed ones are."""

FILTERS: Mapping[str, Sequence[str]] = {
    "action": [kind.value for kind in ActionKind],
    "risk": [risk.value for risk in Risk],
    "status": [status.value for status in Status],
    "drift": [state.value for state in DriftState],
}
"""Filters; each choice has a class `action-create` and an id `show-action-create`."""

_SEVERITIES = list(Severity)

# Without the number of unchanged integrations, which would dwarf all other bars.
_CHARTED = {*ActionKind, *DriftState, "blocked", *Status}


def plan(value: Plan, options: RenderOptions) -> str:
    """Return a plan as a page."""
    shown = plan_outline.of_plan(
        value, ledger=options.ledger, context=options.context, verbose=options.verbose
    )
    return _render(
        "plan.html",
        title=f"{shown.title} {shown.run}".strip(),
        shown=shown,
        sections=_sections(value, options.context),
        bars=_bars(shown.counts),
        filters=_filters(_kinds_and_risks(shown.actions)),
        is_short=len(shown.actions) <= OPENED,
    )


def result(value: ApplyResult, options: RenderOptions) -> str:
    """Return a result as a page; with the plan, each outcome shows its changes."""
    shown = result_outline.of_result(
        value, ledger=options.ledger, plan=options.plan, context=options.context
    )
    present = {
        "status": {item.status.value for item in shown.outcomes},
        "action": {item.kind.value for item in shown.outcomes},
    }
    return _render(
        "result.html",
        title=f"{shown.title} {shown.run}".strip(),
        shown=shown,
        bars=_bars(shown.counts),
        filters=_filters(present),
    )


def drift(value: DriftReport, options: RenderOptions) -> str:
    """Return a drift report as a page."""
    shown = drift_outline.of_report(
        value, ledger=options.ledger, context=options.context, verbose=options.verbose
    )
    return _render(
        "drift.html",
        title=shown.title,
        shown=shown,
        sections=_sections(value.plan, options.context),
        bars=_bars(shown.counts, labels=phrases.DRIFT_STATES),
        filters=_filters(_states_and_risks(shown.items)),
        is_short=len(shown.items) <= OPENED,
    )


def palette() -> str:
    """Return the style sheet with the colours that all pages share."""
    return _style_sheet("palette.css")


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar of the chart; `width` is a percentage."""

    key: str
    label: str
    number: int
    width: int


def _bars(
    counts: Iterable[tuple[str, int]], labels: Mapping[str, str] = MappingProxyType({})
) -> list[_Bar]:
    """Return a bar for each count that is not zero; `labels` replaces its key."""
    charted = [(key, number) for key, number in counts if number and key in _CHARTED]
    most = max((number for _, number in charted), default=0)
    # At least one unit, so that a single delete among thousands is visible.
    return [
        _Bar(key, labels.get(key, key), number, max(1, round(100 * number / most)))
        for key, number in charted
    ]


@dataclass(frozen=True, slots=True)
class _Filter:
    """Checkboxes for the choices of one dimension."""

    dimension: str
    choices: list[str]


def _filters(present: Mapping[str, Iterable[str]]) -> list[_Filter]:
    """Return a filter for each dimension with more than one value present."""
    filters = []
    for dimension, values in present.items():
        # In the order of the table, so that the checkboxes of all reports are in the same order.
        choices = [value for value in FILTERS[dimension] if value in set(values)]
        if len(choices) > 1:
            filters.append(_Filter(dimension, choices))
    return filters


def _kinds_and_risks(actions: Iterable[plan_outline.ActionItem]) -> Mapping[str, set[str]]:
    present: dict[str, set[str]] = {"action": set(), "risk": set()}
    for item in actions:
        present["action"].add(item.kind.value)
        present["risk"].add(item.risk.value)
    return present


def _states_and_risks(actions: Iterable[plan_outline.ActionItem]) -> Mapping[str, set[str]]:
    present: dict[str, set[str]] = {"drift": set(), "risk": set()}
    for item in actions:
        present["drift"].add(item.drift_state)
        present["risk"].add(item.risk.value)
    return present


def _is_high_risk(risk: Risk) -> bool:
    return risk.rank >= Risk.CREDENTIAL.rank


@dataclass(frozen=True, slots=True)
class _FoldedSection:
    """Section with all its lines; a short one is open."""

    whole: Section
    is_open: bool


def _sections(plan: Plan, context: CommandContext) -> list[_FoldedSection]:
    short = {section.key for section in sections_of(plan, context) if not section.more}
    whole = sections_of(plan, context, whole=True)
    return [_FoldedSection(section, section.key in short) for section in whole]


def _by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Return the errors first; findings of one severity keep their order."""
    return sorted(findings, key=lambda item: _SEVERITIES.index(item.severity))


def _finalize(value: object) -> str:
    """Make a value visible and escape it, except markup, which is the style or a macro's result.

    There is no length limit, because the outlines have already shortened values.
    """
    if isinstance(value, Markup):
        return value
    # jinja2 would also escape, but with `&#34;` for a quote; `&quot;` is easier to read.
    return Markup(escape(visible(str(value), limit=None)))  # noqa: S704


_TEMPLATES = Templates(
    "reconciler.views",
    finalize=_finalize,
    tests={"high_risk": _is_high_risk},
    filters={"by_severity": _by_severity, "severities": severities_of},
    constants={"phrases": phrases},
)


def _render(name: str, **values: object) -> str:
    style = palette() + _style_sheet("report.css") + _filter_rules()
    # The content security policy of the page allows this one style sheet, by its digest.
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The style sheet contains no foreign text, and browsers do not decode references inside it.
    own_style = Markup(style)  # noqa: S704
    return _TEMPLATES.render(name, style=own_style, style_digest=digest, **values) + "\n"


def _style_sheet(name: str) -> str:
    return resources.files("reconciler.views").joinpath(name).read_text(encoding="utf-8")


def _filter_rules() -> str:
    return "".join(
        f"body:has(#show-{dimension}-{value}:not(:checked)) .{dimension}-{value} "
        "{ display: none; }\n"
        for dimension, values in FILTERS.items()
        for value in values
    )
