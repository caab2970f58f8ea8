"""What every command has in common: the global options, before and after its name.

The options that only some commands have: `reconciler.cli.options`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconciler import __version__
from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.cli.settings import Settings

if TYPE_CHECKING:
    from reconciler.remote.api import RequestRecord

Body = TypeVar("Body", bound=Callable[..., Any])
_MENTIONED = "reconciler.cli.global_options"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command is told: where the files are, which target, and whom it talks to.

    `environment` takes the place of this process's, for a member of a fleet; `on_request` is called
    for every request.
    """

    console: Console = field(repr=False)
    dir: Path = Path("desired-state")
    target: str | None = None
    environment: Settings | None = field(default=None, repr=False)
    on_request: "Callable[[RequestRecord], None] | None" = field(default=None, repr=False)


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
        if said.get("log_format") == "json" and console.journal is None:
            console.log_as_json(settings.now)
        console.color_allowed = not (said.get("no_color") or settings.refuses_color())
        ctx.obj = replace(
            invocation,
            dir=said.get("dir", invocation.dir),
            target=said.get("target", invocation.target),
        )
        mentioned = ctx.meta.get(_MENTIONED, {}).items()
        self.heed(console, {n for n, (_, at) in mentioned if at is ParameterSource.COMMANDLINE})
        return super().invoke(ctx)

    def heed(self, console: Console, typed: Collection[str]) -> None:
        """Refuse a global option that was typed and has no say in this command; here all have."""


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
    _global("-q", "--quiet", is_flag=True, help="Say nothing but results and problems."),
    _global(
        "--log-format",
        type=click.Choice(["text", "json"]),
        help="How to write what goes to stderr; json is one event a line.",
    ),
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
