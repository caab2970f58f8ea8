"""`reconcile report`: publish a plan, result or drift report on GitHub or GitLab."""

import secrets
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import completion_values, output, settings, signals, wiring
from reconciler.cli.global_options import Command, CommandGroup, Invocation
from reconciler.cli.http_clients import github_of, gitlab_of
from reconciler.cli.options import command_context, grouped
from reconciler.desired.config import choose_target
from reconciler.desired.load import load_config
from reconciler.diagnostics import Diagnostic, error
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.execution.result_documents import document_kind
from reconciler.github import inputs
from reconciler.github.bodies import ReportContext, ReportKind
from reconciler.github.job import Job, is_commit, job_of
from reconciler.planning.codec import MAX_PLAN_BYTES
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.github.inputs import Document
    from reconciler.gitlab.job import GitLabJob

# A problem with a file is reported on GitHub, so the option does not check the file.
_FILE = click.Path(path_type=Path)
_LONGEST_NAME = 255
_LEDGERS = ("shared", "local", "fresh")

_plan = click.option(
    "--plan", type=_FILE, metavar="FILE", help="Plan saved with --out or printed as JSON"
)
_result = click.option(
    "--result", type=_FILE, metavar="FILE", help="Result that `apply` printed as JSON"
)
_drift = click.option(
    "--drift", type=_FILE, metavar="FILE", help="Drift report that `drift` printed as JSON"
)
_fleet_result = click.option(
    "--fleet-result",
    type=_FILE,
    metavar="FILE",
    help="Result that `fleet plan`, `apply` or `drift` printed as JSON",
)


@click.group("report", cls=CommandGroup)
def command() -> None:
    """Publish a plan, result or drift report on GitHub or GitLab."""


@command.command("github", cls=Command)
@_plan
@_result
@_drift
@_fleet_result
@click.option(
    "--environment",
    shell_complete=completion_values.environments,
    metavar="NAME",
    required=True,
    help="Environment that owns the comment or issue",
)
@click.option(
    "--apply-workflow",
    metavar="FILE",
    default="apply.yml",
    show_default=True,
    help="Workflow file that the drift issue names for applying",
)
@grouped(
    "extras",
    inputs.Extras,
    check_run=click.option(
        "--check-run",
        is_flag=True,
        help="Also write the check run `reconcile / NAME` (needs checks: write)",
    ),
    commit=click.option(
        "--commit",
        metavar="SHA",
        help="Commit of the check run  [default: the commit of the event]",
    ),
    label=click.option(
        "--label",
        metavar="LABEL",
        help="Set this label on the pull request if the plan has changes, else remove it",
    ),
)
@click.pass_obj
def github(
    invocation: Invocation,
    /,
    *,
    environment: str,
    apply_workflow: str,
    extras: inputs.Extras,
    **files: Path | None,
) -> int:
    """Write the pull request comment or drift issue, job summary, annotations and outputs.

    Runs in a job of GitHub Actions and reads GITHUB_API_URL, GITHUB_TOKEN, GITHUB_REPOSITORY,
    GITHUB_EVENT_PATH, GITHUB_STEP_SUMMARY and GITHUB_OUTPUT. FILE may also be the error document
    that a command printed instead of its result. Set RECONCILE_GITHUB_LOGIN to the author of the
    comments if the token belongs neither to a person nor to the job.
    """
    from reconciler.github.outputs import annotated
    from reconciler.github.publish import Published, publish, write_job_files
    from reconciler.views.diagnostics import as_annotations

    kind, file = _chosen(**files)
    _check_extras(kind, extras)
    document, unreadable = _document(kind, file, environment)
    job = job_of(settings.from_environment().environment)
    context = _context(
        invocation, job, environment, document, apply_url=job.workflow_page(apply_workflow)
    )
    write_job_files(job, document, kind=kind, context=context, delimiter=secrets.token_hex)
    console = invocation.console
    annotations = as_annotations(annotated(document))
    if annotations:
        console.data(annotations)

    async def work(_handler: signals.SignalHandler) -> Published:
        return await publish(
            job, document, kind=kind, context=context, connect=github_of, extras=extras
        )

    published = signals.run(work)
    if published.warnings:
        console.data(as_annotations(published.warnings))
    console.info(published.sentence)
    # Raised only now, because the report about the missing document is published first.
    if unreadable is not None:
        raise unreadable
    return 0


