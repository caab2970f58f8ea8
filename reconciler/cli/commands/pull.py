"""`reconcile pull`: write files for existing integrations, so that the next plan is empty."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from reconciler.cli import completion_values, settings, signals, wiring
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import ReadingOptions, command_context, connection
from reconciler.desired.load import load_config
from reconciler.desired.references import template_problem
from reconciler.desired.source import DirectorySource
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared
from reconciler.errors import InvalidInput
from reconciler.planning.plan import Selection
from reconciler.pull import working_copy
from reconciler.pull.pull import PullOptions, PullResult, pull
from reconciler.views import changed_files, diagnostics, findings
from reconciler.workflows import Session, timestamp

if TYPE_CHECKING:
    from reconciler.pull.terraform_adoption import Adoption
    from reconciler.pull.terraform_state import TerraformState

INCOMPLETE = 5

_NOTHING = Selection(exclude=("*",))
"""No secret is selected, because secrets are resolved after the files have changed."""


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
@click.option(
    "--from-terraform",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Pull only what this Terraform state manages; - reads standard input",
)
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
    from_terraform: str | None,
    connection: ReadingOptions,
) -> int:
    """Write files for existing integrations, and count the changes left to plan.

    Without a SLUG, every integration in the target's scope is pulled, except archived ones. A new
    integration gets its own file, with a reference for each secret. An existing document, including
    an overlay, is edited in place: only lines whose declared value differs are changed. A file that
    is new or written with --force declares `workspaces: []` if no workspace has access. The exit
    code is 5 if an integration could not be pulled.

    With --from-terraform, FILE is the output of `terraform show -json`, or a state file. Secrets
    whose values it contains are recorded in the ledger as fingerprints. The command prints the
    `removed` blocks for Terraform.
    """
    if secret_template is not None and (problem := template_problem(secret_template)):
        raise click.BadParameter(problem, param_hint="--secret-template")
    # Terraform does not set a secret that it maps to a secret manager.
    keep_mappings = secret_mappings or from_terraform is not None
    options = PullOptions(patterns, everything, force, secret_template, keep_mappings)
    # Before the API is read, so that an invalid file costs no API call.
    state = None if from_terraform is None else _state_in(from_terraform)

    async def work(_handler: signals.SignalHandler) -> "tuple[PullResult, str, Adoption | None]":
        async with wiring.session(invocation, connection, selection=_NOTHING) as session:
            adoption = None if state is None else _adoption(invocation, state, session)
            pulled = await _pull(invocation, session, options, adoption)
            return pulled, session.ledger, adoption

    pulled, ledger, adoption = signals.run(work)
    steps = () if adoption is None else _recorded(invocation, adoption, pulled)
    working_copy.write(invocation.dir, pulled.changed, before=pulled.before)
    if pulled.diagnostics:
        console = invocation.console
        console.warning(findings.as_text(pulled.diagnostics, verbose=console.verbosity > 0))
    folder = str(invocation.dir)
    text = changed_files.pull_text(pulled, folder=folder, ledger=ledger, terraform=steps)
    invocation.console.data(text)
    return INCOMPLETE if pulled.left_out else 0


def _state_in(path: str) -> "TerraformState":
    from reconciler.cli.terraform_pull import read_file

    return read_file(path)


def _adoption(invocation: Invocation, state: "TerraformState", session: Session) -> "Adoption":
    from reconciler.cli.terraform_pull import adoption_of

    return adoption_of(invocation, state, session)


def _recorded(invocation: Invocation, adoption: "Adoption", pulled: PullResult) -> Iterable[str]:
    """Record the secrets of a Terraform state, and return the lines about leaving Terraform.

    Before the files are written, so that no file is left behind if the ledger fails.
    """
    from reconciler.cli.terraform_pull import record
    from reconciler.pull.terraform_handover import handover
    from reconciler.views.terraform_steps import terraform_lines

    adoption.refuse_secrets_in(pulled.changed)
    found = record(invocation, adoption, pulled)
    if found:
        invocation.console.warning(diagnostics.as_text(found))
    return terraform_lines(
        pulled,
        handover(adoption.state, pulled.slugs),
        is_recorded=not found,
        context=command_context(invocation, click.get_current_context()),
    )


async def _pull(
    invocation: Invocation,
    session: Session,
    options: PullOptions,
    terraform: "Adoption | None",
) -> PullResult:
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
        terraform=terraform,
    )
