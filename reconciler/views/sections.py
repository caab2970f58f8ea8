"""Parts of outlines: notes on removals, sections of unchanged parts, suggested commands.

The notes precede the changes of a delete or a replace: what it removes and what it re-creates. The
sections are policies, unverified, undeclared, forgotten and unmanaged.

A suggested command has one order and is quoted for a shell. It finds the same digest only if it
looks at the same part of the same files, so it carries on every option that shaped the plan. Which
options those are is collected from the command line in `reconciler.cli.options`.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.desired.yaml_writer import flow
from reconciler.diagnostics import Severity, counted, named
from reconciler.domain.facts import RiskRule
from reconciler.domain.identifiers import as_operands
from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.domain.tree import Path
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.planning.plan import Plan, Undeclared
from reconciler.views import phrases
from reconciler.views.escape import visible
from reconciler.views.phrases import LISTED, NAMED


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Options of the current command line that a suggested command repeats.

    `global_options` are all but the target, `plan_options` those that decide what a plan contains
    and what it may do. `saved_plan` is the file that the plan was saved to, if any.
    """

    global_options: tuple[str, ...] = ()
    plan_options: tuple[str, ...] = ()
    saved_plan: str | None = None


def suggested_command(
    target: str | None, command: str, *arguments: str, context: CommandContext = CommandContext()
) -> str:
    """Return `reconcile --target T [--dir D] COMMAND ARGUMENTS`, quoted for a POSIX shell.

    Without a target, the option is left out: the commands of a fleet do not have it.
    """
    options = ("--target", target) if target is not None else ()
    words = ("reconcile", *options, *context.global_options, command, *arguments)
    return " ".join(_quoted(word) for word in words)


def apply_command(target: str, *arguments: str, context: CommandContext = CommandContext()) -> str:
    """Return the `apply` that plans with the same options; `arguments` come last."""
    return suggested_command(target, "apply", *context.plan_options, *arguments, context=context)


def as_operand(path: str) -> str:
    """Return a path that no command parses as an option."""
    return f"./{path}" if path.startswith("-") else path


def _quoted(word: str) -> str:
    # Preceded by a dot, because only the start of a line could be a command to a CI.
    if visible(f".{word}", None) == f".{word}":
        return shlex.quote(word)
    # Control and invisible characters: the notation of bash and zsh names them in plain ASCII.
    # The backslash first: quotes are escaped by one.
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(f'.{escaped}', None)[1:]}'"


_ENTRY = 2
"""Steps of the path of an entry: its list and its key."""


@dataclass(frozen=True, slots=True)
class Section:
    """List of findings that are not actions; `more` counts what `lines` omits.

    `advice` is a fixed phrase that introduces `command`; both may be empty.
    """

    key: str
    title: str
    lines: tuple[str, ...]
    more: int = 0
    advice: str = ""
    command: str = ""


def sections_of(
    plan: Plan, context: CommandContext = CommandContext(), *, whole: bool = False
) -> tuple[Section, ...]:
    """Return the sections of a plan that are not empty; `whole` lists all entries."""
    limit = None if whole else LISTED
    unverified = [
        f"{visible(u.slug)}: {visible(u.path, None)}: {reference(u.reference)}"
        for u in plan.unverified
    ]
    policies = [
        f"{visible(p.name)}: {p.verdict.value}, {visible(p.digest or phrases.NO_DIGEST)}"
        for p in plan.policies
    ]
    sections = (
        _section("policies", policies, limit),
        _section("unverified", unverified, limit),
        _undeclared(plan, context, limit),
        _names("forgotten", plan.forgotten, limit),
        _names("unmanaged", plan.unmanaged, limit, title=_unmanaged_title(plan)),
    )
    return tuple(section for section in sections if section.lines)


def policies_line(plan: Plan) -> tuple[str, ...]:
    """Return the verdict of each policy in one line; no line without policies."""
    verdicts = [f"{visible(p.name)} {p.verdict.value}" for p in plan.policies]
    return (phrases.POLICIES.format(", ".join(verdicts)),) if verdicts else ()


def lift_advice(plan: Plan) -> str:
    """Return what to do about a blocked plan; an exclusion lifts no block of the whole plan."""
    slugs = {action.slug for action in plan.actions}
    found = [item for verdict in plan.policies for item in verdict.findings]
    # As for the block itself: a finding without an action, such as a failure, applies to all
    # actions.
    if any(item.severity is Severity.ERROR and item.slug not in slugs for item in found):
        return phrases.NEXT_BLOCKED_BY_POLICY
    return phrases.NEXT_BLOCKED


