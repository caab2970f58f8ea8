"""Options that several commands share; suggested commands repeat them.

click derives an environment variable for every option from the names of the command and the option.
Options that belong together are passed to a command as one value.

A suggested `apply --expect-digest` computes the same digest only if it reads the same part of the
same files. `reconciler.views.sections` formats command lines.
"""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli import completion_values
from reconciler.cli.global_options import Invocation, RunObserver
from reconciler.cli.model_gate import FailOn, fail_on_option
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.planning.plan import PlanOptions, Selection
    from reconciler.views.sections import CommandContext


Body = TypeVar("Body", bound=Callable[..., Any])


def grouped(
    name: str, make: Callable[..., Any], **options: Callable[[Any], Any]
) -> Callable[[Body], Any]:
    """Return a decorator that passes options to the body as one value called `name`."""

    def decorate(body: Body) -> Any:
        # `wraps` also copies the options that click has stored on the function so far.
        @wraps(body)
        def call(*args: Any, **given: Any) -> Any:
            given[name] = make(**{key: given.pop(key) for key in options})
            return body(*args, **given)

        decorated: Any = call
        # Decorators apply from the bottom up: the one applied last is listed first.
        for option in reversed(options.values()):
            decorated = option(decorated)
        return decorated

    return decorate


def format_option(*choices: str) -> Callable[[Body], Any]:
    """Add `--format`; the first choice is the default, and the body receives it as `style`."""

    def decorate(body: Body) -> Any:
        @wraps(body)
        def call(*args: Any, **given: Any) -> Any:
            return body(*args, style=given.pop("format"), **given)

        return click.option(
            "--format",
            type=click.Choice(choices),
            default=choices[0],
            show_default=True,
            help="Output format",
        )(call)

    return decorate


