"""Hostile texts that try to inject markup or commands from a name, and plans that contain them.

Each begins with `MARK`, so that a test can find where the text occurs.
"""

from typing import Any

from hypothesis import strategies as st

from reconciler.diagnostics import Severity, SourceLocation, warning
from reconciler.domain.state import Observed, ObservedState
from reconciler.domain.usage import Usage, UsingConfig, UsingProvider
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, ChangeOrigin, Risk
from reconciler.planning.costs import Budget, BudgetChange, BudgetTotal, Costs, PriceChange
from reconciler.planning.plan import Plan, PlanTarget, Undeclared, Unverified
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict

MARK = "zqx"

FRAGMENTS = (
    "@octocat ",
    "#1 GH-1 a/b#2 ",
    "https://evil.example/x ",
    "www.evil.example ",
    "mail@evil.example ",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></summary></details>",
    "</style></title>",
    "<!-- reconcile -->",
    "-->",
    "[text](https://evil.example)",
    "![image](https://evil.example/i.png)",
    "[ref]: https://evil.example",
    "`",
    "```",
    "~~~",
    "|",
    "\n",
    "\n\n",
    "\r\n# heading\n",
    "\n::error::boo\n",
    "::set-output name=x::y",
    "##[command]rm",
    "\x1b[31m",
    "\x9b2J",
    "\u202e",
    "\u200b",
    "\\",
    '"',
    "'",
    "&amp;",
    "$(reboot)",
    "> [!NOTE]",
    "- ",
    "    ",
    "[bold red]x[/]",
    ":smile:",
    "\ud800",
    "写真",
)

texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=12), max_size=8).map(
    lambda parts: MARK + "".join(parts)
)
"""Foreign text behind the mark."""

starts = st.lists(st.sampled_from(FRAGMENTS), max_size=4).map("".join)
"""Foreign text that may begin with anything."""

values = texts | st.lists(texts, max_size=2) | st.dictionaries(texts, texts, max_size=2)


@st.composite
def changes(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Change:
    sensitive = draw(st.booleans())
    return Change(
        path=draw(st.sampled_from(("name", "key")) | text),
        op=draw(st.sampled_from(ChangeKind)),
        risk=draw(st.sampled_from(Risk)),
        before=None if sensitive else draw(text | values),
        after=None if sensitive else draw(text | values),
        sensitive=sensitive,
        origin=draw(st.sampled_from(ChangeOrigin)),
        reference=draw(text) if sensitive else None,
        before_reference=draw(st.none() | text) if sensitive else None,
    )


@st.composite
def actions(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Action:
    return Action(
        slug=draw(text),
        kind=draw(st.sampled_from(ActionKind)),
        reason=draw(text),
        risk=draw(st.sampled_from(Risk)),
        changes=tuple(draw(st.lists(changes(text), max_size=3))),
        source=draw(st.none() | text.map(SourceLocation)),
        blocked_by=tuple(draw(st.lists(text | st.just("protected"), max_size=2))),
        staged_by=draw(st.none() | text),
        used_by=draw(st.none() | usages(text)),
    )


@st.composite
def usages(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Usage:
    providers = st.builds(UsingProvider, text, st.none() | text)
    configs = st.builds(UsingConfig, text, st.none() | text, possible=st.booleans())
    return Usage(
        tuple(draw(st.lists(providers, max_size=2))),
        tuple(draw(st.lists(configs, max_size=2))),
        complete=draw(st.booleans()),
    )


@st.composite
def plans(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Plan:
    return Plan(
        target=PlanTarget(draw(text), "https://" + draw(text)),
        created_at="2026-03-01T10:00:00Z",
        desired_digest="sha256:" + "0" * 64,
        actions=tuple(draw(st.lists(actions(text), max_size=4))),
        commit=draw(st.none() | text),
        unverified=tuple(
            draw(st.lists(st.builds(Unverified, slug=text, path=text, reference=text), max_size=2))
        ),
        undeclared=tuple(draw(st.lists(st.builds(Undeclared, slug=text, path=text), max_size=2))),
        unmanaged=tuple(draw(st.lists(text, max_size=2))),
        forgotten=tuple(draw(st.lists(text, max_size=2))),
        diagnostics=(
            warning(draw(text), draw(text), hint=draw(text), at=SourceLocation(draw(text), 1, 1)),
        ),
        run=draw(st.none() | text),
        policies=draw(verdicts(text)),
        costs=draw(st.none() | costs(text)),
    )


def costs(text: st.SearchStrategy[str]) -> st.SearchStrategy[Costs]:
    amount = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=2)
    budget = st.none() | st.builds(Budget, st.none() | amount, text, text)
    change = st.builds(BudgetChange, text, st.none() | text, budget, budget)
    total = st.builds(BudgetTotal, text, text, amount, amount)
    price = st.builds(PriceChange, text, st.none() | text, text, amount, amount)

    def several(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(items, max_size=2).map(tuple)

    return st.builds(Costs, budgets=several(change), totals=several(total), prices=several(price))


def verdicts(text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[PolicyVerdict, ...]]:
    finding = st.builds(
        PolicyFinding,
        severity=st.sampled_from(Severity),
        code=text,
        message=text,
        slug=st.none() | text,
    )
    found = st.lists(finding, max_size=2).map(tuple)
    digest = st.none() | st.just("sha256:" + "0" * 64)
    verdict = st.builds(PolicyVerdict, name=text, digest=digest, findings=found)
    return st.lists(verdict, max_size=2).map(tuple)


@st.composite
def results(draw: st.DrawFn, of: Plan, text: st.SearchStrategy[str] = texts) -> ApplyResult:
    outcomes = [
        Outcome(
            slug=action.slug,
            kind=action.kind,
            status=draw(st.sampled_from(Status)),
            attempts=draw(st.integers(0, 4)),
            duration_ms=draw(st.integers(0, 10**6)),
            request_ids=tuple(draw(st.lists(text, max_size=2))),
            error=draw(
                st.none()
                | st.builds(
                    ActionFailure, code=text, message=text, hint=text, http_status=st.just(409)
                )
            ),
            warnings=tuple(draw(st.lists(text, max_size=1))),
        )
        for action in of.actions
    ]
    reason = draw(st.none() | text)
    return ApplyResult(
        draw(text),
        of.target,
        of.digest,
        tuple(outcomes),
        break_freeze=reason,
        allow_unsoaked=draw(st.none() | text),
        costs=draw(st.none() | costs(text)),
    )


@st.composite
def observed_states(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> ObservedState:
    slugs = draw(st.lists(text, max_size=3, unique=True))
    return ObservedState(
        {
            slug: Observed(
                slug,
                fields={"name": draw(text), "ai_provider_id": draw(text), draw(text): draw(values)},
                created_at=draw(text),
            )
            for slug in slugs
        }
    )