@command.command("gitlab", cls=Command)
@_plan
@_result
@_drift
@_fleet_result
@click.option(
    "--environment",
    metavar="NAME",
    required=True,
    help="Environment that owns the note or issue",
)
@click.option(
    "--terraform-report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also save the counts for `artifacts:reports:terraform`",
)
@click.pass_obj
def gitlab(
    invocation: Invocation,
    /,
    *,
    environment: str,
    terraform_report: Path | None,
    **files: Path | None,
) -> int:
    """Write the note on the merge request, or the issue of drift or of a fleet.

    Runs in a job of GitLab CI and reads CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID and
    GITLAB_TOKEN, a project access token with the scope `api`; CI_JOB_TOKEN cannot write notes.
    FILE may also be the error document that a command printed instead of its result.
    """
    from reconciler.gitlab.counts import terraform_report as counts_of
    from reconciler.gitlab.job import gitlab_job_of
    from reconciler.gitlab.publish import publish

    kind, file = _chosen(**files)
    if terraform_report is not None and kind is ReportKind.FLEET:
        # A member that failed has no counts, so the sum would look complete and not be.
        raise click.UsageError("--terraform-report cannot be used with --fleet-result")
    document, unreadable = _document(kind, file, environment)
    # First, because the widget shows the counts even if the note fails.
    counts = counts_of(document)
    if terraform_report is not None and counts is not None:
        output.save(terraform_report, counts)
    job = gitlab_job_of(settings.from_environment().environment)
    context = _gitlab_context(invocation, job, environment, document)

    async def work(_handler: signals.SignalHandler) -> str:
        return await publish(job, document, kind=kind, context=context, connect=gitlab_of)

    invocation.console.info(signals.run(work))
    # Raised only now, because the report about the missing document is published first.
    if unreadable is not None:
        raise unreadable
    return 0


_KINDS = {
    "plan": ReportKind.PLAN,
    "result": ReportKind.RESULT,
    "drift": ReportKind.DRIFT,
    "fleet_result": ReportKind.FLEET,
}


def _chosen(**files: Path | None) -> tuple[ReportKind, Path]:
    """Return the one file that was given, with its kind; `files` are the options of a command."""
    chosen = [(_KINDS[name], file) for name, file in files.items() if file is not None]
    if len(chosen) != 1:
        *others, last = [f"--{name.replace('_', '-')}" for name in _KINDS if name in files]
        raise click.UsageError(f"pass exactly one of {', '.join(others)} and {last}")
    return chosen[0]


def _check_extras(kind: ReportKind, extras: inputs.Extras) -> None:
    """Refuse options that the kind of report does not support, and invalid values."""
    if extras.check_run and kind not in {ReportKind.PLAN, ReportKind.RESULT}:
        raise click.UsageError("--check-run can only be used with --plan and --result")
    if extras.commit is not None and not is_commit(extras.commit):
        raise click.UsageError("--commit must be a whole commit id of 40 or 64 hex digits")
    if extras.label is None:
        return
    if kind is not ReportKind.PLAN:
        raise click.UsageError("--label can only be used with --plan")
    if not 0 < len(extras.label.strip()) <= inputs.MAX_LABEL:
        raise click.UsageError(f"--label must have 1 to {inputs.MAX_LABEL} characters")


def _document(
    kind: ReportKind, file: Path, environment: str
) -> "tuple[Document, ReconcilerError | None]":
    """Return the document to report, and the reason if it could not be read.

    A command that was stopped leaves an empty or truncated file. That is also reported; otherwise,
    the previous report would remain.
    """

    def read_fleet(text: str, *, name: str) -> "Document":
        return _fleet_document(text, name=name, environment=environment)

    readers = {
        ReportKind.PLAN: inputs.read_plan,
        ReportKind.RESULT: inputs.read_result,
        ReportKind.DRIFT: inputs.read_drift,
        ReportKind.FLEET: read_fleet,
    }
    try:
        # A problem is returned and not raised: without a report, an earlier one would stay and look
        # current.
        return readers[kind](_text(file), name=str(file)), None
    except ReconcilerError as problem:
        return inputs.FailedCommand(1, (_no_result(kind),)), problem