def _shard(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Parse `I/N`, the I-th of N parts counted from 1."""
    if value is None:
        return None
    index, _, count = value.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise click.BadParameter(f"{value!r} is not I/N with I from 1 to N, for example 1/4")
    return int(index), int(count)


_SELECTORS = {
    "only": click.option(
        "--only",
        metavar="GLOB",
        multiple=True,
        shell_complete=completion_values.slugs,
        help="Include only slugs that match; repeatable",
    ),
    "exclude": click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        shell_complete=completion_values.slugs,
        help="Exclude slugs that match; repeatable",
    ),
    "shard": click.option(
        "--shard",
        metavar="I/N",
        callback=_shard,
        help="Process only the I-th of N parts of all slugs",
    ),
}


class Number(click.FloatRange):
    """A number within limits; `nan` would pass every limit, `inf` a missing upper one."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a finite number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


def _not_empty(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value, such as an unset variable in a script."""
    if value is not None and not value.strip():
        raise click.BadParameter("the value is empty; name a commit or omit the option")
    return value


def _reason(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty reason, and one that looks like a secret, because it is published."""
    if value is None:
        return None
    from reconciler.domain.secrets import LOOKS_SECRET

    if not value.strip():
        raise click.BadParameter("the reason is empty; state why the run cannot wait")
    if LOOKS_SECRET.search(value):
        raise click.BadParameter("the reason looks like a secret; it is recorded and published")
    return value.strip()


_AT_LEAST_0 = click.IntRange(0)

_PLANNING = {
    "prune": click.option(
        "--prune",
        type=click.Choice(["none", "managed", "all"]),
        help="Choose which undeclared integrations to delete, overriding the target",
    ),
    "push_secrets": click.option(
        "--push-secrets",
        is_flag=True,
        help="Also send secrets whose current value cannot be verified",
    ),
    "max_deletes": click.option(
        "--max-deletes",
        type=_AT_LEAST_0,
        metavar="N",
        help="Allow up to N deletes, ignoring the ratio limit",
    ),
    "max_credential_changes": click.option(
        "--max-credential-changes",
        type=_AT_LEAST_0,
        metavar="N",
        help="Allow up to N credential changes",
    ),
    "max_access_removals": click.option(
        "--max-access-removals", type=_AT_LEAST_0, metavar="N", help="Allow up to N access removals"
    ),
    "allow_replace": click.option(
        "--allow-replace",
        is_flag=True,
        help="Allow replacing integrations (deleting and re-creating them)",
    ),
    "allow_empty": click.option(
        "--allow-empty", is_flag=True, help="Allow deletes even if no file is left"
    ),
    "allow_budget": click.option(
        "--allow-budget", is_flag=True, help="Allow budgets beyond the limits of the target"
    ),
    "allow_used": click.option(
        "--allow-used", is_flag=True, help="Allow removing what providers or configs use"
    ),
}


def _make_selection(**given: Any) -> "Selection":
    from reconciler.planning.plan import Selection

    return Selection(**given)


def _make_options(
    *,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    shard: tuple[int, int] | None,
    prune: str | None = None,
    **given: Any,
) -> "PlanOptions":
    # Imported late, because `--help` must start without the planner.
    from reconciler.domain.policy import Prune
    from reconciler.planning.plan import PlanOptions

    return PlanOptions(
        selection=_make_selection(only=only, exclude=exclude, shard=shard),
        prune=Prune(prune) if prune else None,
        **given,
    )


selection = grouped("selection", _make_selection, **_SELECTORS)
"""Add the selectors; the body receives `selection`."""

planning = grouped("options", _make_options, **_SELECTORS, **_PLANNING)
"""Add the options that decide what is planned; the body receives `options`."""

PLAN_PARAMETERS = frozenset({*_SELECTORS, *_PLANNING, "base", "require_secrets"})
"""Parameters that decide what a plan contains and what it may do.

`plan --audit` is not one of them: it adds only warnings, so a suggested `apply` does not need it.
"""

undo_options = grouped(
    "options",
    _make_options,
    **_SELECTORS,
    **{name: it for name, it in _PLANNING.items() if name not in {"prune", "allow_empty"}},
)
"""Add the options that decide what an undo plans; the body receives `options`."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How Git, the secrets and the API are read."""

    base: str | None = None
    parallelism: int = 10
    deadline: float = 900
    require_secrets: bool = False
    values: str = "available"
    fail_on: tuple[FailOn, ...] = ()

    def __post_init__(self) -> None:
        if self.without_values and self.require_secrets:
            raise click.UsageError("--require-secrets cannot be used with --values none")

    @property
    def without_values(self) -> bool:
        """Return whether secrets are deliberately not resolved, so that no warning is needed."""
        return self.values == "none"


_CONNECTION = {
    "parallelism": click.option(
        "--parallelism",
        type=click.IntRange(1, 100),
        metavar="N",
        default=10,
        show_default=True,
        help="Maximum concurrent API calls",
    ),
    "deadline": click.option(
        "--deadline",
        type=Number(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="Overall timeout for the command, in seconds",
    ),
}

connection = grouped("connection", ReadingOptions, **_CONNECTION)
"""Add the options of the API client; the body receives `connection`."""

_READING = {
    "base": click.option(
        "--base",
        metavar="REF",
        callback=_not_empty,
        help="Treat what Git declared at this commit as last applied",
    ),
    **_CONNECTION,
    "require_secrets": click.option(
        "--require-secrets", is_flag=True, help="Treat a missing secret value as an error"
    ),
}

reading = grouped("reading", ReadingOptions, **_READING)

reading_only = grouped(
    "reading",
    ReadingOptions,
    **_READING,
    values=click.option(
        "--values",
        type=click.Choice(["available", "none"]),
        default="available",
        show_default=True,
        help="Secret values to compare with; none in jobs that have no access to them",
    ),
    fail_on=fail_on_option,
)
"""Add the options of `reading` for a command that sends no secret."""


metrics_file = click.option(
    "--metrics-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write metrics of the run to this file, in Prometheus format",
)


def observed(
    invocation: Invocation, *, command: str, run: str, metrics_file: Path | None
) -> RunObserver:
    """Return the observer of a run, which logs and measures what was asked for."""
    if metrics_file is None and invocation.console.json_log is None:
        return RunObserver(invocation, run)
    # Imported late, because few runs are observed.
    from reconciler.cli.telemetry import RunTelemetry

    return RunTelemetry(invocation, command=command, run=run, metrics_file=metrics_file)


OVERRIDES = {
    "break_freeze": click.option(
        "--break-freeze",
        metavar="REASON",
        callback=_reason,
        # Accepted only on the command line: a variable that stays set would break every freeze.
        allow_from_autoenv=False,
        help="Apply outside the target's windows and freeze, and record this reason",
    ),
    "allow_unsoaked": click.option(
        "--allow-unsoaked",
        metavar="REASON",
        callback=_reason,
        allow_from_autoenv=False,
        help="Apply before the end of the soak time, and record this reason",
    ),
    "probe": click.option(
        "--probe",
        is_flag=True,
        help="Probe each written credential, and write no other after a failure",
    ),
}
"""Options for the time of an apply and for its probe, by parameter name."""

ALLOWED_EFFECTS = {name: _PLANNING[name] for name in ("allow_budget", "allow_used")}
"""Options that override the guards of a fleet member, by parameter name."""


@dataclass(frozen=True, slots=True)
class ApprovalOptions:
    """Options for the approval of an apply, and for its behaviour after a failure."""

    yes: bool = False
    expect_digest: str | None = None
    on_error: str = "continue"
    no_ledger: bool = False
    allow_older_commit: bool = False
    break_freeze: str | None = None
    allow_unsoaked: str | None = None
    probe: bool = False

    def __post_init__(self) -> None:
        if self.probe and self.no_ledger:
            raise click.UsageError(
                "--probe cannot be used with --no-ledger, because the ledger records which "
                "credentials work"
            )


approval_options = grouped(
    "approval_options",
    ApprovalOptions,
    yes=click.option("--yes", is_flag=True, help="Apply without asking for confirmation"),
    expect_digest=click.option(
        "--expect-digest", metavar="D", help="Apply only if the plan has this digest"
    ),
    on_error=click.option(
        "--on-error",
        type=click.Choice(["continue", "abort"]),
        default="continue",
        show_default=True,
        help="Choose what to do with the remaining actions after one fails",
    ),
    no_ledger=click.option("--no-ledger", is_flag=True, help="Do not record the run in the ledger"),
    allow_older_commit=click.option(
        "--allow-older-commit",
        is_flag=True,
        help="Apply this commit even if a newer one was applied",
    ),
    **OVERRIDES,
)


def command_context(
    invocation: Invocation, context: click.Context, *, saved_plan: Path | None = None
) -> "CommandContext":
    """Return the options that a suggested command must repeat, except the target."""
    from reconciler.views.sections import CommandContext, as_operand

    folder = invocation.dir
    return CommandContext(
        global_options=("--dir", str(folder)) if folder != Path("desired-state") else (),
        plan_options=plan_options_of(context),
        saved_plan=as_operand(str(saved_plan)) if saved_plan is not None else None,
    )


def plan_options_of(context: click.Context) -> tuple[str, ...]:
    """Return the words of a command line that determine what a plan contains."""
    words: list[str] = []
    # In the order of the command's own options, so that all suggestions have the same order.
    for param in context.command.params:
        if param.name in PLAN_PARAMETERS:
            words += _words(param, context.params.get(param.name))
    return tuple(words)


def _words(param: click.Parameter, value: object) -> list[str]:
    # The first name of an option is its long one, which reads better in a suggestion.
    option = param.opts[0]
    match value:
        case None | False:
            return []
        case True:
            return [option]
        # Before `tuple()`: a shard is a pair of numbers, a repeatable option is a tuple of strings.
        case (int(part), int(count)):
            return [option, f"{part}/{count}"]
        case tuple():
            return [word for item in value for word in (option, str(item))]
        case _:
            return [option, str(value)]
