"""Plans, results and drift as GitHub-flavoured Markdown, for comments and job summaries.

Text from a file or from the API is always inside a code span, a fence or `<code>`. Inside these,
GitHub resolves no mention, link, image, HTML, emoji or issue number. Backslashes are not
sufficient: GitHub links `@name` and `a@b.c` after Markdown has been rendered.

The text comes from the outlines; `reconciler.views.length_budget` limits the length.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from reconciler.diagnostics import Severity, named
from reconciler.drift.report import DriftReport
from reconciler.execution.result import ApplyResult, Status
from reconciler.planning.actions import ActionKind, Risk
from reconciler.planning.plan import Plan
from reconciler.views import drift_outline, phrases, plan_outline, result_outline
from reconciler.views.escape import visible
from reconciler.views.findings import Finding, lines_of, severities_of
from reconciler.views.length_budget import BudgetedPart, fit
from reconciler.views.phrases import LISTED
from reconciler.views.render_options import Publication, RenderOptions
from reconciler.views.sections import Section, first_digits

LIMIT = 65_536
"""Maximum length of a comment on GitHub."""

COLUMNS = 88
"""Maximum columns of a block that GitHub shows without a scroll bar."""

CHANGES_SHOWN = 100
"""Maximum number of listed changes of an action, except hosts; the rest is counted."""

_BACKTICKS = re.compile("`+")
_PLAIN_NAME = re.compile("[A-Za-z]+(-[A-Za-z]+)*")
"""Names of environments that GitHub renders unchanged; others are shown in a code span."""

_DIFF_MARKS = frozenset({"+ ", "- ", "! ", "= "})
_OUTCOMES = (Status.FAILED, Status.UNKNOWN, Status.SKIPPED, Status.APPLIED)
_CALLED_OUT = (Risk.DELETE, Risk.REPLACE, Risk.ACCESS_REMOVAL, Risk.CREDENTIAL)


def plan(value: Plan, options: RenderOptions, *, limit: int = LIMIT) -> str:
    """Return a plan: counts, risks and blocks, then each action folded, the riskiest first.

    `limit` is in bytes of UTF-8, which is never less than GitHub counts; from 8,192 upward it
    always holds. Text that does not fit is omitted, details first, with a note on how much. Changes
    of hosts are omitted last, and then the text refers to the saved plan.
    """
    shown = plan_outline.of_plan(
        value, ledger=options.ledger, context=options.context, verbose=options.verbose
    )
    publication = options.publication
    # The first ones are omitted last.
    ranked = sorted(shown.actions, key=lambda item: -item.risk.rank)
    return fit(
        head=_head(shown, publication),
        notes=[
            *_risks(shown.actions),
            *(f"{code(text)}\n" for text in shown.costs),
            *_blocks(shown.actions, lifts=phrases.LIFTS_BY_MERGING if publication else {}),
            *_findings(shown.findings),
        ],
        details=[_budgeted(item) for item in ranked],
        tail=[
            *_sections(shown.sections),
            *(publication.next_steps if publication else _next(shown)),
        ],
        limit=limit,
    )


def result(value: ApplyResult, options: RenderOptions, *, limit: int = LIMIT) -> str:
    """Return a result: counts, what to do next, then each outcome, failed ones first."""
    shown = result_outline.of_result(
        value, ledger=options.ledger, plan=options.plan, context=options.context
    )
    # Stable, so that outcomes of one status keep the order of the plan.
    ranked = sorted(shown.uncounted, key=lambda item: _OUTCOMES.index(item.status))
    title = f"{shown.title} {code(shown.run)}" if shown.run else shown.title
    run, summary = "", shown.summary
    own_steps = [
        f"{step.text} {code(step.command)}" if step.command else step.text
        for step in shown.next_steps
    ]
    advice = "".join(f"- {text}\n" for text in (*own_steps, *map(code, shown.ledger)))
    notes: list[str] = []
    tail: list[str] = []
    if options.publication is not None:
        run = f" · run {code(shown.run)}" if shown.run else ""
        title = _published_title("apply", options.publication)
        # Paragraphs, so that the list below contains only outcomes.
        steps = options.publication.next_steps or own_steps
        advice = "\n".join(f"{text}\n" for text in steps)
        notes, tail = _ledger_parts(value, shown)
        if not value.complete:
            # A reader of a pull request looks for what failed.
            counts = value.summary
            summary = ", ".join(f"{counts[s.value]} {s.value}" for s in _OUTCOMES) + "."
    head = [
        f"### {title}\n",
        f"**{summary}**\n",
        f"{code(shown.header)}{run} · digest {code(first_digits(shown.digest))}\n",
        advice,
    ]
    return fit(
        head="\n".join(head),
        notes=[*notes, *(f"{code(text)}\n" for text in shown.costs), *_not_done(shown)],
        details=[BudgetedPart(full=_outcome(item), short=_short_outcome(item)) for item in ranked],
        tail=tail,
        limit=limit,
    )


def _not_done(shown: result_outline.ResultOutline) -> Iterator[str]:
    """Yield the overrides, the half-done actions, and the number of actions that were not tried."""
    for text in shown.overrides:
        yield f"{code(text)}\n"
    if shown.half_done:
        yield f"{code(shown.half_done)}\n"
    if len(shown.uncounted) < len(shown.outcomes):
        yield from (f"{code(line)}\n" for line in shown.not_tried)


def _ledger_parts(
    value: ApplyResult, shown: result_outline.ResultOutline
) -> tuple[list[str], list[str]]:
    """Return the notes above the outcomes and the tail: an incomplete record, or its end."""
    if not shown.ledger:
        return [], []
    if not value.is_recorded:
        reasons = ", ".join(map(code, shown.ledger))
        return [f"> [!CAUTION]\n> {phrases.NOT_RECORDED} {reasons}\n"], []
    return [], [_folded(phrases.LEDGER_END, fence(shown.ledger))]


def drift(value: DriftReport, options: RenderOptions, *, limit: int = LIMIT) -> str:
    """Return a drift report: the summary, how to resolve it, then the changes by origin."""
    publication = options.publication
    shown = drift_outline.of_report(
        value,
        ledger=options.ledger,
        context=options.context,
        verbose=options.verbose,
        is_published=publication is not None,
    )
    title = _published_title("drift", publication) if publication else shown.title
    lifts = phrases.LIFTS_BY_MERGING if publication else {}
    head = [
        f"### {title}\n",
        f"**{shown.summary}**\n",
        f"{code(shown.header)} · fingerprint {code(first_digits(shown.fingerprint))}\n",
    ]
    details = [
        _budgeted(item)
        for group in shown.groups
        # Comments are shortened from the end, so the greatest risk comes first.
        for item in sorted(group.items, key=lambda item: -item.risk.rank)
    ]
    return fit(
        head="\n".join(head),
        notes=[
            *_drift_steps(shown.steps, publication),
            *_risks(shown.items),
            *_blocks(shown.items, lifts=lifts),
            *(f"{code(text)}\n" for text in shown.costs),
            *_note(shown.note),
            *_retiring(shown.retiring),
            *_findings(shown.findings),
        ],
        details=details,
        tail=[
            *(_folded(section.title, _body(section)) for section in shown.sections),
            *(_commands(shown.steps) if publication else ()),
        ],
        limit=limit,
    )


def code(text: str) -> str:
    """Return a code span; an empty text becomes a space, because an empty span is not possible."""
    line = visible(text, limit=None) or " "
    ticks = "`" * _longer_than_any(line, least=1)
    # CommonMark strips one space from each side, except from a span of only spaces.
    padded = f" {line} " if line.strip() and (line[0] in "` " or line[-1] in "` ") else line
    return f"{ticks}{padded}{ticks}"


def fence(lines: Iterable[str], *, language: str = "text") -> str:
    """Return a fenced block of one-line texts, followed by a newline.

    Long lines are wrapped, except commands, because GitHub would scroll the block sideways. In a
    diff, GitHub colours a line by its first character: `!` marks a change.
    """
    shown = [visible(line, limit=None) for line in lines]
    if language == "diff":
        shown = ["!" + line[1:] if line.startswith("~ ") else line for line in shown]
    if language != "sh":
        shown = [part for line in shown for part in _wrapped(line, language)]
    body = "".join(line + "\n" for line in shown)
    # A value can contain backticks, which would end a fence of the usual length.
    ticks = "`" * _longer_than_any(body, least=3)
    return f"{ticks}{language}\n{body}{ticks}\n"


def shown_name(name: str) -> str:
    """Return the name of an environment, in a code span unless it is plain."""
    return name if _PLAIN_NAME.fullmatch(name) else code(visible(name, limit=255))


def html_code(text: str) -> str:
    """Return a `<code>` element, for places without Markdown, such as `<summary>`."""
    return f"<code>{html.escape(visible(text, limit=None))}</code>"


def _longer_than_any(text: str, *, least: int) -> int:
    return max(least, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))


def _wrapped(line: str, language: str) -> list[str]:
    """Break a line at spaces; a word is never broken, because a host must be shown as a whole."""
    if len(line) <= COLUMNS:
        return [line]
    is_change = language == "diff" and line[:2] in _DIFF_MARKS
    # GitHub colours each line separately, so a continuation repeats the symbol.
    hang = f"{line[0]}     " if is_change else "    "
    first, *words = line.split(" ")
    lines = [first]
    for word in words:
        # A line with only its symbol or indent gets the next word, regardless of its length.
        if len(lines[-1]) + 1 + len(word) <= COLUMNS or lines[-1] in {first, hang}:
            lines[-1] += f" {word}"
        else:
            # The word now begins a line, where a CI would read `::` as a command.
            lines.append(hang + visible(word, limit=None))
    return lines


def _published_title(subject: str, publication: Publication) -> str:
    return f"reconcile {subject} · {shown_name(publication.environment)}"


def _drift_steps(
    steps: Sequence[drift_outline.Suggestion], publication: Publication | None
) -> Iterator[str]:
    """Yield the ways to resolve drift; on GitHub, the commands are separate, below the changes."""
    if publication is None:
        yield from map(_step, steps)
        return
    yield from publication.next_steps
    yield from (_step(step) for step in steps if step.slugs and not step.command)


def _commands(steps: Sequence[drift_outline.Suggestion]) -> Iterator[str]:
    commands = [_step(step) for step in steps if step.command]
    if commands:
        yield _folded(phrases.ON_YOUR_MACHINE, "\n".join(commands))


def _note(text: str) -> Iterator[str]:
    if text:
        yield f"{text}\n"


def _retiring(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"{phrases.RETIREMENTS}\n\n" + "".join(f"- {code(line)}\n" for line in lines)


def _step(step: drift_outline.Suggestion) -> str:
    if step.command:
        return f"{step.text}\n\n{fence([step.command], language='sh')}"
    return f"{step.text} {', '.join(code(slug) for slug in step.slugs)}".rstrip() + "\n"


def _head(shown: plan_outline.PlanOutline, publication: Publication | None) -> str:
    title = f"{shown.title} {code(shown.run)}" if shown.run else shown.title
    if publication is not None and not shown.run:
        title = _published_title("plan", publication)
    lines = [
        f"### {title}\n",
        f"**{shown.summary}**\n",
        f"{code(shown.header)} · digest {code(first_digits(shown.digest))}\n",
    ]
    lines += [f"{code(text)}\n" for text in shown.policies]
    if shown.warning:
        lines.append(f"> [!WARNING]\n> {shown.warning}\n")
    return "\n".join(lines)


def _risks(actions: Sequence[plan_outline.ActionItem]) -> Iterator[str]:
    lines = []
    for risk in _CALLED_OUT:
        slugs = [a.slug for a in actions if a.risk is risk or risk.value in _change_risks(a)]
        if slugs:
            lines.append(f"> - **{risk.value}** ({len(slugs)}): {_named(slugs)}\n")
    if lines:
        yield "> [!WARNING]\n" + "".join(lines)


def _change_risks(item: plan_outline.ActionItem) -> set[str]:
    """Return the risks of the changes; for a delete, its own risk is sufficient."""
    return set() if item.kind is ActionKind.DELETE else {change.risk for change in item.changes}


def _blocks(
    actions: Sequence[plan_outline.ActionItem], *, lifts: Mapping[str, str]
) -> Iterator[str]:
    """Yield the blocks of actions; `lifts` replaces the usual remedy for a code."""
    blocked: dict[plan_outline.Block, list[str]] = {}
    for action in actions:
        for block in action.blocks:
            blocked.setdefault(block, []).append(action.slug)
    if blocked:
        lines = (
            f"> - **blocked** by {code(b.code)} ({len(slugs)}): {_named(slugs)} — "
            f"{lifts.get(b.code, b.lift)}\n"
            for b, slugs in islice(blocked.items(), LISTED)
        )
        yield "> [!CAUTION]\n" + "".join(lines)


def _named(slugs: Sequence[str]) -> str:
    return named([code(slug) for slug in slugs], limit=LISTED)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    ranked = sorted(findings, key=lambda item: list(Severity).index(item.severity))
    lines: list[str] = []
    for item in ranked[:LISTED]:
        lines += lines_of(item, more=phrases.MORE)
    hidden = sum(item.number for item in ranked[LISTED:])
    if hidden:
        lines.append(phrases.MORE.format(hidden))
    # Errors are the most important; the rest is folded.
    title = phrases.findings_title(severities_of(findings))
    opened = " open" if ranked[0].severity is Severity.ERROR else ""
    yield _folded(title, fence(lines), attributes=opened)


def _budgeted(item: plan_outline.ActionItem, *, origin: str = "") -> BudgetedPart:
    """Return the full form of an action, and a short form with only its host changes."""
    short = _short_action(item, origin=origin)
    hosts = [f"{change.symbol} {change.text}" for change in item.changes if change.is_whole]
    if hosts:
        short += f"\n{fence(hosts, language='diff')}"
    return BudgetedPart(full=_action(item, origin=origin), short=short, essential=bool(hosts))


def _change_lines(changes: Sequence[plan_outline.ChangeItem]) -> list[str]:
    """Return the first changes and every change of a host; count the others."""
    shown = [
        change for number, change in enumerate(changes) if number < CHANGES_SHOWN or change.is_whole
    ]
    lines = []
    for change in shown:
        lines.append(f"{change.symbol} {change.text}")
        if change.who:
            lines.append(f"  {change.who}")
    if len(shown) < len(changes):
        lines.append(phrases.MORE.format(len(changes) - len(shown)))
    return lines


def _action(item: plan_outline.ActionItem, *, origin: str = "") -> str:
    source = f" · source: {code(item.source)}" if item.source else ""
    body = [f"Reason: {code(item.reason)}{source}\n"]
    body += [f"{code(note)}\n" for note in item.all_notes]
    if item.who:
        body.append(f"{code(item.who)}\n")
    lines = _change_lines(item.essential_changes)
    if lines:
        # GitHub colours lines of a diff by their first character, which is the change's symbol.
        body.append(fence(lines, language="diff"))
    name = f" {html_code(item.name)}" if item.name else ""
    origin = f", {origin}" if origin else ""
    headline = (
        f"{item.symbol} {item.word} {html_code(item.slug)}{name}{origin}, risk: {item.risk.value}"
    )
    return _folded(headline, "\n".join(body))


def _short_action(item: plan_outline.ActionItem, *, origin: str = "") -> str:
    name = f" {code(item.name)}" if item.name else ""
    origin = f", {origin}" if origin else ""
    what = f"{code(item.symbol)} {item.word} {code(item.slug)}{name}"
    return f"- {what}{origin}, risk: {item.risk.value}\n"


def _sections(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        # A count is sufficient in a comment, because the reviewer does not need to act on them.
        if section.key == "unverified":
            yield f"{phrases.UNVERIFIED_HERE.format(len(section.lines) + section.more)}\n"
            continue
        if section.key == "unmanaged":
            yield f"{section.title}.\n"
            continue
        yield _folded(section.title, _body(section))


def _body(section: Section) -> str:
    body = fence(_lines(section))
    if section.command:
        body += f"\n{section.advice}\n\n{fence([section.command], language='sh')}"
    return body


def _lines(section: Section) -> list[str]:
    lines = list(section.lines)
    if section.more:
        lines.append(phrases.MORE.format(section.more))
    return lines


def _next(shown: plan_outline.PlanOutline) -> Iterator[str]:
    if shown.command:
        yield f"{shown.next_step}\n\n{fence([shown.command], language='sh')}"
    elif shown.next_step:
        yield f"{shown.next_step}\n"


def _outcome(item: result_outline.OutcomeItem) -> str:
    texts = []
    if item.problem:
        texts.append(item.problem)
    if item.hint:
        texts.append(f"hint: {item.hint}")
    texts += [f"warning: {warning}" for warning in item.warnings]
    if item.request_ids and item.problem:
        texts.append(f"request ids: {', '.join(item.request_ids)}")
    if item.status is not Status.APPLIED and item.action:
        texts += _change_lines(item.action.essential_changes)
    return _short_outcome(item) + (f"\n{fence(texts, language='diff')}" if texts else "")


def _short_outcome(item: result_outline.OutcomeItem) -> str:
    effort = f", {item.effort}" if item.effort else ""
    status = f"**{item.status.value}**"
    costs = "".join(f" · {code(text)}" for text in item.costs)
    return f"- {item.symbol} {status} {item.kind.value} {code(item.slug)}{effort}{costs}\n"


def _folded(title: str, body: str, *, attributes: str = "") -> str:
    return f"<details{attributes}><summary>{title}</summary>\n\n{body}\n</details>\n"