def once_accepted(plan: Plan, phrase: str) -> str:
    """Return a phrase that introduces an apply, preceded by why the apply would be refused now."""
    codes = {diagnostic.code for diagnostic in plan.diagnostics}
    times = {"outside-window": plan.opens_at, "not-soaked": plan.soaked_at}
    parts = [phrases.UNTIL_UNBLOCKED] if plan.blocked else []
    for code, condition in phrases.UNTIL.items():
        moment = times[code]
        since = phrases.FROM.format(visible(moment)) if moment is not None else ""
        parts += [condition + since] if code in codes else []
    if not parts:
        return phrase
    return phrases.ONCE.format(" and ".join(parts), phrase[:1].lower(), phrase[1:])


def left_alone(plan: Plan, *, lists_undeclared: bool = False) -> str:
    """Return in one line how much the plan leaves unchanged, empty for nothing.

    `lists_undeclared` says that undeclared values have a list of their own.
    """
    forgotten = ""
    if plan.forgotten:
        slugs = [visible(slug, limit=255) for slug in plan.forgotten]
        forgotten = f"{_integrations(slugs, 'forgotten')} ({named(slugs, limit=NAMED)})"
    undeclared = ""
    if plan.undeclared and not lists_undeclared:
        undeclared = counted(len(plan.undeclared), "undeclared value")
    parts = (
        forgotten,
        counted(len(plan.unverified), "unverified secret") if plan.unverified else "",
        undeclared,
        _unmanaged(plan),
    )
    kinds = ", ".join(part for part in parts if part)
    return phrases.LEFT_ALONE.format(kinds) if kinds else ""


def _unmanaged(plan: Plan) -> str:
    if not plan.unmanaged:
        return ""
    # Absence from the files proves nothing if the earlier declarations are unknown.
    if not plan.is_judged or plan.is_first:
        return f"{counted(len(plan.unmanaged), 'integration')} in no file ({phrases.NOT_KNOWN})"
    return f"{_integrations(plan.unmanaged, 'unmanaged')} ({phrases.NEVER_DECLARED})"


def _integrations(slugs: Sequence[str], state: str) -> str:
    return counted(len(slugs), f"{state} integration")


def _undeclared(plan: Plan, context: CommandContext, limit: int | None) -> Section:
    """List undeclared values, with the lines to add and the command that writes them."""
    section = _section("undeclared", [_undeclared_line(item) for item in plan.undeclared], limit)
    slugs = list(dict.fromkeys(item.slug for item in plan.undeclared))
    if not slugs:
        return section
    advice = phrases.DECLARE
    if len(slugs) > LISTED:
        advice = phrases.DECLARE_MORE.format(LISTED, len(slugs))
    first = [visible(slug, limit=255) for slug in slugs[:LISTED]]
    command = suggested_command(
        plan.target.name, "pull", "--force", *as_operands(first), context=context
    )
    return replace(section, advice=advice, command=command)


def _undeclared_line(item: Undeclared) -> str:
    place = f"{visible(item.slug)}: {visible(item.path, None)}"
    path = parse_path(item.path)
    # A line can be suggested only for a whole entry; of a deeper value, the rest is unknown.
    if path is None or len(path) != _ENTRY:
        return place
    name, identity = path
    field = any_provider_schema().child(name)
    # Only lists of access have entries that are complete with a key and `enabled`.
    if field.key is None or field.entries is None or not field.entries.grants_access:
        return place
    entry = visible(flow({field.key: identity, "enabled": True}), None)
    return phrases.LINE_TO_ADD.format(place, name, entry)


def _section(key: str, lines: Sequence[str], limit: int | None) -> Section:
    shown = tuple(lines[:limit])
    title = phrases.SECTION_TITLES[key].format(len(lines))
    return Section(key, title, shown, len(lines) - len(shown))


def _names(
    key: str, slugs: Sequence[str], limit: int | None, *, title: str | None = None
) -> Section:
    shown = slugs[:limit]
    line = ", ".join(visible(slug) for slug in shown)
    heading = (title or phrases.SECTION_TITLES[key]).format(len(slugs))
    return Section(key, heading, (line,) if line else (), len(slugs) - len(shown))


def _unmanaged_title(plan: Plan) -> str | None:
    """Return a title if it is unknown which integrations were declared before, else None."""
    if not plan.is_judged:
        return phrases.UNMANAGED_UNREADABLE
    return phrases.UNMANAGED_NEW_LEDGER if plan.is_first else None


