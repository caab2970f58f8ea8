"""The command `reconcile`: which commands exist, and the outermost border around all of them.

A command's module is imported when the command is used, so `reconcile --help` costs little more
than click. What an error looks like and which exit code it has: `reconciler.cli.error_reporting`.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

import click

from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.cli.global_options import Invocation, global_options

COMMANDS = {
    "init": "Begin a repository: an empty desired state and, asked for, workflows.",
    "validate": "Check the files offline and name every problem at once.",
    "fmt": "Write the files in canonical form, comments kept.",
    "render": "Print the merged documents with the origin of each field.",
    "plan": "Show what apply would change, and why; write nothing.",
    "apply": "Make the API equal to the files.",
    "drift": "Tell how the API differs from the files, and who moved.",
    "show": "Print a saved plan, result or drift report.",
    "pull": "Write files for what exists, and count what the next plan would do.",
    "history": "List past runs on a target, the newest last.",
    "report": "Tell GitHub what was planned, done or found.",
    "undo": "Plan to restore what a RUN changed; write nothing.",
    "list": "List the integrations that exist now.",
    "get": "Print one integration as the API has it.",
    "explain": "Explain a field of an integration.",
    "scaffold": "Print a first file for an integration of PROVIDER.",
    "schema": "Print JSON Schemas of files and outputs.",
    "merge-results": "Join the results of shards into one.",
    "doctor": "Check config, key, scopes, paging, clock and ledger.",
    "fleet": "Plan, apply or watch many organisations at once.",
    "worker": "Work for a fleet that Temporal directs.",
    "simulate": "Serve a stand-in of the API on this machine.",
    "serve": "Offer the five raw operations over REST and MCP.",
}
"""The commands in the order of help, each with its one line of help."""

_UNLISTED = frozenset({"github"})
"""Commands for workflows, which nobody types and no help lists."""

ENVIRONMENT_PREFIX = "RECONCILE"
"""Every option has a twin: RECONCILE_DIR for `--dir`, RECONCILE_PLAN_BASE for `plan --base`."""


class Commands(click.Group):
    """A group that knows its commands by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or give None for a name that is not one."""
        if cmd_name not in COMMANDS and cmd_name not in _UNLISTED:
            return None
        module = _imported(f"reconciler.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for; of a misspelt one, tell which was meant."""
        name = args[0]
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            from reconciler.desired.suggestions import did_you_mean  # loaded for a mistake alone

            near = did_you_mean(name, COMMANDS)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean{near[12:]}" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `reconcile` alone for a question: show the help, as bad input."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(3)
        return super().parse_args(ctx, args)


def _imported(name: str) -> ModuleType:
    """Import the module of a command.

    Code lives as long as the process. The garbage collector neither interrupts the import nor ever
    looks at what it made, which saves 25 ms of a command, most of them at its end.
    """
    if name in sys.modules:
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


@click.group(
    cls=Commands,
    context_settings={"auto_envvar_prefix": ENVIRONMENT_PREFIX, "max_content_width": 100},
    epilog="Start with `reconcile plan`. Help for a command: `reconcile COMMAND --help`.",
)
@global_options
def reconcile() -> None:
    """Make the integrations of a Portkey AI gateway equal to YAML files in Git."""


def run(arguments: Sequence[str], console: Console) -> int:
    """Carry out one command line and give its exit code; never raises, whatever happens."""
    code = _run(arguments, console)
    if console.lost is not None:
        told = _report(console.lost, arguments, console)
        code = told if code in {0, 2} else code
    if console.journal is not None:
        console.journal.say("command_ended", exit_code=code)
    return code


def _run(arguments: Sequence[str], console: Console) -> int:
    try:
        code = reconcile.main(
            args=list(arguments),
            prog_name="reconcile",
            standalone_mode=False,
            obj=Invocation(console),
        )
    except click.Abort as abort:
        return _report(abort.__cause__ or abort, arguments, console)
    except Exception as error:  # noqa: BLE001  the outermost border: everything becomes a diagnostic
        return _report(error, arguments, console)
    return int(code or 0)


def _report(problem: BaseException, arguments: Sequence[str], console: Console) -> int:
    from reconciler.cli import error_reporting

    if console.journal is None and error_reporting.asks_for_log(
        arguments, prefix=ENVIRONMENT_PREFIX
    ):
        console.log_as_json(settings.now)
    as_json = error_reporting.asks_for_json(arguments, commands=COMMANDS, prefix=ENVIRONMENT_PREFIX)
    return error_reporting.report(problem, console=console, as_json=as_json)


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # Thousands of integrations live until the end; looking for garbage among them every 700
    # allocations takes a fifth of a plan's time and finds none.
    gc.set_threshold(50_000)
    settings.keep_plugins_out()
    # httpx imports its own command line where click, rich and pygments are installed: 23 ms of the
    # 310 ms that a small plan takes. None makes that import fail, and httpx does without.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # documented use of None
    console = Console.of_this_process()
    code = run(sys.argv[1:], console)
    console.close()
    gc.freeze()  # the interpreter would look for garbage once more before it ends
    if "temporalio" in sys.modules:
        # Its threads may abort an interpreter that ends in order: temporalio/sdk-python#300.
        os._exit(code)
    sys.exit(code)
