"""Global options, which every command accepts before or after its name.

Options of single commands: `reconciler.cli.options`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click
from click.core import ParameterSource

from reconciler import __version__
from reconciler.cli import completion_values, settings
from reconciler.cli.console import Console
from reconciler.cli.settings import Settings
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.execution.events import Event
    from reconciler.execution.result import ApplyResult
    from reconciler.planning.plan import Plan
    from reconciler.remote.api import RequestRecord

Body = TypeVar("Body", bound=Callable[..., Any])
_GLOBAL_VALUES = completion_values.GLOBAL_VALUES


@dataclass(frozen=True, slots=True)
class Invocation:
    """Context of every command: folder, target and console.

    `environment` replaces that of this process for a member of a fleet; `on_request` is called
    with every API request.
    """

    console: Console = field(repr=False)
    dir: Path = Path("desired-state")
    target: str | None = None
    environment: Settings | None = field(default=None, repr=False)
    on_request: "Callable[[RequestRecord], None] | None" = field(default=None, repr=False)

    def request_listener(self) -> "Callable[[RequestRecord], None] | None":
        """Return the listener of API calls; `-vv` prints them without headers or bodies."""
        console, on_request = self.console, self.on_request
        # The JSON log already has a line for each request.
        if console.verbosity < 2 or console.json_log is not None:
            return on_request
        from reconciler.views.escape import visible  # `--version` would load it, too

        def print_request(record: "RequestRecord") -> None:
            outcome = record.error or str(record.status)
            took = f"{record.seconds * 1000:.0f} ms"
            console.debug(f"{record.method} {visible(record.path)}: {visible(outcome)}, {took}")
            if on_request is not None:
                on_request(record)

        return print_request


class RunObserver:
    """Observer of one run that neither logs nor measures: `reconciler.cli.telemetry` does both.

    It is used as a context manager around the run, which uses its `invocation`.
    """

    def __init__(self, invocation: Invocation, run: str) -> None:
        self.invocation = invocation
        self.run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def set_target(self, target: str, *, ledger: str = "") -> None:
        """Store the target, which can be the default one, and the state of its ledger."""

    def set_plan(self, plan: "Plan") -> None:
        """Store and log the plan of a run that writes nothing."""

    def log_ledger(self, result: "ApplyResult") -> None:
        """Log the end of the run's ledger records, so that an audit log can prove them later."""

    def emit(self, event: "Event") -> None:
        """Store and log an event of an apply."""

    def finish(self, code: int) -> int:
        """Store the exit code and return it."""
        return code


