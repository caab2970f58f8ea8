"""`reconcile validate`: check the files, offline and without secrets."""

import click

from reconciler import __version__
from reconciler.cli import settings
from reconciler.cli.desired_source import checkout_of
from reconciler.cli.error_reporting import name_explain
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.model_gate import FAILED, FailOn, days_of, escalated, fail_on_option, failing
from reconciler.cli.options import format_option
from reconciler.desired.documents import INTEGRATIONS
from reconciler.desired.load import check_with_models
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.secrets.allowlist import AllowList
from reconciler.views import diagnostics


@click.command("validate", cls=Command)
@format_option("text", "json", "github", "sarif")
@fail_on_option
@click.pass_obj
def command(invocation: Invocation, *, style: str, fail_on: tuple[FailOn, ...]) -> int:
    """Check the files offline and report every problem.

    Without --target, every target is checked. The exit code is 3 if there is an error;
    warnings do not change it, except those that --fail-on names.
    """
    found, has_failed = _findings(invocation, fail_on)
    console = invocation.console
    match style:
        case "json":
            console.data(diagnostics.as_json(found))
        case "github":
            console.data(diagnostics.as_annotations(found))
        case "sarif":
            console.data(diagnostics.as_sarif(found, version=__version__))
        case _:
            console.data(console.fitted_to_stdout(_as_text(invocation, found)))
            name_explain(found, console)
    return FAILED if has_failed or has_errors(found) else 0


def _findings(
    invocation: Invocation, gates: tuple[FailOn, ...]
) -> tuple[tuple[Diagnostic, ...], bool]:
    """Return all problems, and whether a model fails a gate."""
    allowed = AllowList.parse(settings.from_environment().allowed_secrets)
    checked = check_with_models(
        checkout_of(invocation).files,
        target_name=invocation.target,
        today=settings.now().date(),
        # The environment determines which references are allowed, so this module provides the
        # check.
        check_reference=allowed.warning_about,
        expects_creates=True,
        retirement_days=days_of(gates),
    )
    failed = failing(gates, checked.models)
    return escalated(checked.diagnostics, failed), bool(failed)


def _as_text(invocation: Invocation, found: tuple[Diagnostic, ...]) -> str:
    verdict = f"{invocation.dir}: {diagnostics.count(found) or 'no problem found'}"
    # Files in a wrong folder would otherwise seem to be valid.
    if not found and not _declares_any(invocation):
        verdict += f"; no integration is declared in {INTEGRATIONS}/"
    return "\n".join([diagnostics.as_text(found), verdict]) if found else verdict


def _declares_any(invocation: Invocation) -> bool:
    paths = DirectorySource(invocation.dir).paths()
    return any(path.startswith(f"{INTEGRATIONS}/") for path in paths)
