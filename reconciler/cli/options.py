"""The options that several commands share, each defined once.

Every option has an environment twin that click derives from the command's and the option's name.
Options that belong together reach a command as one value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from reconciler.planning.options import PlanOptions, Selection

Body = TypeVar("Body", bound=Callable[..., Any])


def gathered(
    name: str, make: Callable[..., Any], **options: Callable[[Any], Any]
) -> Callable[[Body], Any]:
    """Make a decorator that hands some options to the body as one value called `name`."""

    def decorate(body: Body) -> Any:
        @wraps(body)
        def call(*args: Any, **given: Any) -> Any:
            given[name] = make(**{key: given.pop(key) for key in options})
            return body(*args, **given)

        decorated: Any = call
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
            help="How to write the output.",
        )(call)

    return decorate


def _shard(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Read `I/N`, the I-th of N parts counted from 1."""
    if value is None:
        return None
    index, _, count = value.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise click.BadParameter(f"{value!r} is not I/N with I from 1 to N, for example 1/4")
    return int(index), int(count)


_SELECTORS = {
    "only": click.option("--only", metavar="GLOB", multiple=True, help="Just these slugs."),
    "exclude": click.option("--exclude", metavar="GLOB", multiple=True, help="Not these slugs."),
    "shard": click.option(
        "--shard", metavar="I/N", callback=_shard, help="The I-th of N parts of all slugs."
    ),
}


class Number(click.FloatRange):
    """A number within limits; `nan` is in the way of no limit, and `inf` of no upper one."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a finite number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


def _not_empty(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Insist on a name where an option is given at all: a variable of a script may be empty."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; name a commit, or leave the option out")
    return value


_AT_LEAST_0 = click.IntRange(0)

_PLANNING = {
    "prune": click.option(
        "--prune",
        type=click.Choice(["none", "managed", "all"]),
        help="What to delete, instead of what the target says.",
    ),
    "push_secrets": click.option(
        "--push-secrets", is_flag=True, help="Send the unverified secrets, too."
    ),
    "max_deletes": click.option(
        "--max-deletes", type=_AT_LEAST_0, metavar="N", help="Allow N deletes, of any share."
    ),
    "max_credential_changes": click.option(
        "--max-credential-changes",
        type=_AT_LEAST_0,
        metavar="N",
        help="Allow N credential changes.",
    ),
    "max_access_removals": click.option(
        "--max-access-removals", type=_AT_LEAST_0, metavar="N", help="Allow N removals of access."
    ),
    "allow_replace": click.option(
        "--allow-replace", is_flag=True, help="Allow to delete and create again."
    ),
    "allow_empty": click.option(
        "--allow-empty", is_flag=True, help="Allow deletes though no file is left."
    ),
}


def _make_selection(**given: Any) -> "Selection":
    from reconciler.planning.options import Selection

    return Selection(**given)


def _make_options(
    *,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    shard: tuple[int, int] | None,
    prune: str | None = None,
    **given: Any,
) -> "PlanOptions":
    from reconciler.domain.policy import Prune
    from reconciler.planning.options import PlanOptions

    return PlanOptions(
        selection=_make_selection(only=only, exclude=exclude, shard=shard),
        prune=Prune(prune) if prune else None,
        **given,
    )


selection = gathered("selection", _make_selection, **_SELECTORS)
"""Adds the selectors; the body receives `selection`."""

planning = gathered("options", _make_options, **_SELECTORS, **_PLANNING)
"""Adds everything that has a say in what is planned; the body receives `options`."""

PLAN_PARAMETERS = frozenset({*_SELECTORS, *_PLANNING, "base", "require_secrets"})
"""The parameters that decide what a plan contains and what it may do.

`plan --audit` is none of them: it adds warnings alone, so a suggested `apply` does without it.
"""

undoing = gathered(
    "options",
    _make_options,
    **_SELECTORS,
    **{name: it for name, it in _PLANNING.items() if name not in {"prune", "allow_empty"}},
)
"""Adds what has a say in an undo, which looks at one run; the body receives `options`."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How the past, the secrets and the API are read."""

    base: str | None = None
    parallelism: int = 10
    deadline: float = 900
    require_secrets: bool = False


_CONNECTION = {
    "parallelism": click.option(
        "--parallelism",
        type=click.IntRange(1, 100),
        metavar="N",
        default=10,
        show_default=True,
        help="Calls in flight at a time.",
    ),
    "deadline": click.option(
        "--deadline",
        type=Number(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="When to give up in all.",
    ),
}

connection = gathered("connection", ReadingOptions, **_CONNECTION)
"""Adds what a plain look at the API needs; the body receives `connection`."""

reading = gathered(
    "reading",
    ReadingOptions,
    base=click.option(
        "--base",
        metavar="REF",
        callback=_not_empty,
        help="Commit that says what Git used to declare.",
    ),
    **_CONNECTION,
    require_secrets=click.option(
        "--require-secrets", is_flag=True, help="Take a missing secret value for an error."
    ),
)


metrics_file = click.option(
    "--metrics-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write the run's figures to this file, for Prometheus.",
)


@dataclass(frozen=True, slots=True)
class ApprovalOptions:
    """Who agrees to an apply, and what happens when one item of it fails."""

    yes: bool = False
    expect_digest: str | None = None
    on_error: str = "continue"
    no_ledger: bool = False
    allow_older_commit: bool = False


consent = gathered(
    "consent",
    ApprovalOptions,
    yes=click.option("--yes", is_flag=True, help="Do not ask."),
    expect_digest=click.option(
        "--expect-digest", metavar="D", help="Apply nothing but the plan with this digest."
    ),
    on_error=click.option(
        "--on-error",
        type=click.Choice(["continue", "abort"]),
        default="continue",
        show_default=True,
        help="What to do with the rest when one item fails.",
    ),
    no_ledger=click.option("--no-ledger", is_flag=True, help="Keep no record of what was done."),
    allow_older_commit=click.option(
        "--allow-older-commit",
        is_flag=True,
        help="Apply this commit although a newer one was applied.",
    ),
)