def _fleet_document(text: str, *, name: str, environment: str) -> "Document":
    """Read the result of a fleet; the package `fleet` renders it."""
    from reconciler.fleet.markdown import fingerprint_of, is_settled, markdown, sentence_of
    from reconciler.fleet.outcome import FleetOperation, decode_fleet_result

    if document_kind(text) == "error":
        return inputs.failed_command(text, name=name)
    result = decode_fleet_result(text, name=name)
    # Added up here: `github` and `gitlab` may not import `fleet`.
    counts: Counter[str] = Counter()
    for member in result.members:
        counts.update(member.summary)
    # An apply counts outcomes, so the remaining changes are only known if there are none.
    knows_counts = result.operation is not FleetOperation.APPLY or is_settled(result)
    return inputs.FleetReport(
        fingerprint=fingerprint_of(result),
        in_sync=is_settled(result),
        partial=result.partial,
        sentence=sentence_of(result),
        counts=counts if knows_counts else None,
        render=lambda limit: markdown(result, environment=environment, limit=limit),
    )


def _no_result(kind: ReportKind) -> Diagnostic:
    return error(
        inputs.NO_RESULT,
        f"no result: the command left no complete {kind.value} document",
        hint="see the log of the job, which was stopped or failed before it could write one",
    )


def _text(file: Path) -> str:
    return output.read(file, limit=MAX_PLAN_BYTES)


def _context(
    invocation: Invocation,
    job: Job,
    environment: str,
    document: "Document",
    *,
    apply_url: str | None,
) -> ReportContext:
    command = command_context(invocation, click.get_current_context())
    return ReportContext(
        _checked_name(environment),
        _ledger_state(invocation),
        workflow_url=job.workflow_url,
        apply_url=apply_url,
        is_pull_request=job.pull_request is not None,
        command_context=command,
        run_url=job.run_url,
        actor=job.actor,
        time=f"{settings.now():%Y-%m-%d %H:%M} UTC",
        plan_age_hours=_plan_age_hours(invocation, document) if job.pull_request else None,
    )


def _gitlab_context(
    invocation: Invocation, job: "GitLabJob", environment: str, document: "Document"
) -> ReportContext:
    """Return the context on GitLab, where a new pipeline has the role of a workflow on GitHub."""
    from reconciler.gitlab.publish import TERMS

    return ReportContext(
        _checked_name(environment),
        _ledger_state(invocation),
        workflow_url=job.new_pipeline_url,
        apply_url=job.new_pipeline_url,
        is_pull_request=job.merge_request is not None,
        command_context=command_context(invocation, click.get_current_context()),
        run_url=job.run_url,
        actor=job.actor,
        time=f"{settings.now():%Y-%m-%d %H:%M} UTC",
        plan_age_hours=_plan_age_hours(invocation, document) if job.merge_request else None,
        terms=TERMS,
    )


def _checked_name(environment: str) -> str:
    if not environment.strip() or len(environment) > _LONGEST_NAME:
        problem = error("environment", f"--environment must have 1 to {_LONGEST_NAME} characters")
        raise InvalidInput([problem])
    return environment


def _ledger_state(invocation: Invocation) -> str:
    """Return the ledger's state from the workflow, else from this machine."""
    known = settings.variable("RECONCILE_LEDGER_STATE")
    # The reporting job can run on a machine without the ledger.
    return known if known in _LEDGERS else wiring.ledger_state(invocation)


def _plan_age_hours(invocation: Invocation, document: "Document") -> float | None:
    """Return for how long a plan can be applied after its merge, None if unknown."""
    if not isinstance(document, Plan):
        return None
    config, _ = load_config(invocation.dir)
    target, _ = choose_target(config, document.target.name) if config else (None, ())
    return target.limits.plan_age_hours if target else None
