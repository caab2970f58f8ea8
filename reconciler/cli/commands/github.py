"""`reconcile github`: steps of the workflows in .github/workflows."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from reconciler import git
from reconciler.cli import output, settings, signals, wiring
from reconciler.cli.desired_source import repository_of
from reconciler.cli.global_options import Command, CommandGroup, Invocation, argument
from reconciler.cli.http_clients import github_of
from reconciler.cli.options import format_option
from reconciler.desired.source import DirectorySource
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.drift.codec import decode_report
from reconciler.drift.report import DriftReport, moved_in_api
from reconciler.errors import InvalidInput, Refused, write_hint
from reconciler.git.commits import files_at, newest_known
from reconciler.github.job import Job, job_of
from reconciler.planning import codec
from reconciler.planning.approval import sends_secrets_only
from reconciler.planning.plan import Plan

if TYPE_CHECKING:
    from reconciler.github.approvals import GatheredPlans

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_RECENT = 50
"""Number of runs to read first; rarely, all of them are incomplete."""


@click.group("github", cls=CommandGroup, hidden=True)
def command() -> None:
    """Run the steps of the GitHub workflows."""


@command.command("check-commit", cls=Command)
@format_option("text", "json")
@click.pass_obj
def check_commit(invocation: Invocation, *, style: str) -> int:
    """Check that the job works on the newest commit of the branch that triggered it.

    The exit code is 4 if it does not, for example because an old job was started again, or if the
    job was started manually on a branch other than the default branch.
    """
    from reconciler.github.commits import require_newest_commit
    from reconciler.views import json

    job = job_of(settings.from_environment().environment)

    async def work(_handler: signals.SignalHandler) -> None:
        async with github_of(job) as github:
            await require_newest_commit(github, job)

    signals.run(work)
    commit = job.required_commit()
    if style == "json":
        document = {"format_version": "1", "kind": "checked_commit", "commit": commit}
        invocation.console.data(json.document(document))
    else:
        invocation.console.info(f"commit {commit} is the newest of {job.branch}")
    return 0


@command.command("check-comment", cls=Command)
@click.option(
    "--environment", metavar="NAME", required=True, help="Environment that the plan is for"
)
@click.pass_obj
def check_comment(invocation: Invocation, *, environment: str) -> int:
    """Check that the comment `/plan` of the event may start a plan, and which commit it is about.

    The step's outputs are `head`, `base` and `merge`; they are empty for any other comment,
    including one whose author has no write access to the repository. The exit code is 4 if the head
    may have been pushed after the comment, or cannot be merged.
    """
    from reconciler.github.outputs import append_outputs
    from reconciler.github.plan_comment import (
        AuthorNotAllowed,
        RequestedPlan,
        answer,
        requested_plan,
    )

    job = job_of(settings.from_environment().environment)
    pause = wiring.clock().sleep

    async def work(_handler: signals.SignalHandler) -> RequestedPlan | None:
        async with github_of(job) as github:
            try:
                found = await requested_plan(github, job, environment=environment, pause=pause)
            except Refused as refused:
                await answer(github, job, environment=environment, refusal=refused)
                if not isinstance(refused, AuthorNotAllowed):
                    raise
                # Not a failure, because any comment could then fill the list with failed runs.
                invocation.console.info(refused.diagnostics[0].summary)
                return None
            if found is not None:
                await answer(github, job, environment=environment)
            return found

    found = signals.run(work)
    outputs = {"head": "", "base": "", "merge": ""}
    if found is not None:
        outputs = {"head": found.head, "base": found.base, "merge": found.merge}
        invocation.console.info(f"planning {found.head} of pull request #{found.number}")
    if job.output is not None:
        # A random delimiter, because a value that contains a known delimiter could set further
        # outputs.
        append_outputs(job.output, outputs, delimiter=secrets.token_hex)
    return 0


@command.command("find-base", cls=Command)
@click.option(
    "--artifact",
    metavar="NAME",
    required=True,
    help="Name of the artifact that a complete apply uploads",
)
@format_option("text", "json")
@click.pass_obj
def find_base(invocation: Invocation, *, artifact: str, style: str) -> int:
    """Print the commit that was applied last, for --base; nothing if there is none.

    It is the newest commit of the clone that the ledger or an artifact of an earlier run names,
    else the commit before the push. The step's output is `base`.
    """
    from reconciler.github.client import GitHubForbidden
    from reconciler.github.commits import last_applied_commit
    from reconciler.github.outputs import append_outputs
    from reconciler.views import diagnostics, json

    job = job_of(settings.from_environment().environment)
    target = wiring.read_target(invocation, settings.from_environment()).name

    async def work(_handler: signals.SignalHandler) -> str | None:
        try:
            async with github_of(job) as github:
                return await last_applied_commit(github, job, artifact=artifact)
        except GitHubForbidden as refused:
            hint = "grant the job actions: read"
            found = warning(
                refused.code,
                f"the earlier runs could not be determined: {refused.summary}",
                hint=hint,
            )
            invocation.console.warning(diagnostics.as_text([found]))
            return None

    named = signals.run(work), _last_applied(invocation, target)
    # The commit before the push comes last: it was declared, but possibly not applied.
    base = _newest(invocation, named) or _newest(invocation, (job.commit_before,))
    if job.output is not None:
        append_outputs(job.output, {"base": base or ""}, delimiter=secrets.token_hex)
    if style == "json":
        document = {"format_version": "1", "kind": "base_commit", "commit": base}
        invocation.console.data(json.document(document))
    elif base is not None:
        invocation.console.data(base)
    return 0


def _newest(invocation: Invocation, commits: Iterable[str | None]) -> str | None:
    """Return the newest of the commits that this clone has."""
    named = [commit for commit in commits if commit is not None]
    try:
        return newest_known(repository_of(invocation), named)
    except git.GitError:
        return None  # the plan of these files has the warning


@command.command("gather-plans", cls=Command)
@click.option("--plan", type=_FILE, metavar="FILE", required=True, help="Plan of the current files")
@click.option(
    "--out", type=_FOLDER, metavar="DIR", required=True, help="Folder to save the approved plans in"
)
@click.option(
    "--artifact",
    metavar="NAME",
    required=True,
    help="Name of the uploaded plans, without `-<commit>`",
)
@click.option(
    "--workflow",
    metavar="FILE",
    default="plan.yml",
    show_default=True,
    help="Workflow that uploads the plans",
)
@click.option("--since", metavar="SHA", help="Last applied commit  [default: from the ledger]")
@format_option("text", "json")
@click.pass_obj
def gather_plans(
    invocation: Invocation,
    *,
    plan: Path,
    out: Path,
    artifact: str,
    workflow: str,
    since: str | None,
    style: str,
) -> int:
    """Save the plans that were approved by merging, for `reconcile apply DIR/*.json`.

    The exit code is 4 if there is none and the current plan does more than renew secrets. The
    step's outputs are `pull_request`, `author` and `approver`, for the record of the run.
    """
    from reconciler.github.approvals import ApprovalQuery, gather
    from reconciler.github.outputs import append_outputs
    from reconciler.views import diagnostics, json

    fresh = codec.decode(output.read(plan, limit=codec.MAX_PLAN_BYTES), name=str(plan))
    job = job_of(settings.from_environment().environment)
    head = job.required_commit()
    begin = since or _last_applied(invocation, fresh.target.name) or job.commit_before
    wanted = ApprovalQuery(artifact=artifact, workflow=workflow, branch=job.branch)

    async def work(_handler: signals.SignalHandler) -> "GatheredPlans":
        async with github_of(job) as github:
            return await gather(github, since=begin, head=head, wanted=wanted)

    gathered = signals.run(work)
    if gathered.diagnostics:
        invocation.console.warning(diagnostics.as_text(gathered.diagnostics))
    if not (gathered.approved or fresh.in_sync or sends_secrets_only(fresh)):
        raise Refused([_not_approved(job)], plan=fresh)
    plans = {f"pull-request-{item.number}": item.plan for item in gathered.approved}
    # Without an approved plan, either nothing differs or only secrets are renewed, which needs no
    # approval. `apply` then gets a plan that approves nothing, and checks this itself.
    _save(out, plans or {"nothing-to-do": replace(fresh, actions=(), unverified=())})
    if job.output is not None:
        append_outputs(job.output, _facts(gathered), delimiter=secrets.token_hex)
    if style == "json":
        listed = [
            {"pull_request": item.number, "digest": item.plan.digest} for item in gathered.approved
        ]
        invocation.console.data(
            json.document({"format_version": "1", "kind": "approved_plans", "plans": listed})
        )
    else:
        invocation.console.info(f"gathered {len(gathered.approved)} approved plans")
    return 0


@command.command("moved", cls=Command)
@argument("file", metavar="DRIFT", type=_FILE, description="Drift report saved with --format json")
@click.pass_obj
def moved(invocation: Invocation, *, file: Path) -> int:
    """Print the slugs that changed in the API and that `reconcile pull` can adopt, one per line."""
    report = _report(file)
    for slug in moved_in_api(report):
        invocation.console.data(slug)
    return 0


@command.command("propose", cls=Command)
@click.option(
    "--drift", type=_FILE, metavar="FILE", required=True, help="Drift report of the pulled changes"
)
@click.option(
    "--environment", metavar="NAME", required=True, help="Environment that owns the pull request"
)
@click.option(
    "--base",
    metavar="BRANCH",
    default="main",
    show_default=True,
    help="Base branch of the pull request",
)
@click.pass_obj
def propose_pull(invocation: Invocation, *, drift: Path, environment: str, base: str) -> int:
    """Open or update the pull request with the files that `reconcile pull` has written."""
    from reconciler.github.bodies import ReportContext, proposal_text
    from reconciler.github.pull_request import Proposal, propose

    job = job_of(settings.from_environment().environment)
    files = _changed(invocation)
    if not files:
        invocation.console.info("there are no pulled changes to propose")
        return 0
    context = ReportContext(
        environment,
        wiring.ledger_state(invocation),
        workflow_url=job.workflow_page("apply.yml"),
        time=f"{settings.now():%Y-%m-%d %H:%M} UTC",
    )
    proposal = Proposal(
        # One branch for each environment, so that a later run updates its pull request.
        branch=f"reconcile/adopt-{quote(environment, safe='')}",
        base=base,
        onto=job.required_commit(),
        title=f"Adopt what has changed in the API ({environment})",
        body=proposal_text(_report(drift), context),
        files=files,
    )

    async def work(_handler: signals.SignalHandler) -> int:
        async with github_of(job) as github:
            return await propose(github, proposal)

    invocation.console.info(f"pull request #{signals.run(work)}")
    return 0


def _report(file: Path) -> DriftReport:
    return decode_report(output.read(file, limit=codec.MAX_PLAN_BYTES), name=str(file))


def _changed(invocation: Invocation) -> dict[str, str | None]:
    """Return the files below a folder that differ from HEAD, by path in the repository."""
    folder = invocation.dir
    # HEAD, because `reconcile pull` has written files without a commit.
    before = files_at("HEAD", repository=repository_of(invocation)).files
    there = DirectorySource(folder)
    now = {path: there.read(path) for path in there.paths()}
    changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
    return {
        (folder / path).as_posix(): now[path].decode("utf-8") if path in now else None
        for path in changed
    }


def _last_applied(invocation: Invocation, target: str) -> str | None:
    """Return the commit of the last complete run on a target, from the ledger."""
    from reconciler.ledger.errors import LedgerError

    ledger_access = wiring.ledger_access_of(invocation, settings.from_environment())
    try:
        with ledger_access.open(read_only=True) as ledger:
            # Almost always among the newest runs; otherwise, the whole history is read.
            newest = _complete(ledger.history(target=target, limit=_RECENT))
            return newest or _complete(ledger.history(target=target))
    # An artifact of an earlier run may still name the commit.
    except LedgerError:
        return None


def _complete(runs: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the commit of the newest complete run."""
    for run in reversed(runs):
        incomplete = sum(
            run["summary"].get(status, 0) for status in ("failed", "skipped", "unknown")
        )
        # A commit that was applied in part must stay within the range whose approvals count.
        if run["finished_at"] and run["commit"] and not incomplete:
            return str(run["commit"])
    return None


def _save(out: Path, plans: Mapping[str, Plan]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        summary = f"{out}: {reason.strerror or 'cannot be created'}"
        problem = error("cannot-save", summary, hint=write_hint(reason))
        raise InvalidInput([problem]) from reason
    for name, plan in plans.items():
        output.save(out / f"{name}.json", codec.encode(plan))


def _facts(gathered: "GatheredPlans") -> dict[str, str]:
    """Return the step's outputs: pull requests, authors, and who approved which commit."""
    reviews = [f"{who}@{what}" for item in gathered.approved for who, what in item.reviewers]
    return {
        "pull_request": ",".join(str(item.number) for item in gathered.approved),
        "author": ",".join(dict.fromkeys(i.author for i in gathered.approved if i.author)),
        "approver": ",".join(dict.fromkeys(reviews)),
    }


def _not_approved(job: Job) -> Diagnostic:
    where = f" at {job.workflow_url}" if job.workflow_url else ""
    return error(
        "not-approved",
        "no plan was approved by merging a pull request",
        hint=f"review the current plan; to approve it, run the workflow manually{where} "
        "with its digest",
    )