DIGITS = 12
"""Number of digits of a digest that users compare; commands contain all digits."""


def first_digits(digest: str) -> str:
    """Return the first digits of a digest, for users."""
    return digest.removeprefix("sha256:")[:DIGITS]


def reference(name: str | None, without: str = phrases.REDACTED_WITHOUT_NAME) -> str:
    """Return a secret by the name of its reference, never by its value."""
    if name is None:
        return without
    return f"{phrases.REDACTED} reference {visible(name, None)}"


def removal_notes(action: Action) -> tuple[str, ...]:
    """Return the lines for a delete or a replace; none for any other action."""
    if action.kind not in {ActionKind.DELETE, ActionKind.REPLACE}:
        return ()
    lost = [c for c in action.changes if c.op is ChangeKind.REMOVE or _is_switched_off(c)]
    # The whole withdrawn entry, of which a file may still declare other fields.
    withdrawn = {_steps(c)[:2] for c in lost if _is_switched_off(c)}
    kept = [c for c in action.changes if c not in lost and _steps(c)[:2] not in withdrawn]
    # A plan of version 0.1.0 does not list what a delete removes.
    if action.kind is ActionKind.DELETE and not lost:
        return (phrases.LOSS_UNKNOWN,)
    loses = "; ".join(_loses(lost)) or phrases.LOSES_NOTHING
    notes = [f"{phrases.LOSES}: {loses}"]
    if action.kind is ActionKind.REPLACE:
        notes.append(f"{phrases.RECREATED}: {', '.join(_recreated(kept))}")
    return tuple(notes)


def is_restated(action: Action, change: Change) -> bool:
    """Return whether a change only restates a readable value that a replace restores."""
    is_replace = action.kind is ActionKind.REPLACE
    return is_replace and change.op is ChangeKind.RESEND and not change.sensitive


def _is_switched_off(change: Change) -> bool:
    """Return whether a replace withdraws this model, this workspace or the access of all."""
    return change.path.endswith(".enabled") and change.before is True and change.after is False


def _loses(changes: Sequence[Change]) -> Iterator[str]:
    # Sorted by name: in the order of the texts, `ws-10` would come before `ws-1`.
    paths = sorted(_steps(change) for change in changes)
    for change in changes:
        if change.path == "ai_provider_id":
            # First, because with another provider, all other values of the integration are
            # meaningless.
            yield f"provider {visible(str(change.before))}"
    yield from _lost_access(paths)
    yield from _listed("model", _identities(paths, "models"))
    # Each workspace or list only once, although several of its limits may be lost.
    limited = dict.fromkeys(_holder(path) for path in paths if _is_limit(path))
    if limited:
        yield f"limits of {_named(list(limited))}"
    yield from _listed("secret", [change.path for change in changes if change.sensitive])


def _lost_access(paths: Sequence[Path]) -> Iterator[str]:
    workspaces = [p[1] for p in paths if p[:1] == ("workspaces",) and p[2:] == ("enabled",)]
    if workspaces:
        verb = "loses" if len(workspaces) == 1 else "lose"
        yield f"{counted(len(workspaces), 'workspace')} {verb} access ({_named(workspaces)})"
    schema = any_provider_schema()
    for path in paths:
        # Switch of a whole list, such as that for access of all workspaces.
        if schema.child(path[0]).has_switch and path[1:] == ("enabled",):
            yield f"every workspace loses access ({path[0]})"


def _is_limit(path: Path) -> bool:
    return any_provider_schema().at(path).facts.risk is RiskRule.LIMIT


def _recreated(changes: Sequence[Change]) -> Iterator[str]:
    paths = sorted(_steps(change) for change in changes)
    for name in dict.fromkeys(path[0] for path in paths):
        if name in {"models", "workspaces"}:
            yield from _listed(name.removesuffix("s"), _identities(paths, name))
        else:
            yield visible(name)


def _listed(noun: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"{counted(len(names), noun)} ({_named(names)})"


def _identities(paths: Sequence[Path], name: str) -> list[str]:
    return list(dict.fromkeys(p[1] for p in paths if p[0] == name and len(p) > 1))


def _holder(path: Path) -> str:
    return path[1] if path[0] == "workspaces" and len(path) > 1 else path[0]


def _steps(change: Change) -> Path:
    # The path of a saved plan can be unreadable; it then counts as one name.
    return parse_path(change.path) or (change.path,)


def _named(names: Sequence[str]) -> str:
    return named([visible(name, None) for name in names], limit=LISTED)
