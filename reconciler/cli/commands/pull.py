"""`reconcile pull`: write files for existing integrations, so that the next plan is empty."""

from collections.abc import Iterable, Mapping

import click

from reconciler.cli import completion_values, settings, signals, wiring
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import ReadingOptions, connection
from reconciler.desired.load import load_config
from reconciler.desired.references import template_problem
from reconciler.desired.source import DirectorySource
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.errors import InvalidInput
from reconciler.planning.plan import Selection
from reconciler.pull import working_copy
from reconciler.pull.pull import PullOptions, PullResult, pull
from reconciler.views import changed_files, diagnostics
from reconciler.workflows import Session, timestamp

INCOMPLETE = 5

_NOTHING = Selection(exclude=("*",))
"""Selects nothing, because the secrets are resolved after the files have changed."""


@click.command("pull", cls=Command)
@argument(
    "patterns",
    nargs=-1,
    metavar="[SLUG|GLOB]...",
    description="Integrations to pull  [default: all in the target's scope]",
    shell_complete=completion_values.slugs,
)
@click.option(
    "--all", "everything", is_flag=True, help="Also pull integrations outside the target's scope"
)
@click.option(
    "--force", is_flag=True, help="Rewrite existing documents instead of editing them in place"
)
@click.option(
    "--secret-template",
    metavar="REFERENCE",
    help="Template of references, with {slug} and {field}  [default: ${env:SECRET_<SLUG>_<FIELD>}]",
)
@click.option("--secret-mappings", is_flag=True, help="Write secret mappings instead of references")
@connection
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    patterns: tuple[str, ...],
    everything: bool,
    force: bool,
    secret_template: str | None,
    secret_mappings: bool,
    connection: ReadingOptions,
) -> int:
    """Write files for existing integrations, and count the changes left to plan.

    Without a SLUG, every integration in the target's scope is pulled, except archived ones. A new
    integration gets its own file, with a reference for each secret. An existing document is edited
    in place: only lines whose declared value differs change, in overlays, too. A file that is new
    or written with --force declares `workspaces: []` if no workspace has access. The exit code is
    5 if an integration could not be pulled.
    """
    options = PullOptions(
        patterns=patterns,
        everything=everything,
        force=force,
        template=secret_template,
        keep_mappings=secret_mappings,
    )
    if secret_template is not None and (problem := template_problem(secret_template)):
        raise click.BadParameter(problem, param_hint="--secret-template")

    async def work(_handler: signals.SignalHandler) -> tuple[PullResult, str]:
        async with wiring.session(invocation, connection, selection=_NOTHING) as session:
            return await _pull(invocation, session, options), session.ledger

    pulled, ledger = signals.run(work)
    working_copy.write(invocation.dir, pulled.changed)
    if pulled.diagnostics:
        invocation.console.warning(diagnostics.as_text(pulled.diagnostics))
    invocation.console.data(
        changed_files.pull_text(pulled, folder=str(invocation.dir), ledger=ledger)
    )
    return INCOMPLETE if pulled.left_out else 0


async def _pull(invocation: Invocation, session: Session, options: PullOptions) -> PullResult:
    config, found = load_config(invocation.dir)
    if config is None:
        raise InvalidInput(found)
    secrets = wiring.secrets_of(settings.from_environment(), invocation)

    def at_hand(integrations: Iterable[Declared]) -> Mapping[SecretRef, Redacted]:
        found = secrets.of(integrations, desired=session.desired, simulated=False, strict=False)
        return found.values

    return await pull(
        session.api,
        DirectorySource(invocation.dir),
        config=config,
        desired=session.desired,
        options=options,
        values=at_hand,
        today=session.now.date(),
        created_at=timestamp(session.now),
        last_applied=session.last_applied,
        known_organisation=session.known_organisation,
        concurrency=session.parallelism,
        on_progress=session.on_progress,
    )
