"""The options that commands share, each defined once.

Every option has an environment twin that click derives from the command's and the option's name.
Options that belong together reach a command as one value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reconciler import __version__
from reconciler.cli import settings
from reconciler.cli.console import Console

Body = TypeVar("Body", bound=Callable[..., Any])
_MENTIONED = "reconciler.cli.options"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command is told: where the files are, which target, and whom it talks to."""

    console: Console = field(repr=False)
    dir: Path = Path("desired-state")
    target: str | None = None


class Command(click.Command):
    """A command that also takes the global options, listed in a part of their own in its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = list(self.params)
        for option in _GLOBAL:
            option(self)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options before the global ones."""
        everything = self.get_params(ctx)
        own = [p for p in everything if p in self._own]
        for title, params in (
            ("Options", own),
            ("Global options", [p for p in everything if p not in self._own]),
        ):
            rows = [row for param in params if (row := param.get_help_record(ctx)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Hand the global options, wherever they stood, to the command's body."""
        said = {name: value for name, (value, _) in ctx.meta.get(_MENTIONED, {}).items()}
        invocation: Invocation = ctx.obj
        console = invocation.console
        console.verbosity = said.get("verbose", 0)
        console.quiet = said.get("quiet", False)
        console.color_allowed = not (said.get("no_color") or settings.refuses_color())
        ctx.obj = replace(
            invocation,
            dir=said.get("dir", invocation.dir),
            target=said.get("target", invocation.target),
        )
        return super().invoke(ctx)


def _mention(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Note a global option; the later place wins, and a command line wins over the environment."""
    assert param.name is not None  # noqa: S101  every option has a name; this tells the type checker
    source = ctx.get_parameter_source(param.name)
    if source not in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}:
        return
    said = ctx.meta.setdefault(_MENTIONED, {})
    _, before = said.get(param.name, (None, None))
    if not (before is ParameterSource.COMMANDLINE and source is ParameterSource.ENVIRONMENT):
        said[param.name] = (value, source)


def _global(*names: str, **settings: Any) -> Callable[[Body], Body]:
    return click.option(*names, expose_value=False, callback=_mention, **settings)


def _version(ctx: click.Context, _param: click.Parameter, asked: object) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"reconcile {__version__}")
        ctx.exit()


_GLOBAL = (
    _global(
        "--dir",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Folder of the files. [default: desired-state]",
    ),
    _global("--target", metavar="NAME", help="Target, as reconcile.yaml names it."),
    _global("-v", "--verbose", count=True, help="Say more; -vv says every call."),
    _global("-q", "--quiet", is_flag=True, help="Say nothing but problems."),
    _global("--no-color", is_flag=True, help="Use no colour (as NO_COLOR does)."),
    click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_version,
        help="Print the version.",
    ),
)


def global_options(body: Body) -> Body:
    """Add the options that are accepted before and after the name of a command."""
    for option in reversed(_GLOBAL):
        body = option(body)
    return body


def _gathered(
    name: str, into: Callable[..., Any], *options: Callable[[Any], Any]
) -> Callable[[Body], Any]:
    """Make a decorator that hands some options to the body as one value called `name`."""
    keys = [item.name for item in fields(into)]  # type: ignore[arg-type]  # a dataclass, each time

    def decorate(body: Body) -> Any:
        @wraps(body)
        def call(*args: Any, **given: Any) -> Any:
            given[name] = into(**{key: given.pop(key) for key in keys})
            return body(*args, **given)

        decorated: Any = call
        for option in reversed(options):
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which integrations a command is about; everything when empty."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None


selection = _gathered(
    "selection",
    Selection,
    click.option("--only", metavar="GLOB", multiple=True, help="Just these slugs. Repeatable."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Not these slugs. Repeatable."),
    click.option(
        "--shard", metavar="I/N", callback=_shard, help="The I-th of N equal parts of all slugs."
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How the past, the secrets and the API are read for a plan."""

    base: str | None = None
    parallelism: int = 10
    deadline: float = 900
    require_secrets: bool = False
    push_secrets: bool = False
    prune: str | None = None


reading = _gathered(
    "reading",
    Reading,
    click.option("--base", metavar="REF", help="Commit that says what Git used to declare."),
    click.option(
        "--parallelism",
        type=click.IntRange(1, 100),
        default=10,
        show_default=True,
        help="Calls in flight at a time.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        default=900,
        show_default=True,
        help="When to give up in all.",
    ),
    click.option("--require-secrets", is_flag=True, help="A missing secret value is an error."),
    click.option("--push-secrets", is_flag=True, help="Send the secrets that are unverified, too."),
    click.option(
        "--prune",
        type=click.Choice(["none", "managed", "all"]),
        help="What to delete, instead of what the target says.",
    ),
)


@dataclass(frozen=True, slots=True)
class Allowances:
    """What this one run may do beyond the limits of its target; None keeps the target's limit."""

    max_deletes: int | None = None
    max_credential_changes: int | None = None
    max_access_removals: int | None = None
    allow_replace: bool = False
    allow_empty: bool = False


_AT_LEAST_0 = click.IntRange(0)

allowances = _gathered(
    "allowances",
    Allowances,
    click.option("--max-deletes", type=_AT_LEAST_0, help="Deletes allowed, whatever their share."),
    click.option("--max-credential-changes", type=_AT_LEAST_0, help="Credential changes allowed."),
    click.option("--max-access-removals", type=_AT_LEAST_0, help="Access removals allowed."),
    click.option("--allow-replace", is_flag=True, help="Allow to delete and create again."),
    click.option("--allow-empty", is_flag=True, help="Allow deletes when the files declare none."),
)


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agrees to an apply, and what happens when one item of it fails."""

    yes: bool = False
    expect_digest: str | None = None
    on_error: str = "continue"
    no_ledger: bool = False


consent = _gathered(
    "consent",
    Consent,
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--expect-digest", metavar="D", help="Apply just the plan with this digest."),
    click.option(
        "--on-error",
        type=click.Choice(["continue", "abort"]),
        default="continue",
        show_default=True,
        help="What to do with the rest when one item fails.",
    ),
    click.option("--no-ledger", is_flag=True, help="Run without a record of what was done."),
)
