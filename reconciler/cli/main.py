"""Entry point of the command line: the list of commands, and the handler of every exception.

A command's module is imported when the command is used, so `reconcile --help` takes little longer
than importing click. Format and exit codes of errors: `reconciler.cli.error_reporting`.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.cli import settings
from reconciler.cli.console import Console
from reconciler.cli.global_options import CommandGroup, Invocation, global_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMAND_GROUPS = {
    "Start": {
        "init": "Create an empty desired-state folder and, if requested, GitHub workflows.",
        "doctor": "Check configuration, API key, scopes, pagination, clock and ledger.",
        "pull": "Write files for existing integrations, and count the changes left to plan.",
        "scaffold": "Print an example file for an integration of a provider.",
        "completion": "Print the script that completes commands and values in a shell.",
    },
    "Every day": {
        "validate": "Check the files offline and report every problem.",
        "fmt": "Rewrite the files in canonical format, keeping comments.",
        "plan": "Show the changes that apply would make, without making them.",
        "apply": "Make the API match the files.",
        "drift": "Report how the API differs from the files, and which side changed.",
        "catalogue": "Pin a catalogue of models and their retirement dates.",
        "history": "List past runs on a target, newest last.",
        "undo": "Plan how to restore the state before a run, without changing anything.",
        "promote": "Edit the overlays of TO so that it declares what FROM declares.",
    },
    "Inspect": {
        "list": "List the integrations in the API.",
        "get": "Print one integration as the API returns it.",
        "show": "Print a saved plan, result or drift report.",
        "parity": "Show the fields that differ between the files of two environments.",
        "render": "Print the merged documents with the origin of each field.",
        "explain": "Explain a field of an integration or a diagnostic code.",
        "schema": "Print the JSON Schema of a file or an output.",
    },
    "GitHub and fleets": {
        "report": "Publish a plan, result or drift report on GitHub or GitLab.",
        "merge-results": "Merge the results of several shards into one.",
        "fleet": "Plan, apply or check drift for many organisations.",
        "worker": "Run a Temporal worker for a fleet.",
    },
    "Serve": {
        "serve": "Serve the five integration operations over REST and MCP.",
        "simulate": "Serve a simulator of the API on this machine.",
    },
}
"""Commands in the order of the help, by group, each with its line of help."""

COMMANDS = {
    name: summary for commands in COMMAND_GROUPS.values() for name, summary in commands.items()
}

_UNLISTED = frozenset({"github", "gitlab", "help"})
"""Commands that the help does not list: those for steps of CI jobs, and the help itself."""

ENVIRONMENT_PREFIX = "RECONCILE"
"""Every option has a variable: RECONCILE_DIR for `--dir`, RECONCILE_PLAN_BASE for `plan --base`."""


class Commands(CommandGroup):
    """Group that lists its commands by name and imports only the requested one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; return None for an unknown name."""
        # Checked before the import: the name becomes part of a module's name.
        if cmd_name not in COMMANDS and cmd_name not in _UNLISTED:
            return None
        module = _imported(f"reconciler.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem[str]"]:
        """Return the commands and options that begin with a word, without importing commands."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=line)
            for name, line in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the requested command; suggest a similar one for an unknown name."""
        name = args[0]
        # An option in this place is a different error, which click reports.
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            if name.lower() in _DELETES:
                hint = "To delete an integration, remove its file and apply"
                ctx.fail(f"No such command {name!r}. {hint}")
            near = _meant_command(name)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean `{near}`?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups of commands without importing any."""
        width = max(map(len, COMMANDS))
        for title, commands in COMMAND_GROUPS.items():
            with formatter.section(title):
                # Padded, so that the descriptions of all groups start in the same column.
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])


_DELETES = frozenset({"delete", "destroy", "remove", "rm"})
"""Names of commands that other tools have for what the absence of a file declares here."""


def _meant_command(name: str) -> str | None:
    """Return the command for a name that another tool uses, or the nearest one."""
    # Imported only after a mistake.
    from reconciler.cli.other_names import OTHER_NAMES
    from reconciler.desired.suggestions import nearest

    return OTHER_NAMES.get(name.lower()) or nearest(name, [*COMMANDS, "help"])


def _imported(name: str) -> ModuleType:
    """Import the module of a command.

    Code lives as long as the process. Excluding it from garbage collection, during the import and
    later, saves 25 ms per command.
    """
    if name in sys.modules:
        return sys.modules[name]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@click.group(
    cls=Commands,
    context_settings={
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
        "max_content_width": 100,
    },
    epilog="`reconcile COMMAND --help` describes a command, with examples; "
    "`reconcile help environment` lists the environment variables.",
)
@global_options
def reconcile() -> None:
    """Make the integrations of a Portkey AI gateway match YAML files in Git."""


def run(arguments: Sequence[str], console: Console) -> int:
    """Run one command line and return its exit code; never raise."""
    code = _run(arguments, console)
    if console.lost is not None:
        lost_code = _report(console.lost, arguments, console)
        # The exit code of a failure is more informative than that of lost output.
        code = lost_code if code in {0, 2} else code
    if console.json_log is not None:
        console.json_log.write("command_ended", exit_code=code)
    return code


def _run(arguments: Sequence[str], console: Console) -> int:
    try:
        code = reconcile.main(
            args=list(arguments),
            prog_name="reconcile",
            # Otherwise click prints errors in its own format and exits.
            standalone_mode=False,
            obj=Invocation(console),
        )
    except click.Abort as abort:
        # click raises Abort from a KeyboardInterrupt; the cause contains the signal.
        return _report(abort.__cause__ or abort, arguments, console)
    except Exception as error:  # noqa: BLE001  the outermost border: everything becomes a diagnostic
        return _report(error, arguments, console)
    # `ctx.exit` returns its code here; None means success.
    return int(code or 0)


def _report(problem: BaseException, arguments: Sequence[str], console: Console) -> int:
    from reconciler.cli import error_reporting

    # The command line may have failed before its options took effect.
    if console.json_log is None and error_reporting.wants_json_log(
        arguments, prefix=ENVIRONMENT_PREFIX
    ):
        console.log_as_json(settings.now)
    if isinstance(problem, click.UsageError):
        from reconciler.cli import usage_errors
        from reconciler.errors import InvalidInput

        problem = InvalidInput([usage_errors.diagnostic_of(problem, arguments, COMMANDS)])
    as_json = error_reporting.wants_json(arguments, commands=COMMANDS, prefix=ENVIRONMENT_PREFIX)
    return error_reporting.report(problem, console=console, as_json=as_json)


def _complete(console: Console) -> None:
    """Answer a shell that completes a command line, and end the process."""
    instruction = settings.variable("_RECONCILE_COMPLETE")
    if instruction is None:
        return
    from reconciler.cli import completion

    completion.answer(reconcile, instruction, context={"obj": Invocation(console)})
    sys.exit(0)


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    # Thousands of objects are used until the process ends. A garbage collection every 700
    # allocations takes a fifth of a plan's time and frees nothing.
    gc.set_threshold(50_000)
    # Before the first model is created, because pydantic reads the variable then.
    settings.keep_plugins_out()
    # For commands that use httpx, which imports its own command line if click, rich and pygments
    # are installed: 23 ms. The entry None makes that import fail, which httpx handles.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # documented use of None
    console = Console.of_this_process()
    _complete(console)
    code = run(sys.argv[1:], console)
    console.close()
    gc.freeze()  # avoids a last garbage collection of the interpreter
    if "temporalio" in sys.modules:
        # Its threads can abort an interpreter that exits normally: temporalio/sdk-python#300.
        os._exit(code)
    sys.exit(code)