class HelpFormatter(click.HelpFormatter):
    """Formatter that breaks no line inside an option, a name or a command in backticks."""

    # Replacements for characters at which lines must not be broken.
    _UNBROKEN = str.maketrans("- ", "\u2011\u00a0")
    _PLAIN = str.maketrans("\u2011\u00a0", "- ")

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(self._unbroken(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        """Write a list of names with their texts."""
        unbroken = [(name, self._unbroken(text)) for name, text in rows]
        super().write_dl(unbroken, *args, **kwargs)

    def getvalue(self) -> str:
        """Return the whole text."""
        return super().getvalue().translate(self._PLAIN)

    def _unbroken(self, text: str) -> str:
        parts = text.replace("-", "\u2011").split("`")
        # Every second part is between two backticks.
        parts[1::2] = [part.translate(self._UNBROKEN) for part in parts[1::2]]
        return "`".join(parts)


class HelpOption(click.Command):
    """Command or group with `-h` in addition to `--help`, worded like the other options."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help text."""
        formatter = HelpFormatter(width=ctx.terminal_width, max_width=ctx.max_content_width)
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    # click caches the help option of the first context, so the names are set here.
    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return both names, in the order of the help."""
        return ["-h", "--help"]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's option with our help text."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "Show this message and exit"
        return option

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each command on one line of any length, and the closing text."""
        # Imported late, because only the help needs it.
        from reconciler.cli.command_examples import EXAMPLES

        path = ctx.command_path.partition(" ")[2]
        examples = EXAMPLES.get(path)
        if examples:
            formatter.write("\nExamples:\n")
            for purpose, line in examples:
                formatter.write(f"  # {purpose}\n  {line}\n")
        super().format_epilog(ctx, formatter)


class Argument(click.Argument):
    """Positional argument with a description, which older versions of click do not accept."""

    def __init__(self, *args: Any, description: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.description = description

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the name as in the usage line, and the description."""
        # Not `make_metavar`, whose parameters differ between versions of click.
        return self.metavar or (self.name or "").upper(), self.description


def argument(*names: str, description: str, **settings: Any) -> Callable[[Body], Body]:
    """Add a positional argument with its description in the help."""
    return click.argument(*names, cls=Argument, description=description, **settings)


class CommandGroup(HelpOption, click.Group):
    """Group of commands that shows its help and exits with 3 if no command is given."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole first sentence, which click would truncate."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, (command.help or "").partition("\n")[0])
            for name, command in commands
            if command is not None
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, or show the help and exit if it is empty."""
        # `resilient_parsing` is set while a shell completes a command line.
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            # 3 means invalid input. click uses 2, which means differences in this program.
            ctx.exit(3)
        return super().parse_args(ctx, args)


class Command(HelpOption):
    """Command that also accepts the global options, in a separate section of its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._own = list(self.params)
        for option in _GLOBAL:
            # A decorator of click also accepts a command, and appends to its parameters.
            option(self)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments and own options; name the global ones, which the root describes."""
        own: dict[str, list[click.Parameter]] = {
            "Arguments": [param for param in self._own if isinstance(param, click.Argument)],
            "Options": [
                param
                for param in self.get_params(ctx)
                if isinstance(param, click.Option) and not self._is_global(param)
            ],
        }
        for title, params in own.items():
            records = [param.get_help_record(ctx) for param in params]
            rows = [row for row in records if row is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        names = [param.opts[0] for param in self.params if self._is_global(param)]
        formatter.write_paragraph()
        formatter.write_text(f"Global options: {', '.join(names)}; see `reconcile --help`.")

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write nothing: recent versions of click would list the arguments a second time."""

    def _is_global(self, param: click.Parameter) -> bool:
        return param in self.params and param not in self._own

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's body with the global options, given before or after its name."""
        values = {name: value for name, (value, _) in ctx.meta.get(_GLOBAL_VALUES, {}).items()}
        invocation: Invocation = ctx.obj
        console = invocation.console
        console.verbosity = values.get("verbose", 0)
        console.quiet = values.get("quiet", False)
        if values.get("log_format") == "json" and console.json_log is None:
            console.log_as_json(settings.now)
        console.color_allowed = not (values.get("no_color") or settings.refuses_color())
        ctx.obj = replace(
            invocation,
            dir=values.get("dir", invocation.dir),
            target=values.get("target", invocation.target),
        )
        mentioned = ctx.meta.get(_GLOBAL_VALUES, {}).items()
        self.check_global_options(
            console, {n for n, (_, at) in mentioned if at is ParameterSource.COMMANDLINE}
        )
        return super().invoke(ctx)

    def check_global_options(self, console: Console, typed: Collection[str]) -> None:
        """Raise for a global option on the command line that this command does not accept."""


def _store_global_option(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Store a global option; the last one applies, the command line before the environment."""
    assert param.name is not None  # noqa: S101  every option has a name; this tells the type checker
    source = ctx.get_parameter_source(param.name)
    # click also calls back for defaults; a default would replace a value given before the name of
    # the command.
    if source not in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}:
        return
    # A group and its command share `meta`, so options before and after the name meet here.
    values = ctx.meta.setdefault(_GLOBAL_VALUES, {})
    _, before = values.get(param.name, (None, None))
    if not (before is ParameterSource.COMMANDLINE and source is ParameterSource.ENVIRONMENT):
        values[param.name] = (value, source)


def _global(*names: str, **settings: Any) -> Callable[[Body], Body]:
    return click.option(*names, expose_value=False, callback=_store_global_option, **settings)


def _version(ctx: click.Context, _param: click.Parameter, asked: object) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"reconcile {__version__}")
        ctx.exit()


_GLOBAL = (
    _global(
        "--dir",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Desired-state folder  [default: desired-state]",
    ),
    _global(
        "--target",
        metavar="NAME",
        shell_complete=completion_values.targets,
        help="Name of the target in reconcile.yaml",
    ),
    _global("-v", "--verbose", count=True, help="Show more details; -vv also shows each API call"),
    _global("-q", "--quiet", is_flag=True, help="Show only results and problems"),
    _global(
        "--log-format",
        type=click.Choice(["text", "json"]),
        help="Format of messages on stderr; json writes one event per line",
    ),
    _global("--no-color", is_flag=True, help="Disable colours, as the variable NO_COLOR does"),
    click.option(
        "--version",
        is_flag=True,
        # Handled before the other options, so that it works even next to an invalid one.
        is_eager=True,
        expose_value=False,
        callback=_version,
        help="Print the version and exit",
    ),
)


def global_options(body: Body) -> Body:
    """Add the options that are accepted before and after the name of a command."""
    # Decorators apply from the bottom up: the one applied last is listed first.
    for option in reversed(_GLOBAL):
        body = option(body)
    return body
